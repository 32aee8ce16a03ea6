/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection - sending whole frames, and one reader for all who wait
 *
 * Locks: send_lock is held for one frame; lock guards the list of waiting calls and the state. The
 * members of the reader (input, frames) belong to whoever has set `reading`.
 */
#include "client/lib/connection.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "client/lib/error.h"
#include "client/lib/socket.h"
#include "proto/wire/frame.h"

#define INPUT_LEN (32 * 1024) /* bytes read at once; larger frames are gathered */
#define ANSWER_MARGIN_MS                                                                           \
    50 /* at most: the service's DEADLINE, with its reasons, arrives before                        \
          our own */

#define CLOSED_BY_PROGRAM "the connection to keysvcd was closed by the program itself"

/* A call that waits for its answer; on its caller's stack. */
struct wait {
    uint64_t id;
    struct response *response;
    pthread_cond_t wake; /* the answer is there, or the reading is free, or all is lost */
    struct wait *next;
    struct wait **link;
};

struct connection {
    struct socket socket;
    pid_t pid;
    uid_t euid;
    pthread_mutex_t send_lock;
    pthread_mutex_t lock;
    uint64_t last_id;
    struct wait *waits;
    bool dead;
    struct ks_error death; /* if dead: what all calls are told */
    bool reached;          /* connect() worked */
    bool reading;
    struct frame_reader frames;
    uint8_t input[INPUT_LEN];
};

static void wait_begin(struct connection *connection, struct wait *wait);
static void wait_end(struct connection *connection, struct wait *wait);
static ks_err wait_for(struct connection *connection, struct wait *wait, uint64_t deadline_ms,
                       struct ks_error *error);
static ks_err send_frame(struct connection *connection, const struct request *request,
                         const struct buf *frame, uint64_t deadline_ms, enum connection_sent *sent,
                         struct ks_error *error);
static void read_some(struct connection *connection, uint64_t deadline_ms);
static void deliver(struct connection *connection, struct response *response);
static void die(struct connection *connection, ks_err code, const char *text);
static void die_of(struct connection *connection, const struct ks_error *cause);

ks_err
connection_new(struct connection **out, struct ks_error *error)
{
    struct connection *connection = calloc(1, sizeof(*connection));

    if (!connection)
        return error_set(error, KS_ERR_INTERNAL, "no memory for a connection");
    if (!socket_open(&connection->socket)) {
        free(connection);
        return error_set(error, KS_ERR_INTERNAL, "no socket: %s", strerror(errno));
    }
    connection->pid = getpid();
    connection->euid = geteuid();
    connection->frames = (struct frame_reader)FRAME_READER_INIT;
    pthread_mutex_init(&connection->send_lock, NULL);
    pthread_mutex_init(&connection->lock, NULL);
    *out = connection;
    return KS_OK;
}

struct connection *
connection_free(struct connection *connection)
{
    if (!connection)
        return NULL;
    socket_close(&connection->socket);
    frame_reader_deinit(&connection->frames);
    pthread_mutex_destroy(&connection->send_lock);
    pthread_mutex_destroy(&connection->lock);
    free(connection);
    return NULL;
}

struct connection *
connection_abandon(struct connection *connection, bool in_use)
{
    socket_close(&connection->socket);
    if (in_use)
        return NULL;
    frame_reader_deinit(&connection->frames);
    free(connection);
    return NULL;
}

bool
connection_foreign(const struct connection *connection)
{
    return connection->pid != getpid();
}

bool
connection_stale(struct connection *connection)
{
    bool dead;

    if (connection_foreign(connection) || connection->euid != geteuid() ||
        !socket_is_ours(&connection->socket))
        return true;
    pthread_mutex_lock(&connection->lock);
    dead = connection->dead;
    pthread_mutex_unlock(&connection->lock);
    return dead;
}

bool
connection_lock(struct connection *connection, const struct timespec *until)
{
    return pthread_mutex_clocklock(&connection->lock, CLOCK_MONOTONIC, until) == 0;
}

void
connection_unlock(struct connection *connection)
{
    pthread_mutex_unlock(&connection->lock);
}

/* --- dialling --- */

ks_err
connection_dial(struct connection *connection, const char *path, const char *program,
                uint64_t deadline_ms, struct ks_error *error)
{
    const struct request hello = {.operation = OPERATION_HELLO, .hello = {.program = program}};
    ks_auto(response_freep) struct response *response = NULL;
    enum connection_sent sent;
    uint32_t version;
    ks_err err;

    err = socket_dial(&connection->socket, path, deadline_ms, error);
    if (err)
        return err;
    connection->reached = true;
    err = connection_call(connection, &hello, deadline_ms, &sent, &response, error);
    if (err)
        return err;
    err = response_check(response, OPERATION_HELLO, error);
    if (err)
        return err;
    version = response_protocol_version(response);
    if (version != CONVERT_PROTOCOL_VERSION)
        return error_set(error, KS_ERR_UNSUPPORTED,
                         "keysvcd speaks version %u of the protocol, this library version %u",
                         version, CONVERT_PROTOCOL_VERSION);
    return KS_OK;
}

