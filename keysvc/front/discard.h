/* SPDX-License-Identifier: Apache-2.0 */
/*
 * discard - closing a descriptor that a stranger made, without waiting for its close()
 *
 * close() may sleep for as long as whoever made the file wishes: a TCP socket with SO_LINGER whose
 * other end reads nothing, a socket with such a one in its queue, a file system in user space that
 * does not answer. In the front's one thread that would be everybody's wait. So such descriptors are
 * closed by other threads, which share nothing with the loop but the list of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Closes them, sooner or later. */
void discard(const int *fds, size_t n_fds);

/* Now and then: what waits behind others that do not end gets a thread of its own. */
void discard_stuck(void);

/* Closes a client's socket: with discard() if bytes are unread in it, which may have descriptors
 * beside them that the kernel closes with it. */
void discard_socket(int fd);
