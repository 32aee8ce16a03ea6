/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_channel - the stream between our processes, in pieces that carry descriptors
 *
 * A piece is the number of its bytes, the number of its descriptors, its bytes. Messages that came out, sent
 * again, are the bytes that went in; whatever went wrong, no descriptor is left open.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/channel.h"

#define MAX_BODY 4096
#define MAX_PIECE_FDS 12 /* more than a message may have */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool truth)
{
    if (!truth)
        abort();
}

static void
send_piece(int to, const uint8_t *data, size_t len, size_t n_fds)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * MAX_PIECE_FDS)];
    } control = {.bytes = {0}};
    struct iovec vector = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
    struct cmsghdr *c;

    if (n_fds > 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
        c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
        for (size_t i = 0; i < n_fds; i++)
            memcpy(CMSG_DATA(c) + i * sizeof(int), &to, sizeof(int));
    }
    require(sendmsg(to, &header, 0) == (ssize_t)len);
}

/* Takes what is there; `again` gets the same messages, as they would be sent. */
static ks_err
take(struct channel *channel, struct buf *again)
{
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    ks_err err = channel_fill(channel);
    bool have = true;

    while (!err && have) {
        err = channel_next(channel, &message, &have);
        if (err || !have)
            break;
        require(message.len <= MAX_BODY && message.n_fds <= CHANNEL_MAX_FDS);
        for (size_t i = 0; i < message.n_fds; i++)
            require(message.fds[i] >= 0);
        buf_append(again,
                   (uint8_t[]){0, 0, (uint8_t)(message.len >> 8), (uint8_t)message.len,
                               (uint8_t)(message.type >> 8), (uint8_t)message.type,
                               (uint8_t)message.n_fds, 0},
                   8);
        if (message.len > 0)
            buf_append(again, message.body, message.len);
        /* One is taken over; the others are closed with the message. */
        if (message.n_fds > 0)
            close(message_take_fd(&message, 0));
    }
    return err;
}

static void
run(const uint8_t *data, size_t size)
{
    ks_auto(buf_deinit) struct buf sent = BUF_INIT, again = BUF_INIT;
    struct channel *channel;
    ks_err err = KS_OK;
    int ends[2];

    require(channel_pair(ends) == KS_OK && channel_new(ends[0], MAX_BODY, &channel) == KS_OK);
    while (!err && size > 2) {
        size_t len = data[0], n_fds = data[1] % (MAX_PIECE_FDS + 1);

        if (len == 0 || len > size - 2)
            len = size - 2 < 255 ? size - 2 : 255;
        send_piece(ends[1], data + 2, len, n_fds);
        buf_append(&sent, data + 2, len);
        data += 2 + len;
        size -= 2 + len;
        err = take(channel, &again);
        require(err == KS_OK || err == KS_ERR_BAD_REQUEST);
    }
    require(!sent.failed && !again.failed && again.len <= sent.len);
    require(again.len == 0 || memcmp(again.data, sent.data, again.len) == 0);
    channel_free(channel);
    close(ends[1]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int before = dup(STDIN_FILENO), after;

    close(before);
    run(data, size);
    after = dup(STDIN_FILENO);
    close(after);
    require(before == after);
    return 0;
}
