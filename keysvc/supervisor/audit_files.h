/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_files - the files that the chains are written to: AUDIT-DIR/TOKEN-N.log and
 * AUDIT-DIR/front.log
 *
 * We open them, as ourselves, for appending; the child only holds the descriptor. A file that was
 * renamed away is followed by a new one under the old name; the child carries its chain on in it.
 * Nobody has to say so: whoever keeps the child looks each second whether the file is still there.
 *
 * The file is kept open here, too: a child that ended before it wrote to the new one is followed by
 * one that must know where the chain ended, wherever that file is by then. Over a restart of keysvcd
 * it is looked for beside the name, as logrotate leaves it: CHAIN.log.1 or CHAIN.log-20261122, the one
 * that was written last.
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
    int fd;       /* the file that the chain is written to, as far as is known; -1: none yet */
    int before;   /* the one before it, until that one holds a record; -1: none */
};

#define AUDIT_FILE_INIT                                                                            \
    {                                                                                              \
        .fd = -1, .before = -1                                                                     \
    }

void audit_files_close(struct audit_file *file);

/* "TOKEN-N"; AUDIT_FILES_FRONT for token NULL. */
void audit_files_chain(char out[static AUDIT_FILES_CHAIN_MAX + 1], const char *token,
                       uint32_t worker_index);

/* Opens file->chain, made if it is missing, for a new child, and remembers which file it is. *before:
 * the file that the chain goes on from; -1: it is this one, or none is known. */
ks_err audit_files_open(const char *audit_dir, struct audit_file *file, int *fd, int *before,
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
