/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection - reading frames, and the ends a connection can come to
 */
#include "front/connection.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "front/call.h"
#include "front/decode.h"
#include "front/discard.h"
#include "front/dispatch.h"
#include "front/files.h"
#include "front/front.h"
#include "front/listener.h"
#include "front/outbox.h"
#include "front/passed.h"
#include "front/policy.h"
#include "front/quota.h"
#include "front/refusals.h"
#include "proto/wire/frame.h"

#define UNREAD_HIGH (256 * 1024) /* bytes of unread answers: nothing more is read until */
#define UNREAD_LOW OUTBOX_FREE   /* so few are left */
/* Frames of one connection in a turn of the loop: what comes in one burst makes the others wait no
 * longer than so many requests take. A program that waits for its answers sends fewer. */
#define MAX_FRAMES 16
#define LARGE_FRAME (64 * 1024) /* bytes: a frame that has begun and is larger is charged */

struct connection {
    struct front *front;
    int fd;
    bool hello_done;
    bool closing; /* once its answers are written */
    bool dead;
    bool dirty;
    bool paused; /* not reading: too many unread answers */
    char program[REQUEST_PROGRAM_MAX + 1];
    struct peer peer;
    struct quota_account *account;
    struct event readable, writable;
    struct frame_reader reader;
    struct passed passed; /* descriptors */
    struct outbox outbox;
    struct buf held;     /* read and not looked at: while paused, or more than MAX_FRAMES */
    size_t frame_charge; /* of a large frame that has begun */
    uint64_t accepted_ms, active_ms;
    uint64_t frame_since_ms; /* 0: none has begun */
    struct call_list calls;
    TAILQ_ENTRY(connection) in_all, in_dirty; /* in_all also serves the dead */
};

static void on_readable(evutil_socket_t fd, short what, void *data);
static void on_writable(evutil_socket_t fd, short what, void *data);
static void take_bytes(struct connection *connection, const uint8_t *data, size_t len);
static bool next_frame(struct connection *connection, const uint8_t **data, size_t *len,
                       const uint8_t **frame, size_t *frame_len);
static bool check_stray(struct connection *connection);
static void take_frame(struct connection *connection, const uint8_t *frame, size_t len);
static void take_hello(struct connection *connection, const struct request *request);
static bool charge_frame(struct connection *connection);
static void uncharge_frame(struct connection *connection);
static void protocol_error(struct connection *connection, ks_err err, const struct fault *why);
static void hold(struct connection *connection, const uint8_t *rest, size_t len);
static void take_held(struct connection *connection);
static void pause_reading(struct connection *connection);
static void go_on(struct connection *connection);
static void write_answers(struct connection *connection);

void
connections_init(struct connections *connections)
{
    TAILQ_INIT(&connections->all);
    TAILQ_INIT(&connections->dirty);
    TAILQ_INIT(&connections->dead);
}

ks_err
connection_new(struct front *front, int fd, struct peer *peer, struct quota_account *account)
{
    struct connection *connection = calloc(1, sizeof(*connection));

    if (!connection) {
        close(fd);
        peer_deinit(peer);
        quota_disconnect(front->quota, account);
        return KS_ERR_INTERNAL;
    }
    connection->front = front;
    connection->fd = fd;
    connection->peer = *peer;
    *peer = (struct peer)PEER_INIT;
    connection->account = account;
    connection->reader = (struct frame_reader)FRAME_READER_INIT;
    connection->accepted_ms = connection->active_ms = clock_mono_ms();
    TAILQ_INIT(&connection->calls);
    event_assign(&connection->readable, front->base, fd, EV_READ | EV_PERSIST, on_readable,
                 connection);
    event_assign(&connection->writable, front->base, fd, EV_WRITE, on_writable, connection);
    event_add(&connection->readable, NULL);
    TAILQ_INSERT_TAIL(&front->connections.all, connection, in_all);
    return KS_OK;
}

struct front *
connection_front(const struct connection *connection)
{
    return connection->front;
}

const struct peer *
connection_peer(const struct connection *connection)
{
    return &connection->peer;
}

struct quota_account *
connection_account(const struct connection *connection)
{
    return connection->account;
}

struct passed *
connection_passed(struct connection *connection)
{
    return &connection->passed;
}

