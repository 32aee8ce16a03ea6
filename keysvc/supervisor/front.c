/* SPDX-License-Identifier: Apache-2.0 */
/*
 * front - state machine of the front process
 */
#include "supervisor/front.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervisor/audit_files.h"
#include "supervisor/backoff.h"
#include "supervisor/checkpoint.h"

#define PROGRAM "keysvc-front"

enum front_state {
    FRONT_DOWN = 0,
    FRONT_STARTING,
    FRONT_READY,
    FRONT_STOPPING,
};

struct front {
    const struct launch *launch;
    const struct sockets *sockets;
    const struct front_events *events;
    void *context;
    enum front_state state;
    bool stopped; /* not to be started again */
    struct child *child;
    struct audit_file audit;
    struct fault checkpoint_failed; /* why the last checkpoint was not kept, as logged */
    struct backoff backoff;
    struct event *timer;
    uint64_t config_sent, config_done;
    struct buf tally_sent;         /* as packed */
    struct settings *knows, *knew; /* what it was sent last, and before that; NULL: nothing */
};

/* What the front says. */
struct step {
    uint32_t allowed; /* bits of the states in which it may come */
    ks_err (*take)(struct front *front, struct message *message, struct fault *why);
};

static ks_err take_ready(struct front *front, struct message *message, struct fault *why);
static ks_err take_config_done(struct front *front, struct message *message, struct fault *why);
static ks_err take_admin(struct front *front, struct message *message, struct fault *why);
static ks_err take_checkpoint(struct front *front, struct message *message, struct fault *why);
static ks_err take_worker_bad(struct front *front, struct message *message, struct fault *why);

#define IN(state) (1u << (state))

/* clang-format off */
static const struct step steps[] = {
    [CONTROL_READY]       = {IN(FRONT_STARTING) | IN(FRONT_STOPPING),                   take_ready},
    [CONTROL_CONFIG_DONE] = {IN(FRONT_READY) | IN(FRONT_STOPPING),                      take_config_done},
    [CONTROL_ADMIN]       = {IN(FRONT_READY) | IN(FRONT_STOPPING),                      take_admin},
    [CONTROL_CHECKPOINT]  = {IN(FRONT_STARTING) | IN(FRONT_READY) | IN(FRONT_STOPPING), take_checkpoint},
    [CONTROL_WORKER_BAD]  = {IN(FRONT_READY) | IN(FRONT_STOPPING),                      take_worker_bad},
};
/* clang-format on */

static ks_err on_message(void *context, struct message *message, struct fault *why);
static void on_gone(void *context, int wait_status);
static void on_timer(evutil_socket_t fd, short what, void *context);
static ks_err launch(struct front *front, struct fault *why);
static ks_err send_setup(struct front *front, int audit_fd, int before_fd);
static void send_config(struct front *front);
static void remember(struct front *front);
static void schedule(struct front *front, uint32_t floor_ms);
static ks_err nonsense(struct fault *why, const char *text);

static const struct child_events child_events = {.message = on_message, .gone = on_gone};

ks_err
front_new(const struct launch *given, const struct sockets *sockets,
          const struct front_events *events, void *context, struct front **out)
{
    struct front *front = calloc(1, sizeof(*front));

    if (!front)
        return KS_ERR_INTERNAL;
    front->launch = given;
    front->sockets = sockets;
    front->events = events;
    front->context = context;
    front->audit = (struct audit_file)AUDIT_FILE_INIT;
    audit_files_chain(front->audit.chain, NULL, 0);
    front->timer = evtimer_new(given->base, on_timer, front);
    if (!front->timer) {
        free(front);
        return KS_ERR_INTERNAL;
    }
    *out = front;
    return KS_OK;
}

struct front *
front_free(struct front *front)
{
    if (!front)
        return NULL;
    child_free(front->child);
    event_free(front->timer);
    settings_unref(front->knows);
    settings_unref(front->knew);
    buf_deinit(&front->tally_sent);
    audit_files_close(&front->audit);
    free(front);
    return NULL;
}

