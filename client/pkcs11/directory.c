/* SPDX-License-Identifier: Apache-2.0 */
/*
 * directory - the list is read aside and put in place under the lock
 *
 * Two arrays hold the same entries: `entries` in the service's order, `by_number` for handles, with
 * those that are gone. Both are made anew by a refresh, which is a walk along the old and the new
 * list, as they are in the same order.
 */
#include "client/pkcs11/directory.h"

#include "base/clock.h"
#include "client/pkcs11/report.h"

/* Entries with room to grow; not sorted by itself. */
struct listing {
    struct entry **at;
    size_t n, cap;
};

struct directory {
    struct listing entries;
    struct listing by_number;
    CK_ULONG last_number;
    uint64_t read_ms;
    bool known;   /* it was read, and nothing said that it is wrong */
    bool reading; /* by some thread, just now */
};

static CK_RV read_all(struct module *module, struct listing *out);
static CK_RV put_in_place(struct directory *directory, struct listing *fresh);
static void listing_deinit(struct listing *listing);
static void put_locked(struct entry *entry);

struct directory *
directory_new(void)
{
    return calloc(1, sizeof(struct directory));
}

struct directory *
directory_free(struct directory *directory)
{
    if (!directory)
        return NULL;
    module_lock();
    listing_deinit(&directory->entries);
    listing_deinit(&directory->by_number);
    module_unlock();
    free(directory);
    return NULL;
}

void
directory_forked(struct directory *directory)
{
    directory->reading = false;
}

void
directory_spoil(struct directory *directory)
{
    module_lock();
    directory->known = false;
    module_unlock();
}

/* --- reading --- */

CK_RV
directory_refresh(struct module *module)
{
    struct directory *directory = module->directory;
    struct listing fresh = {NULL, 0, 0};
    CK_RV rv;

    module_lock();
    while (directory->reading)
        module_wait();
    if (directory->known && clock_mono_ms() - directory->read_ms < DIRECTORY_AGE_MS) {
        module_unlock();
        return CKR_OK;
    }
    directory->reading = true;
    module_unlock();

    rv = read_all(module, &fresh);

    module_lock();
    if (!rv)
        rv = put_in_place(directory, &fresh);
    listing_deinit(&fresh);
    directory->reading = false;
    module_wake();
    module_unlock();
    return rv;
}

static bool
listing_add(struct listing *listing, struct entry *entry)
{
    if (listing->n == listing->cap) {
        size_t cap = listing->cap > 0 ? listing->cap * 2 : 64;
        struct entry **at = reallocarray(listing->at, cap, sizeof(struct entry *));

        if (!at)
            return false;
        listing->at = at;
        listing->cap = cap;
    }
    listing->at[listing->n++] = entry;
    return true;
}

/* With the lock held. */
static void
listing_deinit(struct listing *listing)
{
    for (size_t i = 0; i < listing->n; i++)
        put_locked(listing->at[i]);
    free(listing->at);
    *listing = (struct listing){NULL, 0, 0};
}

/* FNV-1a: which keys are on one token, no more. */
static uint32_t
token_number(const char *token)
{
    uint32_t number = 2166136261u;

    for (const char *at = token; *at != '\0'; at++)
        number = (number ^ (unsigned char)*at) * 16777619u;
    return number;
}

/* Nobody signs with a key in no class, with the audit's own, with two under one label, or with one
 * of a type that has no mechanism here; and there are programs that take the first private key they
 * see. */
static bool
usable(const struct ks_key *key)
{
    switch (key->purpose) {
    case KS_PURPOSE_SIGN:
    case KS_PURPOSE_TLS_SERVER:
    case KS_PURPOSE_TLS_CLIENT:
    case KS_PURPOSE_TLS:
        return !key->ambiguous && key_info_signature_len(key->type) > 0;
    default:
        return false;
    }
}

