/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keytable - places, growth, keys
 */
#include "token/keytable.h"

#define FIRST_PLACES 64

static struct key *
key_free(struct key *key)
{
    if (key)
        EVP_PKEY_free(key->pkey);
    free(key);
    return NULL;
}

static void
key_freep(struct key **key)
{
    *key = key_free(*key);
}

void
keytable_deinit(struct keytable *table)
{
    for (size_t i = 0; i < table->n_list; i++)
        key_free(table->list[i]);
    free(table->list);
    free(table->places);
    *table = (struct keytable){.seed = table->seed};
}

/* FNV-1a behind a random seed. */
static size_t
place_of(const struct keytable *table, const char *label)
{
    uint64_t hash = 0xcbf29ce484222325u ^ table->seed;
    size_t place;

    for (const char *at = label; *at; at++)
        hash = (hash ^ (uint8_t)*at) * 0x100000001b3u;
    place = (size_t)(hash ^ (hash >> 32)) & (table->n_places - 1);
    while (table->places[place] && strcmp(table->places[place]->label, label) != 0)
        place = (place + 1) & (table->n_places - 1);
    return place;
}

struct key *
keytable_find(const struct keytable *table, const char *label)
{
    return table->n_places ? table->places[place_of(table, label)] : NULL;
}

static ks_err
grow(struct keytable *table)
{
    struct keytable bigger = *table;

    if (table->n_list * 2 < table->n_places)
        return KS_OK;
    bigger.n_places = table->n_places ? table->n_places * 2 : FIRST_PLACES;
    bigger.list = reallocarray(table->list, bigger.n_places / 2, sizeof(struct key *));
    if (!bigger.list)
        return KS_ERR_INTERNAL;
    table->list = bigger.list;
    bigger.places = calloc(bigger.n_places, sizeof(struct key *));
    if (!bigger.places)
        return KS_ERR_INTERNAL;
    free(table->places);
    *table = bigger;
    for (size_t i = 0; i < table->n_list; i++)
        table->places[place_of(table, table->list[i]->label)] = table->list[i];
    return KS_OK;
}

ks_err
keytable_add(struct keytable *table, const char *label, struct key **out)
{
    ks_auto(key_freep) struct key *key = calloc(1, sizeof(*key));

    if (!key || grow(table) != KS_OK)
        return KS_ERR_INTERNAL;
    if (!keyname_split(label, strlen(label), false, key->name, &key->version) ||
        !text_copy(key->label, sizeof(key->label), label))
        return KS_ERR_NO_KEY;
    key->recorded_purpose = KS_PURPOSE_COUNT;
    table->places[place_of(table, label)] = key;
    table->list[table->n_list++] = key;
    *out = ks_steal(&key);
    return KS_OK;
}
