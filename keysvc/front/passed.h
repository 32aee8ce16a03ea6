/* SPDX-License-Identifier: Apache-2.0 */
/*
 * passed - descriptors that a client sends beside its bytes, until their request has been read
 *
 * A client sends a request's descriptors with the first byte of its frame (docs/protocol.md). The
 * kernel gives them out with the read that takes this byte. Such a read may begin in bytes that
 * were sent before and ends at the latest where what was sent together with them ends: so their
 * frame is one that begins within the read, and which one is only known when its operation is. They
 * wait as a parcel with the range of the read, in offsets of the connection's stream. A frame that
 * takes descriptors gets the first parcel whose range it begins in; a parcel whose range is over
 * without such a frame is a mistake of the client's.
 *
 *   passed_receive() -> passed_put() -> { passed_advance() ... passed_take(), passed_stray() } ...
 *
 * What is in a file is never read here: no secret passes through this process's memory, there is
 * nothing to wipe.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "base/fault.h"

#define PASSED_MAX 2           /* in one request: an import's file and its password */
#define PASSED_RECEIVE_MAX 253 /* in one message: the kernel's own bound (SCM_MAX_FD) */

/* What came with one read. All that the kernel gives is received, so that discard() closes what
 * nobody wants and not the kernel, which would do it within recvmsg(). */
struct passed_fds {
    int fds[PASSED_RECEIVE_MAX];
    size_t n_fds;
    bool cut; /* some are lost */
};

struct passed_parcel {
    uint64_t begin, end; /* of the read that brought it */
    int fds[PASSED_MAX];
    size_t n_fds;
    ks_err err; /* why they were not kept: what their request is answered */
};

/* A connection's. A zeroed one is empty. */
struct passed {
    uint64_t n_read, n_taken; /* bytes of the stream: read, and cut into frames */
    uint64_t frame_begin;     /* of the frame that was begun last */
    /* One may wait for the rest of its frame while the read that brings it brings the next. */
    struct passed_parcel parcels[2];
    size_t n_parcels;
};

/* As recv(). */
ssize_t passed_receive(int fd, void *data, size_t cap, struct passed_fds *out);

/* All of them are memfds sealed against shrinking, growing and writing: never a pipe, a device, or
 * a file that changes while it is read. */
bool passed_sealed(const struct passed_fds *fds);

/* Closes all of them. */
void passed_fds_discard(struct passed_fds *fds);

/*
 * `len` bytes were read, and these descriptors with them, which it takes. `err`: they are not kept
 * and their request is answered so. BAD_REQUEST: more than a request may have, or than may wait.
 */
ks_err passed_put(struct passed *passed, size_t len, struct passed_fds *fds, ks_err err,
                  struct fault *why) KS_MUST_CHECK;

/* Frames took `n` more bytes; `began`: with the first of them a frame has begun. */
void passed_advance(struct passed *passed, size_t n, bool began);

/* The parcel of the frame that was begun last, now the caller's; false: none came with it. */
bool passed_take(struct passed *passed, struct passed_parcel *out);

/* Some wait that no frame can take any more; `partial`: the frame that was begun last is not whole. */
bool passed_stray(const struct passed *passed, bool partial);

/* Closes what waits and returns how many descriptors it was. */
size_t passed_clear(struct passed *passed);
