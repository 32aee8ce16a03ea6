/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doubts - a short list, empty nearly always
 */
#include "front/doubts.h"

#define DOUBTS_MAX 1024 /* a worker has 32 jobs at most, and a listing comes between two deaths */

struct doubt {
    char token[CONFIG_TITLE_MAX + 1];
    char name[KEYNAME_MAX + 1];
    uint32_t version;
};

struct doubts {
    struct doubt *list;
    size_t n;
};

struct doubts *
doubts_new(void)
{
    return calloc(1, sizeof(struct doubts));
}

struct doubts *
doubts_free(struct doubts *doubts)
{
    if (doubts)
        free(doubts->list);
    free(doubts);
    return NULL;
}

void
doubts_add(struct doubts *doubts, const char *token, const char *name, uint32_t version)
{
    struct doubt doubt = {.version = version};
    struct doubt *list;

    if (doubts->n == DOUBTS_MAX || !text_copy(doubt.token, sizeof(doubt.token), token) ||
        !text_copy(doubt.name, sizeof(doubt.name), name))
        return;
    list = reallocarray(doubts->list, doubts->n + 1, sizeof(*list));
    if (!list)
        return;
    doubts->list = list;
    list[doubts->n++] = doubt;
}

void
doubts_settle(struct doubts *doubts, const char *token)
{
    size_t n = 0;

    for (size_t i = 0; i < doubts->n; i++) {
        if (strcmp(doubts->list[i].token, token) != 0)
            doubts->list[n++] = doubts->list[i];
    }
    doubts->n = n;
}

const char *
doubts_find(const struct doubts *doubts, const char *name, uint32_t version)
{
    for (size_t i = 0; i < doubts->n; i++) {
        const struct doubt *doubt = &doubts->list[i];

        if (strcmp(doubt->name, name) == 0 && (version == 0 || doubt->version == version))
            return doubt->token;
    }
    return NULL;
}
