/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker - one place for a token process: its process now, and its restarts
 *
 *                    worker_start()           READY
 *          DOWN  ------------------> STARTING ------> READY
 *           ^                           |               |     worker_stop(): STOP was sent
 *           |        process gone       v               v
 *           +------------------------ (any) <------- STOPPING
 *
 * A worker does not start by itself: when its back-off is over it says WORKER_DUE, and its token
 * (token.c) decides.
 */
#pragma once

#include "supervisor/child.h"
#include "supervisor/login.h"

#define WORKER_CONFIG_MS 10000 /* in which an idle one has taken a new configuration */

enum worker_state {
    WORKER_DOWN = 0,
    WORKER_STARTING,
    WORKER_READY,
    WORKER_STOPPING,
    WORKER_STATE_COUNT,
};

enum worker_event {
    WORKER_IS_READY,    /* wire it to the front; the others may start */
    WORKER_CHANGED,     /* worker_status() has something new */
    WORKER_CONFIG_DONE, /* it has taken the generation it was sent last */
    WORKER_IS_DOWN,     /* its process is gone; not to be freed inside of the call */
    WORKER_DUE,         /* it is down and may be started again */
};

struct worker;

typedef void (*worker_listener)(void *context, struct worker *worker, enum worker_event event);

/* `launch` and `login` outlive it. `settings` must know the token; the worker keeps a reference. */
ks_err worker_new(const struct launch *launch, struct settings *settings, struct login *login,
                  const char *token, uint32_t index, worker_listener listener, void *context,
                  struct worker **out) KS_MUST_CHECK;

/* Takes NULL. A process that still runs is killed. */
struct worker *worker_free(struct worker *worker);

/* Only when DOWN and due. A start that fails is a death: back-off, then WORKER_DUE. */
void worker_start(struct worker *worker);
bool worker_due(const struct worker *worker);

/* Due at once, its past forgotten: an administrator or a new PIN file says so. */
void worker_forgive(struct worker *worker);

/* Asks it to finish and not to come back. */
void worker_stop(struct worker *worker);

/* SIGKILL now. `why` is logged. False: it was spared, since the profile forbids it in this moment;
 * unless `force`. */
bool worker_kill(struct worker *worker, bool force, const char *why);

/* Kills it when a call is beyond its bound. */
void worker_check_hang(struct worker *worker, uint64_t now_ms);

/* Sends the end of a socketpair to the front; the caller keeps its descriptor. */
void worker_send_front(struct worker *worker, int fd);

/* A new generation: to a ready worker now, to one that is starting or has another one to take when that is
 * done. WORKER_CONFIG_DONE follows. Jobs of the generations before are not begun from now on. */
void worker_send_config(struct worker *worker, struct settings *settings);
/* Only the last. */
void worker_end_before(struct worker *worker, uint64_t generation);
/* READY and has not yet taken the newest generation. */
bool worker_owes_config(const struct worker *worker);
/* Kills whoever owes it for WORKER_CONFIG_MS and was in no call into its module, nor at the gate of its
 * store, for as long. */
void worker_check_config(struct worker *worker, uint64_t now_ms);

/* Gives it a new audit file if its own was renamed away or removed; tells it if none can be had. */
void worker_rotate_audit(struct worker *worker);

enum worker_state worker_state(const struct worker *worker);
uint32_t worker_index(const struct worker *worker);
const struct control_state *worker_status(const struct worker *worker);
