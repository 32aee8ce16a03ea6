/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sockets - the listening sockets that the front accepts on: the service manager's, or one of our
 * own
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"
#include "ipc/config.h"

#define SOCKETS_MAX 7 /* they travel to the front beside its audit file, in one message */

struct sockets {
    int fds[SOCKETS_MAX];
    size_t n_fds;
    char path[108]; /* of the socket we made; empty: the service manager's */
    uint64_t dev, ino;
};

#define SOCKETS_INIT                                                                               \
    {                                                                                              \
        {0}, 0, {0}, 0, 0                                                                          \
    }

/*
 * Takes what the service manager passed (each proved to be a listening AF_UNIX stream socket), else
 * makes config->socket: its folder if only that is missing, the mode and group the configuration
 * says. A file left by a crashed keysvcd is removed only when nobody answers on it. BUSY: somebody
 * does; BAD_REQUEST: a passed descriptor or what stands at the path is something else.
 */
ks_err sockets_open(const struct config *config, struct sockets *out,
                    struct fault *why) KS_MUST_CHECK;

/* Closes, and removes the file if it is the one we made. */
void sockets_close(struct sockets *sockets);
