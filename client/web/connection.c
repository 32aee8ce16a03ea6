/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection - its steps, and their time
 *
 * The deadline is a timer of its own: it is set when the connection begins and when an answer was
 * sent, to the end of the next request, and again for taking the answer. Bytes that trickle in do
 * not move it.
 */
#include "client/web/connection_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <openssl/err.h>

#include "client/web/answer.h"

#define STEPS_A_TURN 32u /* system calls for one connection before the next one's turn */
#define LINGER_MS 5000u  /* for what a client is still sending when it was refused */
#define OUT_MAX_LEN (ANSWER_MAX_LEN + 16384u)

static bool connection_init(struct connection *connection);
static void print_peer(const struct sockaddr_storage *peer, char out[static INET6_ADDRSTRLEN]);
static void ready(evutil_socket_t fd, short events, void *context);
static void late(evutil_socket_t fd, short events, void *context);
static enum step step(struct connection *connection);
static enum step step_new(struct connection *connection);
static enum step step_turn(struct connection *connection);
static bool is_gone(const struct connection *connection);
static enum step step_handshake(struct connection *connection);
static enum step step_read(struct connection *connection);
static enum step read_more(struct connection *connection);
static enum step step_write(struct connection *connection);
static enum step step_linger(struct connection *connection);
static void linger(struct connection *connection);
static void set_deadline(struct connection *connection, uint32_t ms);
static void wait_for(struct connection *connection, enum step what);

void
connection_begin(struct loop *loop, int fd, const struct sockaddr_storage *peer,
                 const struct peer_key *key)
{
    struct connection *connection = calloc(1, sizeof(*connection));

    if (!connection) {
        close(fd);
        loop_left(loop, key);
        return;
    }
    *connection = (struct connection){
        .loop = loop, .fd = fd, .key = *key, .next = loop->connections, .link = &loop->connections};
    if (connection->next)
        connection->next->link = &connection->next;
    loop->connections = connection;
    connection->out.max = OUT_MAX_LEN;
    print_peer(peer, connection->peer);
    if (!connection_init(connection)) {
        connection_end(connection);
        return;
    }
    set_deadline(connection, loop->options->request_timeout_ms);
    wait_for(connection, STEP_READ);
}

static void
print_peer(const struct sockaddr_storage *peer, char out[static INET6_ADDRSTRLEN])
{
    const void *address = peer->ss_family == AF_INET6
                              ? (const void *)&((const struct sockaddr_in6 *)peer)->sin6_addr
                              : (const void *)&((const struct sockaddr_in *)peer)->sin_addr;

    if (!inet_ntop(peer->ss_family, address, out, INET6_ADDRSTRLEN))
        strcpy(out, "?");
}

static bool
connection_init(struct connection *connection)
{
    const struct server_options *options = connection->loop->options;
    const int on = 1;

    /* An answer is written whole; it does not wait for more. */
    (void)setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    connection->reader = reader_new(options->max_headers_len, options->max_body_len);
    connection->io = event_new(connection->loop->base, connection->fd, EV_READ, ready, connection);
    connection->deadline = evtimer_new(connection->loop->base, late, connection);
    return connection->reader && connection->io && connection->deadline;
}

void
connection_end(struct connection *connection)
{
    struct loop *loop = connection->loop;
    struct peer_key key;

    if (connection->ssl && !connection->failed && SSL_is_init_finished(connection->ssl))
        (void)SSL_shutdown(connection->ssl);
    ERR_clear_error();
    SSL_free(connection->ssl);
    if (connection->io)
        event_free(connection->io);
    if (connection->deadline)
        event_free(connection->deadline);
    reader_free(connection->reader);
    wiped_deinit(&connection->out);
    close(connection->fd);
    *connection->link = connection->next;
    if (connection->next)
        connection->next->link = connection->link;
    key = connection->key;
    free(connection);
    loop_left(loop, &key);
}

void
connection_stop(struct connection *connection)
{
    connection->last = true;
    if (connection->state <= STATE_HANDSHAKE ||
        (connection->state == STATE_READ && !reader_begun(connection->reader)))
        connection_end(connection);
}

struct connection *
connection_next(const struct connection *connection)
{
    return connection->next;
}

/* --- its turns --- */

static void
ready(evutil_socket_t fd, short events, void *context)
{
    struct connection *connection = context;
    enum step next = STEP_ON;

    (void)fd;
    (void)events;
    for (size_t i = 0; i < STEPS_A_TURN && next == STEP_ON; i++)
        next = step(connection);
    if (next == STEP_END)
        connection_end(connection);
    else
        wait_for(connection, next);
}

static void
late(evutil_socket_t fd, short events, void *context)
{
    static const char *const DOING[] = {
        [STATE_NEW] = "handshake", [STATE_TURN] = "handshake", [STATE_HANDSHAKE] = "handshake",
        [STATE_READ] = "request",  [STATE_WRITE] = "answer",   [STATE_LINGER] = "end",
    };
    struct connection *connection = context;
    bool idle = connection->state == STATE_READ && !reader_begun(connection->reader);

    (void)fd;
    (void)events;
    if (!idle && connection->state != STATE_LINGER &&
        loop_may_log(connection->loop, connection->peer))
        log_info("event=deadline peer=%s in=%s", connection->peer, DOING[connection->state]);
    connection_end(connection);
}

static enum step
step(struct connection *connection)
{
    ERR_clear_error();
    switch (connection->state) {
    case STATE_NEW:
        return step_new(connection);
    case STATE_TURN:
        return step_turn(connection);
    case STATE_HANDSHAKE:
        return step_handshake(connection);
    case STATE_READ:
        return step_read(connection);
    case STATE_WRITE:
        return step_write(connection);
    default:
        return step_linger(connection);
    }
}