struct call_list *
connection_calls(struct connection *connection)
{
    return &connection->calls;
}

bool
connection_administrator(const struct connection *connection)
{
    return policy_find(connection->front->config, &connection->peer, NULL, OPERATION_ADMINISTER) !=
           NULL;
}

static void
make_dirty(struct connection *connection)
{
    if (connection->dirty || connection->dead)
        return;
    connection->dirty = true;
    TAILQ_INSERT_TAIL(&connection->front->connections.dirty, connection, in_dirty);
}

/* --- in --- */

static void
on_readable(evutil_socket_t fd, short what, void *data)
{
    struct connection *connection = data;
    struct front *front = connection->front;
    struct fault why = FAULT_INIT;
    struct passed_fds fds;
    ssize_t len;

    (void)what;
    if (connection->held.len > 0) {
        take_held(connection);
        return;
    }
    len = passed_receive(fd, front->scratch, FRONT_READ_LEN, &fds);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len <= 0) {
        connection_close(connection, "the client has gone");
        return;
    }
    /* What still comes when the end has been said is not looked at. */
    if (connection->closing)
        passed_fds_discard(&fds);
    else if (files_keep(connection, &fds, (size_t)len, &why) == KS_OK)
        take_bytes(connection, front->scratch, (size_t)len);
    else
        protocol_error(connection, KS_ERR_BAD_REQUEST, &why);
}

static void
take_bytes(struct connection *connection, const uint8_t *data, size_t len)
{
    const uint8_t *frame;
    size_t frame_len;
    bool whole = false;

    connection->active_ms = clock_mono_ms();
    for (int n_frames = 0;; n_frames++) {
        if (outbox_unread(&connection->outbox) > UNREAD_HIGH)
            write_answers(connection);
        if (connection->dead)
            return;
        if (connection->closing) {
            files_clear(connection);
            return;
        }
        if (outbox_unread(&connection->outbox) > UNREAD_HIGH) {
            hold(connection, data, len);
            pause_reading(connection);
            return;
        }
        if (n_frames == MAX_FRAMES && len > 0) {
            hold(connection, data, len);
            return;
        }
        if (!next_frame(connection, &data, &len, &frame, &frame_len))
            return;
        if (!frame)
            break;
        whole = true;
        uncharge_frame(connection);
        take_frame(connection, frame, frame_len);
    }
    if (!check_stray(connection))
        return;
    if (!frame_partial(&connection->reader))
        connection->frame_since_ms = 0;
    else if (whole || connection->frame_since_ms == 0)
        connection->frame_since_ms = connection->active_ms;
    if (!charge_frame(connection))
        connection->frame_since_ms = 0;
}

/* False: the stream is of no more use. */
static bool
next_frame(struct connection *connection, const uint8_t **data, size_t *len, const uint8_t **frame,
           size_t *frame_len)
{
    bool begins = !frame_partial(&connection->reader);
    size_t before = *len;
    struct fault why = FAULT_INIT;
    ks_err err = frame_next(&connection->reader, data, len, frame, frame_len);

    passed_advance(&connection->passed, before - *len, begins);
    if (!err)
        return true;
    fault_set(&why, err == KS_ERR_TOO_LARGE ? "a frame of more than %d bytes" : "an empty frame",
              FRAME_MAX_LEN);
    protocol_error(connection, err, &why);
    return false;
}

/* False: descriptors came that no request can be meant to have. Whoever lost count of his own
 * descriptors would have the next import's file taken for another's. */
static bool
check_stray(struct connection *connection)
{
    struct fault why = FAULT_INIT;

    if (connection->dead || connection->closing ||
        !passed_stray(&connection->passed, frame_partial(&connection->reader)))
        return true;
    fault_set(&why, "descriptors came with no ImportRequest that begins with them");
    protocol_error(connection, KS_ERR_BAD_REQUEST, &why);
    return false;
}

