/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel - buffered messages with descriptors
 *
 * Descriptors ride on the first byte of their message. recvmsg() never joins bytes across such a
 * mark, so the descriptors of a message have always arrived when its header has; they wait in a
 * queue in order of arrival.
 */
#include "ipc/channel.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"

#define HEADER_LEN 8
#define READ_LEN (64 * 1024)
#define MAX_WAITING_FDS 32

/* A message with descriptors that waits in `out` at this offset. */
struct passenger {
    size_t offset;
    int fds[CHANNEL_MAX_FDS];
    size_t n_fds;
};

struct channel {
    int fd;
    size_t max_body;
    struct buf in;
    size_t in_used; /* bytes of `in` that were handed out already */
    int in_fds[MAX_WAITING_FDS];
    size_t n_in_fds;
    struct buf out;
    size_t out_used; /* bytes of `out` that were written already */
    struct passenger *passengers;
    size_t n_passengers;
};

static void close_all(int *fds, size_t n_fds);
static ks_err take_fds(struct channel *channel, struct msghdr *header);
static void settle_out(struct channel *channel);
static ks_err wait_for(const struct channel *channel, short events, uint64_t end_ms, bool forever);

static void
close_all(int *fds, size_t n_fds)
{
    for (size_t i = 0; i < n_fds; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

void
message_deinit(struct message *message)
{
    close_all(message->fds, message->n_fds);
    message->n_fds = 0;
}

int
message_take_fd(struct message *message, size_t index)
{
    return index < message->n_fds ? ks_steal_fd(&message->fds[index]) : -1;
}

ks_err
channel_pair(int ends[static 2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return KS_ERR_INTERNAL;
    return KS_OK;
}

ks_err
channel_new(int fd, size_t max_body, struct channel **out)
{
    struct channel *channel = calloc(1, sizeof(*channel));
    int flags = fcntl(fd, F_GETFL);

    if (!channel || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        free(channel);
        close(fd);
        return KS_ERR_INTERNAL;
    }
    channel->fd = fd;
    channel->max_body = max_body;
    *out = channel;
    return KS_OK;
}

struct channel *
channel_free(struct channel *channel)
{
    if (!channel)
        return NULL;
    close(channel->fd);
    close_all(channel->in_fds, channel->n_in_fds);
    for (size_t i = 0; i < channel->n_passengers; i++)
        close_all(channel->passengers[i].fds, channel->passengers[i].n_fds);
    free(channel->passengers);
    buf_deinit(&channel->in);
    buf_deinit(&channel->out);
    free(channel);
    return NULL;
}

void
channel_freep(struct channel **channel)
{
    *channel = channel_free(*channel);
}

int
channel_fd(const struct channel *channel)
{
    return channel->fd;
}

bool
channel_is_closed(int fd)
{
    struct pollfd end = {.fd = fd};

    return poll(&end, 1, 0) > 0 && (end.revents & (POLLHUP | POLLERR));
}

size_t
channel_pending(const struct channel *channel)
{
    return channel->out.len - channel->out_used;
}

ks_err
channel_fill(struct channel *channel)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * CHANNEL_MAX_FDS)];
    } control;
    struct iovec vector;
    struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
    uint8_t *room;
    ssize_t len;

    buf_consume(&channel->in, channel->in_used);
    channel->in_used = 0;
    room = buf_reserve(&channel->in, READ_LEN);
    if (!room)
        return KS_ERR_INTERNAL;
    vector = (struct iovec){.iov_base = room, .iov_len = READ_LEN};
    header.msg_control = control.bytes;
    header.msg_controllen = sizeof(control.bytes);
    do
        len = recvmsg(channel->fd, &header, MSG_CMSG_CLOEXEC);
    while (len < 0 && errno == EINTR);
    if (len < 0)
        return errno == EAGAIN ? KS_OK : KS_ERR_NO_SERVICE;
    if (len == 0)
        return KS_ERR_NO_SERVICE;
    channel->in.len += (size_t)len;
    return take_fds(channel, &header);
}