/* Who only looks whether the port is open is not counted. */
static enum step
step_new(struct connection *connection)
{
    struct loop *loop = connection->loop;
    uint32_t timeout_ms = loop->options->request_timeout_ms;
    struct peer_turn turn;
    bool granted;

    if (is_gone(connection))
        return STEP_END;
    granted = peers_turn(loop->peers, &connection->key, timeout_ms, &turn);
    if (turn.first && loop_may_log(loop, connection->peer))
        log_warning("event=handshakes-wait peer=%s rate=%u", connection->peer,
                    loop->options->handshake_rate);
    if (!granted)
        return STEP_END;
    connection->wait_ms = turn.wait_ms;
    connection->state = STATE_TURN;
    if (turn.wait_ms == 0)
        return STEP_ON;
    set_deadline(connection, (uint32_t)turn.wait_ms + timeout_ms); /* waiting is not its fault */
    return STEP_TURN;
}

/* Nothing is signed for whoever did not wait. */
static enum step
step_turn(struct connection *connection)
{
    if (is_gone(connection) || !connection_tls_start(connection))
        return STEP_END;
    connection->state = STATE_HANDSHAKE;
    return STEP_ON;
}

/* Behind what it may have sent: a client of TLS does not end its side before the handshake. */
static bool
is_gone(const struct connection *connection)
{
    struct pollfd client = {.fd = connection->fd, .events = POLLRDHUP};

    return poll(&client, 1, 0) != 0;
}

static enum step
step_handshake(struct connection *connection)
{
    int result = SSL_accept(connection->ssl);

    if (result != 1)
        return connection_tls_failed(connection, result);
    connection->state = STATE_READ;
    return STEP_ON;
}

static enum step
step_read(struct connection *connection)
{
    enum reader_result result = reader_step(connection->reader);

    if (result == READER_MORE && (!reader_asks(connection->reader) || connection_admit(connection)))
        return read_more(connection);
    if (result == READER_MORE)
        reader_refuse(connection->reader); /* its answer is there */
    else if (result == READER_WHOLE)
        connection_serve(connection);
    else
        connection_refuse(connection);
    set_deadline(connection, connection->loop->options->request_timeout_ms);
    connection->state = STATE_WRITE;
    return STEP_ON;
}

static enum step
read_more(struct connection *connection)
{
    uint8_t *space = reader_space(connection->reader);
    int result;

    if (!space)
        return STEP_END;
    result = SSL_read(connection->ssl, space, READER_SPACE);
    if (result > 0) {
        reader_filled(connection->reader, (size_t)result);
        return STEP_ON;
    }
    if (SSL_get_error(connection->ssl, result) == SSL_ERROR_WANT_READ &&
        reader_continue(connection->reader)) {
        if (!answer_continue(&connection->out))
            return STEP_END;
        connection->state = STATE_WRITE;
        return STEP_ON;
    }
    return connection_tls_failed(connection, result);
}

static enum step
step_write(struct connection *connection)
{
    size_t left = connection->out.len - connection->n_sent;
    size_t sent = 0;

    if (left > 0) {
        int result =
            SSL_write_ex(connection->ssl, connection->out.data + connection->n_sent, left, &sent);

        if (result != 1)
            return connection_tls_failed(connection, result);
        connection->n_sent += sent;
        return STEP_ON;
    }
    wiped_deinit(&connection->out);
    connection->n_sent = 0;
    connection->state = STATE_READ;
    switch (reader_step(connection->reader)) {
    case READER_MORE: /* only "100 Continue" was sent */
        return STEP_ON;
    case READER_WHOLE:
        if (!connection->last) {
            reader_next(connection->reader);
            set_deadline(connection, connection->loop->options->request_timeout_ms);
            return STEP_ON;
        }
        break;
    case READER_REFUSED:
        break;
    }
    linger(connection);
    return STEP_ON;
}

/*
 * Closing while the client still sends would make its kernel drop the answer before it was read. So
 * our side ends first, and what still comes is thrown away for a while, as it came.
 */
static void
linger(struct connection *connection)
{
    uint32_t timeout_ms = connection->loop->options->request_timeout_ms;

    (void)SSL_shutdown(connection->ssl);
    connection->failed = true;
    (void)shutdown(connection->fd, SHUT_WR);
    set_deadline(connection, timeout_ms < LINGER_MS ? timeout_ms : LINGER_MS);
    connection->state = STATE_LINGER;
}

static enum step
step_linger(struct connection *connection)
{
    char waste[READER_SPACE];
    ssize_t n = recv(connection->fd, waste, sizeof(waste), 0);

    if (n > 0)
        return STEP_ON;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? STEP_READ : STEP_END;
}

/* --- waiting --- */

static void
set_deadline(struct connection *connection, uint32_t ms)
{
    struct timeval after = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};

    evtimer_add(connection->deadline, &after);
}

/* STEP_ON: its turn comes again when the others had theirs. STEP_TURN: nothing but the clock. */
static void
wait_for(struct connection *connection, enum step what)
{
    uint64_t ms = what == STEP_TURN ? connection->wait_ms : 0;
    const struct timeval after = {.tv_sec = (time_t)(ms / 1000),
                                  .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    bool timed = what == STEP_ON || what == STEP_TURN;
    short events = what == STEP_WRITE ? EV_WRITE : EV_READ;

    event_del(connection->io);
    event_assign(connection->io, connection->loop->base, what == STEP_TURN ? -1 : connection->fd,
                 what == STEP_TURN ? 0 : events, ready, connection);
    event_add(connection->io, timed ? &after : NULL);
}
