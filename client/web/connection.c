/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection - TLS and time around the reader, and the one place that calls the handler
 *
 * The deadline is a timer of its own: it is set when the connection begins and when an answer was
 * sent, to the end of the next request, and again for taking the answer. Bytes that trickle in do
 * not move it.
 */
#include "client/web/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>

#include <openssl/err.h>

#include "base/clock.h"
#include "client/web/answer.h"
#include "client/web/reader.h"

#define STEPS_A_TURN 32u /* system calls for one connection before the next one's turn */
#define LINGER_MS 5000u  /* for what a client is still sending when it was refused */
#define WHY_MAX 384u
#define REFUSED 400 /* and above: the statuses of requests that had no effect */
#define OUT_MAX_LEN (ANSWER_MAX_LEN + 16384u)

enum state {
    STATE_HANDSHAKE,
    STATE_READ,
    STATE_WRITE,
    STATE_LINGER,
};

enum step {
    STEP_ON,    /* another one at once */
    STEP_READ,  /* when there is something to read */
    STEP_WRITE, /* when there is room to write */
    STEP_END,   /* it is over */
};

struct connection {
    struct loop *loop;
    struct connection *next, **link;
    int fd;
    SSL *ssl;
    struct event *io, *deadline;
    struct reader *reader;
    struct wiped out;
    size_t n_sent;
    enum state state;
    bool last;   /* no request after this one */
    bool failed; /* TLS has no more to say */
    char peer[INET6_ADDRSTRLEN];
    struct peer_key key;
};

static bool connection_init(struct connection *connection);
static void print_peer(const struct sockaddr_storage *peer, char out[static INET6_ADDRSTRLEN]);
static bool start_tls(struct connection *connection);
static void ready(evutil_socket_t fd, short events, void *context);
static void late(evutil_socket_t fd, short events, void *context);
static enum step step(struct connection *connection);
static enum step step_handshake(struct connection *connection);
static enum step step_read(struct connection *connection);
static enum step read_more(struct connection *connection);
static enum step step_write(struct connection *connection);
static enum step step_linger(struct connection *connection);
static void linger(struct connection *connection);
static enum step tls_failed(struct connection *connection, int result);
static bool first_error(char out[static WHY_MAX]);
static void serve(struct connection *connection);
static bool admit(struct connection *connection);
static void refuse(struct connection *connection);
static void log_request(struct connection *connection, const struct web_request *request,
                        uint64_t begin_us);
static const X509 *client_certificate(const SSL *ssl);
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
    return connection->reader && connection->io && connection->deadline && start_tls(connection);
}

