/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keyfile - memory for private keys on their way to the token: locked, left out of core files,
 * wiped when freed; and how a file that came beside a job gets into it
 *
 * A struct keyfile starts as KEYFILE_INIT; keyfile_deinit wipes it. Nothing in it ever moves.
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"
#include "base/util.h"

struct keyfile {
    uint8_t *data;
    size_t len;
    size_t cap; /* bytes that are mapped */
};

#define KEYFILE_INIT                                                                               \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }

/* For ks_auto. */
void keyfile_deinit(struct keyfile *file);

/* Room for `cap` bytes; len is 0. INTERNAL: no memory, or RLIMIT_MEMLOCK is spent. */
ks_err keyfile_new(size_t cap, struct keyfile *out, struct fault *why) KS_MUST_CHECK;

/*
 * The whole of a sealed memfd: nobody can change it while it is read, nor make it shorter. `what`
 * names it in texts. BAD_REQUEST: no memfd, not sealed, or more than `max` bytes.
 */
ks_err keyfile_read(int fd, size_t max, const char *what, struct keyfile *out,
                    struct fault *why) KS_MUST_CHECK;
