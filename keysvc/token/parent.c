/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parent - messages from and to the supervisor
 */
#include "token/parent.h"

#include <sys/socket.h>

#define SEND_TIMEOUT_MS 10000 /* the supervisor reads at once, or is stuck */

struct parent {
    struct channel *channel;
    struct config *config;
    int front_fd;
    int audit_fd;
    int pin_fd;
    bool may_start;
    bool store_held;
    bool may_login;
    bool is_denied;
    bool audit_gone;
    bool is_stopping;
    struct control_result denial;
};

typedef ks_err (*take_fn)(struct parent *parent, struct message *message);

static ks_err take_start_go(struct parent *parent, struct message *message);
static ks_err take_login_go(struct parent *parent, struct message *message);
static ks_err take_login_denied(struct parent *parent, struct message *message);
static ks_err take_front(struct parent *parent, struct message *message);
static ks_err take_config(struct parent *parent, struct message *message);
static ks_err take_audit(struct parent *parent, struct message *message);
static ks_err take_audit_gone(struct parent *parent, struct message *message);
static ks_err take_stop(struct parent *parent, struct message *message);

/* SETUP is not in it: it comes once, first. */
static const struct {
    take_fn take;
    size_t n_fds;
} messages[] = {
    [CONTROL_START_GO] = {take_start_go, 0},
    [CONTROL_LOGIN_GO] = {take_login_go, 1},
    [CONTROL_LOGIN_DENIED] = {take_login_denied, 0},
    [CONTROL_FRONT] = {take_front, 1},
    [CONTROL_CONFIG] = {take_config, 0},
    [CONTROL_AUDIT] = {take_audit, 1},
    [CONTROL_STOP] = {take_stop, 0},
    [CONTROL_AUDIT_GONE] = {take_audit_gone, 0},
};

ks_err
parent_new(int fd, struct parent **out, struct fault *why)
{
    ks_auto(parent_freep) struct parent *parent = calloc(1, sizeof(*parent));
    int domain = 0, type = 0;
    socklen_t domain_len = sizeof(domain), type_len = sizeof(type);
    struct sockaddr peer;
    socklen_t peer_len = sizeof(peer);

    if (!parent) {
        fault_set(why, "no memory");
        return KS_ERR_INTERNAL;
    }
    parent->front_fd = parent->audit_fd = parent->pin_fd = -1;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_len) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) < 0 || domain != AF_UNIX ||
        type != SOCK_STREAM || getpeername(fd, &peer, &peer_len) < 0) {
        fault_set(why, "descriptor %d is not the supervisor's socket", fd);
        fault_hint(why, "this program is started by keysvcd, not by hand");
        return KS_ERR_BAD_REQUEST;
    }
    if (channel_new(fd, CHANNEL_MAX_CONFIG, &parent->channel) != KS_OK) {
        fault_set(why, "cannot use the supervisor's socket: %m");
        return KS_ERR_INTERNAL;
    }
    *out = ks_steal(&parent);
    return KS_OK;
}

struct parent *
parent_free(struct parent *parent)
{
    if (!parent)
        return NULL;
    closep(&parent->front_fd);
    closep(&parent->audit_fd);
    closep(&parent->pin_fd);
    config_free(parent->config);
    channel_free(parent->channel);
    free(parent);
    return NULL;
}

void
parent_freep(struct parent **parent)
{
    *parent = parent_free(*parent);
}

int
parent_fd(const struct parent *parent)
{
    return channel_fd(parent->channel);
}

ks_err
parent_setup(struct parent *parent, struct control_setup *setup, int *fds, size_t n_fds,
             struct fault *why)
{
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    ks_err err;

    err = channel_receive(parent->channel, &message, -1);
    if (!err && message.type != CONTROL_SETUP)
        err = KS_ERR_BAD_REQUEST;
    if (!err)
        err = control_setup_unpack(message.body, message.len, setup);
    if (!err && (setup->token_index >= setup->config->n_tokens || setup->worker_index < 1 ||
                 message.n_fds != n_fds + setup->has_before)) {
        control_setup_deinit(setup);
        err = KS_ERR_BAD_REQUEST;
    }
    if (err) {
        fault_set(why, "no setup from the supervisor");
        return err;
    }
    for (size_t i = 0; i < message.n_fds; i++)
        fds[i] = message_take_fd(&message, i);
    return KS_OK;
}

static void
replace_fd(int *kept, int fd)
{
    closep(kept);
    *kept = fd;
}

static ks_err
take_start_go(struct parent *parent, struct message *message)
{
    struct unpacker in = unpack_start(message->body, message->len);

    parent->may_start = true;
    parent->store_held = unpack_bool(&in);
    return unpack_done(&in) ? KS_OK : KS_ERR_BAD_REQUEST;
}

static ks_err
take_login_go(struct parent *parent, struct message *message)
{
    parent->may_login = true;
    replace_fd(&parent->pin_fd, message_take_fd(message, 0));
    return message->len == 0 ? KS_OK : KS_ERR_BAD_REQUEST;
}

static ks_err
take_login_denied(struct parent *parent, struct message *message)
{
    parent->is_denied = true;
    return control_result_unpack(message->body, message->len, &parent->denial);
}

static ks_err
take_front(struct parent *parent, struct message *message)
{
    replace_fd(&parent->front_fd, message_take_fd(message, 0));
    return message->len == 0 ? KS_OK : KS_ERR_BAD_REQUEST;
}

static ks_err
take_config(struct parent *parent, struct message *message)
{
    parent->config = config_free(parent->config);
    return config_unpack(message->body, message->len, &parent->config);
}

