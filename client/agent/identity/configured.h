/* SPDX-License-Identifier: Apache-2.0 */
/*
 * configured - that the running agent could not take certificate-file of agent.conf, for those who ask later
 *
 * The agent serves without it, so whoever looks at what is served would not know. It stands in
 * STATE/certificate-file.json from the start that failed until one that did not.
 */
#pragma once

#include "client/agent/agent.h"

/* Keeps what was told; `taken`: only the password could not be replaced. A failure is logged. */
void configured_refused(struct agent *agent, bool taken, const struct report *report);

/* All is well with it, or there is none. */
void configured_clear(struct agent *agent);

/* {"file", "at", "taken", "code", "message", "hint"}; NULL: nothing is known to be wrong. json_decref. */
json_t *configured_trouble(struct agent *agent);