bool
front_ready(const struct front *front)
{
    return front->state == FRONT_READY;
}

bool
front_down(const struct front *front)
{
    return front->state == FRONT_DOWN;
}

void
front_start(struct front *front)
{
    struct fault why = FAULT_INIT;

    if (front->state != FRONT_DOWN || front->stopped)
        return;
    backoff_started(&front->backoff, clock_mono_ms());
    if (launch(front, &why) == KS_OK) {
        front->state = FRONT_STARTING;
        return;
    }
    front->child = child_free(front->child);
    log_error("child=front event=start error=\"%s\"", LOG_TEXT(why.text));
    schedule(front, BACKOFF_NO_TOKEN_MS);
}

static ks_err
launch(struct front *front, struct fault *why)
{
    const struct config *config = settings_config(front->launch->settings);
    ks_auto(closep) int audit_fd = -1;
    ks_auto(closep) int before_fd = -1;
    char path[CONFIG_PATH_MAX + sizeof("/" PROGRAM)];
    struct spawn spawn = {
        .path = path,
        .argv = {PROGRAM},
        .switch_user = front->launch->switch_users,
        .uid = config->front_uid,
        .gid = config->front_gid,
        .dies_with_us = true,
        .debug = front->launch->debug,
    };
    ks_err err;

    snprintf(path, sizeof(path), "%s/" PROGRAM, front->launch->libexec_dir);
    err = audit_files_open(config->audit_dir, &front->audit, &audit_fd, &before_fd, why);
    if (err)
        front->launch->tally->n_audit_failures++;
    if (!err)
        err = child_start(front->launch->base, &spawn, "front", &child_events, front, &front->child,
                          why);
    if (err)
        return err;
    err = send_setup(front, audit_fd, before_fd);
    if (err)
        fault_set(why, "cannot send its configuration");
    return err;
}

static ks_err
send_setup(struct front *front, int audit_fd, int before_fd)
{
    const struct config *config = settings_config(front->launch->settings);
    struct control_setup setup = {.has_before = before_fd >= 0,
                                  .config = (struct config *)config}; /* only packed */
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    int fds[2 + SOCKETS_MAX];
    size_t n_fds = 0;

    fds[n_fds++] = audit_fd;
    for (size_t i = 0; i < front->sockets->n_fds; i++)
        fds[n_fds++] = front->sockets->fds[i];
    if (setup.has_before)
        fds[n_fds++] = before_fd;
    control_setup_pack(&body, &setup);
    if (body.failed)
        return KS_ERR_INTERNAL;
    child_send(front->child, CONTROL_SETUP, &body, fds, n_fds);
    front->config_sent = front->config_done = config->generation;
    remember(front);
    return KS_OK;
}

static void
remember(struct front *front)
{
    settings_unref(front->knew);
    front->knew = front->knows;
    front->knows = settings_ref(front->launch->settings);
}

static bool
in_settings(const struct settings *settings, const char *token)
{
    return settings && config_token_find(settings_config(settings), token);
}

static ks_err
on_message(void *context, struct message *message, struct fault *why)
{
    struct front *front = context;
    const struct step *step = message->type < ARRAY_LEN(steps) ? &steps[message->type] : NULL;

    if (!step || !step->take || message->n_fds > 0)
        return nonsense(why, "the front does not say this");
    if (!(step->allowed & IN(front->state)))
        return nonsense(why, "the front does not say this now");
    return step->take(front, message, why);
}

static ks_err
nonsense(struct fault *why, const char *text)
{
    fault_set(why, "%s", text);
    return KS_ERR_BAD_REQUEST;
}

