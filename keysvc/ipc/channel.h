/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel - messages and descriptors over one end of a stream socketpair between our processes
 *
 * A message is an 8-byte header (u32 body length, u16 type, u8 descriptors, u8 zero) and its body.
 * Nothing here blocks except channel_make_room(), channel_send() and channel_receive(). Many messages are read and
 * written in one system call.
 *
 *   event loop:  readable -> channel_fill(), then channel_next() until false;
 *                channel_queue() ..., channel_flush()
 *   blocking:    channel_send(), channel_receive()
 *
 * Whoever reads decides what a mistake means (docs/architecture.md, "who brings whom down").
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/fault.h"

#define CHANNEL_MAX_FDS 9 /* descriptors in one message */
#define CHANNEL_MAX_BODY                                                                           \
    ((1024 + 128) * 1024) /* bytes: a whole client frame and what the front adds */
#define CHANNEL_MAX_CONFIG                                                                         \
    (8 * 1024 *                                                                                    \
     1024) /* bytes: a configuration with its rules and classes                         \
                       */
#define CHANNEL_MAX_BACKLOG (64 * 1024 * 1024) /* bytes queued to a reader that does not read */

struct channel;

struct message {
    uint16_t type;
    const uint8_t *body; /* borrowed until the next channel_next, channel_fill or channel_receive */
    size_t len;
    int fds[CHANNEL_MAX_FDS]; /* the receiver's to close; message_deinit closes what is left */
    size_t n_fds;
};

#define MESSAGE_INIT                                                                               \
    {                                                                                              \
        0, NULL, 0, {-1, -1, -1, -1, -1, -1, -1, -1}, 0                                            \
    }

/* Closes descriptors that nobody has taken (set to -1). For ks_auto. */
void message_deinit(struct message *message);

/* The descriptor at `index`, now the caller's, or -1. */
int message_take_fd(struct message *message, size_t index);

/* Both ends non-blocking and close-on-exec. INTERNAL: errno says why. */
ks_err channel_pair(int ends[static 2]) KS_MUST_CHECK;

/* Takes `fd` and makes it non-blocking. `max_body` bounds what is received. */
ks_err channel_new(int fd, size_t max_body, struct channel **out) KS_MUST_CHECK;
struct channel *channel_free(struct channel *channel);
void channel_freep(struct channel **channel);
int channel_fd(const struct channel *channel);

/* The other end is closed; what came before may still be to be read. */
bool channel_is_closed(int fd);

/* Reads what is there. NO_SERVICE: the other end is gone (whole messages read before are still to
 * be taken). */
ks_err channel_fill(struct channel *channel) KS_MUST_CHECK;

/* The next whole message; *have says whether there was one. BAD_REQUEST: nonsense, the channel is
 * of no more use. */
ks_err channel_next(struct channel *channel, struct message *message, bool *have) KS_MUST_CHECK;

/* Queues a message; descriptors are duplicated, the caller keeps its own. INTERNAL: no memory;
 * BUSY: the backlog is full. */
ks_err channel_queue(struct channel *channel, uint16_t type, const struct buf *body, const int *fds,
                     size_t n_fds) KS_MUST_CHECK;

/* Writes what the socket takes. NO_SERVICE: the other end is gone. */
ks_err channel_flush(struct channel *channel) KS_MUST_CHECK;

/* Flushes, and waits for as much room in the backlog as a message with a body of `len` bytes needs, at most
 * `timeout_ms` (DEADLINE). For many messages one after the other to a reader that does read. */
ks_err channel_make_room(struct channel *channel, size_t len, int timeout_ms) KS_MUST_CHECK;

/* Bytes that wait for channel_flush. */
size_t channel_pending(const struct channel *channel);

/* Queue and flush, waiting until all is written or `timeout_ms` has passed (DEADLINE). */
ks_err channel_send(struct channel *channel, uint16_t type, const struct buf *body, const int *fds,
                    size_t n_fds, int timeout_ms) KS_MUST_CHECK;

/* Waits for one message; timeout_ms < 0: for ever. DEADLINE, NO_SERVICE, BAD_REQUEST. */
ks_err channel_receive(struct channel *channel, struct message *message,
                       int timeout_ms) KS_MUST_CHECK;
