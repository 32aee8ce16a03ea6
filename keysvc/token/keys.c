/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys - a hash table from labels to keys, and the searches that fill it
 *
 * Open addressing; an entry is never taken out (a key that is gone keeps its place and its state),
 * so there are no tombstones to care for.
 */
#include "token/keys.h"

#include <sys/random.h>

#include "token/object.h"

#define FIRST_PLACES 64

struct table {
    struct key **places; /* a power of two, at most half full */
    size_t n_places;
    struct key **list; /* in the order they were found */
    size_t n_list;
};

struct keys {
    struct slot *slot;
    uint64_t seed; /* labels come from outside: nobody shall choose them to collide */
    struct table table;
    struct key **changed;
    size_t n_changed;
};

static ks_err list_private(struct keys *keys, struct table *table, struct fault *why);
static ks_err list_public(struct keys *keys, struct table *table, struct fault *why);
static ks_err complete(struct keys *keys, struct table *table, struct fault *why);
static void carry_over(struct keys *keys, struct table *table);
static ks_err find_again(struct keys *keys, const char *label, struct key *known, struct key **out,
                         struct fault *why);
static ks_err judge(const struct key *key, struct fault *why);

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

static void
table_deinit(struct table *table)
{
    for (size_t i = 0; i < table->n_list; i++)
        key_free(table->list[i]);
    free(table->list);
    free(table->places);
    *table = (struct table){0};
}

/* FNV-1a behind a random seed. */
static size_t
table_place(const struct keys *keys, const struct table *table, const char *label)
{
    uint64_t hash = 0xcbf29ce484222325u ^ keys->seed;
    size_t place;

    for (const char *at = label; *at; at++)
        hash = (hash ^ (uint8_t)*at) * 0x100000001b3u;
    place = (size_t)(hash ^ (hash >> 32)) & (table->n_places - 1);
    while (table->places[place] && strcmp(table->places[place]->label, label) != 0)
        place = (place + 1) & (table->n_places - 1);
    return place;
}

static struct key *
table_find(const struct keys *keys, const struct table *table, const char *label)
{
    return table->n_places ? table->places[table_place(keys, table, label)] : NULL;
}

static ks_err
table_grow(const struct keys *keys, struct table *table)
{
    struct table bigger = *table;

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
        table->places[table_place(keys, table, table->list[i]->label)] = table->list[i];
    return KS_OK;
}

/* A key with this label, new in the table. NO_KEY: not a label of ours. */
static ks_err
table_add(const struct keys *keys, struct table *table, const char *label, struct key **out)
{
    ks_auto(key_freep) struct key *key = calloc(1, sizeof(*key));

    if (!key || table_grow(keys, table) != KS_OK)
        return KS_ERR_INTERNAL;
    if (!keyname_split(label, strlen(label), false, key->name, &key->version) ||
        !text_copy(key->label, sizeof(key->label), label))
        return KS_ERR_NO_KEY;
    key->recorded_purpose = KS_PURPOSE_COUNT;
    table->places[table_place(keys, table, label)] = key;
    table->list[table->n_list++] = key;
    *out = ks_steal(&key);
    return KS_OK;
}

ks_err
keys_new(struct slot *slot, struct keys **out)
{
    struct keys *keys = calloc(1, sizeof(*keys));

    if (!keys)
        return KS_ERR_INTERNAL;
    keys->slot = slot;
    if (getrandom(&keys->seed, sizeof(keys->seed), 0) != (ssize_t)sizeof(keys->seed)) {
        free(keys);
        return KS_ERR_INTERNAL;
    }
    *out = keys;
    return KS_OK;
}

struct keys *
keys_free(struct keys *keys)
{
    if (!keys)
        return NULL;
    table_deinit(&keys->table);
    free(keys->changed);
    free(keys);
    return NULL;
}

void
keys_freep(struct keys **keys)
{
    *keys = keys_free(*keys);
}

ks_err
keys_list(struct keys *keys, struct fault *why)
{
    ks_auto(table_deinit) struct table table = {0};
    struct table old;
    ks_err err;

    err = list_private(keys, &table, why);
    if (!err)
        err = list_public(keys, &table, why);
    if (!err)
        err = complete(keys, &table, why);
    if (err)
        return err;
    carry_over(keys, &table);
    old = keys->table;
    keys->table = table;
    table = old;
    keys->n_changed = 0; /* the whole list is told anew */
    return KS_OK;
}