static bool
start_tls(struct connection *connection)
{
    const struct server_options *options = connection->loop->options;
    SSL_CTX *context = options->tls(connection->loop->state);

    if (!context)
        return false; /* whoever has none has said why */
    connection->ssl = SSL_new(context);
    SSL_CTX_free(context);
    if (!connection->ssl || !SSL_set_fd(connection->ssl, connection->fd) ||
        !SSL_set_min_proto_version(connection->ssl, TLS1_2_VERSION)) {
        ERR_clear_error();
        return false;
    }
    /* Cleansed: what was deciphered is wiped from OpenSSL's own buffers once we have it. */
    SSL_set_options(connection->ssl, SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_NO_RENEGOTIATION |
                                         SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_set_mode(connection->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
    /* Or SSL_read() goes on for as long as records without data come, as new keys by the thousand. */
    SSL_clear_mode(connection->ssl, SSL_MODE_AUTO_RETRY);
    SSL_set_accept_state(connection->ssl);
    return true;
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
    if (connection->state == STATE_HANDSHAKE ||
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
        [STATE_HANDSHAKE] = "handshake",
        [STATE_READ] = "request",
        [STATE_WRITE] = "answer",
        [STATE_LINGER] = "end",
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

static enum step
step_handshake(struct connection *connection)
{
    int result = SSL_accept(connection->ssl);

    if (result != 1)
        return tls_failed(connection, result);
    connection->state = STATE_READ;
    return STEP_ON;
}

static enum step
step_read(struct connection *connection)
{
    enum reader_result result = reader_step(connection->reader);

    if (result == READER_MORE && (!reader_asks(connection->reader) || admit(connection)))
        return read_more(connection);
    if (result == READER_MORE)
        reader_refuse(connection->reader); /* its answer is there */
    else if (result == READER_WHOLE)
        serve(connection);
    else
        refuse(connection);
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
    return tls_failed(connection, result);
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
            return tls_failed(connection, result);
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

/* What is to be waited for, or the end; who fails in the handshake is told about in the log. */
static enum step
tls_failed(struct connection *connection, int result)
{
    char why[WHY_MAX];

    switch (SSL_get_error(connection->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return STEP_READ;
    case SSL_ERROR_WANT_WRITE:
        return STEP_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return STEP_END;
    default:
        break;
    }
    connection->failed = true;
    if (connection->state == STATE_HANDSHAKE && first_error(why) &&
        loop_may_log(connection->loop, connection->peer))
        log_info("event=handshake-failed peer=%s why=\"%s\"", connection->peer, LOG_TEXT(why));
    return STEP_END;
}

/* The first is the cause, with what a provider says of it. False: the client has just gone. */
static bool
first_error(char out[static WHY_MAX])
{
    const char *data = NULL;
    int flags = 0;
    unsigned long code = ERR_peek_error_all(NULL, NULL, NULL, &data, &flags);
    const char *reason = ERR_reason_error_string(code);
    bool text = data && (flags & ERR_TXT_STRING) && data[0] != '\0';

    snprintf(out, WHY_MAX, "%s%s%s", reason ? reason : "?", text ? ": " : "", text ? data : "");
    return code != 0;
}

/* --- its requests --- */

static void
serve(struct connection *connection)
{
    const struct server_options *options = connection->loop->options;
    uint64_t begin_us = clock_mono_us();
    struct web_request request;

    answer_init(&request, reader_head(connection->reader), &connection->out);
    request.body = reader_body(connection->reader, &request.body_len);
    request.client = client_certificate(connection->ssl);
    request.peer = connection->peer;
    request.close = request.close || connection->last;
    options->handle(&request, connection->loop->state);
    if (request.code == 0)
        answer_status(&request, 500);
    connection->last = request.close;
    log_request(connection, &request, begin_us);
    answer_deinit(&request);
}

/* False: it was answered without its body, and nothing may follow. */
static bool
admit(struct connection *connection)
{
    const struct server_options *options = connection->loop->options;
    uint64_t begin_us = clock_mono_us();
    struct web_request request;
    bool admitted;

    if (!options->admit)
        return true;
    answer_init(&request, reader_head(connection->reader), &connection->out);
    request.client = client_certificate(connection->ssl);
    request.peer = connection->peer;
    request.close = true;
    options->admit(&request, connection->loop->state);
    admitted = request.code == 0;
    if (!admitted) {
        connection->last = true;
        log_request(connection, &request, begin_us);
    }
    answer_deinit(&request);
    return admitted;
}

/* What was no request is answered here. */
static void
refuse(struct connection *connection)
{
    uint64_t begin_us = clock_mono_us();
    struct web_request request;

    answer_init(&request, reader_head(connection->reader), &connection->out);
    request.close = true;
    connection->last = true;
    answer_status(&request, reader_code(connection->reader));
    log_request(connection, &request, begin_us);
    answer_deinit(&request);
}

/* What changed or showed something is logged, each time; a flood of what did not is cut short. */
static void
log_request(struct connection *connection, const struct web_request *request, uint64_t begin_us)
{
    const char *why = request->why;

    if (request->code >= REFUSED && !loop_may_log(connection->loop, connection->peer))
        return;
    log_info("event=request peer=%s method=\"%s\" path=\"%s\" body=%zu status=%d us=%llu%s%s%s",
             connection->peer, LOG_TEXT(request->head->method_text), LOG_TEXT(request->head->path),
             request->body_len, request->code, (unsigned long long)(clock_mono_us() - begin_us),
             why ? " why=\"" : "", why ? why : "", why ? "\"" : "");
}

static const X509 *
client_certificate(const SSL *ssl)
{
    return SSL_get_verify_result(ssl) == X509_V_OK ? SSL_get0_peer_certificate(ssl) : NULL;
}

/* --- waiting --- */

static void
set_deadline(struct connection *connection, uint32_t ms)
{
    struct timeval after = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};

    evtimer_add(connection->deadline, &after);
}

/* STEP_ON: its turn comes again when the others had theirs. */
static void
wait_for(struct connection *connection, enum step what)
{
    const struct timeval now = {.tv_sec = 0};
    short events = what == STEP_WRITE ? EV_WRITE : EV_READ;

    event_del(connection->io);
    event_assign(connection->io, connection->loop->base, connection->fd, events, ready, connection);
    event_add(connection->io, what == STEP_ON ? &now : NULL);
}
