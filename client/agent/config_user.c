/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_user - {user} in the names of keys: the account's name, or its number
 *
 * The same word that rules in keysvcd.conf have, so that each agent's keys are its own.
 */
#include "client/agent/config.h"

#include <pwd.h>
#include <stdio.h>

ks_err
config_set_user(struct agent_config *config, uid_t uid, struct fault *why)
{
    static const char WORD[] = "{user}";
    const struct passwd *account = getpwuid(uid);
    char name[KS_NAME_MAX + 1], keys[sizeof(config->keys)];
    const char *at = strstr(config->keys, WORD);

    if (!at)
        return KS_OK;
    if (!account)
        snprintf(name, sizeof(name), "%u", uid);
    else if (!text_copy(name, sizeof(name), account->pw_name))
        name[0] = '\0';
    if (name[0] == '\0' ||
        (size_t)snprintf(keys, sizeof(keys), "%.*s%s%s", (int)(at - config->keys), config->keys,
                         name, at + strlen(WORD)) >= sizeof(keys)) {
        fault_set(why, "keys = \"%s\": too long with the user's name in it", config->keys);
        return KS_ERR_USAGE;
    }
    memcpy(config->keys, keys, sizeof(keys));
    return KS_OK;
}