static ks_err
list_private(struct keys *keys, struct table *table, struct fault *why)
{
    ks_auto(object_list_deinit) struct object_list found = OBJECT_LIST_INIT;
    ks_err err;

    err = object_find(keys->slot, CKO_PRIVATE_KEY, NULL, &found, why);
    for (size_t i = 0; !err && i < found.n_handles; i++) {
        char label[KEYNAME_LABEL_MAX + 1];
        struct key *key;

        err = object_label(keys->slot, found.handles[i], label, why);
        if (!err) {
            key = table_find(keys, table, label);
            if (key) {
                key->state = JOB_KEY_AMBIGUOUS;
                continue;
            }
            err = table_add(keys, table, label, &key);
        }
        if (!err) {
            key->handle = found.handles[i];
            key->generation = slot_generation(keys->slot);
        }
        if (err == KS_ERR_NO_KEY)
            err = KS_OK; /* somebody else's object */
    }
    return err;
}

static void
set_spki(struct key *key, const struct spki *spki)
{
    key->spki = *spki;
    spki_sha256(spki, key->spki_sha256);
}

static ks_err
list_public(struct keys *keys, struct table *table, struct fault *why)
{
    ks_auto(object_list_deinit) struct object_list found = OBJECT_LIST_INIT;
    ks_err err;

    err = object_find(keys->slot, CKO_PUBLIC_KEY, NULL, &found, why);
    for (size_t i = 0; !err && i < found.n_handles; i++) {
        char label[KEYNAME_LABEL_MAX + 1];
        struct key *key = NULL;
        struct spki spki;

        err = object_label(keys->slot, found.handles[i], label, why);
        if (!err)
            key = table_find(keys, table, label);
        if (key && key->spki.len == 0) {
            err = object_spki(keys->slot, found.handles[i], &spki, why);
            if (!err)
                set_spki(key, &spki);
        }
        if (err == KS_ERR_NO_KEY)
            err = KS_OK;
    }
    return err;
}

/* Private keys without a public object: many tokens show the public half on the private one. */
static ks_err
complete(struct keys *keys, struct table *table, struct fault *why)
{
    ks_err err = KS_OK;

    for (size_t i = 0; !err && i < table->n_list; i++) {
        struct key *key = table->list[i];
        struct spki spki;

        if (key->spki.len > 0)
            continue;
        err = object_spki(keys->slot, key->handle, &spki, why);
        if (!err)
            set_spki(key, &spki);
        if (err == KS_ERR_NO_KEY)
            err = KS_OK;
    }
    return err;
}

static void
carry_over(struct keys *keys, struct table *table)
{
    for (size_t i = 0; i < table->n_list; i++) {
        struct key *key = table->list[i];
        const struct key *before = table_find(keys, &keys->table, key->label);

        if (before)
            key->recorded_purpose = before->recorded_purpose;
    }
}

ks_err
keys_get(struct keys *keys, const char *label, struct key **out, struct fault *why)
{
    struct key *key = table_find(keys, &keys->table, label);
    ks_err err;

    if (!key || key->generation != slot_generation(keys->slot)) {
        err = find_again(keys, label, key, &key, why);
        if (err)
            return err;
    }
    *out = key;
    return judge(key, why);
}

static ks_err
judge(const struct key *key, struct fault *why)
{
    if (key->state == JOB_KEY_AMBIGUOUS) {
        fault_set(why, "two private keys on the token carry the label %s", key->label);
        return KS_ERR_AMBIGUOUS_KEY;
    }
    if (key->spki.len == 0) {
        fault_set(why, "the token shows no public key of a known type for %s", key->label);
        return KS_ERR_UNSUPPORTED;
    }
    return KS_OK;
}

static ks_err
mark_changed(struct keys *keys, struct key *key)
{
    struct key **list;

    if (key->is_changed)
        return KS_OK;
    list = reallocarray(keys->changed, keys->n_changed + 1, sizeof(*list));
    if (!list)
        return KS_ERR_INTERNAL;
    keys->changed = list;
    keys->changed[keys->n_changed++] = key;
    key->is_changed = true;
    return KS_OK;
}

