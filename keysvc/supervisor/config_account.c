/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_account - names of users and groups into ids
 *
 * Once, when the file is loaded: a directory service that answers differently later, or not at all,
 * changes nothing until the next reload.
 */
#include <grp.h>
#include <pwd.h>

#include "supervisor/config_parts.h"

/* A decimal id below CONFIG_NO_ID. */
static bool
parse_id(const char *text, uint32_t *id)
{
    uint64_t number = 0;
    size_t len = strlen(text);

    if (len == 0 || len > 10 || strspn(text, "0123456789") != len)
        return false;
    for (size_t i = 0; i < len; i++)
        number = number * 10 + (uint64_t)(text[i] - '0');
    if (number >= CONFIG_NO_ID)
        return false;
    *id = (uint32_t)number;
    return true;
}

bool
config_uid(const char *name, uint32_t *uid)
{
    const struct passwd *user;

    if (parse_id(name, uid))
        return true;
    user = getpwnam(name);
    if (!user)
        return false;
    *uid = user->pw_uid;
    return true;
}

bool
config_gid(const char *name, uint32_t *gid)
{
    const struct group *group;

    if (parse_id(name, gid))
        return true;
    group = getgrnam(name);
    if (!group)
        return false;
    *gid = group->gr_gid;
    return true;
}

bool
config_account(const struct config_reading *reading, unsigned int line, const char *name,
               uint32_t *uid, uint32_t *gid)
{
    const struct passwd *user;
    uint32_t id;

    *uid = *gid = CONFIG_NO_ID;
    /* Not root: our children stay who we are, and a file for root still loads. */
    if (!reading->as_root)
        return true;
    user = parse_id(name, &id) ? getpwuid(id) : getpwnam(name);
    if (user) {
        *uid = user->pw_uid;
        *gid = user->pw_gid;
        return true;
    }
    if (parse_id(name, &id)) {
        *uid = *gid = id;
        return true;
    }
    conffile_error(reading->file, line, "there is no user \"%s\"", name);
    return false;
}
