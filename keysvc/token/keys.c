/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys - the searches that fill the table of keys, and what they mean for it
 *
 * Two kinds of keys: those that carry a label of ours, and those that the configuration adopts by
 * URI. An adopted name has no other version 1: an object with that label of ours beside it, or in
 * its place, makes it ambiguous.
 */
#include "token/keys.h"

#include <sys/random.h>

#include "base/log.h"
#include "token/keytable.h"
#include "token/object.h"

struct keys {
    struct slot *slot;
    struct keytable table;
    struct adopt_list adopted;
    struct key **changed;
    size_t n_changed;
};

static ks_err list_private(struct keys *keys, struct keytable *table, struct fault *why);
static ks_err list_public(struct keys *keys, struct keytable *table, struct fault *why);
static ks_err complete(struct keys *keys, struct keytable *table, struct fault *why);
static ks_err list_adopted(struct keys *keys, struct keytable *table, struct fault *why);
static void carry_over(struct keys *keys, struct keytable *table);
static void warn_of(struct keys *keys, struct key *key);
static ks_err find_again(struct keys *keys, const char *label, struct key *known, struct key **out,
                         struct fault *why);
static ks_err gone(struct keys *keys, const char *label, const struct adopted *adopted,
                   struct key *known, struct fault *why);
static ks_err judge(const struct key *key, struct fault *why);

