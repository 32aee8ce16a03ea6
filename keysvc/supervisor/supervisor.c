/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor - what all parts share, and what happens between them
 *
 *   roster - token - worker - child      front - child      reload
 *        \__________________________ supervisor __________________/
 *
 * A ready worker and a ready front are joined by a socketpair that we make and keep no end of. A
 * new one of either kind is joined to all there are of the other kind.
 */
#include "supervisor/supervisor.h"

#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervisor/config.h"
#include "supervisor/durable.h"
#include "supervisor/front.h"
#include "supervisor/hang.h"
#include "supervisor/notify.h"
#include "supervisor/reload.h"
#include "supervisor/roster.h"
#include "supervisor/sandbox.h"
#include "supervisor/sockets.h"
#include "supervisor/stores.h"
#include "supervisor/turn.h"

#define STATE_DIR_MODE 0700
#define AUDIT_DIR_MODE 0750
#define FRONT_STOP_MS 5000 /* for the answers that are under way */
#define STATUS_LEN 256

static const int handled[] = {SIGHUP, SIGUSR1, SIGTERM, SIGINT};

enum timer {
    TIMER_TICK,
    TIMER_WATCHDOG,
    TIMER_COUNT,
};

struct supervisor {
    const struct supervisor_options *options;
    struct launch launch;
    struct control_tally tally;
    struct sockets sockets;
    int lock_fd;
    struct roster *roster;
    struct front *front;
    struct reload *reload;
    struct event *signals[ARRAY_LEN(handled)];
    struct event *timers[TIMER_COUNT];
    char status[STATUS_LEN];
    uint64_t stop_ms; /* when stopping began; 0: not stopping */
    bool tokens_stopping;
};

static ks_err open_all(struct supervisor *supervisor, struct fault *why);
static ks_err open_folders(struct supervisor *supervisor, const struct config *config,
                           struct fault *why);
static ks_err unusable(ks_err err, const char *option, const struct config *config,
                       struct fault *why);
static ks_err make_parts(struct supervisor *supervisor);
static void hold_signals(int how);
static ks_err watch_signals(struct supervisor *supervisor);
static ks_err watch_clock(struct supervisor *supervisor);
static void close_all(struct supervisor *supervisor);
static void on_token(void *context, struct token *token, struct worker *worker,
                     enum worker_event event);
static void on_front(void *context, enum front_event event);
static void on_admin(void *context, const struct control_admin *admin);
static void on_signal(evutil_socket_t number, short what, void *context);
static void on_tick(evutil_socket_t fd, short what, void *context);
static void on_watchdog(evutil_socket_t fd, short what, void *context);
static void wire(struct supervisor *supervisor, struct token *token, struct worker *worker);
/* A front that is new, or, of a front that was told of more tokens, only those. */
static void wire_all(struct supervisor *supervisor, bool newcomers);
static void tell_manager(struct supervisor *supervisor);
static void stop_begin(struct supervisor *supervisor);
static void stop_step(struct supervisor *supervisor);

static void on_worker_bad(void *context, const struct control_worker *worker);

static const struct front_events front_events = {
    .changed = on_front,
    .admin = on_admin,
    .worker_bad = on_worker_bad,
};

ks_err
supervisor_run(const struct supervisor_options *options, struct fault *why)
{
    struct supervisor supervisor = {.options = options, .lock_fd = -1, .sockets = SOCKETS_INIT};
    struct sandbox_state sandbox;
    ks_err err;

    hold_signals(SIG_BLOCK);
    err = open_all(&supervisor, why);
    if (!err)
        err = supervisor_sandbox_enter(&sandbox, why);
    if (!err) {
        supervisor.tally.sandbox = control_sandbox(sandbox.calls, sandbox.files);
        front_start(supervisor.front);
        err = roster_apply(supervisor.roster, NULL, supervisor.launch.settings, why);
    }
    if (!err) {
        tell_manager(&supervisor);
        if (event_base_dispatch(supervisor.launch.base) < 0) {
            fault_set(why, "the event loop failed");
            err = KS_ERR_INTERNAL;
        }
    }
    close_all(&supervisor);
    return err;
}