/* A cut control message has lost descriptors: the messages behind it would get each other's. */
static ks_err
take_fds(struct channel *channel, struct msghdr *header)
{
    ks_err err = header->msg_flags & MSG_CTRUNC ? KS_ERR_BAD_REQUEST : KS_OK;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        size_t n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        int fds[CHANNEL_MAX_FDS];

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || n_fds > CHANNEL_MAX_FDS)
            continue;
        memcpy(fds, CMSG_DATA(c), n_fds * sizeof(int));
        if (channel->n_in_fds + n_fds > MAX_WAITING_FDS) {
            close_all(fds, n_fds);
            err = KS_ERR_BAD_REQUEST;
            continue;
        }
        memcpy(channel->in_fds + channel->n_in_fds, fds, n_fds * sizeof(int));
        channel->n_in_fds += n_fds;
    }
    return err;
}

ks_err
channel_next(struct channel *channel, struct message *message, bool *have)
{
    size_t left = channel->in.len - channel->in_used;
    const uint8_t *at = left ? channel->in.data + channel->in_used : NULL;
    uint32_t len;
    uint16_t type;

    message_deinit(message);
    *message = (struct message)MESSAGE_INIT;
    *have = false;
    if (left < HEADER_LEN)
        return KS_OK;
    memcpy(&len, at, sizeof(len));
    memcpy(&type, at + 4, sizeof(type));
    len = be32toh(len);
    if (len > channel->max_body || at[6] > CHANNEL_MAX_FDS || at[7] != 0)
        return KS_ERR_BAD_REQUEST;
    if (left - HEADER_LEN < len)
        return KS_OK;
    if (at[6] > channel->n_in_fds)
        return KS_ERR_BAD_REQUEST;
    message->type = be16toh(type);
    message->body = at + HEADER_LEN;
    message->len = len;
    message->n_fds = at[6];
    memcpy(message->fds, channel->in_fds, message->n_fds * sizeof(int));
    channel->n_in_fds -= message->n_fds;
    memmove(channel->in_fds, channel->in_fds + message->n_fds, channel->n_in_fds * sizeof(int));
    channel->in_used += HEADER_LEN + len;
    *have = true;
    return KS_OK;
}

static ks_err
add_passenger(struct channel *channel, const int *fds, size_t n_fds)
{
    struct passenger *list =
        reallocarray(channel->passengers, channel->n_passengers + 1, sizeof(*list));
    struct passenger *last;

    if (!list)
        return KS_ERR_INTERNAL;
    channel->passengers = list;
    last = &list[channel->n_passengers];
    last->offset = channel->out.len;
    last->n_fds = 0;
    for (size_t i = 0; i < n_fds; i++) {
        last->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
        if (last->fds[i] < 0) {
            close_all(last->fds, last->n_fds);
            return KS_ERR_INTERNAL;
        }
        last->n_fds++;
    }
    channel->n_passengers++;
    return KS_OK;
}

ks_err
channel_queue(struct channel *channel, uint16_t type, const struct buf *body, const int *fds,
              size_t n_fds)
{
    size_t len = body ? body->len : 0;
    uint8_t header[HEADER_LEN] = {0};
    uint32_t be_len = htobe32((uint32_t)len);
    uint16_t be_type = htobe16(type);

    if ((body && body->failed) || n_fds > CHANNEL_MAX_FDS || len > CHANNEL_MAX_CONFIG)
        return KS_ERR_INTERNAL;
    if (channel_pending(channel) + len > CHANNEL_MAX_BACKLOG)
        return KS_ERR_BUSY;
    memcpy(header, &be_len, sizeof(be_len));
    memcpy(header + 4, &be_type, sizeof(be_type));
    header[6] = (uint8_t)n_fds;
    if (!buf_reserve(&channel->out, HEADER_LEN + len))
        return KS_ERR_INTERNAL;
    if (n_fds > 0 && add_passenger(channel, fds, n_fds) != KS_OK)
        return KS_ERR_INTERNAL;
    buf_append(&channel->out, header, sizeof(header));
    if (len > 0)
        buf_append(&channel->out, body->data, len);
    return KS_OK;
}

