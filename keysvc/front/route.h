/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route - from a call to a worker of its token
 *
 * A token has one queue that any of its workers empties, one for what only the first may do, and one
 * for what keeps that one for seconds; in each the callers take turns (turns.h). A worker is given at
 * most WORKER_WINDOW jobs at a time, and of the slow ones one; the least loaded one first. A call
 * whose token has no worker to do it fails at once: nothing waits for a token that may never come.
 *
 * Of a group (tokens that show the same keys) a call goes to the least loaded token that has a
 * worker; a change goes to the first in the order of its section. What no worker was given yet moves
 * to another token when its own is lost. What one was given, and changes nothing, is sent once more:
 * not oftener, since it may be what its worker died of.
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"
#include "front/call.h"
#include "front/reply.h"
#include "front/worker.h"
#include "ipc/control.h"

struct route;

ks_err route_new(struct front *front, struct route **out) KS_MUST_CHECK;
struct route *route_free(struct route *route);

/* Tokens come and go with the configuration. INTERNAL: no memory. */
ks_err route_configure(struct route *route, const struct config *config) KS_MUST_CHECK;

/* From the supervisor. Takes `fd`. BAD_REQUEST: no such token or worker. */
ks_err route_worker(struct route *route, const struct control_worker *worker, int fd) KS_MUST_CHECK;
ks_err route_state(struct route *route, const struct control_state *state) KS_MUST_CHECK;

#define ROUTE_ANY UINT64_MAX /* every token of a group */

/*
 * Stages the call with this job. `place` is a token, or a group of which those in `members` can do
 * it, by index (config_member). TOKEN_UNAVAILABLE, LOGIN_BLOCKED: nobody can do it now, `why` has
 * the supervisor's words; BUSY: the queue is full (some places are for administrators).
 */
ks_err route_submit(struct route *route, struct call *call, const char *place, uint64_t members,
                    const struct job *job, struct fault *why) KS_MUST_CHECK;

/* Some worker of this token takes jobs. */
bool route_ready(const struct route *route, const char *token);

/* Why nobody knows yet which keys the token has: LOGIN_BLOCKED, TOKEN_UNAVAILABLE. */
ks_err route_unknown(const struct route *route, const char *token, struct fault *why) KS_MUST_CHECK;

/* The end of a turn: writes to the workers. */
void route_flush(struct route *route);

/* What status shows of the token at `index`; false: there are no more. */
bool route_describe(const struct route *route, size_t index, struct reply_token *out);

/* The place of one of its workers, from 1 to CONFIG_MAX_WORKERS; false: it has none. */
struct route_worker_state {
    const char *token;
    uint32_t worker;
    bool ready;
    uint64_t n_restarts;
    struct worker_audit audit; /* not known: there is no process, or it has not spoken */
};
bool route_describe_worker(const struct route *route, size_t index, uint32_t worker,
                           struct route_worker_state *out);

/* The first worker of this token takes jobs. */
bool route_first_ready(const struct route *route, const char *token);

/* The token that may still make or destroy this version (0: any of the name) for a caller who waits
 * no more. NULL: none. */
const char *route_may_change(const struct route *route, const char *name, uint32_t version);

/* The name of a call's token. */
const char *route_token_name(const struct route_token *token);
