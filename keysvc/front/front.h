/* SPDX-License-Identifier: Apache-2.0 */
/*
 * front - the process between the clients and the token processes: who may ask
 *
 * One thread, one event loop (discard.c has threads that only close). Each turn of the loop runs what is ready and then settles
 * (front_settle): the audit records of the turn are written with one write, then the jobs that
 * depend on them go to the workers, then the answers go to the clients. Nothing else writes to a
 * socket, so a busy turn costs few system calls.
 *
 *   connection -> decode -> dispatch -> op_*.c -> route -> worker -> (token process)
 *                                                              |
 *   connection <- encode <- call <------------- op_*.c <-------+
 */
#pragma once

#include <event2/event.h>

#include "front/call.h"
#include "front/connection.h"
#include "front/metrics.h"
#include "ipc/config.h"
#include "ipc/control.h"

#define FRONT_READ_LEN (64 * 1024) /* bytes taken from one connection in a turn */

struct arena;
struct audit;
struct checkpoint;
struct control;
struct directory;
struct doubts;
struct listener;
struct look;
struct quota;
struct refusals;
struct route;

/* What the parts share. Each part is made and freed by front.c. */
struct front {
    struct event_base *base;
    struct config *config; /* of the current generation; hold no pointer into it between turns */
    struct control *control;
    struct audit *audit;
    struct refusals *refusals, *reads; /* what of them is written down */
    struct checkpoint *checkpoint;
    struct quota *quota;
    struct directory *directory;
    struct doubts *doubts; /* of what the directory holds */
    struct route *route;
    struct look *look;
    struct listener *listener;
    struct arena *arena; /* of the request that is being decoded */
    uint8_t *scratch;    /* FRONT_READ_LEN */
    struct connections connections;
    struct call_list staged;  /* calls whose audit records are not yet written */
    struct call_list listing; /* calls that look at names, some in each turn (op_list.c) */
    uint64_t list_round;
    uint64_t turn; /* of the loop */
    size_t n_calls;
    struct event *tick, *second, *forgive;
    bool sync_due;                /* a second is over */
    enum control_sandbox sandbox; /* that is in force */
    struct control_tally tally;   /* the supervisor's last word on what it counts */
    struct metrics metrics;
    uint64_t started_ms, started_wall_us;
    uint64_t next_request_id;
    uint64_t stop_at_ms; /* 0: not stopping; else when to stop waiting for open calls */
    bool done;
};

/* Reads SETUP from the supervisor's socket, which it takes, and prepares everything. BAD_REQUEST,
 * DEADLINE, NO_SERVICE, AUDIT_UNWRITABLE, INTERNAL: it cannot start. */
ks_err front_new(int control_fd, struct front **out, struct fault *why) KS_MUST_CHECK;

/* Serves until the supervisor says STOP (KS_OK) or can no longer be trusted (NO_SERVICE,
 * BAD_REQUEST). */
ks_err front_run(struct front *front) KS_MUST_CHECK;
struct front *front_free(struct front *front);
void front_freep(struct front **front);

/* Answers what is open, accepts nothing new. */
void front_stop(struct front *front);

/* Takes the new generation's configuration, atomically for all requests that come after. */
void front_configure(struct front *front, struct config *config);
