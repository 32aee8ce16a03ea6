/* SPDX-License-Identifier: Apache-2.0 */
/*
 * steps - what several verbs' steps share: requests of the REST interface, what an agent showed
 */
#pragma once

#include "client/agent/console/work.h"

/* The agent's own status, over `trust` (a peer's own, or that of a change under way). Without a token
 * or certificate of the console's only the handshake. */
void step_ask_status(const struct peer *peer, const struct trust *trust,
                     struct exchange_request *next);

/* The handshake only, whoever it is; nothing is sent. */
void step_look(struct exchange_request *next);

/* The fields "address", "status", "certificate" (as it was shown) and "agent" (its status), and what is
 * kept of it in the list. */
void step_note_status(struct job *job, struct exchange *answered);

/* Keeps what the agent remarks on a change that is right, as field "note". */
void step_take_note(struct job *job, const json_t *answer);
/* outcome_done(), with that note behind it. */
void step_done(struct job *job, const char *format, ...) KS_PRINTF(2, 3);

/* What is trusted after an apply or a new self-signed certificate that `shown` proves. By a CA it
 * stays, if one of `authorities` (NULL: none) issued it to the agent's name; else it is pinned. */
ks_err step_trust_new(struct peer *peer, X509 *leaf, STACK_OF(X509) * chain,
                      const STACK_OF(X509) * authorities) KS_MUST_CHECK;
