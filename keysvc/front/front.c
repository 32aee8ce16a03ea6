/* SPDX-License-Identifier: Apache-2.0 */
/*
 * front - putting the parts together, and the turns of the loop
 */
#include "front/front.h"

#include <sched.h>

#include "base/clock.h"
#include "base/log.h"
#include "front/audit.h"
#include "front/checkpoint.h"
#include "front/control.h"
#include "front/directory.h"
#include "front/discard.h"
#include "front/doubts.h"
#include "front/dispatch.h"
#include "front/listener.h"
#include "front/look.h"
#include "front/operations.h"
#include "front/quota.h"
#include "front/refusals.h"
#include "front/route.h"
#include "proto/wire/arena.h"

#define STOP_MS 4000        /* how long open calls may still take: the supervisor waits 5 s */
#define TICK_MAX_MS 1000    /* how often overdue connections are looked for, */
#define TICK_MIN_MS 10      /* between these bounds and */
#define TICKS_PER_TIMEOUT 4 /* so many times in the shortest timeout */
#define REQUEST_ID_SHIFT 20 /* request ids count from the start's milliseconds: a million a ms */

static ks_err make_parts(struct front *front, struct control_start *start, struct fault *why);
static void on_tick(evutil_socket_t fd, short what, void *data);
static void on_second(evutil_socket_t fd, short what, void *data);
static void on_forgive(evutil_socket_t fd, short what, void *data);
static void set_tick(struct front *front);
static void settle(struct front *front);
static void release_staged(struct front *front, bool written);
static void report_swallowed(void *data, const struct peer *caller, uint32_t n_swallowed);
static void report_reads(void *data, const struct peer *caller, uint32_t n_swallowed);

ks_err
front_new(int control_fd, struct front **out, struct fault *why)
{
    struct control_start start = {.audit_fd = -1, .before_fd = -1};
    ks_auto(front_freep) struct front *front = calloc(1, sizeof(*front));
    ks_err err;

    if (!front) {
        close(control_fd);
        return KS_ERR_INTERNAL;
    }
    connections_init(&front->connections);
    TAILQ_INIT(&front->staged);
    TAILQ_INIT(&front->listing);
    front->started_ms = clock_mono_ms();
    front->started_wall_us = clock_wall_us();
    front->next_request_id = (clock_wall_us() / 1000) << REQUEST_ID_SHIFT;
    err = control_new(front, control_fd, &front->control, &start, why);
    if (err)
        return err;
    front->config = ks_steal(&start.setup.config);
    listener_limit(front->config);
    err = make_parts(front, &start, why);
    if (err)
        return err;
    audit_config(front->audit, "start", front->config);
    set_tick(front);
    err = control_ready(front->control, front->config->generation);
    if (err)
        return err;
    *out = ks_steal(&front);
    return KS_OK;
}

/* Takes the descriptors in `start`. */
static ks_err
make_parts(struct front *front, struct control_start *start, struct fault *why)
{
    static const struct timeval second = {.tv_sec = 1};
    ks_err err;

    fault_set(why, "no memory");
    front->base = event_base_new();
    front->scratch = malloc(FRONT_READ_LEN);
    err = audit_new(start->audit_fd, start->before_fd, front->config->audit_sync_always,
                    &front->audit, why);
    if (!err && (!front->base || !front->scratch))
        err = KS_ERR_INTERNAL;
    if (!err)
        err = arena_new(&front->arena);
    if (!err)
        err = refusals_new(report_swallowed, front, &front->refusals);
    if (!err)
        err = refusals_new(report_reads, front, &front->reads);
    if (!err)
        err = quota_new(&front->quota);
    if (!err)
        err = directory_new(&front->directory);
    front->doubts = doubts_new();
    if (!err && !front->doubts)
        err = KS_ERR_INTERNAL;
    if (!err)
        err = route_new(front, &front->route);
    if (!err)
        err = route_configure(front->route, front->config);
    if (!err)
        err = look_new(front, &front->look);
    if (!err)
        err = checkpoint_new(front, &front->checkpoint);
    if (err) {
        for (size_t i = 0; i < start->n_sockets; i++)
            close(start->sockets[i]);
        return err;
    }
    err = listener_new(front, start->sockets, start->n_sockets, &front->listener, why);
    if (err)
        return err;
    front->tick = event_new(front->base, -1, EV_PERSIST, on_tick, front);
    front->second = event_new(front->base, -1, EV_PERSIST, on_second, front);
    front->forgive = evtimer_new(front->base, on_forgive, front);
    if (!front->tick || !front->second || !front->forgive || event_add(front->second, &second) < 0)
        return KS_ERR_INTERNAL;
    return KS_OK;
}

