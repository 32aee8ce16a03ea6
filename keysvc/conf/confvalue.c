/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confvalue - checking and converting the values of options
 */
#include "conf/confvalue.h"

#include <stdio.h>

#define VARIABLE_MAX_LEN 4096 /* bytes of NAME=value; a path fits */

struct unit {
    const char *name;
    uint32_t factor;
};

static const struct unit TIMES[] = {{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}};
static const struct unit SECONDS[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}};
static const struct unit SIZES[] = {{"", 1}, {"KiB", 1024}, {"MiB", 1024 * 1024}};

static bool path_valid(const char *path);

/* Digits, then whatever follows. False: no digits, or more than fits. */
static bool
parse_digits(const char *text, uint64_t *number, const char **rest)
{
    size_t n_digits = strspn(text, "0123456789");

    *number = 0;
    if (n_digits == 0 || n_digits > 10)
        return false;
    for (size_t i = 0; i < n_digits; i++)
        *number = *number * 10 + (uint64_t)(text[i] - '0');
    *rest = text + n_digits;
    return true;
}

static bool
parse_with_unit(const char *text, const struct unit *units, size_t n_units, uint64_t *number)
{
    const char *rest;

    if (!parse_digits(text, number, &rest))
        return false;
    if (*number == 0 && *rest == '\0')
        return true;
    for (size_t i = 0; i < n_units; i++) {
        if (strcmp(rest, units[i].name) == 0) {
            *number *= units[i].factor;
            return true;
        }
    }
    return false;
}

uint32_t
confvalue_number(cfg_t *section, const char *option, uint32_t min, uint32_t max, uint32_t fallback)
{
    const struct conffile_value *value = conffile_get(section, option);
    const char *rest;
    uint64_t number;

    if (!value)
        return fallback;
    if (parse_digits(value->text, &number, &rest) && *rest == '\0' && number >= min &&
        number <= max)
        return (uint32_t)number;
    conffile_value_error(value, "\"%s\" is not a number from %u to %u", value->text, min, max);
    return fallback;
}

uint32_t
confvalue_time(cfg_t *section, const char *option, uint32_t min_ms, uint32_t max_ms,
               uint32_t fallback_ms)
{
    const struct conffile_value *value = conffile_get(section, option);
    uint64_t number;

    if (!value)
        return fallback_ms;
    if (!parse_with_unit(value->text, TIMES, ARRAY_LEN(TIMES), &number))
        conffile_value_error(value, "\"%s\" is not a time as 500ms, 10s, 5m or 1h", value->text);
    else if (number < min_ms || number > max_ms)
        conffile_value_error(value, "\"%s\" is not from %ums to %us", value->text, min_ms,
                             max_ms / 1000);
    else
        return (uint32_t)number;
    return fallback_ms;
}

uint32_t
confvalue_seconds(cfg_t *section, const char *option, uint32_t min, uint32_t max, uint32_t fallback)
{
    const struct conffile_value *value = conffile_get(section, option);
    uint64_t number;

    if (!value)
        return fallback;
    if (parse_with_unit(value->text, SECONDS, ARRAY_LEN(SECONDS), &number) && number >= min &&
        number <= max)
        return (uint32_t)number;
    conffile_value_error(value, "\"%s\" is not from %us to %us", value->text, min, max);
    return fallback;
}

uint32_t
confvalue_size(cfg_t *section, const char *option, uint32_t min, uint32_t max, uint32_t fallback)
{
    const struct conffile_value *value = conffile_get(section, option);
    uint64_t number;

    if (!value)
        return fallback;
    if (!parse_with_unit(value->text, SIZES, ARRAY_LEN(SIZES), &number))
        conffile_value_error(value, "\"%s\" is not a size as 65536, 64KiB or 16MiB", value->text);
    else if (number < min || number > max)
        conffile_value_error(value, "\"%s\" is not from %u to %u bytes", value->text, min, max);
    else
        return (uint32_t)number;
    return fallback;
}

uint32_t
confvalue_rate(cfg_t *section, const char *option)
{
    const struct conffile_value *value = conffile_get(section, option);
    const char *rest;
    uint64_t number;

    if (!value)
        return 0;
    if (parse_digits(value->text, &number, &rest) && strcmp(rest, "/s") == 0 && number > 0 &&
        number <= 1000000)
        return (uint32_t)number;
    conffile_value_error(value, "\"%s\" is not a rate from \"1/s\" to \"1000000/s\"", value->text);
    return 0;
}

bool
confvalue_bool(cfg_t *section, const char *option, bool fallback)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};

    return confvalue_word(section, option, words, ARRAY_LEN(words), fallback ? 1 : 0) % 2 == 1;
}

