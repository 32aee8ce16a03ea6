/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection - its answers, and the ends it can come to
 */
#include "front/connection.h"

#include "base/clock.h"
#include "base/log.h"
#include "front/connection_state.h"
#include "front/discard.h"
#include "front/files.h"
#include "front/front.h"
#include "front/listener.h"
#include "front/policy.h"
#include "front/quota.h"
#include "front/refusals.h"

static void on_writable(evutil_socket_t fd, short what, void *data);

void
connections_init(struct connections *connections)
{
    TAILQ_INIT(&connections->all);
    TAILQ_INIT(&connections->dirty);
    TAILQ_INIT(&connections->parked);
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
    event_assign(&connection->readable, front->base, fd, EV_READ | EV_PERSIST, connection_read,
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

void
connection_make_dirty(struct connection *connection)
{
    if (connection->dirty || connection->dead)
        return;
    connection->dirty = true;
    TAILQ_INSERT_TAIL(&connection->front->connections.dirty, connection, in_dirty);
}

void
connection_reply(struct connection *connection, const struct reply *reply)
{
    if (connection->dead)
        return;
    if (outbox_put(&connection->outbox, reply) != KS_OK) {
        connection_close(connection, "no memory for an answer");
        return;
    }
    connection_make_dirty(connection);
}

bool
connection_refused(struct connection *connection)
{
    const struct timeval wait = {.tv_usec = QUOTA_FORGIVE_US};
    struct front *front = connection->front;

    if (refusals_allowed(front->refusals, &connection->peer))
        return true;
    quota_refused(front->quota, connection->account);
    if (!evtimer_pending(front->forgive, NULL))
        evtimer_add(front->forgive, &wait);
    return false;
}

static void
on_writable(evutil_socket_t fd, short what, void *data)
{
    (void)fd;
    (void)what;
    connection_make_dirty(data);
}

void
connection_write(struct connection *connection)
{
    size_t unread = outbox_unread(&connection->outbox);
    struct fault why = FAULT_INIT;

    if (outbox_write(&connection->outbox, connection->fd) != KS_OK) {
        connection_close(connection, "the client has gone");
        return;
    }
    connection->front->metrics.sent += unread - outbox_unread(&connection->outbox);
    if (outbox_unread(&connection->outbox) > 0)
        event_add(&connection->writable, NULL);
    if (outbox_charge(&connection->outbox, connection->account, &connection->front->config->limits,
                      &why) != KS_OK) {
        metrics_refuse(&connection->front->metrics, METRICS_REFUSAL_UNREAD);
        connection_close(connection, why.text);
    }
}

void
connections_settle(struct front *front)
{
    struct connections *set = &front->connections;
    struct connection *connection;

    while ((connection = TAILQ_FIRST(&set->dirty))) {
        TAILQ_REMOVE(&set->dirty, connection, in_dirty);
        connection->dirty = false;
        connection_write(connection);
        if (connection->dead)
            continue;
        if (connection->closing && outbox_unread(&connection->outbox) == 0)
            connection_close(connection, "after its last answer");
        else if (!connection->closing && !front->stop_at_ms)
            connection_read_on(connection);
    }
    while ((connection = TAILQ_FIRST(&set->dead))) {
        TAILQ_REMOVE(&set->dead, connection, in_all);
        free(connection);
    }
    if (!front->stop_at_ms)
        connection_wake_parked(front);
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
    connection_unpark(connection);
    event_del(&connection->readable);
    event_del(&connection->writable);
    discard_socket(connection->fd);
    frame_reader_deinit(&connection->reader);
    outbox_close(&connection->outbox, connection->account);
    buf_deinit(&connection->held);
    files_clear(connection);
    connection_read_uncharge(connection);
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

        if (reason) {
            metrics_refuse(&front->metrics, METRICS_REFUSAL_OVERDUE);
            connection_close(connection, reason);
        }
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
