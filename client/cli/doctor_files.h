/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_files - whose a token's processes are, and what they may do with a file
 */
#pragma once

#include <sys/stat.h>

#include "client/cli/doctor.h"

#define DOCTOR_MAX_GROUPS 64 /* of one process; more are not looked at */

/* The user of the token's processes, or whoever runs this where keysvcd changes no users. */
struct doctor_user {
    uid_t uid;
    gid_t gid;
    char name[64];                   /* empty: no account */
    gid_t groups[DOCTOR_MAX_GROUPS]; /* that its processes have: where keysvcd changes users those
                                        of the profile and no others, else the account's */
    int n_groups;
    bool is_unknown; /* the service is not the caller's, who cannot see as whom it works */
};
struct doctor_user doctor_token_user(struct doctor *doctor, const char *token);

/* What an unknown one may do with `path` is left out of the report, which says so. */
bool doctor_user_known(struct doctor *doctor, const struct doctor_user *user, const char *check,
                       const char *token, const char *path);

/* Is it a member of that group in /etc/group or by its account? False: no such group, too. */
bool doctor_in_group(const struct doctor_user *user, const char *group);

/* By the mode's own bits and the groups of its processes; ACLs are not looked at. `bits`: S_IROTH |
 * S_IWOTH | S_IXOTH. */
bool doctor_may(const struct stat *st, const struct doctor_user *user, mode_t bits);

/* How a user to whom doctor_may() said no comes by these rights in a folder: by its group if that
 * has them, since the folder may be a package's own; else by owning it. Returns `out`. */
const char *doctor_mend_folder(const struct stat *st, mode_t bits, char *out, size_t cap);