size_t
confvalue_word(cfg_t *section, const char *option, const char *const *words, size_t n,
               size_t fallback)
{
    const struct conffile_value *value = conffile_get(section, option);
    char list[128] = "";

    if (!value)
        return fallback;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(list);

        if (strcmp(value->text, words[i]) == 0)
            return i;
        snprintf(list + len, sizeof(list) - len, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    conffile_value_error(value, "\"%s\" is none of %s", value->text, list);
    return fallback;
}

void
confvalue_text(cfg_t *section, const char *option, char *out, size_t cap)
{
    const struct conffile_value *value = conffile_get(section, option);

    out[0] = '\0';
    if (!value)
        return;
    if (value->text[0] == '\0')
        conffile_value_error(value, "is empty");
    else if (!text_copy(out, cap, value->text))
        conffile_value_error(value, "is longer than %zu bytes", cap - 1);
}

void
confvalue_path(cfg_t *section, const char *option, char *out, size_t cap)
{
    confvalue_text(section, option, out, cap);
    if (out[0] != '\0' && !confvalue_path_valid(conffile_get(section, option)))
        out[0] = '\0';
}

bool
confvalue_path_valid(const struct conffile_value *value)
{
    if (value->text[0] == '/' && strlen(value->text) <= CONFVALUE_PATH_MAX &&
        path_valid(value->text))
        return true;
    if (value->text[0] != '/')
        conffile_value_error(value, "\"%s\" is not an absolute path", value->text);
    else if (strlen(value->text) > CONFVALUE_PATH_MAX)
        conffile_value_error(value, "a path longer than %d bytes", CONFVALUE_PATH_MAX);
    else
        conffile_value_error(value, "\"%s\" has an empty component, or one that is . or ..",
                             value->text);
    return false;
}

static bool
path_valid(const char *path)
{
    while (*path == '/') {
        size_t len = strcspn(path + 1, "/");

        if (len == 0 || (len <= 2 && strspn(path + 1, ".") == len))
            return false;
        path += 1 + len;
    }
    return true;
}

/* The length of NAME in "NAME=value"; 0: it is none. */
static size_t
variable_len(const char *text)
{
    size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

    return text[len] == '=' && (text[0] < '0' || text[0] > '9') ? len : 0;
}

static ks_err
set_variable(struct strv *list, const char *text, size_t name_len)
{
    for (size_t i = 0; i < list->n_items; i++) {
        char *copy;

        if (strncmp(list->items[i], text, name_len + 1) != 0)
            continue;
        copy = strdup(text);
        if (!copy)
            return KS_ERR_INTERNAL;
        free(list->items[i]);
        list->items[i] = copy;
        return KS_OK;
    }
    return strv_add(list, text);
}

ks_err
confvalue_environment(cfg_t *section, const char *option, struct strv *list)
{
    if (confvalue_list_too_long(section, option))
        return KS_OK;
    for (size_t i = 0; i < conffile_count(section, option); i++) {
        const struct conffile_value *value = conffile_get_at(section, option, i);
        size_t name_len = variable_len(value->text);
        ks_err err;

        if (name_len == 0) {
            conffile_value_error(value, "\"%s\" is not NAME=value", value->text);
            continue;
        }
        if (strlen(value->text) > VARIABLE_MAX_LEN || list->n_items == CONFVALUE_MAX_ITEMS) {
            conffile_value_error(value, "a variable longer than %d bytes, or more than %d of them",
                                 VARIABLE_MAX_LEN, CONFVALUE_MAX_ITEMS);
            continue;
        }
        err = set_variable(list, value->text, name_len);
        if (err)
            return err;
    }
    return KS_OK;
}

bool
confvalue_name_valid(const char *name, size_t max_len)
{
    size_t len = strlen(name);

    return len > 0 && len <= max_len && name[0] != '.' && name[0] != '-' &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

bool
confvalue_list_too_long(cfg_t *section, const char *option)
{
    if (conffile_count(section, option) <= CONFVALUE_MAX_ITEMS)
        return false;
    conffile_value_error(conffile_get(section, option), "has more than %d members",
                         CONFVALUE_MAX_ITEMS);
    return true;
}

ks_err
confvalue_list(cfg_t *section, const char *option, confvalue_check check, struct strv *list)
{
    if (confvalue_list_too_long(section, option))
        return KS_OK;
    for (size_t i = 0; i < conffile_count(section, option); i++) {
        const struct conffile_value *value = conffile_get_at(section, option, i);
        ks_err err;

        if (!check(value))
            continue;
        if (list->n_items == CONFVALUE_MAX_ITEMS) {
            conffile_value_error(value, "more than %d, with those of the profile",
                                 CONFVALUE_MAX_ITEMS);
            return KS_OK;
        }
        err = strv_add(list, value->text);
        if (err)
            return err;
    }
    return KS_OK;
}
