/* SPDX-License-Identifier: Apache-2.0 */
/*
 * turn - who may initialise a module or log in now: one process at a time on the whole host
 *
 * SoftHSM processes that start together break each other, so starts and logins take turns. A holder
 * that overstays (a module that hangs) then keeps out only those of its own token: one token's
 * trouble is not the others'.
 */
#pragma once

#include <event2/event.h>
#include <sys/queue.h>

#include "base/err.h"
#include "base/util.h"

#define TURN_MAX_MS 30000 /* longer than any start that was seen; a TPM's takes seconds */

struct turn;

/* Embedded in whoever waits; set granted, context and token before the first use. `token` is the
 * caller's and lives as long as the place is used. */
struct turn_place {
    void (*granted)(void *context);
    void *context;
    const char *token;
    enum { TURN_OUT = 0, TURN_WAITING, TURN_HELD, TURN_OVERDUE } state;
    TAILQ_ENTRY(turn_place) entry;
};

ks_err turn_new(struct event_base *base, uint32_t max_ms, struct turn **out) KS_MUST_CHECK;
/* Nobody may be in it any more. */
struct turn *turn_free(struct turn *turn);

/* Queues; granted() is called at once or later, once. Waiting or holding already: nothing happens.
 */
void turn_want(struct turn *turn, struct turn_place *place);

/* Gives the turn back or leaves the queue; harmless when out. */
void turn_done(struct turn *turn, struct turn_place *place);

bool turn_held(const struct turn_place *place);