static ks_err
open_all(struct supervisor *supervisor, struct fault *why)
{
    const struct supervisor_options *options = supervisor->options;
    struct launch *launch = &supervisor->launch;
    struct config *config = NULL;
    ks_err err;

    supervisor->tally.started_us = supervisor->tally.configured_us = clock_wall_us();
    launch->tally = &supervisor->tally;
    launch->libexec_dir = options->libexec_dir;
    launch->switch_users = spawn_can_switch_users();
    launch->debug = options->debug;
    err =
        config_load(options->config_path, options->profile_dir, launch->switch_users, &config, why);
    if (err)
        return err;
    config->generation = 1;
    config_warn(config, NULL);
    err = settings_new(config, &launch->settings);
    if (err) {
        fault_set(why, "no memory");
        return err;
    }
    err = open_folders(supervisor, config, why);
    if (!err)
        err = sockets_open(config, &supervisor->sockets, why);
    if (err)
        return err;
    err = make_parts(supervisor);
    if (!err)
        err = watch_signals(supervisor);
    if (!err)
        err = watch_clock(supervisor);
    if (err)
        fault_set(why, "no memory");
    return err;
}

static ks_err
open_folders(struct supervisor *supervisor, const struct config *config, struct fault *why)
{
    ks_err err = durable_folder(config->state_dir, STATE_DIR_MODE, why);

    if (!err)
        err = durable_lock(config->state_dir, &supervisor->lock_fd, why);
    if (err)
        return unusable(err, "state-dir", config, why);
    err = durable_folder(config->audit_dir, AUDIT_DIR_MODE, why);
    return err ? unusable(err, "audit-dir", config, why) : KS_OK;
}

/* Whoever starts keysvcd has to be the one to whom its folders belong. That another one holds the
 * lock (BUSY) is no matter of rights. */
static ks_err
unusable(ks_err err, const char *option, const struct config *config, struct fault *why)
{
    if (err != KS_ERR_INTERNAL)
        return err;
    fault_prefix(why, "%s", option);
    fault_hint(why,
               "start keysvcd as root or as the user to whom that folder belongs, or name "
               "another %s in %.120s",
               option, config->path);
    return KS_ERR_USAGE;
}

static ks_err
make_parts(struct supervisor *supervisor)
{
    struct launch *launch = &supervisor->launch;
    struct reload_parts parts = {.launch = launch,
                                 .config_path = supervisor->options->config_path,
                                 .profile_dir = supervisor->options->profile_dir};
    ks_err err;

    launch->base = event_base_new();
    if (!launch->base)
        return KS_ERR_INTERNAL;
    err = turn_new(launch->base, TURN_MAX_MS, &launch->turn);
    if (!err)
        err = stores_new(&launch->stores);
    if (!err)
        err = roster_new(launch, on_token, supervisor, &supervisor->roster);
    if (!err)
        err =
            front_new(launch, &supervisor->sockets, &front_events, supervisor, &supervisor->front);
    if (err)
        return err;
    parts.roster = supervisor->roster;
    parts.front = supervisor->front;
    return reload_new(&parts, &supervisor->reload);
}

/* Until there is an event for each of them they would end us; then they are let through, whatever
 * the mask is that we were started with. */
static void
hold_signals(int how)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_LEN(handled); i++)
        sigaddset(&set, handled[i]);
    sigprocmask(how, &set, NULL);
}

static ks_err
watch_signals(struct supervisor *supervisor)
{
    static const int ignored[] = {SIGPIPE, SIGUSR2, SIGXFSZ};

    for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
        signal(ignored[i], SIG_IGN);
    for (size_t i = 0; i < ARRAY_LEN(handled); i++) {
        supervisor->signals[i] =
            evsignal_new(supervisor->launch.base, handled[i], on_signal, supervisor);
        if (!supervisor->signals[i] || event_add(supervisor->signals[i], NULL) < 0)
            return KS_ERR_INTERNAL;
    }
    hold_signals(SIG_UNBLOCK);
    return KS_OK;
}