static ks_err
take_audit(struct parent *parent, struct message *message)
{
    replace_fd(&parent->audit_fd, message_take_fd(message, 0));
    parent->audit_gone = false;
    return KS_OK;
}

static ks_err
take_audit_gone(struct parent *parent, struct message *message)
{
    closep(&parent->audit_fd);
    parent->audit_gone = true;
    return message->len == 0 ? KS_OK : KS_ERR_BAD_REQUEST;
}

static ks_err
take_stop(struct parent *parent, struct message *message)
{
    parent->is_stopping = true;
    return message->len == 0 ? KS_OK : KS_ERR_BAD_REQUEST;
}

static ks_err
take_message(struct parent *parent, struct message *message, struct fault *why)
{
    ks_err err = KS_ERR_BAD_REQUEST;

    if (message->type < ARRAY_LEN(messages) && messages[message->type].take &&
        messages[message->type].n_fds == message->n_fds)
        err = messages[message->type].take(parent, message);
    if (err)
        fault_set(why, "the supervisor's message %u makes no sense", message->type);
    return err;
}

/* What is buffered, or the next that comes. */
static ks_err
wait_one(struct parent *parent, struct fault *why)
{
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    ks_err err = channel_receive(parent->channel, &message, -1);

    if (err) {
        fault_set(why, "the supervisor is gone");
        return err;
    }
    return take_message(parent, &message, why);
}

static ks_err
send_body(struct parent *parent, uint16_t type, const struct buf *body)
{
    return channel_send(parent->channel, type, body, NULL, 0, SEND_TIMEOUT_MS);
}

static ks_err
send_wish(struct parent *parent, uint16_t type, struct fault *why)
{
    ks_err err = send_body(parent, type, NULL);

    if (err)
        fault_set(why, "the supervisor does not answer");
    return err;
}

ks_err
parent_start(struct parent *parent, bool *store_held, struct fault *why)
{
    ks_err err = send_wish(parent, CONTROL_START_WANTED, why);

    while (!err && !parent->may_start) {
        if (parent->is_stopping)
            return KS_ERR_BUSY;
        err = wait_one(parent, why);
    }
    *store_held = parent->store_held;
    return err;
}

ks_err
parent_store_lock(struct parent *parent, int fd, struct fault *why)
{
    ks_err err = channel_send(parent->channel, CONTROL_STORE_LOCK, NULL, &fd, 1, SEND_TIMEOUT_MS);

    if (err)
        fault_set(why, "the supervisor does not answer");
    return err;
}

ks_err
parent_ask_login(struct parent *parent, int *pin_fd, struct fault *why)
{
    ks_err err;

    parent->may_login = parent->is_denied = false;
    err = send_wish(parent, CONTROL_LOGIN_WANTED, why);
    while (!err && !parent->may_login && !parent->is_denied)
        err = wait_one(parent, why);
    if (err)
        return err;
    if (parent->is_denied) {
        *why = parent->denial.why;
        why->rv = 0;
        /* A marker that could not be written says nothing about the PIN. */
        return parent->denial.err == KS_ERR_INTERNAL ? KS_ERR_INTERNAL : KS_ERR_LOGIN_BLOCKED;
    }
    *pin_fd = ks_steal_fd(&parent->pin_fd);
    return KS_OK;
}

/* A supervisor that cannot be told is gone; the next read says so. */
void
parent_tell_login(struct parent *parent, ks_err result, const struct fault *why)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    struct control_result message = {.err = result};

    if (result)
        message.why = *why;
    control_result_pack(&body, &message);
    if (send_body(parent, CONTROL_LOGIN_RESULT, &body) != KS_OK)
        return;
}

ks_err
parent_read(struct parent *parent, struct fault *why)
{
    ks_err filled = channel_fill(parent->channel);
    ks_err err = KS_OK;
    bool have = true;

    while (!err && have) {
        ks_auto(message_deinit) struct message message = MESSAGE_INIT;

        err = channel_next(parent->channel, &message, &have);
        if (!err && have)
            err = take_message(parent, &message, why);
        else if (err)
            fault_set(why, "the supervisor's message makes no sense");
    }
    if (!err && filled) {
        err = filled;
        fault_set(why, "the supervisor is gone");
    }
    return err;
}

struct config *
parent_take_config(struct parent *parent)
{
    return ks_steal(&parent->config);
}

int
parent_take_front(struct parent *parent)
{
    return ks_steal_fd(&parent->front_fd);
}

int
parent_take_audit(struct parent *parent)
{
    return ks_steal_fd(&parent->audit_fd);
}

bool
parent_take_audit_gone(struct parent *parent)
{
    bool gone = parent->audit_gone;

    parent->audit_gone = false;
    return gone;
}

bool
parent_is_stopping(const struct parent *parent)
{
    return parent->is_stopping;
}

static ks_err
send_state(struct parent *parent, uint16_t type, const struct control_state *state)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;

    control_state_pack(&body, state);
    return send_body(parent, type, &body);
}

ks_err
parent_ready(struct parent *parent, const struct control_state *state)
{
    return send_state(parent, CONTROL_READY, state);
}

ks_err
parent_state(struct parent *parent, const struct control_state *state)
{
    return send_state(parent, CONTROL_STATE, state);
}

ks_err
parent_config_done(struct parent *parent, uint64_t generation)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;

    pack_u64(&body, generation);
    return send_body(parent, CONTROL_CONFIG_DONE, &body);
}

ks_err
parent_checkpoint(struct parent *parent, const struct control_checkpoint *checkpoint)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;

    control_checkpoint_pack(&body, checkpoint);
    return send_body(parent, CONTROL_CHECKPOINT, &body);
}
