/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_files - the files that the chains are written to: AUDIT-DIR/TOKEN-N.log and
 * AUDIT-DIR/front.log
 *
 * We open them, as ourselves, for appending; the child only holds the descriptor. A file that was
 * renamed away is followed by a new one under the old name; the child carries its chain on in it.
 * Nobody has to say so: whoever keeps the child looks each second whether the file is still there.
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"
#include "ipc/config.h"

#define AUDIT_FILES_CHAIN_MAX (CONFIG_TITLE_MAX + 4) /* "TOKEN-16" */
#define AUDIT_FILES_FRONT "front"

/* Which file a child writes; kept beside the child. */
struct audit_file {
    char chain[AUDIT_FILES_CHAIN_MAX + 1];
    uint64_t dev, ino;
    bool missing; /* found gone, and no new one could be made */
};

/* "TOKEN-N"; AUDIT_FILES_FRONT for token NULL. */
void audit_files_chain(char out[static AUDIT_FILES_CHAIN_MAX + 1], const char *token,
                       uint32_t worker_index);

/* Opens file->chain, made if it is missing, and remembers which file it is. */
ks_err audit_files_open(const char *audit_dir, struct audit_file *file, int *fd,
                        struct fault *why) KS_MUST_CHECK;

/* The name no longer leads to the file that is written. */
bool audit_files_rotated(const char *audit_dir, const struct audit_file *file);

/*
 * What a look at the name shows: *fd is the file to go on with, the one before too if it is back;
 * -1: nothing new. AUDIT_UNWRITABLE, for the first look that finds it so: the file is gone, and
 * what stands in its place, if anything, cannot be written; the child must not go on either.
 */
ks_err audit_files_follow(const char *audit_dir, struct audit_file *file, int *fd,
                          struct fault *why) KS_MUST_CHECK;