static ks_err
watch_clock(struct supervisor *supervisor)
{
    const uint32_t periods_ms[TIMER_COUNT] = {HANG_POLL_MS, notify_watchdog_ms()};
    static const event_callback_fn callbacks[TIMER_COUNT] = {on_tick, on_watchdog};

    for (size_t i = 0; i < TIMER_COUNT; i++) {
        struct timeval period = {.tv_sec = periods_ms[i] / 1000,
                                 .tv_usec = (suseconds_t)(periods_ms[i] % 1000) * 1000};

        if (periods_ms[i] == 0)
            continue;
        supervisor->timers[i] =
            event_new(supervisor->launch.base, -1, EV_PERSIST, callbacks[i], supervisor);
        if (!supervisor->timers[i] || event_add(supervisor->timers[i], &period) < 0)
            return KS_ERR_INTERNAL;
    }
    return KS_OK;
}

static void
close_all(struct supervisor *supervisor)
{
    sigset_t all;

    /* Without its event a signal ends us as none of ours does: who says again that we are to stop is
     * to see a clean end. */
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    reload_free(supervisor->reload);
    front_free(supervisor->front);
    roster_free(supervisor->roster);
    for (size_t i = 0; i < ARRAY_LEN(handled); i++) {
        if (supervisor->signals[i])
            event_free(supervisor->signals[i]);
    }
    for (size_t i = 0; i < TIMER_COUNT; i++) {
        if (supervisor->timers[i])
            event_free(supervisor->timers[i]);
    }
    turn_free(supervisor->launch.turn);
    stores_free(supervisor->launch.stores);
    if (supervisor->launch.base)
        event_base_free(supervisor->launch.base);
    sockets_close(&supervisor->sockets);
    settings_unref(supervisor->launch.settings);
    closep(&supervisor->lock_fd);
}

static void
on_token(void *context, struct token *token, struct worker *worker, enum worker_event event)
{
    struct supervisor *supervisor = context;

    if (event == WORKER_CHANGED)
        front_send_state(supervisor->front, worker ? worker_status(worker) : token_status(token));
    if (event == WORKER_IS_READY)
        wire(supervisor, token, worker);
    if (event == WORKER_CONFIG_DONE || event == WORKER_IS_DOWN)
        reload_step(supervisor->reload);
    tell_manager(supervisor);
    stop_step(supervisor);
}

static void
on_front(void *context, enum front_event event)
{
    struct supervisor *supervisor = context;

    if (event == FRONT_HAS_NEWS || event == FRONT_IS_READY)
        wire_all(supervisor, event == FRONT_HAS_NEWS);
    if (event == FRONT_HAS_NEWS)
        return; /* within a step of the reload */
    reload_step(supervisor->reload);
    tell_manager(supervisor);
    stop_step(supervisor);
}

static void
wire(struct supervisor *supervisor, struct token *token, struct worker *worker)
{
    ks_auto(closep) int to_front = -1;
    ks_auto(closep) int to_worker = -1;
    int ends[2];

    if (!front_knows(supervisor->front, token_name(token)))
        return;
    if (channel_pair(ends) != KS_OK) {
        worker_kill(worker, false, "no descriptors to join it to the front");
        return;
    }
    to_front = ends[0];
    to_worker = ends[1];
    front_send_state(supervisor->front, worker_status(worker));
    worker_send_front(worker, to_front);
    front_send_worker(supervisor->front, token_name(token), worker_index(worker), to_worker);
    log_debug("event=wired child=%s/%u", token_name(token), worker_index(worker));
}

static void
wire_all(struct supervisor *supervisor, bool newcomers)
{
    struct token *token;

    for (size_t i = 0; (token = roster_token(supervisor->roster, i)); i++) {
        if (newcomers && !front_is_news(supervisor->front, token_name(token)))
            continue;
        for (size_t j = 0; j < token_n_workers(token); j++) {
            struct worker *worker = token_worker(token, j);

            if (worker_state(worker) == WORKER_READY)
                wire(supervisor, token, worker);
            else
                front_send_state(supervisor->front, worker_status(worker));
        }
        front_send_state(supervisor->front, token_status(token));
    }
}