static CK_RV
add_key(struct listing *out, const struct ks_key *key)
{
    struct entry *entry;

    if (!usable(key)) {
        /* A bare name is the newest version, or nothing: never an older one instead. */
        if (out->n > 0 && strcmp(out->at[out->n - 1]->name, key->name) == 0)
            out->at[out->n - 1]->outdated = true;
        return CKR_OK;
    }
    if (out->n == DIRECTORY_MAX) {
        report_text("more than %u versions of keys may be used by this process; "
                    "narrow its rules in keysvcd.conf",
                    DIRECTORY_MAX);
        return CKR_DEVICE_MEMORY;
    }
    entry = calloc(1, sizeof(*entry));
    if (!entry || !listing_add(out, entry)) {
        free(entry);
        return CKR_HOST_MEMORY;
    }
    entry->n_users = 1;
    memcpy(entry->name, key->name, sizeof(entry->name));
    entry->version = key->version;
    entry->type = key->type;
    entry->purpose = key->purpose;
    entry->token = token_number(key->token);
    memcpy(entry->sha256, key->public_key_sha256, sizeof(entry->sha256));
    return CKR_OK;
}

static CK_RV
read_all(struct module *module, struct listing *out)
{
    const struct ks_key *key = NULL;
    struct ks_list *list = NULL;
    struct ks_error error;
    CK_RV rv = CKR_OK;
    ks_err err;

    err = ks_list_new(module->client, NULL, &list, &error);
    while (!err && !rv) {
        err = ks_list_next(list, &key, &error);
        if (err || !key)
            break;
        rv = add_key(out, key);
    }
    if (!list || err)
        rv = report(NULL, err, &error);
    ks_list_free(list);
    return rv;
}

/* --- putting in place --- */

static int
compare_labels(const struct entry *a, const struct entry *b)
{
    int order = strcmp(a->name, b->name);

    if (order == 0)
        order = (a->version > b->version) - (a->version < b->version);
    return order;
}

static int
compare_order(const void *a, const void *b)
{
    return compare_labels(*(struct entry *const *)a, *(struct entry *const *)b);
}

static int
compare_numbers(const void *a, const void *b)
{
    CK_ULONG left = (*(struct entry *const *)a)->number,
             right = (*(struct entry *const *)b)->number;

    return (left > right) - (left < right);
}

static bool
same_key(const struct entry *a, const struct entry *b)
{
    return compare_labels(a, b) == 0 && a->type == b->type &&
           memcmp(a->sha256, b->sha256, sizeof(a->sha256)) == 0;
}

/* What is known already takes the place of what was just read; only this can have changed, by a
 * reload and by a newer version. */
static void
reuse(struct listing *fresh, size_t i, struct entry *known)
{
    known->purpose = fresh->at[i]->purpose;
    known->outdated = fresh->at[i]->outdated;
    known->n_users++;
    put_locked(fresh->at[i]);
    fresh->at[i] = known;
}

/* With the lock held. `old` is everything that has a number, sorted by label; of two that carried
 * one label in turn, the one with the same key is taken. */
static void
merge(const struct listing *old, struct listing *fresh)
{
    size_t at = 0;

    for (size_t i = 0; i < old->n; i++)
        old->at[i]->gone = true;
    for (size_t i = 0; i < fresh->n; i++) {
        while (at < old->n && compare_labels(old->at[at], fresh->at[i]) < 0)
            at++;
        for (size_t j = at; j < old->n && compare_labels(old->at[j], fresh->at[i]) == 0; j++) {
            if (same_key(old->at[j], fresh->at[i])) {
                old->at[j]->gone = false;
                reuse(fresh, i, old->at[j]);
                break;
            }
        }
    }
}

static void
mark_newest(struct listing *entries)
{
    for (size_t i = 0; i < entries->n; i++) {
        struct entry *entry = entries->at[i];

        entry->newest = !entry->outdated &&
                        (i + 1 == entries->n || strcmp(entry->name, entries->at[i + 1]->name) != 0);
    }
}