/* The public half of the one private key with this label; len 0 if the token shows none. */
static ks_err
read_public(struct keys *keys, const char *label, CK_OBJECT_HANDLE private_key, struct spki *out,
            struct fault *why)
{
    ks_auto(object_list_deinit) struct object_list found = OBJECT_LIST_INIT;
    ks_err err;

    out->len = 0;
    err = object_find(keys->slot, CKO_PUBLIC_KEY, label, &found, why);
    if (err)
        return err;
    for (size_t i = 0; i < found.n_handles; i++) {
        err = object_spki(keys->slot, found.handles[i], out, why);
        if (err != KS_ERR_NO_KEY)
            return err;
    }
    err = object_spki(keys->slot, private_key, out, why);
    if (err == KS_ERR_NO_KEY)
        out->len = 0;
    return err == KS_ERR_NO_KEY ? KS_OK : err;
}

static ks_err
update(struct keys *keys, struct key *key, const struct object_list *found, const struct spki *spki)
{
    enum job_key_state state = found->n_handles > 1 ? JOB_KEY_AMBIGUOUS : JOB_KEY_USABLE;
    bool same = key->generation != UINT64_MAX && key->state == state &&
                key->spki.len == spki->len && memcmp(key->spki.der, spki->der, spki->len) == 0;

    key->state = state;
    key->handle = found->handles[0];
    key->generation = slot_generation(keys->slot);
    key->proved = false; /* another handle: its first signature is verified */
    if (same)
        return KS_OK;
    EVP_PKEY_free(key->pkey);
    key->pkey = NULL;
    set_spki(key, spki);
    return mark_changed(keys, key);
}

static ks_err
find_again(struct keys *keys, const char *label, struct key *known, struct key **out,
           struct fault *why)
{
    ks_auto(object_list_deinit) struct object_list found = OBJECT_LIST_INIT;
    struct spki spki = {.len = 0};
    ks_err err;

    err = object_find(keys->slot, CKO_PRIVATE_KEY, label, &found, why);
    if (err)
        return err;
    if (found.n_handles == 0) {
        fault_set(why, "the token has no private key with the label %s", label);
        if (known && known->state != JOB_KEY_GONE) {
            known->state = JOB_KEY_GONE;
            known->generation = 0;
            err = mark_changed(keys, known);
        }
        return err ? err : KS_ERR_NO_KEY;
    }
    err = read_public(keys, label, found.handles[0], &spki, why);
    if (err)
        return err;
    if (!known) {
        err = table_add(keys, &keys->table, label, &known);
        if (err)
            return err;
        known->generation = UINT64_MAX; /* never seen: the front does not know it either */
    }
    *out = known;
    return update(keys, known, &found, &spki);
}

struct key *
keys_known(const struct keys *keys, const char *label)
{
    return table_find(keys, &keys->table, label);
}

void
keys_forget(struct key *key)
{
    key->generation = 0;
}

uint32_t
keys_newest(const struct keys *keys, const char *name)
{
    uint32_t newest = 0;

    for (size_t i = 0; i < keys->table.n_list; i++) {
        const struct key *key = keys->table.list[i];

        if (key->state != JOB_KEY_GONE && key->version > newest && strcmp(key->name, name) == 0)
            newest = key->version;
    }
    return newest;
}

size_t
keys_count(const struct keys *keys)
{
    return keys->table.n_list;
}

struct key *
keys_at(const struct keys *keys, size_t index)
{
    return keys->table.list[index];
}

struct key *
keys_take_changed(struct keys *keys)
{
    struct key *key;

    if (keys->n_changed == 0)
        return NULL;
    key = keys->changed[--keys->n_changed];
    key->is_changed = false;
    return key;
}

ks_err
keys_pkey(struct key *key, EVP_PKEY **out, struct fault *why)
{
    ks_err err = KS_OK;

    if (!key->pkey)
        err = spki_pkey(&key->spki, &key->pkey, why);
    *out = key->pkey;
    return err;
}
