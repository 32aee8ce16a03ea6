/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_rule - sections `allow NAME { ... }`
 *
 * A rule says whom it is for: one without user, group and unit is refused, since a forgotten line
 * would open it to everybody; `user = {"*"}` says that it is meant.
 */
#include "supervisor/config_parts.h"
#include "conf/confvalue.h"

#include "ipc/job.h"

cfg_opt_t config_rule_schema[] = {
    CONFFILE_LIST("user"),
    CONFFILE_LIST("group"),
    CONFFILE_LIST("unit"),
    CONFFILE_LIST("keys"),
    CONFFILE_LIST("operations"),
    CONFFILE_ONE("rate"),
    CFG_END(),
};

typedef bool (*id_lookup)(const char *name, uint32_t *id);

static void check_name(const struct config_reading *reading, cfg_t *section,
                       struct config_rule *rule);
static ks_err read_ids(cfg_t *section, const char *option, id_lookup lookup, uint32_t **ids,
                       size_t *n_ids);
static ks_err read_users(cfg_t *section, struct config_rule *rule);
static bool is_unit(const struct conffile_value *value);
static bool is_rule_glob(const struct conffile_value *value);
static void read_operations(cfg_t *section, struct config_rule *rule);
static void check_whole(const struct config_reading *reading, cfg_t *section,
                        const struct config_rule *rule);

ks_err
config_rule_read(const struct config_reading *reading, cfg_t *section, struct config_rule *rule)
{
    ks_err err;

    check_name(reading, section, rule);
    err = read_users(section, rule);
    if (!err)
        err = read_ids(section, "group", config_gid, &rule->gids, &rule->n_gids);
    if (!err)
        err = confvalue_list(section, "unit", is_unit, &rule->units);
    if (!err)
        err = confvalue_list(section, "keys", is_rule_glob, &rule->keys);
    if (err)
        return err;
    read_operations(section, rule);
    rule->rate_per_s = confvalue_rate(section, "rate");
    check_whole(reading, section, rule);
    return KS_OK;
}

static void
check_name(const struct config_reading *reading, cfg_t *section, struct config_rule *rule)
{
    const char *name = cfg_title(section);

    if (confvalue_name_valid(name, CONFIG_TITLE_MAX))
        text_copy(rule->name, sizeof(rule->name), name);
    else
        conffile_error(reading->file, conffile_line(reading->file, section),
                       "allow \"%s\": a name has 1 to %d letters, digits or `. _ -`", name,
                       CONFIG_TITLE_MAX);
}

static ks_err
read_users(cfg_t *section, struct config_rule *rule)
{
    for (size_t i = 0; i < conffile_count(section, "user"); i++) {
        const struct conffile_value *value = conffile_get_at(section, "user", i);

        if (strcmp(value->text, "*") != 0)
            continue;
        if (conffile_count(section, "user") > 1)
            conffile_value_error(value, "\"*\" is everybody; beside it nobody else counts");
        return KS_OK;
    }
    return read_ids(section, "user", config_uid, &rule->uids, &rule->n_uids);
}

static ks_err
read_ids(cfg_t *section, const char *option, id_lookup lookup, uint32_t **ids, size_t *n_ids)
{
    size_t n = conffile_count(section, option);

    if (n == 0 || confvalue_list_too_long(section, option))
        return KS_OK;
    *ids = calloc(n, sizeof(**ids));
    if (!*ids)
        return KS_ERR_INTERNAL;
    for (size_t i = 0; i < n; i++) {
        const struct conffile_value *value = conffile_get_at(section, option, i);

        if (lookup(value->text, &(*ids)[*n_ids]))
            (*n_ids)++;
        else
            conffile_value_error(value, "there is no %s \"%s\"", option, value->text);
    }
    return KS_OK;
}

/* Processes live in services and scopes. */
static bool
unit_valid(const char *unit)
{
    size_t len = strlen(unit);

    return len <= JOB_UNIT_MAX &&
           strspn(unit, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:-_.\\@") ==
               len &&
           ((len > 8 && strcmp(unit + len - 8, ".service") == 0) ||
            (len > 6 && strcmp(unit + len - 6, ".scope") == 0));
}

static bool
is_unit(const struct conffile_value *value)
{
    if (unit_valid(value->text))
        return true;
    conffile_value_error(value, "\"%s\" is no unit as nginx.service", value->text);
    return false;
}

/* Checks a glob with {user}, {uid} and {unit} taken for ordinary text. */
static ks_err
check_rule_glob(const char *glob, struct fault *why)
{
    static const char *const words[] = {"{user}", "{uid}", "{unit}"};
    char plain[GLOB_MAX_LEN + 1];
    size_t len = 0;

    if (strlen(glob) > GLOB_MAX_LEN) {
        fault_set(why, "the pattern is longer than %d bytes", GLOB_MAX_LEN);
        return KS_ERR_BAD_REQUEST;
    }
    while (*glob != '\0') {
        size_t word_len = 0;

        for (size_t i = 0; i < ARRAY_LEN(words) && *glob == '{'; i++) {
            if (strncmp(glob, words[i], strlen(words[i])) == 0)
                word_len = strlen(words[i]);
        }
        plain[len++] = word_len > 0 ? 'x' : *glob;
        glob += word_len > 0 ? word_len : 1;
    }
    plain[len] = '\0';
    return glob_check(plain, why);
}

static bool
is_rule_glob(const struct conffile_value *value)
{
    struct fault fault = FAULT_INIT;

    if (check_rule_glob(value->text, &fault) != KS_OK) {
        conffile_value_error(value, "%s", fault.text);
        return false;
    }
    if (!keyname_reserved(value->text))
        return true;
    conffile_value_error(value, "names under keysvc/ are the service's own");
    return false;
}

static void
read_operations(cfg_t *section, struct config_rule *rule)
{
    for (size_t i = 0; i < conffile_count(section, "operations"); i++) {
        const struct conffile_value *value = conffile_get_at(section, "operations", i);
        uint32_t operation = config_operation_from_name(value->text);

        if (operation == 0)
            conffile_value_error(value,
                                 "\"%s\" is none of get, sign, csr, self-sign, certificate, "
                                 "generate, rotate, import, destroy, all, administer",
                                 value->text);
        rule->operations |= operation;
    }
}

/* Looks at what was written, not at what of it was right: one mistake is reported once. */
static void
check_whole(const struct config_reading *reading, cfg_t *section, const struct config_rule *rule)
{
    static const char *const whom[] = {"user", "group", "unit"};
    unsigned int line = conffile_line(reading->file, section);
    const char *name = cfg_title(section);

    /* Who takes the last one out means that nobody is left, not that anybody may come. */
    for (size_t i = 0; i < ARRAY_LEN(whom); i++) {
        if (conffile_emptied(section, whom[i]))
            conffile_error(
                reading->file, line,
                "allow %s: %s is empty: leave it out if it does not matter, or leave out "
                "the rule if nobody is meant",
                name, whom[i]);
    }
    if (!conffile_get(section, "user") && !conffile_get(section, "group") &&
        !conffile_get(section, "unit"))
        conffile_error(reading->file, line,
                       "allow %s: for whom? give user, group or unit; user = {\"*\"} is everybody",
                       name);
    if (!conffile_get(section, "operations"))
        conffile_error(reading->file, line, "allow %s: operations is missing", name);
    else if (!conffile_get(section, "keys") && (rule->operations & ~(uint32_t)OPERATION_ADMINISTER))
        conffile_error(reading->file, line,
                       "allow %s: keys is missing; only operation administer needs none", name);
}