bool
connection_reached(const struct connection *connection)
{
    return connection->reached;
}

/* --- one call --- */

static ks_err
too_late(struct ks_error *error)
{
    return error_set(error, KS_ERR_DEADLINE, "no answer from keysvcd in time");
}

ks_err
connection_call(struct connection *connection, const struct request *request, uint64_t deadline_ms,
                enum connection_sent *sent, struct response **out, struct ks_error *error)
{
    uint32_t left_ms = socket_time_left(deadline_ms);
    uint32_t margin_ms = left_ms / 8 < ANSWER_MARGIN_MS ? left_ms / 8 : ANSWER_MARGIN_MS;
    ks_auto(buf_deinit) struct buf frame = BUF_INIT;
    struct wait wait;
    ks_err err;

    *sent = CONNECTION_NOT_SENT;
    if (left_ms == 0)
        return too_late(error);
    wait_begin(connection, &wait);
    err = convert_pack(request, wait.id, left_ms - margin_ms, &frame, error);
    if (!err)
        err = send_frame(connection, request, &frame, deadline_ms, sent, error);
    if (!err)
        err = wait_for(connection, &wait, deadline_ms, error);
    wait_end(connection, &wait);
    if (err) {
        wait.response = response_free(wait.response);
        return err;
    }
    *sent = CONNECTION_ANSWERED;
    *out = wait.response;
    return KS_OK;
}

static void
wait_begin(struct connection *connection, struct wait *wait)
{
    pthread_condattr_t monotonic;

    memset(wait, 0, sizeof(*wait));
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&wait->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);

    pthread_mutex_lock(&connection->lock);
    wait->id = ++connection->last_id;
    wait->next = connection->waits;
    wait->link = &connection->waits;
    if (wait->next)
        wait->next->link = &wait->next;
    connection->waits = wait;
    pthread_mutex_unlock(&connection->lock);
}

/* Whoever leaves wakes one of the others if nobody reads: it may have been the reader, or the one
 * whom the last reader had woken. */
static void
wait_end(struct connection *connection, struct wait *wait)
{
    pthread_mutex_lock(&connection->lock);
    *wait->link = wait->next;
    if (wait->next)
        wait->next->link = wait->link;
    if (!connection->reading && connection->waits)
        pthread_cond_signal(&connection->waits->wake);
    pthread_mutex_unlock(&connection->lock);
    pthread_cond_destroy(&wait->wake);
}

static ks_err
wait_for(struct connection *connection, struct wait *wait, uint64_t deadline_ms,
         struct ks_error *error)
{
    const struct timespec until = {.tv_sec = (time_t)(deadline_ms / 1000),
                                   .tv_nsec = (long)(deadline_ms % 1000) * 1000000};
    ks_err err = KS_OK;

    pthread_mutex_lock(&connection->lock);
    while (!wait->response && !connection->dead && socket_time_left(deadline_ms) > 0) {
        if (connection->reading) {
            pthread_cond_timedwait(&wait->wake, &connection->lock, &until);
            continue;
        }
        connection->reading = true;
        pthread_mutex_unlock(&connection->lock);
        read_some(connection, deadline_ms);
        pthread_mutex_lock(&connection->lock);
        connection->reading = false;
    }
    if (!wait->response) {
        err = connection->dead ? connection->death.code : too_late(error);
        if (connection->dead && error)
            *error = connection->death;
    }
    pthread_mutex_unlock(&connection->lock);
    return err;
}

/* --- sending --- */

static void
wait_for_fd(const struct connection *connection, short events, uint64_t deadline_ms)
{
    struct pollfd ready = {.fd = connection->socket.fd, .events = events};
    uint32_t left_ms = socket_time_left(deadline_ms);

    if (left_ms > 0)
        (void)poll(&ready, 1, (int)left_ms);
}

