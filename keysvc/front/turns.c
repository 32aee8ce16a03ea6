/* SPDX-License-Identifier: Apache-2.0 */
/*
 * turns - a list of lanes, in each the calls of one caller
 *
 * A lane lives while somebody waits in it. It is looked for among all of them: there are as many as
 * callers, not as calls.
 */
#include "front/turns.h"

#include "front/connection.h"
#include "front/quota.h"

struct lane {
    TAILQ_ENTRY(lane) in_lanes;
    uint64_t caller;
    struct call_list calls;
};

static struct lane *lane_of(struct turns *turns, uint64_t caller);

void
turns_init(struct turns *turns)
{
    TAILQ_INIT(&turns->lanes);
}

uint64_t
turns_caller(const struct call *call)
{
    return call->connection ? quota_id(connection_account(call->connection)) : 0;
}

ks_err
turns_put(struct turns *turns, struct call *call)
{
    struct lane *lane = lane_of(turns, turns_caller(call));

    if (!lane)
        return KS_ERR_INTERNAL;
    call->lane = lane;
    TAILQ_INSERT_TAIL(&lane->calls, call, queue);
    return KS_OK;
}

static struct lane *
lane_of(struct turns *turns, uint64_t caller)
{
    struct lane *lane;

    TAILQ_FOREACH(lane, &turns->lanes, in_lanes)
    {
        if (lane->caller == caller)
            return lane;
    }
    lane = calloc(1, sizeof(*lane));
    if (!lane)
        return NULL;
    lane->caller = caller;
    TAILQ_INIT(&lane->calls);
    TAILQ_INSERT_TAIL(&turns->lanes, lane, in_lanes);
    return lane;
}

void
turns_remove(struct turns *turns, struct call *call)
{
    struct lane *lane = ks_steal(&call->lane);

    TAILQ_REMOVE(&lane->calls, call, queue);
    TAILQ_REMOVE(&turns->lanes, lane, in_lanes);
    if (TAILQ_EMPTY(&lane->calls))
        free(lane);
    else
        TAILQ_INSERT_TAIL(&turns->lanes, lane, in_lanes);
}

struct call *
turns_first(const struct turns *turns)
{
    const struct lane *lane = TAILQ_FIRST(&turns->lanes);

    return lane ? TAILQ_FIRST(&lane->calls) : NULL;
}

struct call *
turns_next(const struct call *call)
{
    const struct lane *lane = TAILQ_NEXT(call->lane, in_lanes);

    return lane ? TAILQ_FIRST(&lane->calls) : NULL;
}
