/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection_read - bytes and descriptors of one client become frames, and frames requests
 */
#include "front/connection_state.h"

#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "front/decode.h"
#include "front/dispatch.h"
#include "front/files.h"
#include "front/front.h"
#include "front/quota.h"

#define UNREAD_HIGH (256 * 1024) /* bytes of unread answers: nothing more is read until */
#define UNREAD_LOW OUTBOX_FREE   /* so few are left */
/* Frames of one connection in a turn of the loop, so that its caller's others get theirs. */
#define MAX_FRAMES 16
#define LARGE_FRAME (64 * 1024) /* bytes: a frame that has begun and is larger is charged */

static void take_bytes(struct connection *connection, const uint8_t *data, size_t len);
static bool next_frame(struct connection *connection, const uint8_t **data, size_t *len,
                       const uint8_t **frame, size_t *frame_len);
static bool check_stray(struct connection *connection);
static void take_frame(struct connection *connection, const uint8_t *frame, size_t len);
static void take_hello(struct connection *connection, const struct request *request);
static bool charge_frame(struct connection *connection);
static void protocol_error(struct connection *connection, ks_err err, const struct fault *why);
static void hold(struct connection *connection, const uint8_t *rest, size_t len);
static void take_held(struct connection *connection);
static void pause_reading(struct connection *connection);

void
connection_read(evutil_socket_t fd, short what, void *data)
{
    struct connection *connection = data;
    struct front *front = connection->front;
    struct fault why = FAULT_INIT;
    struct passed_fds fds;
    ssize_t len;

    (void)what;
    if (!quota_turn_left(connection->account, front->turn)) {
        connection_park(connection);
        return;
    }
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
    front->metrics.received += (uint64_t)len;
    quota_turn_use(connection->account, front->turn, (size_t)len);
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
            connection_write(connection);
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
        if (len > 0 && (n_frames == MAX_FRAMES ||
                        !quota_turn_left(connection->account, connection->front->turn))) {
            hold(connection, data, len);
            return;
        }
        if (!next_frame(connection, &data, &len, &frame, &frame_len))
            return;
        if (!frame)
            break;
        whole = true;
        quota_turn_use(connection->account, connection->front->turn, frame_len);
        connection_read_uncharge(connection);
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
    metrics_refuse(&front->metrics, METRICS_REFUSAL_PROTOCOL);
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

void
connection_read_uncharge(struct connection *connection)
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

    metrics_refuse(&connection->front->metrics, METRICS_REFUSAL_PROTOCOL);
    if (connection_refused(connection))
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
    connection_make_dirty(connection);
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

void
connection_read_on(struct connection *connection)
{
    if (connection->paused && outbox_unread(&connection->outbox) > UNREAD_LOW)
        return;
    if (connection->held.len > 0)
        connection_park(connection);
    else if (connection->paused)
        event_add(&connection->readable, NULL);
    connection->paused = false;
}

void
connection_park(struct connection *connection)
{
    if (connection->parked)
        return;
    connection->parked = true;
    event_del(&connection->readable);
    TAILQ_INSERT_TAIL(&connection->front->connections.parked, connection, in_parked);
}

void
connection_unpark(struct connection *connection)
{
    if (!connection->parked)
        return;
    connection->parked = false;
    TAILQ_REMOVE(&connection->front->connections.parked, connection, in_parked);
}

void
connection_wake_parked(struct front *front)
{
    struct connection *connection = TAILQ_FIRST(&front->connections.parked), *next;

    for (; connection; connection = next) {
        next = TAILQ_NEXT(connection, in_parked);
        if (!quota_turn_wake(connection->account, front->turn))
            continue;
        connection_unpark(connection);
        event_add(&connection->readable, NULL);
        event_active(&connection->readable, EV_READ, 0);
    }
}
