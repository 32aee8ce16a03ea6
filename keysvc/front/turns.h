/* SPDX-License-Identifier: Apache-2.0 */
/*
 * turns - calls that wait for a worker: those of one caller one behind the other, the callers in turn
 *
 * However many calls one caller has waiting, another's goes behind one of them. The front's own calls
 * are a caller's too. Who has just begun to wait comes last of the round.
 */
#pragma once

#include "base/err.h"
#include "front/call.h"

struct lane;

struct turns {
    TAILQ_HEAD(, lane) lanes; /* one for each caller who waits, the next first */
};

void turns_init(struct turns *turns);

/* INTERNAL: no memory. */
ks_err turns_put(struct turns *turns, struct call *call) KS_MUST_CHECK;

/* It waits no longer: its caller has had its turn. */
void turns_remove(struct turns *turns, struct call *call);

/* Whose turn it is; NULL: nobody waits. */
struct call *turns_first(const struct turns *turns);

/* The first call of the caller who comes after this call's; NULL: there is none. */
struct call *turns_next(const struct call *call);

/* Who called: quota_id(), 0 for the front itself. */
uint64_t turns_caller(const struct call *call);