static ks_err
take_ready(struct front *front, struct message *message, struct fault *why)
{
    struct unpacker in = unpack_start(message->body, message->len);
    uint64_t generation = unpack_u64(&in);

    if (!unpack_done(&in) || generation != front->config_sent)
        return nonsense(why, "READY without the generation it was set up with");
    if (front->state == FRONT_STOPPING)
        return KS_OK;
    front->state = FRONT_READY;
    backoff_ready(&front->backoff, clock_mono_ms());
    log_info("child=front event=ready pid=%d", (int)child_pid(front->child));
    if (front->config_sent != settings_config(front->launch->settings)->generation)
        send_config(front);
    front_rotate_audit(front);
    front_send_tally(front);
    front->events->changed(front->context, FRONT_IS_READY);
    return KS_OK;
}

static ks_err
take_config_done(struct front *front, struct message *message, struct fault *why)
{
    struct unpacker in = unpack_start(message->body, message->len);
    uint64_t generation = unpack_u64(&in);

    if (!unpack_done(&in) || generation > front->config_sent || generation <= front->config_done)
        return nonsense(why, "CONFIG_DONE of a generation it was not sent");
    front->config_done = generation;
    if (generation == front->config_sent)
        front->events->changed(front->context, FRONT_CONFIG_DONE);
    return KS_OK;
}

static ks_err
take_admin(struct front *front, struct message *message, struct fault *why)
{
    struct control_admin admin;

    memset(&admin, 0, sizeof(admin));
    if (control_admin_unpack(message->body, message->len, &admin) != KS_OK || admin.action == 0)
        return nonsense(why, "a malformed ADMIN");
    front->events->admin(front->context, &admin);
    return KS_OK;
}

static ks_err
take_checkpoint(struct front *front, struct message *message, struct fault *why)
{
    const struct config *config = settings_config(front->launch->settings);
    struct control_checkpoint checkpoint;
    struct fault failed = FAULT_INIT;
    ks_err err;

    memset(&checkpoint, 0, sizeof(checkpoint));
    if (control_checkpoint_unpack(message->body, message->len, &checkpoint) != KS_OK)
        return nonsense(why, "a malformed checkpoint");
    err = checkpoint_keep(config->state_dir, front->audit.chain, NULL, &checkpoint, &failed);
    if (err == KS_ERR_BAD_REQUEST)
        return nonsense(why, failed.text);
    if (err)
        front->launch->tally->n_audit_failures++;
    if (err && strcmp(failed.text, front->checkpoint_failed.text) != 0)
        log_error("child=front event=checkpoint error=\"%s\" hint=\"%s\"", LOG_TEXT(failed.text),
                  LOG_TEXT(failed.hint));
    front->checkpoint_failed = failed;
    return KS_OK;
}

static ks_err
take_worker_bad(struct front *front, struct message *message, struct fault *why)
{
    struct control_worker worker;

    memset(&worker, 0, sizeof(worker));
    if (control_worker_unpack(message->body, message->len, &worker) != KS_OK)
        return nonsense(why, "a malformed WORKER_BAD");
    front->events->worker_bad(front->context, &worker);
    return KS_OK;
}

static void
on_gone(void *context, int wait_status)
{
    struct front *front = context;
    char how[64];

    child_exit_text(wait_status, how, sizeof(how));
    if (front->stopped)
        log_info("child=front event=stopped");
    else
        log_warning("child=front event=ended how=\"%s\"", how);
    front->child = child_free(front->child);
    front->state = FRONT_DOWN;
    buf_deinit(&front->tally_sent);
    if (!front->stopped) {
        front->launch->tally->n_front_restarts++;
        schedule(front, 0);
    }
    front->events->changed(front->context, FRONT_IS_DOWN);
}

static void
schedule(struct front *front, uint32_t floor_ms)
{
    uint32_t wait_ms = backoff_died(&front->backoff, floor_ms, BACKOFF_MAX_MS, clock_mono_ms());
    struct timeval wait = {.tv_sec = wait_ms / 1000,
                           .tv_usec = (suseconds_t)(wait_ms % 1000) * 1000};

    evtimer_add(front->timer, &wait);
}

