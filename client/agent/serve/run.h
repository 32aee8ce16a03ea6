/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run - the agent as a service: its own certificate, then HTTPS until it is told to end
 */
#pragma once

#include "client/agent/agent.h"

/*
 * Makes identity `agent` at first use, waiting for keysvcd as long as it takes, and serves until
 * SIGTERM or SIGINT. The log goes to standard error, the service manager is told. What cannot be
 * helped by waiting is an error: no rule in keysvcd.conf, an address that is taken.
 */
ks_err run_agent(struct agent *agent, struct report *report) KS_MUST_CHECK;
