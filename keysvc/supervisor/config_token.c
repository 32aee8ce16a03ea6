/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_token - sections `token NAME { ... }`
 */
#include "supervisor/config_parts.h"
#include "conf/confvalue.h"
#include "supervisor/profile_sandbox.h"

#define TOKEN_USER_DEFAULT "keysvc-token"

cfg_opt_t config_token_schema[] = {
    CONFFILE_ONE("profile"),
    CONFFILE_ONE("label"),
    CONFFILE_ONE("serial"),
    CONFFILE_ONE("uri"),
    CONFFILE_ONE("pin-file"),
    CONFFILE_ONE("pin-credential"),
    CONFFILE_ONE("store"),
    CONFFILE_ONE("user"),
    CONFFILE_LIST("environment"),
    CONFFILE_ONE("module"),
    CONFFILE_ONE("workers"),
    PROFILE_SANDBOX_OF_TOKEN,
    CFG_END(),
};

static void check_name(const struct config_reading *reading, cfg_t *section,
                       struct config_token *token);
static void read_address(const struct config_reading *reading, cfg_t *section,
                         struct config_token *token);
static void read_pin(const struct config_reading *reading, cfg_t *section,
                     struct config_token *token);
static ks_err read_profile(const struct config_reading *reading, cfg_t *section,
                           struct config_token *token);

ks_err
config_token_read(const struct config_reading *reading, cfg_t *section, struct config_token *token)
{
    const struct conffile_value *user = conffile_get(section, "user");
    unsigned int line = conffile_line(reading->file, section);

    check_name(reading, section, token);
    read_address(reading, section, token);
    read_pin(reading, section, token);
    confvalue_path(section, "store", token->store, sizeof(token->store));
    (void)config_account(reading, user ? user->line : line, user ? user->text : TOKEN_USER_DEFAULT,
                         &token->uid, &token->gid);
    return read_profile(reading, section, token);
}

/* The name becomes part of file names: audit-dir/NAME-1.log, state-dir/NAME.login-tried. */
static void
check_name(const struct config_reading *reading, cfg_t *section, struct config_token *token)
{
    const char *name = cfg_title(section);
    unsigned int line = conffile_line(reading->file, section);

    if (!confvalue_name_valid(name, CONFIG_TITLE_MAX))
        conffile_error(reading->file, line,
                       "token \"%s\": a name has 1 to %d letters, digits or `. _ -`", name,
                       CONFIG_TITLE_MAX);
    else if (strcmp(name, "front") == 0)
        conffile_error(reading->file, line, "token front: the name is the front process's own");
    else
        text_copy(token->name, sizeof(token->name), name);
}

static void
read_address(const struct config_reading *reading, cfg_t *section, struct config_token *token)
{
    int n = !!conffile_get(section, "label") + !!conffile_get(section, "serial") +
            !!conffile_get(section, "uri");
    const struct conffile_value *uri = conffile_get(section, "uri");

    confvalue_text(section, "label", token->label, sizeof(token->label));
    confvalue_text(section, "serial", token->serial, sizeof(token->serial));
    confvalue_text(section, "uri", token->uri, sizeof(token->uri));
    if (n != 1)
        conffile_error(reading->file, conffile_line(reading->file, section),
                       "token %s: give one of label, serial, uri (there are %d)",
                       cfg_title(section), n);
    if (!uri)
        return;
    if (strncmp(uri->text, "pkcs11:", 7) != 0)
        conffile_value_error(uri, "\"%s\" is no pkcs11: URI", uri->text);
    /* It would be a secret in a file that is no secret. */
    if (strstr(uri->text, "pin-value="))
        conffile_value_error(uri, "a PIN does not belong here; use pin-file");
}

static void
read_pin(const struct config_reading *reading, cfg_t *section, struct config_token *token)
{
    const struct conffile_value *credential = conffile_get(section, "pin-credential");
    int n = !!conffile_get(section, "pin-file") + !!credential;

    confvalue_path(section, "pin-file", token->pin_file, sizeof(token->pin_file));
    confvalue_text(section, "pin-credential", token->pin_credential, sizeof(token->pin_credential));
    if (credential && !confvalue_name_valid(credential->text, CONFIG_TITLE_MAX))
        conffile_value_error(credential, "\"%s\" is no credential's name", credential->text);
    if (n != 1)
        conffile_error(reading->file, conffile_line(reading->file, section),
                       "token %s: give one of pin-file, pin-credential (there are %d)",
                       cfg_title(section), n);
}

/* The profile, with what the section says instead. */
static ks_err
read_profile(const struct config_reading *reading, cfg_t *section, struct config_token *token)
{
    const struct conffile_value *name = conffile_get(section, "profile");
    struct config_profile *profile = &token->profile;
    ks_err err;

    if (!name) {
        conffile_error(reading->file, conffile_line(reading->file, section),
                       "token %s: profile is missing", cfg_title(section));
        return KS_OK;
    }
    err = profiles_find(reading->profiles, name, profile);
    if (err == KS_ERR_BAD_REQUEST)
        return KS_OK;
    if (err)
        return err;
    if (conffile_get(section, "module"))
        confvalue_path(section, "module", profile->module, sizeof(profile->module));
    else if (profile->module[0] == '\0')
        conffile_value_error(name, "profile \"%s\" names no module; give one here", name->text);
    profile->workers =
        confvalue_number(section, "workers", 1, CONFIG_MAX_WORKERS, profile->workers);
    err = profile_sandbox_of_token(section, profile);
    return err ? err : confvalue_environment(section, "environment", &profile->environment);
}