/* Calls end before what they wait for. */
struct front *
front_free(struct front *front)
{
    if (!front)
        return NULL;
    listener_free(ks_steal(&front->listener));
    connections_free(front);
    release_staged(front, false);
    route_free(front->route);
    look_free(front->look);
    checkpoint_free(front->checkpoint);
    if (front->audit)
        audit_sync(front->audit);
    audit_free(front->audit);
    refusals_free(front->refusals);
    refusals_free(front->reads);
    quota_free(front->quota);
    directory_free(front->directory);
    doubts_free(front->doubts);
    control_free(front->control);
    arena_free(front->arena);
    if (front->tick)
        event_free(front->tick);
    if (front->second)
        event_free(front->second);
    if (front->forgive)
        event_free(front->forgive);
    if (front->base)
        event_base_free(front->base);
    config_free(front->config);
    free(front->scratch);
    free(front);
    return NULL;
}

void
front_freep(struct front **front)
{
    *front = front_free(*front);
}

ks_err
front_run(struct front *front)
{
    settle(front);
    while (!front->done && !control_broken(front->control)) {
        int more = TAILQ_EMPTY(&front->listing) ? 0 : EVLOOP_NONBLOCK;

        if (event_base_loop(front->base, EVLOOP_ONCE | more) != 0)
            return KS_ERR_INTERNAL;
        settle(front);
        /* Whoever was woken by this turn, or waits on this processor, goes before the next one: a flood
         * leaves no turn without one behind it. */
        sched_yield();
    }
    return control_broken(front->control);
}

/* The end of a turn. */
static void
settle(struct front *front)
{
    front->turn++;
    op_list_turn(front);
    release_staged(front, audit_flush(front->audit));
    route_flush(front->route);
    connections_settle(front);
    if (front->sync_due) {
        front->sync_due = false;
        refusals_sweep(front->refusals);
        refusals_sweep(front->reads);
        audit_sync(front->audit);
    }
    control_flush(front->control);
    if (front->stop_at_ms && (front->n_calls == 0 || clock_mono_ms() >= front->stop_at_ms))
        front->done = true;
}

static void
release_staged(struct front *front, bool written)
{
    struct call_list staged = TAILQ_HEAD_INITIALIZER(staged);
    struct call *call;

    while ((call = TAILQ_FIRST(&front->staged))) {
        struct fault why = FAULT_INIT;

        if (written) {
            TAILQ_REMOVE(&front->staged, call, queue);
            call->go(call);
            continue;
        }
        fault_set(&why, "%s: its audit record cannot be written", call->operation->name);
        call_fail(call, KS_ERR_AUDIT_UNWRITABLE, &why);
    }
}

static void
report_swallowed(void *data, const struct peer *caller, uint32_t n_swallowed)
{
    struct front *front = data;

    log_info("event=refused-more uid=%u unit=%s count=%u", caller->uid, caller->unit, n_swallowed);
    audit_swallowed(front->audit, "refused", caller, n_swallowed);
}

static void
report_reads(void *data, const struct peer *caller, uint32_t n_swallowed)
{
    struct front *front = data;

    audit_swallowed(front->audit, "request", caller, n_swallowed);
}

static void
on_tick(evutil_socket_t fd, short what, void *data)
{
    struct front *front = data;

    (void)fd;
    (void)what;
    connections_sweep(front, clock_mono_ms());
}

static void
on_second(evutil_socket_t fd, short what, void *data)
{
    struct front *front = data;

    (void)fd;
    (void)what;
    front->sync_due = true;
    checkpoint_tick(front->checkpoint);
    discard_stuck();
    look_tick(front->look);
}

static void
on_forgive(evutil_socket_t fd, short what, void *data)
{
    struct front *front = data;

    (void)fd;
    (void)what;
    quota_forgive(front->quota);
}

static void
set_tick(struct front *front)
{
    const struct config_limits *limits = &front->config->limits;
    uint32_t ms = limits->handshake_timeout_ms;
    struct timeval period;

    if (limits->frame_timeout_ms < ms)
        ms = limits->frame_timeout_ms;
    if (limits->idle_timeout_ms && limits->idle_timeout_ms < ms)
        ms = limits->idle_timeout_ms;
    ms /= TICKS_PER_TIMEOUT;
    if (ms < TICK_MIN_MS)
        ms = TICK_MIN_MS;
    if (ms > TICK_MAX_MS)
        ms = TICK_MAX_MS;
    period = (struct timeval){.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
    event_add(front->tick, &period);
}

void
front_configure(struct front *front, struct config *config)
{
    config_free(front->config);
    front->config = config;
    listener_limit(config);
    if (route_configure(front->route, config) != KS_OK)
        log_error("event=config generation=%llu reason=\"no memory\"",
                  (unsigned long long)config->generation);
    audit_configure(front->audit, config->audit_sync_always);
    audit_config(front->audit, "config", config);
    set_tick(front);
    log_info("event=config generation=%llu", (unsigned long long)config->generation);
}

void
front_stop(struct front *front)
{
    if (front->stop_at_ms)
        return;
    front->stop_at_ms = clock_mono_ms() + STOP_MS;
    front->listener = listener_free(front->listener);
    connections_stop(front);
    checkpoint_last(front->checkpoint);
}
