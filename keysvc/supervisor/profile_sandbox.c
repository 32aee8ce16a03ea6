/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile_sandbox - reading them
 */
#include "supervisor/profile_sandbox.h"

#include "sandbox/sandbox.h"
#include "conf/confvalue.h"

static bool is_call(const struct conffile_value *value);
static uint32_t read_sockets(cfg_t *root);

ks_err
profile_sandbox_of_token(cfg_t *section, struct config_profile *profile)
{
    static const char *const words[CONFIG_SANDBOX_COUNT] = {
        [CONFIG_SANDBOX_ON] = "on",
        [CONFIG_SANDBOX_SERVE] = "serve",
        [CONFIG_SANDBOX_OFF] = "off",
    };
    ks_err err;

    profile->sandbox = (enum config_sandbox)confvalue_word(section, "sandbox", words,
                                                           ARRAY_LEN(words), profile->sandbox);
    err = confvalue_list(section, "read", confvalue_path_valid, &profile->read);
    return err ? err : confvalue_list(section, "write", confvalue_path_valid, &profile->write);
}

ks_err
profile_sandbox_of_profile(cfg_t *root, struct config_profile *profile)
{
    ks_err err = profile_sandbox_of_token(root, profile);

    profile->sockets = read_sockets(root);
    return err ? err : confvalue_list(root, "system-calls", is_call, &profile->system_calls);
}

static bool
is_call(const struct conffile_value *value)
{
    if (sandbox_knows_call(value->text))
        return true;
    conffile_value_error(value, "there is no system call \"%s\"", value->text);
    return false;
}

static uint32_t
read_sockets(cfg_t *root)
{
    uint32_t sockets = 0;

    for (size_t i = 0; i < conffile_count(root, "sockets"); i++) {
        const struct conffile_value *value = conffile_get_at(root, "sockets", i);

        if (strcmp(value->text, "unix") == 0)
            sockets |= CONFIG_SOCKETS_UNIX;
        else if (strcmp(value->text, "inet") == 0)
            sockets |= CONFIG_SOCKETS_INET;
        else
            conffile_value_error(value, "\"%s\" is neither unix nor inet", value->text);
    }
    return sockets;
}
