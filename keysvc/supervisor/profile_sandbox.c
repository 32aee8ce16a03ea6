/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile_sandbox - reading them
 */
#include "supervisor/profile_sandbox.h"

#include "sandbox/sandbox.h"
#include "supervisor/confvalue.h"

static ks_err read_paths(cfg_t *section, const char *option, struct strv *out);
static ks_err read_calls(cfg_t *root, struct strv *out);
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
    err = read_paths(section, "read", &profile->read);
    return err ? err : read_paths(section, "write", &profile->write);
}

ks_err
profile_sandbox_of_profile(cfg_t *root, struct config_profile *profile)
{
    ks_err err = profile_sandbox_of_token(root, profile);

    profile->sockets = read_sockets(root);
    return err ? err : read_calls(root, &profile->system_calls);
}

static ks_err
read_paths(cfg_t *section, const char *option, struct strv *out)
{
    if (confvalue_list_too_long(section, option))
        return KS_OK;
    for (size_t i = 0; i < conffile_count(section, option); i++) {
        const struct conffile_value *value = conffile_get_at(section, option, i);
        ks_err err;

        if (!confvalue_path_valid(value) || out->n_items == CONFIG_MAX_ITEMS)
            continue;
        err = strv_add(out, value->text);
        if (err)
            return err;
    }
    return KS_OK;
}

static ks_err
read_calls(cfg_t *root, struct strv *out)
{
    if (confvalue_list_too_long(root, "system-calls"))
        return KS_OK;
    for (size_t i = 0; i < conffile_count(root, "system-calls"); i++) {
        const struct conffile_value *value = conffile_get_at(root, "system-calls", i);
        ks_err err;

        if (!sandbox_knows_call(value->text)) {
            conffile_value_error(value, "there is no system call \"%s\"", value->text);
            continue;
        }
        err = strv_add(out, value->text);
        if (err)
            return err;
    }
    return KS_OK;
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