/* The numbered ones that disappeared, and all of the new list. */
static bool
collect(struct directory *directory, const struct listing *fresh, struct listing *out)
{
    size_t n_gone = 0;

    for (size_t i = directory->by_number.n; i > 0; i--) {
        struct entry *entry = directory->by_number.at[i - 1];

        if (!entry->gone || n_gone++ >= DIRECTORY_MAX_GONE)
            continue;
        if (!listing_add(out, entry))
            return false;
        entry->n_users++;
    }
    for (size_t i = 0; i < fresh->n; i++) {
        if (!listing_add(out, fresh->at[i]))
            return false;
        fresh->at[i]->n_users++;
        if (fresh->at[i]->number == 0)
            fresh->at[i]->number = ++directory->last_number;
    }
    if (out->n > 0)
        qsort(out->at, out->n, sizeof(struct entry *), compare_numbers);
    return true;
}

/* With the lock held; `fresh` gets what was there. */
static CK_RV
put_in_place(struct directory *directory, struct listing *fresh)
{
    struct listing by_number = {NULL, 0, 0};
    struct listing *old = &directory->by_number;

    if (fresh->n > 0)
        qsort(fresh->at, fresh->n, sizeof(struct entry *), compare_order);
    if (old->n > 0)
        qsort(old->at, old->n, sizeof(struct entry *), compare_order);
    merge(old, fresh);
    if (old->n > 0)
        qsort(old->at, old->n, sizeof(struct entry *), compare_numbers);
    if (!collect(directory, fresh, &by_number)) {
        listing_deinit(&by_number);
        return CKR_HOST_MEMORY;
    }
    mark_newest(fresh);
    listing_deinit(old);
    *old = by_number;
    by_number = directory->entries;
    directory->entries = *fresh;
    *fresh = by_number;
    directory->read_ms = clock_mono_ms();
    directory->known = true;
    return CKR_OK;
}

/* --- lending --- */

struct entry *
directory_at(struct directory *directory, size_t i)
{
    struct entry *entry = NULL;

    module_lock();
    if (i < directory->entries.n) {
        entry = directory->entries.at[i];
        entry->n_users++;
    }
    module_unlock();
    return entry;
}

size_t
directory_count(struct directory *directory)
{
    size_t n;

    module_lock();
    n = directory->entries.n;
    module_unlock();
    return n;
}

struct entry *
directory_find(struct directory *directory, CK_ULONG number)
{
    struct entry wanted = {.number = number}, *key = &wanted, *entry = NULL, **found = NULL;

    module_lock();
    if (directory->by_number.n > 0)
        found = bsearch(&key, directory->by_number.at, directory->by_number.n,
                        sizeof(struct entry *), compare_numbers);
    if (found) {
        entry = *found;
        entry->n_users++;
    }
    module_unlock();
    return entry;
}

struct entry *
directory_find_id(struct directory *directory, const void *id, size_t len)
{
    struct entry *found = NULL;

    if (len != KEY_ID_LEN)
        return NULL;
    module_lock();
    for (size_t i = 0; !found && i < directory->by_number.n; i++) {
        struct entry *entry = directory->by_number.at[i];

        if (entry->info && memcmp(entry->info->id, id, len) == 0) {
            found = entry;
            entry->n_users++;
        }
    }
    module_unlock();
    return found;
}

/* With the lock held. */
static void
put_locked(struct entry *entry)
{
    if (--entry->n_users > 0)
        return;
    key_info_free(entry->info);
    certificates_put_locked(entry->certificates);
    free(entry);
}

void
entry_put(struct entry *entry)
{
    if (!entry)
        return;
    module_lock();
    put_locked(entry);
    module_unlock();
}

void
entry_putp(struct entry **entry)
{
    entry_put(*entry);
}

/* --- one entry --- */

void
entry_label(const struct entry *entry, char out[static KEYNAME_LABEL_MAX + 1])
{
    keyname_label(entry->name, entry->version, out);
}

void
entry_key(const struct entry *entry, struct ks_key *out)
{
    memset(out, 0, sizeof(*out));
    memcpy(out->name, entry->name, sizeof(entry->name));
    out->version = entry->version;
    out->type = entry->type;
    out->purpose = entry->purpose;
    memcpy(out->public_key_sha256, entry->sha256, sizeof(entry->sha256));
}