static void
on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    front_start(context);
}

void
front_stop(struct front *front)
{
    front->stopped = true;
    evtimer_del(front->timer);
    if (front->state == FRONT_DOWN || front->state == FRONT_STOPPING)
        return;
    front->state = FRONT_STOPPING;
    child_send(front->child, CONTROL_STOP, NULL, NULL, 0);
}

void
front_kill(struct front *front, const char *why)
{
    if (!front->child)
        return;
    log_error("child=front event=kill error=\"%s\"", why);
    child_kill(front->child);
}

void
front_send_worker(struct front *front, const char *token, uint32_t worker_index, int fd)
{
    struct control_worker worker = {.worker_index = worker_index};
    ks_auto(buf_deinit) struct buf body = BUF_INIT;

    if (!front_knows(front, token))
        return;
    text_copy(worker.token, sizeof(worker.token), token);
    control_worker_pack(&body, &worker);
    child_send(front->child, CONTROL_WORKER, &body, &fd, 1);
}

void
front_send_state(struct front *front, const struct control_state *state)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;

    if (!front_knows(front, state->token))
        return;
    control_state_pack(&body, state);
    child_send(front->child, CONTROL_STATE, &body, NULL, 0);
}

void
front_send_result(struct front *front, const struct control_result *result)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;

    if (front->state != FRONT_READY)
        return;
    control_result_pack(&body, result);
    child_send(front->child, CONTROL_ADMIN_RESULT, &body, NULL, 0);
}

void
front_send_tally(struct front *front)
{
    struct buf body = BUF_INIT;

    if (front->state != FRONT_READY)
        return;
    control_tally_pack(&body, front->launch->tally);
    if (body.len != front->tally_sent.len ||
        memcmp(body.data, front->tally_sent.data, body.len) != 0)
        child_send(front->child, CONTROL_TALLY, &body, NULL, 0);
    buf_deinit(&front->tally_sent);
    front->tally_sent = body;
}

void
front_send_config(struct front *front)
{
    uint64_t generation = settings_config(front->launch->settings)->generation;

    /* A front that became ready during the reload has it already: a second CONFIG_DONE would be nonsense. */
    if (front->state != FRONT_READY || front->config_sent == generation)
        return;
    send_config(front);
    front->events->changed(front->context, FRONT_HAS_NEWS);
}

static void
send_config(struct front *front)
{
    front->config_sent = settings_config(front->launch->settings)->generation;
    child_send(front->child, CONTROL_CONFIG, settings_packed(front->launch->settings), NULL, 0);
    remember(front);
}

bool
front_knows(const struct front *front, const char *token)
{
    return front->state == FRONT_READY && in_settings(front->knows, token);
}

bool
front_is_news(const struct front *front, const char *token)
{
    return in_settings(front->knows, token) && !in_settings(front->knew, token);
}

bool
front_owes_config(const struct front *front)
{
    return front->state == FRONT_READY && front->config_done < front->config_sent;
}

void
front_rotate_audit(struct front *front)
{
    const char *folder = settings_config(front->launch->settings)->audit_dir;
    ks_auto(closep) int fd = -1;
    struct fault why = FAULT_INIT;

    if (front->state != FRONT_READY)
        return;
    if (audit_files_follow(folder, &front->audit, &fd, &why) != KS_OK) {
        front->launch->tally->n_audit_failures++;
        log_error("child=front event=audit-gone error=\"%s\" hint=\"%s\"", LOG_TEXT(why.text),
                  LOG_TEXT(why.hint));
        child_send(front->child, CONTROL_AUDIT_GONE, NULL, NULL, 0);
    } else if (fd >= 0) {
        child_send(front->child, CONTROL_AUDIT, NULL, &fd, 1);
        log_info("child=front event=audit-rotation");
    }
}
