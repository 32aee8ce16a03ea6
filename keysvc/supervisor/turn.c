/* SPDX-License-Identifier: Apache-2.0 */
/*
 * turn - a queue with one holder, and a list of those who overstayed
 */
#include "supervisor/turn.h"

#include "base/log.h"

TAILQ_HEAD(turn_list, turn_place);

struct turn {
    struct turn_list waiting;
    struct turn_list overdue;
    struct turn_place *holder;
    struct event *timer;
    uint32_t max_ms;
};

static void grant_next(struct turn *turn);
static bool may_have_it(const struct turn *turn, const struct turn_place *place);
static void on_overstayed(evutil_socket_t fd, short what, void *context);

ks_err
turn_new(struct event_base *base, uint32_t max_ms, struct turn **out)
{
    struct turn *turn = calloc(1, sizeof(*turn));

    if (!turn)
        return KS_ERR_INTERNAL;
    TAILQ_INIT(&turn->waiting);
    TAILQ_INIT(&turn->overdue);
    turn->max_ms = max_ms;
    turn->timer = evtimer_new(base, on_overstayed, turn);
    if (!turn->timer) {
        free(turn);
        return KS_ERR_INTERNAL;
    }
    *out = turn;
    return KS_OK;
}

struct turn *
turn_free(struct turn *turn)
{
    if (!turn)
        return NULL;
    event_free(turn->timer);
    free(turn);
    return NULL;
}

bool
turn_held(const struct turn_place *place)
{
    return place->state == TURN_HELD || place->state == TURN_OVERDUE;
}

void
turn_want(struct turn *turn, struct turn_place *place)
{
    if (place->state != TURN_OUT)
        return;
    place->state = TURN_WAITING;
    TAILQ_INSERT_TAIL(&turn->waiting, place, entry);
    grant_next(turn);
}

void
turn_done(struct turn *turn, struct turn_place *place)
{
    switch (place->state) {
    case TURN_OUT:
        return;
    case TURN_WAITING:
        TAILQ_REMOVE(&turn->waiting, place, entry);
        break;
    case TURN_OVERDUE:
        TAILQ_REMOVE(&turn->overdue, place, entry);
        break;
    case TURN_HELD:
        turn->holder = NULL;
        evtimer_del(turn->timer);
        break;
    }
    place->state = TURN_OUT;
    grant_next(turn);
}

static void
grant_next(struct turn *turn)
{
    struct timeval bound = {.tv_sec = turn->max_ms / 1000,
                            .tv_usec = (suseconds_t)(turn->max_ms % 1000) * 1000};
    struct turn_place *place;

    if (turn->holder)
        return;
    TAILQ_FOREACH(place, &turn->waiting, entry)
    {
        if (may_have_it(turn, place))
            break;
    }
    if (!place)
        return;
    TAILQ_REMOVE(&turn->waiting, place, entry);
    place->state = TURN_HELD;
    turn->holder = place;
    evtimer_add(turn->timer, &bound);
    place->granted(place->context);
}

static bool
may_have_it(const struct turn *turn, const struct turn_place *place)
{
    const struct turn_place *late;

    TAILQ_FOREACH(late, &turn->overdue, entry)
    {
        if (strcmp(late->token, place->token) == 0)
            return false;
    }
    return true;
}

static void
on_overstayed(evutil_socket_t fd, short what, void *context)
{
    struct turn *turn = context;
    struct turn_place *late = turn->holder;

    (void)fd;
    (void)what;
    if (!late)
        return;
    log_warning("token=%s event=slow-start error=\"a start or login takes long; others go on\"",
                late->token);
    late->state = TURN_OVERDUE;
    TAILQ_INSERT_TAIL(&turn->overdue, late, entry);
    turn->holder = NULL;
    grant_next(turn);
}
