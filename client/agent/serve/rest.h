/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rest - the REST interface: who asks, which operation, what the answer is; docs/openapi.yaml
 *
 * Paths under /e/ENVIRONMENT/ answer errors as plain text, those under /api/ as the JSON of report.h.
 * Whoever asks shows a token (api_token.h) or a certificate by the configured CA. One struct rest for
 * the process, for all threads; a thread's agent is its own.
 */
#pragma once

#include "client/agent/agent.h"
#include "client/web/request.h"

struct rest;

/* Also makes jansson wipe what it frees: passwords come in JSON. Before any thread begins. */
ks_err rest_new(const struct agent_config *config, struct rest **out,
                struct fault *why) KS_MUST_CHECK;
/* Takes NULL, returns NULL. */
struct rest *rest_free(struct rest *rest);

/* Before its body is there: answers only whom it does not know. */
void rest_admit(struct rest *rest, struct agent *agent, struct web_request *request);
/* Answers exactly once. */
void rest_handle(struct rest *rest, struct agent *agent, struct web_request *request);