/* Bytes up to the next message with descriptors, or that message's bytes with them. */
static ssize_t
send_some(struct channel *channel)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * CHANNEL_MAX_FDS)];
    } control = {.bytes = {0}};
    struct passenger *first = channel->n_passengers ? &channel->passengers[0] : NULL;
    struct iovec vector = {.iov_base = channel->out.data + channel->out_used,
                           .iov_len = channel_pending(channel)};
    struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
    struct cmsghdr *c;

    if (!first)
        return sendmsg(channel->fd, &header, MSG_NOSIGNAL);
    if (first->offset > channel->out_used) {
        vector.iov_len = first->offset - channel->out_used;
        return sendmsg(channel->fd, &header, MSG_NOSIGNAL);
    }
    if (channel->n_passengers > 1)
        vector.iov_len = channel->passengers[1].offset - channel->out_used;
    header.msg_control = control.bytes;
    header.msg_controllen = CMSG_SPACE(sizeof(int) * first->n_fds);
    c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * first->n_fds);
    memcpy(CMSG_DATA(c), first->fds, sizeof(int) * first->n_fds);
    return sendmsg(channel->fd, &header, MSG_NOSIGNAL);
}

ks_err
channel_flush(struct channel *channel)
{
    while (channel_pending(channel) > 0) {
        bool boards =
            channel->n_passengers > 0 && channel->passengers[0].offset == channel->out_used;
        ssize_t len = send_some(channel);

        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0 && (errno == EAGAIN || errno == ENOBUFS))
            return KS_OK;
        if (len < 0)
            return KS_ERR_NO_SERVICE;
        if (boards) {
            close_all(channel->passengers[0].fds, channel->passengers[0].n_fds);
            channel->n_passengers--;
            memmove(channel->passengers, channel->passengers + 1,
                    channel->n_passengers * sizeof(*channel->passengers));
        }
        channel->out_used += (size_t)len;
        settle_out(channel);
    }
    return KS_OK;
}

/* Moves the unwritten rest to the front only when the written part is the larger one: linear on the
 * whole. */
static void
settle_out(struct channel *channel)
{
    if (channel->out_used < channel->out.len && channel->out_used < channel->out.len / 2)
        return;
    buf_consume(&channel->out, channel->out_used);
    for (size_t i = 0; i < channel->n_passengers; i++)
        channel->passengers[i].offset -= channel->out_used;
    channel->out_used = 0;
}

static ks_err
wait_for(const struct channel *channel, short events, uint64_t end_ms, bool forever)
{
    struct pollfd poll_fd = {.fd = channel->fd, .events = events};
    uint64_t now_ms = clock_mono_ms();
    int timeout_ms = forever ? -1 : (int)(end_ms > now_ms ? end_ms - now_ms : 0);
    int n = poll(&poll_fd, 1, timeout_ms);

    if (n < 0 && errno != EINTR)
        return KS_ERR_INTERNAL;
    if (n == 0)
        return KS_ERR_DEADLINE;
    return KS_OK;
}

ks_err
channel_make_room(struct channel *channel, size_t len, int timeout_ms)
{
    uint64_t end_ms = clock_mono_ms() + (uint64_t)timeout_ms;
    ks_err err = KS_OK;

    while (!err && channel_pending(channel) + len > CHANNEL_MAX_BACKLOG) {
        err = channel_flush(channel);
        if (!err && channel_pending(channel) + len > CHANNEL_MAX_BACKLOG)
            err = wait_for(channel, POLLOUT, end_ms, false);
    }
    return err;
}

ks_err
channel_send(struct channel *channel, uint16_t type, const struct buf *body, const int *fds,
             size_t n_fds, int timeout_ms)
{
    uint64_t end_ms = clock_mono_ms() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms);
    ks_err err = channel_queue(channel, type, body, fds, n_fds);

    while (!err) {
        err = channel_flush(channel);
        if (err || channel_pending(channel) == 0)
            return err;
        err = wait_for(channel, POLLOUT, end_ms, timeout_ms < 0);
    }
    return err;
}

ks_err
channel_receive(struct channel *channel, struct message *message, int timeout_ms)
{
    uint64_t end_ms = clock_mono_ms() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms);
    bool have = false;
    ks_err err;

    for (;;) {
        err = channel_next(channel, message, &have);
        if (err || have)
            return err;
        err = wait_for(channel, POLLIN, end_ms, timeout_ms < 0);
        if (err)
            return err;
        err = channel_fill(channel);
        if (err)
            return err;
    }
}
