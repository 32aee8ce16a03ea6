/* SPDX-License-Identifier: Apache-2.0 */
/*
 * durable - small files in the state folder that are whole or absent, also after a power cut
 *
 * A write is: temporary file, fsync, rename, fsync of the folder. Names are plain file names that
 * the caller has checked with durable_name_valid(). Only the supervisor, one at a time
 * (durable_lock), writes there; and beside it `--administer`, which has names of its own.
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"

/* Letters, digits, `. _ -`, 1 to 128 bytes, no dot at the front: what may become part of a file
 * name. */
bool durable_name_valid(const char *name);

/* Makes the folder with `mode` if only it is missing. INTERNAL: it is not there and cannot be made,
 * or is no folder. */
ks_err durable_folder(const char *path, unsigned int mode, struct fault *why) KS_MUST_CHECK;

/* Replaces the file. INTERNAL: nothing changed, or nobody knows whether it will survive a power
 * cut. */
ks_err durable_write(const char *folder, const char *name, const void *data, size_t len,
                     struct fault *why) KS_MUST_CHECK;

/* Absent is as good as removed. */
ks_err durable_remove(const char *folder, const char *name, struct fault *why) KS_MUST_CHECK;

/* At most cap - 1 bytes as a text; *exists says whether the file is there. BAD_REQUEST: too long,
 * no regular file or with a NUL inside. */
ks_err durable_read(const char *folder, const char *name, char *out, size_t cap, bool *exists,
                    struct fault *why) KS_MUST_CHECK;

/* fsync of a folder, after a rename that was not ours. */
ks_err durable_sync_folder(const char *folder, struct fault *why) KS_MUST_CHECK;

/* One supervisor a state folder: the lock lives as long as the descriptor. BUSY: another one holds
 * it. */
ks_err durable_lock(const char *folder, int *fd, struct fault *why) KS_MUST_CHECK;
