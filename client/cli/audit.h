/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit - the files of the audit chains, found by their names
 *
 * A chain's name is its file's: main-1.log holds chain main-1 and continues main-1.log.1, which
 * continues main-1.log.2. Read beside the service, which need not run.
 */
#pragma once

#include <stdio.h>

#include "base/chain.h"
#include "base/strv.h"
#include "client/cli/cli.h"

#define AUDIT_DIR "/var/log/keysvc"
#define AUDIT_STATE_DIR "/var/lib/keysvc"
#define AUDIT_PATH_MAX 4096
#define AUDIT_MAX_FILES 4096 /* of all chains in one folder */
#define AUDIT_MAX_NAMED 256  /* on one command line */

struct audit_file {
    char path[AUDIT_PATH_MAX];
    const char *name;               /* the path's last part */
    char chain[CHAIN_NAME_MAX + 1]; /* empty: the name does not say */
    unsigned int rotation;          /* 0: the newest */
    bool is_found;                  /* in a folder; else it was named on the command line */
};

/* Sorted: by chain, and of each chain the oldest file first. Starts as {0}; for ks_auto. */
struct audit_files {
    struct audit_file *items;
    size_t n_items;
};
void audit_files_deinit(struct audit_files *files);

/*
 * Those named on the command line (at most `max`, NULL behind the last one), or all in the folder if
 * none is. INTERNAL: the folder cannot be read, or there are none in it.
 */
ks_err audit_files_choose(const char *const *paths, size_t max, const char *dir,
                          struct audit_files *files, struct fault *why) KS_MUST_CHECK;

/* INTERNAL: it cannot be opened, or was found in a folder and is no regular file. A pipe that was named is
 * waited for. */
ks_err audit_file_open(const struct audit_file *file, FILE **out, struct fault *why) KS_MUST_CHECK;

/* For ks_auto on a stream that is only read. */
static inline void
fclosep(FILE **file)
{
    if (*file)
        fclose(*file);
}

/* The names in `dir` that end in `suffix`, without it. INTERNAL: it cannot be read. */
ks_err audit_names_in(const char *dir, const char *suffix, struct strv *out,
                      struct fault *why) KS_MUST_CHECK;
