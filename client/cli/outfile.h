/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outfile - a file that is there whole or not at all, and input files of bounded size
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/fault.h"

/*
 * Writes a temporary file beside `path`, then renames it; the old file stays until then, and after
 * any failure. What is there and no regular file (a pipe, /dev/null) is written to as it is.
 * INTERNAL: `why` says what failed.
 */
ks_err outfile_write(const char *path, const void *data, size_t len,
                     struct fault *why) KS_MUST_CHECK;

/* The whole of a file, or of standard input for "-". TOO_LARGE: more than out->max bytes; USAGE: it
 * cannot be read. */
ks_err infile_read(const char *path, struct buf *out, struct fault *why) KS_MUST_CHECK;
