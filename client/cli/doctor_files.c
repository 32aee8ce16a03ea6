/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_files - users, groups and modes
 */
#include "client/cli/doctor_files.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>

#define MAX_GROUPS 64 /* of one account; a user in more is asked about the first ones */

struct doctor_user
doctor_token_user(struct doctor *doctor, const char *token)
{
    const char *uid = doctor_fact_find(doctor, "token", token, "uid");
    const char *gid = doctor_fact_find(doctor, "token", token, "gid");
    struct doctor_user user = {.uid = geteuid(), .gid = getegid()};
    const struct passwd *account;

    if (uid && gid && uid[0] != '-' && gid[0] != '-') {
        user.uid = (uid_t)strtoul(uid, NULL, 10);
        user.gid = (gid_t)strtoul(gid, NULL, 10);
    }
    account = getpwuid(user.uid);
    if (account)
        snprintf(user.name, sizeof(user.name), "%s", account->pw_name);
    return user;
}

bool
doctor_in_group(const struct doctor_user *user, const char *group)
{
    const struct group *entry = getgrnam(group);

    if (!entry)
        return false;
    if (entry->gr_gid == user->gid)
        return true;
    for (char **member = entry->gr_mem; member && *member; member++) {
        if (strcmp(*member, user->name) == 0)
            return true;
    }
    return false;
}

static bool
has_gid(const struct doctor_user *user, gid_t gid)
{
    gid_t groups[MAX_GROUPS];
    int n_groups = MAX_GROUPS;

    if (user->gid == gid)
        return true;
    if (user->name[0] == '\0' || getgrouplist(user->name, user->gid, groups, &n_groups) < 0)
        return false;
    for (int i = 0; i < n_groups; i++) {
        if (groups[i] == gid)
            return true;
    }
    return false;
}

bool
doctor_may(const struct stat *st, const struct doctor_user *user, mode_t bits)
{
    mode_t mode = st->st_mode;

    if (user->uid == 0)
        return true;
    if (st->st_uid == user->uid)
        mode >>= 6;
    else if (has_gid(user, st->st_gid))
        mode >>= 3;
    return (mode & bits) == bits;
}
