/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strv - lists of texts
 */
#include "base/strv.h"

void
strv_deinit(struct strv *list)
{
    for (size_t i = 0; i < list->n_items; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct strv)STRV_INIT;
}

ks_err
strv_add(struct strv *list, const char *text)
{
    char **items = reallocarray(list->items, list->n_items + 1, sizeof(*items));

    if (!items)
        return KS_ERR_INTERNAL;
    list->items = items;
    items[list->n_items] = strdup(text);
    if (!items[list->n_items])
        return KS_ERR_INTERNAL;
    list->n_items++;
    return KS_OK;
}

bool
strv_contains(const struct strv *list, const char *text)
{
    for (size_t i = 0; i < list->n_items; i++) {
        if (strcmp(list->items[i], text) == 0)
            return true;
    }
    return false;
}