static void
on_admin(void *context, const struct control_admin *admin)
{
    struct supervisor *supervisor = context;
    struct control_result result = {.cookie = admin->cookie, .why = FAULT_INIT};
    struct token *token;

    if (supervisor->stop_ms != 0) {
        result.err = KS_ERR_BUSY;
        fault_set(&result.why, "keysvcd is stopping");
    } else if (admin->action == CONTROL_ADMIN_RELOAD) {
        reload_by_admin(supervisor->reload, admin->cookie);
        return;
    } else if ((token = roster_find(supervisor->roster, admin->token))) {
        result.err = token_retry_login(token, &result.why);
    } else {
        result.err = KS_ERR_BAD_REQUEST;
        fault_set(&result.why, "there is no token \"%s\"", admin->token);
    }
    front_send_result(supervisor->front, &result);
}

/* The front is less trusted than its workers: its word costs a worker a restart, with back-off. */
static void
on_worker_bad(void *context, const struct control_worker *bad)
{
    struct supervisor *supervisor = context;
    struct token *token = roster_find(supervisor->roster, bad->token);

    for (size_t i = 0; token && i < token_n_workers(token); i++) {
        struct worker *worker = token_worker(token, i);

        if (worker_index(worker) == bad->worker_index && worker_state(worker) == WORKER_READY)
            worker_kill(worker, false, "the front says that it talks nonsense");
    }
}

static void
on_signal(evutil_socket_t number, short what, void *context)
{
    struct supervisor *supervisor = context;

    (void)what;
    if (number == SIGTERM || number == SIGINT) {
        stop_begin(supervisor);
    } else if (supervisor->stop_ms == 0 && number == SIGHUP) {
        reload_by_signal(supervisor->reload);
    } else if (supervisor->stop_ms == 0) {
        roster_rotate_audit(supervisor->roster);
        front_rotate_audit(supervisor->front);
    }
}

static void
on_tick(evutil_socket_t fd, short what, void *context)
{
    struct supervisor *supervisor = context;
    uint64_t now_ms = clock_mono_ms();

    (void)fd;
    (void)what;
    roster_tick(supervisor->roster, now_ms);
    if (supervisor->stop_ms == 0)
        front_rotate_audit(supervisor->front);
    reload_tick(supervisor->reload, now_ms);
    front_send_tally(supervisor->front);
    if (supervisor->stop_ms != 0 && !supervisor->tokens_stopping &&
        now_ms - supervisor->stop_ms > FRONT_STOP_MS)
        front_kill(supervisor->front, "it was asked to stop and did not");
    stop_step(supervisor);
}

static void
on_watchdog(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)context;
    notify_watchdog();
}

static void
tell_manager(struct supervisor *supervisor)
{
    bool settled = front_ready(supervisor->front);
    size_t n_tokens = 0, n_ready = 0;
    char status[STATUS_LEN];
    struct token *token;

    if (supervisor->stop_ms != 0)
        return;
    for (; (token = roster_token(supervisor->roster, n_tokens)); n_tokens++) {
        settled = settled && token_settled(token);
        n_ready += token_status(token)->state == TOKEN_STATE_READY;
    }
    snprintf(status, sizeof(status), "front %s, %zu of %zu tokens ready",
             front_ready(supervisor->front) ? "ready" : "starting", n_ready, n_tokens);
    if (strcmp(status, supervisor->status) != 0) {
        text_copy(supervisor->status, sizeof(supervisor->status), status);
        notify_status(status);
    }
    if (!settled || supervisor->launch.ready)
        return;
    supervisor->launch.ready = true;
    log_info("event=ready status=\"%s\"", status);
    notify_ready();
}

/* The front first, so that what it has asked the workers is still answered; then the workers. */
static void
stop_begin(struct supervisor *supervisor)
{
    if (supervisor->stop_ms != 0)
        return;
    log_info("event=stopping");
    notify_stopping();
    reload_stop(supervisor->reload);
    supervisor->stop_ms = clock_mono_ms();
    front_stop(supervisor->front);
    stop_step(supervisor);
}

static void
stop_step(struct supervisor *supervisor)
{
    if (supervisor->stop_ms == 0 || !front_down(supervisor->front))
        return;
    if (!supervisor->tokens_stopping) {
        supervisor->tokens_stopping = true;
        roster_stop(supervisor->roster);
    }
    if (roster_empty(supervisor->roster))
        event_base_loopbreak(supervisor->launch.base);
}
