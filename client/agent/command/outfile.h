/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outfile - files of whoever calls a command, with the caller's rights
 *
 * A command of root's goes on as the agent's user. What it reads is read before; what it writes at
 * its end is written by a process that was set apart before, which keeps the caller's rights and does
 * nothing else:
 *     outfile_open() -> command_open() ... -> outfile_write() -> outfile_close()
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"

struct outfile;

/* NULL or "-": standard output. USAGE: file_check_replace(); INTERNAL. */
ks_err outfile_open(const char *path, struct outfile **out, struct fault *why) KS_MUST_CHECK;

/*
 * The whole file, once, as file_replace() does. INTERNAL: `why` says what failed.
 */
ks_err outfile_write(struct outfile *file, const void *data, size_t len,
                     struct fault *why) KS_MUST_CHECK;

/* Takes NULL, returns NULL; without outfile_write() nothing was changed. */
struct outfile *outfile_close(struct outfile *file);
void outfile_closep(struct outfile **file);
