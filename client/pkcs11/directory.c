/* SPDX-License-Identifier: Apache-2.0 */
/*
 * directory - the list is read aside and put in place under the lock
 *
 * Two arrays hold the same entries: `now` in the order of names, `by_number` for handles, with
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

/* What became of a read: everybody who waited for it reports it. */
struct outcome {
    CK_RV rv;
    ks_err err; /* OK: `error` is nothing */
    struct ks_error error;
};

struct directory {
    struct snapshot *now; /* NULL: none yet */
    struct listing by_number;
    CK_ULONG last_number;
    uint64_t read_ms;
    bool known;   /* it was read, and nothing said that it is wrong */
    bool reading; /* by some thread, just now */
    uint64_t n_reads;
    struct outcome last; /* of the last one */
};

static void read_all(struct module *module, struct listing *out, struct outcome *outcome);
static CK_RV put_in_place(struct directory *directory, struct listing *fresh);
static void listing_deinit(struct listing *listing);
static void snapshot_put_locked(struct snapshot *snapshot);

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
    snapshot_put_locked(directory->now);
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

/* With the lock held, given up for the read. */
static void
read_again(struct module *module, struct outcome *outcome)
{
    struct directory *directory = module->directory;
    struct listing fresh = {NULL, 0, 0};

    directory->reading = true;
    module_unlock();

    read_all(module, &fresh, outcome);

    module_lock();
    if (!outcome->rv)
        outcome->rv = put_in_place(directory, &fresh);
    listing_deinit(&fresh);
    directory->reading = false;
    directory->last = *outcome;
    directory->n_reads++;
    module_wake();
}

/* A service that hangs holds up all threads for one patience, not each behind the other. */
CK_RV
directory_refresh(struct module *module, bool quiet)
{
    struct directory *directory = module->directory;
    struct outcome outcome = {.rv = CKR_OK};
    uint64_t n_reads;

    module_lock();
    n_reads = directory->n_reads;
    if (directory->reading) {
        while (directory->reading && directory->n_reads == n_reads)
            module_wait();
        outcome = directory->last;
    } else if (!directory->known || clock_mono_ms() >= directory->read_ms + DIRECTORY_AGE_MS) {
        read_again(module, &outcome);
    }
    module_unlock();
    if (outcome.err && !(quiet && outcome.err == KS_ERR_NO_SERVICE))
        (void)report(NULL, outcome.err, &outcome.error);
    return outcome.rv;
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
        entry_put_locked(listing->at[i]);
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

/* All count: pages of keys that are of no use would have no end. */
static CK_RV
too_many(void)
{
    report_text("more than %u versions of keys may be seen by this process; "
                "narrow its rules in keysvcd.conf",
                DIRECTORY_MAX);
    return CKR_DEVICE_MEMORY;
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

static void
read_all(struct module *module, struct listing *out, struct outcome *outcome)
{
    const struct ks_key *key = NULL;
    struct ks_list *list = NULL;
    size_t n_seen = 0;

    outcome->err = ks_list_new(module->client, NULL, &list, &outcome->error);
    while (!outcome->err && !outcome->rv) {
        outcome->err = ks_list_next(list, &key, &outcome->error);
        if (outcome->err || !key)
            break;
        outcome->rv = ++n_seen > DIRECTORY_MAX ? too_many() : add_key(out, key);
    }
    if (outcome->err)
        outcome->rv = report_code(outcome->err);
    ks_list_free(list);
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
    entry_put_locked(fresh->at[i]);
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
mark_newest(const struct listing *entries, struct snapshot *out)
{
    out->n_users = 1;
    for (size_t i = 0; i < entries->n; i++) {
        struct entry *entry = entries->at[i];

        entry->newest = !entry->outdated &&
                        (i + 1 == entries->n || strcmp(entry->name, entries->at[i + 1]->name) != 0);
        entry->n_users++;
        out->at[out->n++] = (struct listed){entry, entry->newest};
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

/* With the lock held. */
static CK_RV
put_in_place(struct directory *directory, struct listing *fresh)
{
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot) + fresh->n * sizeof(snapshot->at[0]));
    struct listing by_number = {NULL, 0, 0};
    struct listing *old = &directory->by_number;

    if (!snapshot)
        return CKR_HOST_MEMORY;
    if (fresh->n > 0)
        qsort(fresh->at, fresh->n, sizeof(struct entry *), compare_order);
    if (old->n > 0)
        qsort(old->at, old->n, sizeof(struct entry *), compare_order);
    merge(old, fresh);
    if (old->n > 0)
        qsort(old->at, old->n, sizeof(struct entry *), compare_numbers);
    if (!collect(directory, fresh, &by_number)) {
        listing_deinit(&by_number);
        free(snapshot);
        return CKR_HOST_MEMORY;
    }
    mark_newest(fresh, snapshot);
    listing_deinit(old);
    *old = by_number;
    snapshot_put_locked(directory->now);
    directory->now = snapshot;
    directory->read_ms = clock_mono_ms();
    directory->known = true;
    return CKR_OK;
}

/* --- lending --- */

static void
snapshot_put_locked(struct snapshot *snapshot)
{
    if (!snapshot || --snapshot->n_users > 0)
        return;
    for (size_t i = 0; i < snapshot->n; i++)
        entry_put_locked(snapshot->at[i].entry);
    free(snapshot);
}

struct snapshot *
directory_snapshot(struct directory *directory)
{
    struct snapshot *snapshot;

    module_lock();
    snapshot = directory->now;
    if (snapshot)
        snapshot->n_users++;
    module_unlock();
    return snapshot;
}

void
snapshot_putp(struct snapshot **snapshot)
{
    if (!*snapshot)
        return;
    module_lock();
    snapshot_put_locked(*snapshot);
    module_unlock();
}

size_t
directory_count(struct directory *directory)
{
    size_t n;

    module_lock();
    n = directory->now ? directory->now->n : 0;
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
directory_find_id(struct directory *directory, const void *id, size_t len, bool *newest)
{
    struct entry *found = NULL;

    if (len != KEY_ID_LEN)
        return NULL;
    module_lock();
    for (size_t i = 0; !found && i < directory->by_number.n; i++) {
        struct entry *entry = directory->by_number.at[i];

        if (entry->info && memcmp(entry->info->id, id, len) == 0) {
            found = entry;
            *newest = entry->newest;
            entry->n_users++;
        }
    }
    module_unlock();
    return found;
}
