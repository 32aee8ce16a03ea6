/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file - a file that is there whole or not at all, and input files of bounded size
 */
#pragma once

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fault.h"

#define FILE_MODE_ALL 0666 /* of what is nobody's secret: the umask says who may read it */

/*
 * Writes a temporary file beside `path`, hidden and of another suffix, then renames it; durable. The
 * old file stays until then, and after any failure. What is there and no regular file (a pipe,
 * /dev/null) is written to as it is. The umask takes from `mode`. INTERNAL: `why` says what failed.
 */
ks_err file_replace(const char *path, mode_t mode, const void *data, size_t len,
                    struct fault *why) KS_MUST_CHECK;

/* Could file_replace() begin? Asked before something is done whose result would be lost. USAGE: the
 * folder, or what is there, is missing or not the caller's to write. */
ks_err file_check_replace(const char *path, struct fault *why) KS_MUST_CHECK;

/* The whole of a file, or of standard input for "-". TOO_LARGE: more than out->max bytes; USAGE: it
 * cannot be read. */
ks_err file_read(const char *path, struct buf *out, struct fault *why) KS_MUST_CHECK;

/* False: errno says what failed; some of it may be written. */
bool file_write_all(int fd, const void *data, size_t len) KS_MUST_CHECK;

/* Makes a rename to `path` durable; a folder that cannot be opened for that is none of our business. */
void file_sync_folder(const char *path);
