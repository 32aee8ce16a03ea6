/* SPDX-License-Identifier: Apache-2.0 */
/*
 * altname - parsing alternative names
 */
#include "client/cli/altname.h"

#include <strings.h>

static const struct {
    const char *word;
    enum ks_name_kind kind;
} KIND[] = {
    {"DNS:", KS_NAME_DNS},
    {"IP:", KS_NAME_IP},
    {"EMAIL:", KS_NAME_EMAIL},
    {"URI:", KS_NAME_URI},
};

void
altname_deinit(struct altname_list *list)
{
    for (size_t i = 0; i < list->n_texts; i++)
        free(list->texts[i]);
    free(list->names);
    memset(list, 0, sizeof(*list));
}

/* The word at the beginning of the text: its row, or -1. */
static int
kind_at(const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(KIND); i++) {
        if (strncasecmp(text, KIND[i].word, strlen(KIND[i].word)) == 0)
            return (int)i;
    }
    return -1;
}

/* Behind the name that begins here: the comma before the next word, or the end. */
static char *
end_of_name(char *text)
{
    char *comma = text;

    while ((comma = strchr(comma, ',')) && kind_at(comma + 1) < 0)
        comma++;
    return comma ? comma : text + strlen(text);
}

static ks_err
add_name(struct altname_list *list, int row, const char *value, struct fault *why)
{
    struct ks_alternative_name *names;

    if (value[0] == '\0') {
        fault_set(why, "%s is empty", KIND[row].word);
        return KS_ERR_USAGE;
    }
    if (list->n_names == KS_MAX_ALTERNATIVE_NAMES) {
        fault_set(why, "more than %u alternative names", KS_MAX_ALTERNATIVE_NAMES);
        return KS_ERR_TOO_LARGE;
    }
    names = reallocarray(list->names, list->n_names + 1, sizeof(*names));
    if (!names)
        return KS_ERR_INTERNAL;
    names[list->n_names].kind = KIND[row].kind;
    names[list->n_names].value = value;
    list->names = names;
    list->n_names++;
    return KS_OK;
}

ks_err
altname_add(struct altname_list *list, const char *text, struct fault *why)
{
    char *next;

    if (list->n_texts == ARRAY_LEN(list->texts)) {
        fault_set(why, "more than %u alternative names", KS_MAX_ALTERNATIVE_NAMES);
        return KS_ERR_TOO_LARGE;
    }
    next = strdup(text);
    if (!next)
        return KS_ERR_INTERNAL;
    list->texts[list->n_texts++] = next;
    for (bool more = true; more; next++) {
        int row = kind_at(next);
        char *value, *end;
        ks_err err;

        if (row < 0) {
            fault_set(why, "\"%s\" does not begin with DNS:, IP:, EMAIL: or URI:", next);
            return KS_ERR_USAGE;
        }
        value = next + strlen(KIND[row].word);
        end = end_of_name(value);
        more = *end == ',';
        *end = '\0';
        err = add_name(list, row, value, why);
        if (err)
            return err;
        next = end;
    }
    return KS_OK;
}
