/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control - what the supervisor says, and what it is asked
 */
#include "front/control.h"

#include <event2/event.h>

#include "base/log.h"
#include "front/audit.h"
#include "front/front.h"
#include "front/route.h"
#include "ipc/channel.h"

#define SETUP_TIMEOUT_MS 60000

struct control {
    struct front *front;
    struct channel *channel;
    struct event *readable, *writable;
    struct call_list asked;
    ks_err broken;
};

static void on_readable(evutil_socket_t fd, short what, void *data);
static void on_writable(evutil_socket_t fd, short what, void *data);
static ks_err take_messages(struct control *control);
static ks_err take_setup(struct control *control, struct control_start *start);
static ks_err take_worker(struct control *control, struct message *message);
static ks_err take_state(struct control *control, struct message *message);
static ks_err take_config(struct control *control, struct message *message);
static ks_err take_audit(struct control *control, struct message *message);
static ks_err take_audit_gone(struct control *control, struct message *message);
static ks_err take_result(struct control *control, struct message *message);
static ks_err take_stop(struct control *control, struct message *message);
static ks_err take_tally(struct control *control, struct message *message);
static void ask(struct call *call);
static void forget(struct call *call);

/* What the supervisor may say after SETUP. */
static const struct {
    ks_err (*take)(struct control *control, struct message *message);
    size_t n_fds;
} MESSAGES[] = {
    [CONTROL_STATE] = {take_state, 0},   [CONTROL_WORKER] = {take_worker, 1},
    [CONTROL_CONFIG] = {take_config, 0}, [CONTROL_AUDIT] = {take_audit, 1},
    [CONTROL_STOP] = {take_stop, 0},     [CONTROL_ADMIN_RESULT] = {take_result, 0},
    [CONTROL_TALLY] = {take_tally, 0},   [CONTROL_AUDIT_GONE] = {take_audit_gone, 0},
};

ks_err
control_new(struct front *front, int fd, struct control **out, struct control_start *start,
            struct fault *why)
{
    struct control *control = calloc(1, sizeof(*control));
    ks_err err;

    if (!control) {
        close(fd);
        return KS_ERR_INTERNAL;
    }
    control->front = front;
    TAILQ_INIT(&control->asked);
    err = channel_new(fd, CHANNEL_MAX_CONFIG, &control->channel);
    if (!err)
        err = take_setup(control, start);
    if (err) {
        fault_set(why, "no setup from the supervisor (%s)", err_info(err)->name);
        control_free(control);
        return err;
    }
    *out = control;
    return KS_OK;
}

struct control *
control_free(struct control *control)
{
    if (!control)
        return NULL;
    if (control->readable)
        event_free(control->readable);
    if (control->writable)
        event_free(control->writable);
    channel_free(control->channel);
    free(control);
    return NULL;
}

static ks_err
take_setup(struct control *control, struct control_start *start)
{
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    ks_err err = channel_receive(control->channel, &message, SETUP_TIMEOUT_MS);
    size_t n_files;

    if (err)
        return err;
    if (message.type != CONTROL_SETUP)
        return KS_ERR_BAD_REQUEST;
    err = control_setup_unpack(message.body, message.len, &start->setup);
    if (err)
        return err;
    n_files = start->setup.has_before ? 2 : 1;
    if (message.n_fds < n_files || message.n_fds - n_files > CONTROL_MAX_SOCKETS) {
        control_setup_deinit(&start->setup);
        return KS_ERR_BAD_REQUEST;
    }
    start->audit_fd = message_take_fd(&message, 0);
    if (start->setup.has_before)
        start->before_fd = message_take_fd(&message, message.n_fds - 1);
    start->n_sockets = message.n_fds - n_files;
    for (size_t i = 0; i < start->n_sockets; i++)
        start->sockets[i] = message_take_fd(&message, i + 1);
    return KS_OK;
}

static ks_err
say_generation(struct control *control, enum control_message type, uint64_t generation)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;

    pack_u64(&body, generation);
    return channel_queue(control->channel, type, &body, NULL, 0);
}

ks_err
control_ready(struct control *control, uint64_t generation)
{
    struct event_base *base = control->front->base;
    int fd = channel_fd(control->channel);
    ks_err err;

    control->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, control);
    control->writable = event_new(base, fd, EV_WRITE, on_writable, control);
    if (!control->readable || !control->writable || event_add(control->readable, NULL) < 0)
        return KS_ERR_INTERNAL;
    err = say_generation(control, CONTROL_READY, generation);
    if (err)
        return err;
    control_flush(control);
    /* SETUP may have come together with what follows it. */
    err = take_messages(control);
    return err ? err : control->broken;
}

ks_err
control_broken(const struct control *control)
{
    return control->broken;
}

void
control_flush(struct control *control)
{
    if (channel_pending(control->channel) == 0)
        return;
    if (channel_flush(control->channel) != KS_OK)
        control->broken = KS_ERR_NO_SERVICE;
    else if (channel_pending(control->channel) > 0)
        event_add(control->writable, NULL);
}

static void
on_writable(evutil_socket_t fd, short what, void *data)
{
    (void)fd;
    (void)what;
    control_flush(data);
}

