/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_group - sections `group NAME { ... }`: tokens that show the same keys
 *
 * Tokens and groups share one name space, since a class names either. A token is in one group at
 * most: what it shows then counts for one set of keys only.
 */
#include "supervisor/config_parts.h"
#include "conf/confvalue.h"

cfg_opt_t config_group_schema[] = {
    CONFFILE_LIST("tokens"),
    CFG_END(),
};

static void check_name(const struct config_reading *reading, const struct config *config,
                       cfg_t *section, struct config_group *group);
static bool is_member(const struct config *config, const struct config_group *group,
                      const struct conffile_value *token);

ks_err
config_group_read(const struct config_reading *reading, const struct config *config, cfg_t *section,
                  struct config_group *group)
{
    check_name(reading, config, section, group);
    if (confvalue_list_too_long(section, "tokens"))
        return KS_OK;
    if (conffile_count(section, "tokens") == 0)
        conffile_error(reading->file, conffile_line(reading->file, section),
                       "group %s: tokens is missing, a group has at least one", cfg_title(section));
    for (size_t i = 0; i < conffile_count(section, "tokens"); i++) {
        const struct conffile_value *token = conffile_get_at(section, "tokens", i);
        ks_err err = KS_OK;

        if (is_member(config, group, token))
            err = strv_add(&group->tokens, token->text);
        if (err)
            return err;
    }
    return KS_OK;
}

static void
check_name(const struct config_reading *reading, const struct config *config, cfg_t *section,
           struct config_group *group)
{
    const char *name = cfg_title(section);
    unsigned int line = conffile_line(reading->file, section);

    if (!confvalue_name_valid(name, CONFIG_TITLE_MAX))
        conffile_error(reading->file, line,
                       "group \"%s\": a name has 1 to %d letters, digits or `. _ -`", name,
                       CONFIG_TITLE_MAX);
    else if (config_token_find(config, name))
        conffile_error(reading->file, line,
                       "group %s: a token is called so; `keys` sections could not tell them apart",
                       name);
    else
        text_copy(group->name, sizeof(group->name), name);
}

/* May it be one? What is wrong is recorded. */
static bool
is_member(const struct config *config, const struct config_group *group,
          const struct conffile_value *token)
{
    const struct config_group *other = config_group_of(config, token->text);

    if (!config_token_find(config, token->text))
        conffile_value_error(token, "there is no section token %s", token->text);
    else if (strv_contains(&group->tokens, token->text))
        conffile_value_error(token, "token %s is named twice", token->text);
    else if (other)
        conffile_value_error(token, "token %s is in group %s already", token->text, other->name);
    else
        return true;
    return false;
}
