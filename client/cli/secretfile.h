/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secretfile - a file with a secret in it, read into locked memory and wiped
 *
 * Its bytes pass no other memory of this program: no stdio, no growing buffer that leaves copies.
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"

/* Starts as {0}. */
struct secretfile {
    uint8_t *data;
    size_t len;
    size_t cap; /* bytes mapped and locked */
};

/* For ks_auto: wipes and frees. */
void secretfile_deinit(struct secretfile *file);

/*
 * The whole of a file of at most `max` bytes, or of standard input for "-". USAGE: it cannot be
 * read; TOO_LARGE; INTERNAL: no memory may be locked (RLIMIT_MEMLOCK).
 */
ks_err secretfile_read(const char *path, size_t max, struct secretfile *out,
                       struct fault *why) KS_MUST_CHECK;

/* Reads until the end into data[max]; TOO_LARGE: there was more. `path` is for messages. */
ks_err secretfile_fill(int fd, const char *path, void *data, size_t max, size_t *len,
                       struct fault *why) KS_MUST_CHECK;

/* A descriptor for reading; standard input for "-", which is then the caller's to close, too. */
ks_err secretfile_open(const char *path, int *fd, struct fault *why) KS_MUST_CHECK;