static void
on_readable(evutil_socket_t fd, short what, void *data)
{
    struct control *control = data;
    ks_err filled = channel_fill(control->channel);
    ks_err err = take_messages(control);

    (void)fd;
    (void)what;
    if (!control->broken)
        control->broken = err ? err : filled;
}

static ks_err
take_messages(struct control *control)
{
    struct message message = MESSAGE_INIT;
    bool have;
    ks_err err;

    for (;;) {
        err = channel_next(control->channel, &message, &have);
        if (err || !have)
            return err;
        if (message.type >= ARRAY_LEN(MESSAGES) || !MESSAGES[message.type].take ||
            message.n_fds != MESSAGES[message.type].n_fds)
            err = KS_ERR_BAD_REQUEST;
        else
            err = MESSAGES[message.type].take(control, &message);
        message_deinit(&message);
        if (err)
            return err;
    }
}

static ks_err
take_worker(struct control *control, struct message *message)
{
    struct control_worker worker;
    ks_err err = control_worker_unpack(message->body, message->len, &worker);

    return err ? err : route_worker(control->front->route, &worker, message_take_fd(message, 0));
}

static ks_err
take_state(struct control *control, struct message *message)
{
    struct control_state state;
    ks_err err = control_state_unpack(message->body, message->len, &state);

    return err ? err : route_state(control->front->route, &state);
}

static ks_err
take_config(struct control *control, struct message *message)
{
    struct config *config;
    ks_err err = config_unpack(message->body, message->len, &config);

    if (err)
        return err;
    front_configure(control->front, config);
    return say_generation(control, CONTROL_CONFIG_DONE, control->front->config->generation);
}

static ks_err
take_audit(struct control *control, struct message *message)
{
    struct fault why = FAULT_INIT;

    if (audit_rotate(control->front->audit, message_take_fd(message, 0), &why) != KS_OK)
        log_error("event=audit-rotation-failed reason=\"%s\"", why.text);
    return message->len == 0 ? KS_OK : KS_ERR_BAD_REQUEST;
}

static ks_err
take_audit_gone(struct control *control, struct message *message)
{
    audit_gone(control->front->audit);
    return message->len == 0 ? KS_OK : KS_ERR_BAD_REQUEST;
}

static ks_err
take_stop(struct control *control, struct message *message)
{
    front_stop(control->front);
    return message->len == 0 ? KS_OK : KS_ERR_BAD_REQUEST;
}

static ks_err
take_tally(struct control *control, struct message *message)
{
    return control_tally_unpack(message->body, message->len, &control->front->tally);
}

/* The caller may have stopped waiting: then nobody is told. */
static ks_err
take_result(struct control *control, struct message *message)
{
    struct control_result result;
    struct call *call;
    ks_err err = control_result_unpack(message->body, message->len, &result);

    if (err)
        return err;
    TAILQ_FOREACH(call, &control->asked, queue)
    {
        if (call->request_id == result.cookie)
            break;
    }
    if (!call)
        return KS_OK;
    forget(call);
    if (result.err) {
        call_fail(call, result.err, &result.why);
    } else {
        struct reply answer = {0};

        call_answer(call, &answer);
    }
    return KS_OK;
}

void
control_ask(struct control *control, struct call *call, enum control_admin_action action)
{
    struct control_admin admin = {.cookie = call->request_id, .action = action};

    (void)control;
    text_copy(admin.token, sizeof(admin.token), call->subject);
    control_admin_pack(&call->job, &admin);
    call_stage(call, ask, forget);
}

/* Its audit record is written. */
static void
ask(struct call *call)
{
    struct control *control = call->front->control;

    call->place = CALL_NOWHERE;
    if (channel_queue(control->channel, CONTROL_ADMIN, &call->job, NULL, 0) != KS_OK) {
        call_fail(call, KS_ERR_INTERNAL, NULL);
        return;
    }
    call->place = CALL_ASKED;
    TAILQ_INSERT_TAIL(&control->asked, call, queue);
}

static void
forget(struct call *call)
{
    struct control *control = call->front->control;

    if (call->place == CALL_STAGED)
        TAILQ_REMOVE(&call->front->staged, call, queue);
    else
        TAILQ_REMOVE(&control->asked, call, queue);
    call->place = CALL_NOWHERE;
}

void
control_send_checkpoint(struct control *control, const struct control_checkpoint *checkpoint)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;

    control_checkpoint_pack(&body, checkpoint);
    if (channel_queue(control->channel, CONTROL_CHECKPOINT, &body, NULL, 0) != KS_OK)
        log_error("event=checkpoint-not-kept");
}

void
control_send_worker_bad(struct control *control, const char *token, uint32_t worker_index)
{
    struct control_worker worker = {.worker_index = worker_index};
    ks_auto(buf_deinit) struct buf body = BUF_INIT;

    if (text_copy(worker.token, sizeof(worker.token), token))
        control_worker_pack(&body, &worker);
    if (channel_queue(control->channel, CONTROL_WORKER_BAD, &body, NULL, 0) != KS_OK)
        log_error("event=worker-not-reported token=%s worker=%u", token, worker_index);
}