ks_err
keys_new(struct slot *slot, struct keys **out)
{
    struct keys *keys = calloc(1, sizeof(*keys));

    if (!keys)
        return KS_ERR_INTERNAL;
    keys->slot = slot;
    if (getrandom(&keys->table.seed, sizeof(keys->table.seed), 0) !=
        (ssize_t)sizeof(keys->table.seed)) {
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
    keytable_deinit(&keys->table);
    adopt_list_deinit(&keys->adopted);
    free(keys->changed);
    free(keys);
    return NULL;
}

bool
keys_adopt(struct keys *keys, struct adopt_list *list)
{
    struct adopt_list before = keys->adopted;
    bool same = adopt_list_same(&before, list);

    keys->adopted = *list;
    *list = before;
    adopt_list_deinit(list);
    for (size_t i = 0; !same && i < keys->table.n_list; i++) {
        struct key *key = keys->table.list[i];

        if (key->is_adopted || adopt_find(&keys->adopted, key->label))
            keys_forget(key);
    }
    return !same;
}

ks_err
keys_list(struct keys *keys, struct fault *why)
{
    ks_auto(keytable_deinit) struct keytable table = {.seed = keys->table.seed};
    struct keytable old;
    ks_err err;

    err = list_private(keys, &table, why);
    if (!err)
        err = list_public(keys, &table, why);
    if (!err)
        err = complete(keys, &table, why);
    if (!err)
        err = list_adopted(keys, &table, why);
    if (err)
        return err;
    carry_over(keys, &table);
    for (size_t i = 0; i < table.n_list; i++)
        warn_of(keys, table.list[i]);
    old = keys->table;
    keys->table = table;
    table = old;
    keys->n_changed = 0; /* the whole list is told anew */
    return KS_OK;
}

static ks_err
list_private(struct keys *keys, struct keytable *table, struct fault *why)
{
    ks_auto(object_list_deinit) struct object_list found = OBJECT_LIST_INIT;
    ks_err err;

    err = object_find(keys->slot, CKO_PRIVATE_KEY, NULL, &found, why);
    for (size_t i = 0; !err && i < found.n_handles; i++) {
        char label[KEYNAME_LABEL_MAX + 1];
        struct key *key;

        err = object_label(keys->slot, found.handles[i], label, why);
        if (!err) {
            key = keytable_find(table, label);
            if (key) {
                key->state = JOB_KEY_AMBIGUOUS;
                continue;
            }
            err = keytable_add(table, label, &key);
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

/* A key whose public half this object does not show stays as it is. */
static ks_err
read_spki(struct keys *keys, struct key *key, CK_OBJECT_HANDLE object, struct fault *why)
{
    struct spki spki;
    ks_err err = object_spki(keys->slot, object, &spki, why);

    if (!err)
        set_spki(key, &spki);
    return err == KS_ERR_NO_KEY ? KS_OK : err;
}

static ks_err
list_public(struct keys *keys, struct keytable *table, struct fault *why)
{
    ks_auto(object_list_deinit) struct object_list found = OBJECT_LIST_INIT;
    ks_err err;

    err = object_find(keys->slot, CKO_PUBLIC_KEY, NULL, &found, why);
    for (size_t i = 0; !err && i < found.n_handles; i++) {
        char label[KEYNAME_LABEL_MAX + 1];
        struct key *key = NULL;

        err = object_label(keys->slot, found.handles[i], label, why);
        if (!err)
            key = keytable_find(table, label);
        if (key && key->spki.len == 0)
            err = read_spki(keys, key, found.handles[i], why);
        if (err == KS_ERR_NO_KEY)
            err = KS_OK;
    }
    return err;
}

/* Private keys without a public object: many tokens show the public half on the private one. */
static ks_err
complete(struct keys *keys, struct keytable *table, struct fault *why)
{
    ks_err err = KS_OK;

    for (size_t i = 0; !err && i < table->n_list; i++) {
        struct key *key = table->list[i];

        if (key->spki.len == 0)
            err = read_spki(keys, key, key->handle, why);
    }
    return err;
}

/*
 * The private key that a label stands for, and whether it is the only one. `found` starts empty and
 * stays so if there is none.
 */
static ks_err
find_private(struct keys *keys, const char *label, const struct adopted *adopted,
             struct object_list *found, bool *is_alone, struct fault *why)
{
    ks_auto(object_list_deinit) struct object_list foreign = OBJECT_LIST_INIT;
    struct object_list own;
    ks_err err;

    err = object_find(keys->slot, CKO_PRIVATE_KEY, label, found, why);
    *is_alone = found->n_handles == 1;
    if (err || !adopted)
        return err;
    err = adopt_private(keys->slot, adopted, &foreign, why);
    if (err)
        return err;
    /* The URI may mean an object by the very label that is ours for it. */
    *is_alone = foreign.n_handles == 1 &&
                (found->n_handles == 0 ||
                 (found->n_handles == 1 && found->handles[0] == foreign.handles[0]));
    if (foreign.n_handles == 0)
        return KS_OK;
    own = *found;
    *found = foreign;
    foreign = own;
    return KS_OK;
}

static ks_err
list_adopted(struct keys *keys, struct keytable *table, struct fault *why)
{
    ks_err err = KS_OK;

    for (size_t i = 0; !err && i < keys->adopted.n_items; i++) {
        const struct adopted *adopted = &keys->adopted.items[i];
        ks_auto(object_list_deinit) struct object_list found = OBJECT_LIST_INIT;
        struct key *key = keytable_find(table, adopted->label);
        struct spki spki = {.len = 0};
        bool is_alone = false;

        err = find_private(keys, adopted->label, adopted, &found, &is_alone, why);
        if (!err && found.n_handles == 0)
            log_warning(
                "event=adopted-key-missing key=%s text=\"the token shows this process no private "
                "key that its URI means: is it there, and may the token's user read it?\"",
                adopted->label);
        if (err || found.n_handles == 0)
            continue;
        if (!key)
            err = keytable_add(table, adopted->label, &key);
        if (!err)
            err = adopt_public(keys->slot, found.handles[0], &spki, why);
        if (err)
            continue;
        key->is_adopted = true;
        key->state = is_alone ? JOB_KEY_USABLE : JOB_KEY_AMBIGUOUS;
        key->handle = found.handles[0];
        key->generation = slot_generation(keys->slot);
        set_spki(key, &spki);
    }
    return err;
}

/* We make no such key, and cannot mend one that is there. */
static void
warn_of(struct keys *keys, struct key *key)
{
    struct fault why = FAULT_INIT;
    bool is_weak = false;

    if (!key->is_adopted || key->was_warned_of || key->state != JOB_KEY_USABLE ||
        adopt_is_weak(keys->slot, key->handle, &is_weak, &why) != KS_OK || !is_weak)
        return;
    key->was_warned_of = true;
    log_warning("event=weak-key key=%s text=\"this foreign key can leave the token or be read\"",
                key->label);
}

static void
carry_over(struct keys *keys, struct keytable *table)
{
    for (size_t i = 0; i < table->n_list; i++) {
        struct key *key = table->list[i];
        const struct key *before = keytable_find(&keys->table, key->label);

        if (before)
            key->recorded_purpose = before->recorded_purpose;
        if (before)
            key->was_warned_of = before->was_warned_of;
    }
}

ks_err
keys_get(struct keys *keys, const char *label, struct key **out, struct fault *why)
{
    struct key *key = keytable_find(&keys->table, label);
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
    if (key->state == JOB_KEY_AMBIGUOUS && key->is_adopted) {
        fault_set(why,
                  "the token has another private key labelled %s than the one that the key's URI "
                  "means, or two that it means",
                  key->label);
        return KS_ERR_AMBIGUOUS_KEY;
    }
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
update(struct keys *keys, struct key *key, CK_OBJECT_HANDLE handle, bool is_alone,
       const struct spki *spki)
{
    enum job_key_state state = is_alone ? JOB_KEY_USABLE : JOB_KEY_AMBIGUOUS;
    bool same = key->generation != UINT64_MAX && key->state == state &&
                key->spki.len == spki->len && memcmp(key->spki.der, spki->der, spki->len) == 0;

    key->state = state;
    key->handle = handle;
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
    const struct adopted *adopted = adopt_find(&keys->adopted, label);
    ks_auto(object_list_deinit) struct object_list found = OBJECT_LIST_INIT;
    struct spki spki = {.len = 0};
    bool is_alone = false;
    ks_err err;

    err = find_private(keys, label, adopted, &found, &is_alone, why);
    if (err)
        return err;
    if (found.n_handles == 0)
        return gone(keys, label, adopted, known, why);
    if (adopted)
        err = adopt_public(keys->slot, found.handles[0], &spki, why);
    else
        err = read_public(keys, label, found.handles[0], &spki, why);
    if (err)
        return err;
    if (!known) {
        err = keytable_add(&keys->table, label, &known);
        if (err)
            return err;
        known->generation = UINT64_MAX; /* never seen: the front does not know it either */
    }
    known->is_adopted = adopted != NULL;
    *out = known;
    err = update(keys, known, found.handles[0], is_alone, &spki);
    warn_of(keys, known);
    return err;
}

static ks_err
gone(struct keys *keys, const char *label, const struct adopted *adopted, struct key *known,
     struct fault *why)
{
    if (adopted)
        fault_set(why, "the token has no private key that the URI of %s means", label);
    else
        fault_set(why, "the token has no private key with the label %s", label);
    if (!known || known->state == JOB_KEY_GONE)
        return KS_ERR_NO_KEY;
    known->state = JOB_KEY_GONE;
    known->generation = 0;
    return mark_changed(keys, known) ? KS_ERR_INTERNAL : KS_ERR_NO_KEY;
}

void
keys_gone(struct keys *keys, struct key *key)
{
    key->state = JOB_KEY_GONE;
    key->generation = 0;
    (void)!mark_changed(keys, key);
}

struct key *
keys_known(const struct keys *keys, const char *label)
{
    return keytable_find(&keys->table, label);
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