/* Descriptors go beside the first byte, and only there: what was sent in part goes on without. */
static ssize_t
send_part(struct connection *connection, const struct request *request, const struct buf *frame,
          size_t done)
{
    struct iovec part = {.iov_base = frame->data + done, .iov_len = frame->len - done};
    size_t fds_len = request->n_fds * sizeof(request->fds[0]);
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(request->fds))];
    } control = {.room = {0}};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    struct cmsghdr *header = &control.align;

    if (done == 0 && fds_len > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(fds_len);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fds_len);
        memcpy(CMSG_DATA(header), request->fds, fds_len);
    }
    return sendmsg(connection->socket.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* What kept the kernel from sending, other than a full socket. A connection that was closed by the
 * other end is not an error here: what it said before, if anything, is still to be read. */
static ks_err
send_failed(struct connection *connection, int cause, size_t done, struct ks_error *error)
{
    if (cause == EPIPE || cause == ECONNRESET)
        return KS_OK;
    if (!socket_is_ours(&connection->socket)) {
        die(connection, KS_ERR_NO_SERVICE, CLOSED_BY_PROGRAM);
        return error_set(error, KS_ERR_NO_SERVICE, CLOSED_BY_PROGRAM);
    }
    if (done > 0)
        die(connection, KS_ERR_NO_SERVICE, "a request could not be sent to its end");
    /* As many descriptors are under way as this user may have open. */
    if (cause == ETOOMANYREFS)
        return error_set(error, KS_ERR_BUSY, "too many files are on their way to keysvcd");
    return error_set(error, KS_ERR_INTERNAL, "a request cannot be sent: %s", strerror(cause));
}

static ks_err
send_bytes(struct connection *connection, const struct request *request, const struct buf *frame,
           uint64_t deadline_ms, enum connection_sent *sent, struct ks_error *error)
{
    size_t done = 0;

    while (done < frame->len) {
        ssize_t n = send_part(connection, request, frame, done);

        if (n > 0) {
            done += (size_t)n;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return send_failed(connection, errno, done, error);
        if (socket_time_left(deadline_ms) == 0) {
            /* A frame cut off in the middle leaves no place for another one. */
            if (done > 0)
                die(connection, KS_ERR_NO_SERVICE, "keysvcd stopped reading in the middle");
            return too_late(error);
        }
        wait_for_fd(connection, POLLOUT, deadline_ms);
    }
    *sent = CONNECTION_SENT;
    return KS_OK;
}

static ks_err
send_frame(struct connection *connection, const struct request *request, const struct buf *frame,
           uint64_t deadline_ms, enum connection_sent *sent, struct ks_error *error)
{
    const struct timespec until = {.tv_sec = (time_t)(deadline_ms / 1000),
                                   .tv_nsec = (long)(deadline_ms % 1000) * 1000000};
    ks_err err;

    if (pthread_mutex_clocklock(&connection->send_lock, CLOCK_MONOTONIC, &until) != 0)
        return too_late(error);
    err = send_bytes(connection, request, frame, deadline_ms, sent, error);
    pthread_mutex_unlock(&connection->send_lock);
    return err;
}

/* --- reading: only by the thread that has set `reading` --- */

static void
read_frames(struct connection *connection, const uint8_t *data, size_t len)
{
    const uint8_t *frame;
    size_t frame_len;

    for (;;) {
        struct response *response = NULL;

        if (frame_next(&connection->frames, &data, &len, &frame, &frame_len)) {
            die(connection, KS_ERR_INTERNAL, "keysvcd sent what is not a frame");
            return;
        }
        if (!frame)
            return;
        if (convert_unpack(frame, frame_len, &response)) {
            die(connection, KS_ERR_INTERNAL, "keysvcd sent what is not an answer");
            return;
        }
        deliver(connection, response);
    }
}

static void
read_some(struct connection *connection, uint64_t deadline_ms)
{
    ssize_t n;

    wait_for_fd(connection, POLLIN, deadline_ms);
    if (!socket_is_ours(&connection->socket)) {
        die(connection, KS_ERR_NO_SERVICE, CLOSED_BY_PROGRAM);
        return;
    }
    n = recv(connection->socket.fd, connection->input, INPUT_LEN, MSG_DONTWAIT);
    if (n > 0)
        read_frames(connection, connection->input, (size_t)n);
    else if (n == 0 || (errno != EINTR && errno != EAGAIN))
        die(connection, KS_ERR_NO_SERVICE, "the connection to keysvcd was lost");
}

/* Gives an answer to the call it is for. A call that no longer waits had run out of time. */
static void
deliver(struct connection *connection, struct response *response)
{
    uint64_t id = response_id(response);
    struct wait *wait;

    if (id == 0) {
        struct ks_error said;

        (void)!response_check(response, OPERATION_END, &said);
        die_of(connection, &said);
        response_free(response);
        return;
    }
    pthread_mutex_lock(&connection->lock);
    for (wait = connection->waits; wait && wait->id != id; wait = wait->next)
        ;
    if (wait && !wait->response) {
        wait->response = response;
        response = NULL;
        pthread_cond_signal(&wait->wake);
    }
    pthread_mutex_unlock(&connection->lock);
    response_free(response);
}

static void
die(struct connection *connection, ks_err code, const char *text)
{
    struct ks_error cause;

    error_set(&cause, code, "%s", text);
    die_of(connection, &cause);
}

/* The first cause is the one that is told. */
static void
die_of(struct connection *connection, const struct ks_error *cause)
{
    pthread_mutex_lock(&connection->lock);
    if (!connection->dead) {
        connection->dead = true;
        connection->death = *cause;
    }
    for (struct wait *wait = connection->waits; wait; wait = wait->next)
        pthread_cond_signal(&wait->wake);
    pthread_mutex_unlock(&connection->lock);
}