static void
take_frame(struct connection *connection, const uint8_t *frame, size_t len)
{
    struct front *front = connection->front;
    struct fault why = FAULT_INIT;
    struct reply reply = {0};
    struct request request;
    ks_err err;

    err = decode_request(front->arena, frame, len, &request, &why);
    if (err && request.id == 0) {
        protocol_error(connection, err, &why);
        return;
    }
    if (err) {
        dispatch_malformed(connection, &request, err, &why);
        files_settle(connection, &request);
        return;
    }
    if (connection->hello_done && request.operation != REQUEST_HELLO) {
        dispatch_request(connection, &request, len);
        files_settle(connection, &request);
        return;
    }
    if (!connection->hello_done && request.operation == REQUEST_HELLO) {
        take_hello(connection, &request);
        return;
    }
    fault_set(&why, connection->hello_done ? "Hello is said once" : "the first request is Hello");
    reply = (struct reply){.id = request.id, .err = KS_ERR_BAD_REQUEST, .why = &why};
    connection_reply(connection, &reply);
    if (!connection->hello_done)
        connection->closing = true;
}

static void
take_hello(struct connection *connection, const struct request *request)
{
    struct reply reply = {.id = request->id, .operation = REQUEST_HELLO};
    struct fault why = FAULT_INIT;

    if (request->hello.protocol_version != REQUEST_PROTOCOL_VERSION) {
        fault_set(&why, "protocol version %u is not spoken here; %d is",
                  request->hello.protocol_version, REQUEST_PROTOCOL_VERSION);
        fault_hint(&why, "use a client of this keysvcd's version");
        reply.err = KS_ERR_BAD_REQUEST;
        reply.why = &why;
        connection->closing = true;
    }
    memcpy(connection->program, request->hello.program, sizeof(connection->program));
    connection->hello_done = true;
    connection_reply(connection, &reply);
}

/* A client that announces a large frame holds that much of our memory before it has asked for
 * anything; nothing can be answered under its id, which has not been read. */
static bool
charge_frame(struct connection *connection)
{
    size_t announced = frame_announced(&connection->reader);
    struct fault why = FAULT_INIT;
    ks_err err;

    if (announced <= LARGE_FRAME || connection->frame_charge)
        return true;
    err = quota_take(connection->account, &connection->front->config->limits, announced, &why);
    if (err) {
        protocol_error(connection, err, &why);
        return false;
    }
    connection->frame_charge = announced;
    return true;
}

static void
uncharge_frame(struct connection *connection)
{
    if (connection->frame_charge)
        quota_put(connection->account, connection->frame_charge);
    connection->frame_charge = 0;
}

/* The last answer on this connection, under no request's id. */
static void
protocol_error(struct connection *connection, ks_err err, const struct fault *why)
{
    struct reply reply = {.err = err, .why = why};

    if (refusals_allowed(connection->front->refusals, &connection->peer))
        log_info("event=connection-refused uid=%u pid=%d program=\"%s\" outcome=%s reason=\"%s\"",
                 connection->peer.uid, connection->peer.pid, LOG_TEXT(connection->program),
                 err_info(err)->name, LOG_TEXT(why->text));
    connection_reply(connection, &reply);
    connection->closing = true;
    if (!connection->dead)
        files_clear(connection);
}

/* Keeps what was read; connections_settle() sees to it that it is looked at. */
static void
hold(struct connection *connection, const uint8_t *rest, size_t len)
{
    buf_append(&connection->held, rest, len);
    if (connection->held.failed) {
        connection_close(connection, "no memory");
        return;
    }
    connection->frame_since_ms = 0;
    make_dirty(connection);
}

static void
take_held(struct connection *connection)
{
    struct buf held = connection->held;

    connection->held = (struct buf)BUF_INIT;
    take_bytes(connection, held.data, held.len);
    buf_deinit(&held);
}

static void
pause_reading(struct connection *connection)
{
    if (connection->dead)
        return;
    connection->paused = true;
    event_del(&connection->readable);
}

/* Those with more to look at go on in the next turn of the loop, each after the other. */
static void
go_on(struct connection *connection)
{
    if (connection->paused && outbox_unread(&connection->outbox) > UNREAD_LOW)
        return;
    if (connection->paused)
        event_add(&connection->readable, NULL);
    connection->paused = false;
    if (connection->held.len > 0)
        event_active(&connection->readable, EV_READ, 0);
}

/* --- out --- */