/* Any number of threads may come here at once; the first to finish is right. */
static const struct key_info *
keep_info(struct entry *entry, struct key_info *info)
{
    const struct key_info *kept;

    module_lock();
    if (entry->info)
        key_info_free(info);
    else
        entry->info = info;
    kept = entry->info;
    module_unlock();
    return kept;
}

static CK_RV
info_failed(struct module *module, const char *label, bool quiet, ks_err err,
            const struct ks_error *error)
{
    CK_RV rv = err == KS_ERR_NO_KEY ? CKR_OBJECT_HANDLE_INVALID : report_code(err);

    if (err == KS_ERR_NO_KEY || err == KS_ERR_DENIED)
        directory_spoil(module->directory);
    if (!quiet || (err != KS_ERR_NO_KEY && err != KS_ERR_DENIED))
        (void)report(label, err, error);
    return rv;
}

CK_RV
entry_info(struct module *module, struct entry *entry, bool quiet, const struct key_info **out)
{
    char label[KEYNAME_LABEL_MAX + 1];
    struct key_info *info;
    struct ks_error error;
    struct ks_key key;
    ks_err err;

    *out = keep_info(entry, NULL);
    if (*out)
        return CKR_OK;
    entry_label(entry, label);
    err = ks_get(module->client, label, &key, &error);
    if (err)
        return info_failed(module, label, quiet, err, &error);
    if (memcmp(key.public_key_sha256, entry->sha256, sizeof(entry->sha256)) != 0) {
        directory_spoil(module->directory);
        return CKR_OBJECT_HANDLE_INVALID;
    }
    info = key_info_new(entry->type, key.public_key, key.public_key_len);
    if (!info) {
        report_text("%s: its public key cannot be read", label);
        return CKR_DEVICE_ERROR;
    }
    *out = keep_info(entry, info);
    return CKR_OK;
}

/* `fresh` NULL: only what is there, and if `young`, not if it is old. */
static struct certificates *
keep_certificates(struct entry *entry, struct certificates *fresh, bool young)
{
    uint64_t now_ms = clock_mono_ms();
    struct certificates *kept = NULL;

    module_lock();
    if (fresh) {
        certificates_put_locked(entry->certificates);
        entry->certificates = fresh;
        entry->certificates_ms = now_ms;
    }
    if (entry->certificates && (!young || now_ms - entry->certificates_ms < CERTIFICATES_AGE_MS)) {
        kept = entry->certificates;
        kept->n_users++;
    }
    module_unlock();
    return kept;
}

/* That there are none, or none for us, is an answer too, and kept. */
CK_RV
entry_certificates(struct module *module, struct entry *entry, bool young,
                   struct certificates **out)
{
    char label[KEYNAME_LABEL_MAX + 1];
    struct certificates *fresh;
    struct ks_chain *chain = NULL;
    struct ks_error error;
    struct ks_key key;
    ks_err err;
    CK_RV rv;

    *out = keep_certificates(entry, NULL, young);
    if (*out)
        return CKR_OK;
    entry_key(entry, &key);
    err = ks_certificate_get(module->client, &key, &chain, &error);
    if (err == KS_ERR_KEY_CHANGED)
        directory_spoil(module->directory);
    if (err && err != KS_ERR_NO_KEY && err != KS_ERR_DENIED && err != KS_ERR_UNSUPPORTED &&
        err != KS_ERR_PURPOSE) {
        entry_label(entry, label);
        rv = report(label, err, &error);
        return err == KS_ERR_TOKEN_UNAVAILABLE || err == KS_ERR_LOGIN_BLOCKED
                   ? CKR_TOKEN_NOT_PRESENT
                   : rv;
    }
    fresh = certificates_new(module->libcrypto, err ? NULL : chain);
    if (!err)
        ks_chain_free(chain);
    if (!fresh)
        return CKR_HOST_MEMORY;
    *out = keep_certificates(entry, fresh, false);
    return CKR_OK;
}
