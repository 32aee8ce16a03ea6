/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket - the descriptor of a connection to keysvcd
 *
 * The program does not know of it. One that closes all it does not know (daemon(), closefrom()) soon
 * has a file of its own under the number, into which no request may go; one that has closed its
 * standard output must not write into our socket.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/lib/error.h"

struct socket {
    int fd;
    ino_t inode; /* of fd */
};

/* Not connected, above standard error. False: errno. */
bool socket_open(struct socket *out) KS_MUST_CHECK;
bool socket_is_ours(const struct socket *socket);

/* Only if it is ours. */
void socket_close(const struct socket *socket);

/* NO_SERVICE: nobody listens; BUSY: too many wait to be accepted; USAGE. */
ks_err socket_dial(const struct socket *socket, const char *path, uint64_t deadline_ms,
                   struct ks_error *error) KS_MUST_CHECK;

/* Milliseconds until this time of clock_mono_ms(). */
uint32_t socket_time_left(uint64_t deadline_ms);
