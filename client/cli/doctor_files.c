/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_files - users, groups and modes
 */
#include "client/cli/doctor_files.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>

static void
add_profile_groups(const struct doctor *doctor, const char *token, struct doctor_user *user)
{
    const struct doctor_fact *fact = NULL;

    while ((fact = doctor_fact_next(doctor, "token", fact))) {
        const struct group *entry = NULL;

        if (strcmp(fact->name, token) == 0 && strcmp(fact->option, "group") == 0)
            entry = getgrnam(fact->value);
        if (entry && user->n_groups < DOCTOR_MAX_GROUPS)
            user->groups[user->n_groups++] = entry->gr_gid;
    }
}

/* Whose state folder it is works as himself; of one that is not there, whose it will be. */
static bool
is_of_caller(struct doctor *doctor)
{
    const char *state = doctor_fact_find(doctor, "daemon", "-", "state-dir");
    char path[PATH_MAX];
    struct stat st;

    if (geteuid() == 0 || !state)
        return true;
    if (!text_copy(path, sizeof(path), state))
        return false;
    while (stat(path, &st) != 0) {
        char *slash = strrchr(path, '/');

        if (errno != ENOENT || !slash || slash == path)
            return false;
        *slash = '\0';
    }
    return st.st_uid == geteuid();
}

struct doctor_user
doctor_token_user(struct doctor *doctor, const char *token)
{
    const char *uid = doctor_fact_find(doctor, "token", token, "uid");
    const char *gid = doctor_fact_find(doctor, "token", token, "gid");
    struct doctor_user user = {.uid = geteuid(), .gid = getegid()};
    const struct passwd *account;
    bool changes = uid && gid && uid[0] != '-' && gid[0] != '-';

    user.is_unknown = !changes && !is_of_caller(doctor);
    if (changes) {
        user.uid = (uid_t)strtoul(uid, NULL, 10);
        user.gid = (gid_t)strtoul(gid, NULL, 10);
    }
    account = getpwuid(user.uid);
    if (account)
        snprintf(user.name, sizeof(user.name), "%s", account->pw_name);
    if (changes) {
        add_profile_groups(doctor, token, &user);
        return user;
    }
    user.n_groups = DOCTOR_MAX_GROUPS;
    if (account && getgrouplist(user.name, user.gid, user.groups, &user.n_groups) >= 0)
        return user;
    user.n_groups = account && user.n_groups > DOCTOR_MAX_GROUPS ? DOCTOR_MAX_GROUPS : 0;
    return user;
}

bool
doctor_user_known(struct doctor *doctor, const struct doctor_user *user, const char *check,
                  const char *token, const char *path)
{
    if (user->is_unknown)
        doctor_skip(doctor, check, "token %s: what its user may do with %s; root sees more", token,
                    path);
    return !user->is_unknown;
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
    if (user->gid == gid)
        return true;
    for (int i = 0; i < user->n_groups; i++) {
        if (user->groups[i] == gid)
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

const char *
doctor_mend_folder(const struct stat *st, mode_t bits, char *out, size_t cap)
{
    const struct group *group = getgrgid(st->st_gid);

    if (group && st->st_gid != 0 && ((st->st_mode >> 3) & bits) == bits)
        snprintf(out, cap,
                 "Give the token's processes the folder's group: groups = {%s} in its profile.",
                 group->gr_name);
    else
        snprintf(out, cap, "chown the folder and all in it to the token's user.");
    return out;
}