void
connection_reply(struct connection *connection, const struct reply *reply)
{
    if (connection->dead)
        return;
    if (outbox_put(&connection->outbox, reply) != KS_OK) {
        connection_close(connection, "no memory for an answer");
        return;
    }
    make_dirty(connection);
}

static void
on_writable(evutil_socket_t fd, short what, void *data)
{
    (void)fd;
    (void)what;
    make_dirty(data);
}

static void
write_answers(struct connection *connection)
{
    struct fault why = FAULT_INIT;

    if (outbox_write(&connection->outbox, connection->fd) != KS_OK) {
        connection_close(connection, "the client has gone");
        return;
    }
    if (outbox_unread(&connection->outbox) > 0)
        event_add(&connection->writable, NULL);
    if (outbox_charge(&connection->outbox, connection->account, &connection->front->config->limits,
                      &why) != KS_OK)
        connection_close(connection, why.text);
}

/* --- the end of a turn, and of a connection --- */

void
connections_settle(struct front *front)
{
    struct connections *set = &front->connections;
    struct connection *connection;

    while ((connection = TAILQ_FIRST(&set->dirty))) {
        TAILQ_REMOVE(&set->dirty, connection, in_dirty);
        connection->dirty = false;
        write_answers(connection);
        if (connection->dead)
            continue;
        if (connection->closing && outbox_unread(&connection->outbox) == 0)
            connection_close(connection, "after its last answer");
        else if (!connection->closing && !front->stop_at_ms)
            go_on(connection);
    }
    while ((connection = TAILQ_FIRST(&set->dead))) {
        TAILQ_REMOVE(&set->dead, connection, in_all);
        free(connection);
    }
}

void
connection_close(struct connection *connection, const char *reason)
{
    struct front *front = connection->front;
    struct call *call;

    if (connection->dead)
        return;
    log_debug("event=connection-closed uid=%u pid=%d program=\"%s\" reason=\"%s\"",
              connection->peer.uid, connection->peer.pid, LOG_TEXT(connection->program),
              LOG_TEXT(reason));
    connection->dead = true;
    while ((call = TAILQ_FIRST(&connection->calls)))
        call_drop(call);
    if (connection->dirty)
        TAILQ_REMOVE(&front->connections.dirty, connection, in_dirty);
    event_del(&connection->readable);
    event_del(&connection->writable);
    discard_socket(connection->fd);
    frame_reader_deinit(&connection->reader);
    outbox_close(&connection->outbox, connection->account);
    buf_deinit(&connection->held);
    files_clear(connection);
    uncharge_frame(connection);
    quota_disconnect(front->quota, connection->account);
    peer_deinit(&connection->peer);
    TAILQ_REMOVE(&front->connections.all, connection, in_all);
    TAILQ_INSERT_TAIL(&front->connections.dead, connection, in_all);
    listener_room(front->listener);
}

static const char *
overdue(const struct connection *connection, const struct config_limits *limits, uint64_t now_ms)
{
    if (connection->outbox.since_ms &&
        now_ms - connection->outbox.since_ms > limits->frame_timeout_ms)
        return "answers are not read";
    if (connection->frame_since_ms &&
        now_ms - connection->frame_since_ms > limits->frame_timeout_ms)
        return "half a frame";
    if (!connection->hello_done && now_ms - connection->accepted_ms > limits->handshake_timeout_ms)
        return "no Hello";
    if (limits->idle_timeout_ms && TAILQ_EMPTY(&connection->calls) &&
        now_ms - connection->active_ms > limits->idle_timeout_ms)
        return "idle";
    return NULL;
}

void
connections_sweep(struct front *front, uint64_t now_ms)
{
    struct connection *connection = TAILQ_FIRST(&front->connections.all);

    while (connection) {
        struct connection *next = TAILQ_NEXT(connection, in_all);
        const char *reason = overdue(connection, &front->config->limits, now_ms);

        if (reason)
            connection_close(connection, reason);
        connection = next;
    }
}

void
connections_stop(struct front *front)
{
    struct connection *connection;

    TAILQ_FOREACH(connection, &front->connections.all, in_all)
    event_del(&connection->readable);
}

void
connections_free(struct front *front)
{
    struct connection *connection;

    while ((connection = TAILQ_FIRST(&front->connections.all)))
        connection_close(connection, "the service stops");
    connections_settle(front);
}
