/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call - one open request, from its decoding to its one answer
 *
 * A call ends exactly once: answered (call_answer, call_fail) or dropped with its connection
 * (call_drop). While it waits for somebody, `forget` tells that somebody that it has ended without
 * them: by its deadline, or because the client has gone.
 *
 *   call_new -> [call_stage -> go] -> [queue -> worker] -> call_answer | call_fail | call_drop
 */
#pragma once

#include <event2/event_struct.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "front/passed.h"
#include "front/reply.h"
#include "front/request.h"

struct connection;
struct front;
struct lane;
struct listing;
struct operation;
struct route_token;
struct worker;

enum call_place {
    CALL_NOWHERE, /* in the hands of its handler */
    CALL_STAGED,  /* its audit record is gathered and not yet written */
    CALL_QUEUED,  /* waits for a worker with room */
    CALL_SENT,    /* a worker has it */
    CALL_ASKED,   /* the supervisor has it */
    CALL_LISTING, /* goes on looking at names in the next turn */
};

struct call {
    struct front *front;
    struct connection *connection; /* NULL: the front's own */
    const struct operation *operation;
    uint64_t client_id;
    uint64_t request_id;
    uint64_t started_us;
    size_t charged;                                    /* bytes, to the caller's quota */
    char subject[KEYNAME_MAX + CONFIG_TITLE_MAX + 16]; /* key, label or token; for log and audit */
    char rule[CONFIG_TITLE_MAX + 1];                   /* which allowed it */
    bool recorded;                                     /* the front's audit has it */
    bool sent;                                         /* a worker has it, or had */
    bool executed;                                     /* a worker has answered it */
    uint64_t execution_us;                             /* by its word */
    enum call_place place;
    void (*go)(struct call *call);     /* once its audit record is written */
    void (*forget)(struct call *call); /* it ends while it is not NOWHERE */
    struct buf job;                    /* packed, until a worker has it */
    int files[PASSED_MAX];             /* beside the job, until a worker has it; then -1 */
    size_t n_files;                    /* charged to the caller until the call ends */
    struct route_token *token;         /* which it waits for, or had it last */
    uint64_t others;                   /* of its group, by index, that were not asked and could */
    uint64_t generation;               /* of the configuration that decided so */
    struct lane *lane;                 /* of turns.c, while QUEUED */
    struct worker *worker;
    struct listing *listing; /* of op_list.c */
    struct event deadline;
    TAILQ_ENTRY(call) open;  /* in its connection */
    TAILQ_ENTRY(call) queue; /* where it waits */
};

TAILQ_HEAD(call_list, call);

/* A new one with a request id of its own; NULL: no memory. `connection` NULL: the front's own,
 * which is told of its end through its operation's finish() and fail(). */
struct call *call_new(struct front *front, struct connection *connection,
                      const struct operation *operation, uint64_t client_id, size_t charged);

/* Closes the files: a worker has them. */
void call_close_files(struct call *call);

/* Starts the clock that answers DEADLINE. */
void call_start_deadline(struct call *call, uint32_t deadline_ms);

/* Records "forwarded" and calls `go` once the record is written; AUDIT_UNWRITABLE if it cannot be.
 */
void call_stage(struct call *call, void (*go)(struct call *), void (*forget)(struct call *));

/* Ends it with an answer; fills the reply's id, operation and err. */
void call_answer(struct call *call, struct reply *reply);

/* Ends it with an error. */
void call_fail(struct call *call, ks_err err, const struct fault *why);

/* Ends it: there is nobody left to answer. */
void call_drop(struct call *call);
