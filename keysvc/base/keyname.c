/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keyname - checking, splitting and joining names
 */
#include "base/keyname.h"

#include <stdio.h>

static bool
is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

static bool
component_valid(const char *text, size_t len)
{
    if (len == 0 || (len == 1 && text[0] == '.') || (len == 2 && text[0] == '.' && text[1] == '.'))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_name_char(text[i]))
            return false;
    }
    return true;
}

bool
keyname_valid(const char *name)
{
    if (strnlen(name, KEYNAME_MAX + 1) > KEYNAME_MAX)
        return false;
    for (;;) {
        size_t len = strcspn(name, "/");

        if (!component_valid(name, len))
            return false;
        if (name[len] == '\0')
            return true;
        name += len + 1;
    }
}

bool
keyname_reserved(const char *name)
{
    return strncmp(name, "keysvc/", strlen("keysvc/")) == 0;
}

static bool
parse_version(const char *text, size_t len, uint32_t *version)
{
    uint32_t value = 0;

    if (len == 0 || len > 9 || text[0] == '0')
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (uint32_t)(text[i] - '0');
    }
    *version = value;
    return true;
}

bool
keyname_split(const char *label, size_t label_len, bool bare_allowed,
              char name[static KEYNAME_MAX + 1], uint32_t *version)
{
    const char *at = memchr(label, '@', label_len);
    size_t name_len = at ? (size_t)(at - label) : label_len;

    if (name_len > KEYNAME_MAX || memchr(label, '\0', label_len))
        return false;
    memcpy(name, label, name_len);
    name[name_len] = '\0';
    if (!keyname_valid(name))
        return false;
    if (!at) {
        *version = 0;
        return bare_allowed;
    }
    return parse_version(at + 1, label_len - name_len - 1, version);
}

void
keyname_label(const char *name, uint32_t version, char out[static KEYNAME_LABEL_MAX + 1])
{
    snprintf(out, KEYNAME_LABEL_MAX + 1, "%s@%u", name, version);
}
