/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route_private - what route.c (tokens and their workers), route_queue.c (calls that wait for a token,
 * and who is next) and route_group.c (which token of a group) share; for nobody else
 */
#pragma once

#include "front/front.h"
#include "front/route.h"
#include "front/turns.h"

/* One for each worker that a token may have. */
struct place {
    struct worker *worker; /* NULL: there is none */
    enum token_state state;
    bool told;   /* the supervisor has said its state since the last worker came or went */
    bool listed; /* the directory holds the keys of the token that it serves */
    uint64_t n_restarts;
};

/* The last two callers, the last one first, and when they asked last. */
struct recent {
    bool used;
    uint64_t caller;
    uint64_t asked_ms;
};

struct route_token {
    struct front *front;
    char name[CONFIG_TITLE_MAX + 1];
    struct control_state state;                  /* of the whole token, as the supervisor says */
    struct place places[CONFIG_MAX_WORKERS + 1]; /* by worker index, from 1 */
    struct turns any, first;                     /* waiting: for any worker, for the first */
    struct turns slow; /* waiting for the first to have no slow job: the rest overtakes them */
    struct recent recent[2];
    unsigned int n_waiting; /* in the queues, and staged */
};

struct route {
    struct front *front;
    struct route_token **tokens;
    size_t n_tokens;
};

/* route.c: */

/* NULL: it is not configured. */
struct route_token *route_token_find(const struct route *route, const char *name);

/* It takes jobs: the one in this place; any one of the token, or the first. */
bool route_place_ready(const struct place *place);
bool route_token_has_worker(const struct route_token *token, bool first);

/* Why it has none, in the supervisor's words: LOGIN_BLOCKED, TOKEN_UNAVAILABLE. */
ks_err route_token_unavailable(const struct route_token *token, struct fault *why) KS_MUST_CHECK;

/* route_queue.c: */

/* So much waits for the token that this call is refused: `why`, and counted. */
bool route_queue_full(const struct route_token *token, const struct call *call, struct fault *why);

/* The call waits for its token once its audit record is written. */
void route_queue_stage(struct call *call);

/* A call in nobody's hands waits for this token now. INTERNAL: no memory, it is as it was. */
ks_err route_queue_move(struct call *call, struct route_token *token) KS_MUST_CHECK;

/* Fills the workers' windows. */
void route_queue_pump(struct route_token *token);

/* Fails what nobody is there to do, or another token of its group takes it; nothing of it was begun. */
void route_queue_fail_hopeless(struct route_token *token);

/* The token is not configured any more: fails what is staged for it; all that waits for it. */
void route_queue_fail_staged(struct route_token *token);
void route_queue_fail_all(struct route_token *token);

/* route_group.c: */

/*
 * The token that is to do this, of those of `place` (route_submit) in `members`, and which of them it
 * is: the least loaded one with a worker, for a change the first one. NULL: none has a worker.
 */
struct route_token *route_group_pick(const struct route *route, const char *place, uint64_t members,
                                     const struct operation *operation, size_t *index);

/* Why route_group_pick() found none. */
ks_err route_group_unavailable(const struct route *route, const char *place, uint64_t members,
                               struct fault *why) KS_MUST_CHECK;

/* The call is in nobody's hands: its token was lost, or does not have what it should. True: another
 * token of the group has it now. */
bool route_group_move(struct call *call);
