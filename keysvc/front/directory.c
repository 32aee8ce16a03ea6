/* SPDX-License-Identifier: Apache-2.0 */
/*
 * directory - a hash table of names, each with its versions
 */
#include "front/directory.h"

#include <openssl/sha.h>

#define FIRST_BUCKETS 64
#define FNV_OFFSET 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

struct name {
    struct name *next; /* in its bucket */
    char text[KEYNAME_MAX + 1];
    struct directory_entry *entries; /* by version, then by token */
    size_t n_entries;
    size_t index; /* into directory->names */
};

/* What we know of one token's listings. */
struct source {
    char token[CONFIG_TITLE_MAX + 1];
    uint64_t listing; /* counts them; 0: none has begun */
    bool open;
    bool known;
    size_t n_keys;
};

struct directory {
    struct name **buckets;
    size_t n_buckets; /* a power of two */
    struct name **names;
    size_t n_names, cap_names;
    bool sorted;
    struct source *sources;
    size_t n_sources;
};

static struct source *source_find(const struct directory *directory, const char *token);
static ks_err source_take(struct directory *directory, const char *token, struct source **out);
static struct name *name_find(const struct directory *directory, const char *text);
static ks_err name_take(struct directory *directory, const char *text, struct name **out);
static ks_err grow(struct directory *directory);
static ks_err entry_put(struct name *name, struct source *source, const struct job_key *key);
static void entry_remove(struct directory *directory, struct name *name, size_t index);
static void remove_older(struct directory *directory, const char *token, uint64_t listing);
static void sort(struct directory *directory);

ks_err
directory_new(struct directory **out)
{
    struct directory *directory = calloc(1, sizeof(*directory));

    if (!directory)
        return KS_ERR_INTERNAL;
    directory->n_buckets = FIRST_BUCKETS;
    directory->buckets = calloc(FIRST_BUCKETS, sizeof(struct name *));
    if (!directory->buckets) {
        free(directory);
        return KS_ERR_INTERNAL;
    }
    *out = directory;
    return KS_OK;
}

static void
name_free(struct name *name)
{
    for (size_t i = 0; i < name->n_entries; i++)
        free(name->entries[i].public_key);
    free(name->entries);
    free(name);
}

struct directory *
directory_free(struct directory *directory)
{
    if (!directory)
        return NULL;
    for (size_t i = 0; i < directory->n_names; i++)
        name_free(directory->names[i]);
    free(directory->names);
    free(directory->buckets);
    free(directory->sources);
    free(directory);
    return NULL;
}

ks_err
directory_begin(struct directory *directory, const char *token)
{
    struct source *source;
    ks_err err = source_take(directory, token, &source);

    if (err)
        return err;
    source->listing++;
    source->open = true;
    return KS_OK;
}

ks_err
directory_put(struct directory *directory, const char *token, const struct job_key *key)
{
    struct source *source;
    struct name *name;
    ks_err err;

    if (!keyname_valid(key->name) || key->version == 0 || key->version > KEYNAME_VERSION_MAX)
        return KS_ERR_BAD_REQUEST;
    err = source_take(directory, token, &source);
    if (err)
        return err;
    if (key->state != JOB_KEY_GONE && source->n_keys >= DIRECTORY_MAX_KEYS &&
        !directory_find(directory, key->name, key->version, token))
        return KS_ERR_BAD_REQUEST;
    if (key->state != JOB_KEY_GONE) {
        err = name_take(directory, key->name, &name);
        return err ? err : entry_put(name, source, key);
    }
    name = name_find(directory, key->name);
    for (size_t i = 0; name && i < name->n_entries; i++) {
        if (name->entries[i].version == key->version &&
            strcmp(name->entries[i].token, token) == 0) {
            entry_remove(directory, name, i);
            break;
        }
    }
    return KS_OK;
}

ks_err
directory_end(struct directory *directory, const char *token)
{
    struct source *source = source_find(directory, token);

    if (!source || !source->open)
        return KS_ERR_BAD_REQUEST;
    remove_older(directory, token, source->listing);
    source->open = false;
    source->known = true;
    return KS_OK;
}

void
directory_forget(struct directory *directory, const char *token)
{
    struct source *source = source_find(directory, token);

    if (!source)
        return;
    remove_older(directory, token, UINT64_MAX);
    *source = directory->sources[--directory->n_sources];
}

bool
directory_knows(const struct directory *directory, const char *token)
{
    const struct source *source = source_find(directory, token);

    return source && source->known;
}

bool
directory_is_listing(const struct directory *directory, const char *token)
{
    const struct source *source = source_find(directory, token);

    return source && source->open;
}

const struct directory_entry *
directory_find(const struct directory *directory, const char *name, uint32_t version,
               const char *token)
{
    const struct directory_entry *entries;
    size_t n = directory_versions(directory, name, &entries);

    /* From the newest, which is asked for most. */
    while (n > 0) {
        const struct directory_entry *entry = &entries[--n];

        if ((version == 0 || entry->version == version) &&
            (!token || strcmp(entry->token, token) == 0))
            return entry;
    }
    return NULL;
}

size_t
directory_versions(const struct directory *directory, const char *name,
                   const struct directory_entry **out)
{
    const struct name *found = name_find(directory, name);

    *out = found ? found->entries : NULL;
    return found ? found->n_entries : 0;
}

size_t
directory_count(const struct directory *directory, const char *token)
{
    const struct source *source = source_find(directory, token);

    return source ? source->n_keys : 0;
}

/* Counts the version that begins at `at`; returns where the next one does. */
static size_t
spread_version(const struct name *name, size_t at, const struct strv *tokens,
               struct directory_spread *spread)
{
    const struct directory_entry *first = NULL;
    uint32_t version = name->entries[at].version;
    bool differs = false;
    size_t n = 0;

    for (; at < name->n_entries && name->entries[at].version == version; at++) {
        const struct directory_entry *entry = &name->entries[at];

        if (!strv_contains(tokens, entry->token))
            continue;
        n++;
        if (!first)
            first = entry;
        else if (memcmp(first->public_key_sha256, entry->public_key_sha256, KS_SHA256_LEN) != 0)
            differs = true;
    }
    spread->n_keys += n > 0;
    spread->n_everywhere += n == tokens->n_items;
    spread->n_differing += differs;
    return at;
}

struct directory_spread
directory_spread(const struct directory *directory, const struct strv *tokens)
{
    struct directory_spread spread = {0};

    for (size_t i = 0; i < directory->n_names; i++) {
        const struct name *name = directory->names[i];
        size_t at = keyname_reserved(name->text) ? name->n_entries : 0;

        while (at < name->n_entries)
            at = spread_version(name, at, tokens, &spread);
    }
    return spread;
}

size_t
directory_position(struct directory *directory, const char *name)
{
    size_t low = 0, high = directory->n_names;

    sort(directory);
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(directory->names[middle]->text, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const char *
directory_name_at(struct directory *directory, size_t position)
{
    sort(directory);
    return position < directory->n_names ? directory->names[position]->text : NULL;
}

static struct source *
source_find(const struct directory *directory, const char *token)
{
    for (size_t i = 0; i < directory->n_sources; i++) {
        if (strcmp(directory->sources[i].token, token) == 0)
            return &directory->sources[i];
    }
    return NULL;
}

static ks_err
source_take(struct directory *directory, const char *token, struct source **out)
{
    struct source *sources;

    *out = source_find(directory, token);
    if (*out)
        return KS_OK;
    sources = reallocarray(directory->sources, directory->n_sources + 1, sizeof(*sources));
    if (!sources)
        return KS_ERR_INTERNAL;
    directory->sources = sources;
    *out = &sources[directory->n_sources];
    memset(*out, 0, sizeof(**out));
    if (!text_copy((*out)->token, sizeof((*out)->token), token))
        return KS_ERR_INTERNAL;
    directory->n_sources++;
    return KS_OK;
}

static struct name **
bucket_of(const struct directory *directory, const char *text)
{
    uint64_t hash = FNV_OFFSET;

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * FNV_PRIME;
    return &directory->buckets[hash & (directory->n_buckets - 1)];
}

static struct name *
name_find(const struct directory *directory, const char *text)
{
    struct name *name = *bucket_of(directory, text);

    while (name && strcmp(name->text, text) != 0)
        name = name->next;
    return name;
}

static ks_err
name_take(struct directory *directory, const char *text, struct name **out)
{
    struct name **bucket;

    *out = name_find(directory, text);
    if (*out)
        return KS_OK;
    if (directory->n_names == directory->cap_names && grow(directory) != KS_OK)
        return KS_ERR_INTERNAL;
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return KS_ERR_INTERNAL;
    memcpy((*out)->text, text, strlen(text) + 1);
    (*out)->index = directory->n_names;
    directory->names[directory->n_names++] = *out;
    directory->sorted = false;
    bucket = bucket_of(directory, text);
    (*out)->next = *bucket;
    *bucket = *out;
    return KS_OK;
}

/* Twice the names, and as many buckets as names. */
static ks_err
grow(struct directory *directory)
{
    size_t cap = directory->cap_names ? directory->cap_names * 2 : FIRST_BUCKETS;
    struct name **names = reallocarray(directory->names, cap, sizeof(struct name *));
    struct name **buckets;

    if (!names)
        return KS_ERR_INTERNAL;
    directory->names = names;
    buckets = calloc(cap, sizeof(struct name *));
    if (!buckets)
        return KS_ERR_INTERNAL;
    directory->cap_names = cap;
    free(directory->buckets);
    directory->buckets = buckets;
    directory->n_buckets = cap;
    for (size_t i = 0; i < directory->n_names; i++) {
        struct name **bucket = bucket_of(directory, names[i]->text);

        names[i]->next = *bucket;
        *bucket = names[i];
    }
    return KS_OK;
}

/* Where (version, token) stands or belongs in the name's entries. */
static size_t
entry_place(const struct name *name, uint32_t version, const char *token, bool *there)
{
    size_t i = name->n_entries;
    int order = -1;

    /* News is about new versions: from the end. */
    while (i > 0) {
        const struct directory_entry *entry = &name->entries[i - 1];

        order = entry->version != version ? (entry->version < version ? -1 : 1)
                                          : strcmp(entry->token, token);
        if (order <= 0)
            break;
        i--;
    }
    *there = i > 0 && order == 0;
    return *there ? i - 1 : i;
}

static ks_err
entry_put(struct name *name, struct source *source, const struct job_key *key)
{
    ks_auto(freep) uint8_t *public_key = NULL;
    struct directory_entry *entries, *entry;
    bool there;
    size_t at = entry_place(name, key->version, source->token, &there);

    if (key->public_key_len > 0) {
        public_key = malloc(key->public_key_len);
        if (!public_key)
            return KS_ERR_INTERNAL;
        memcpy(public_key, key->public_key, key->public_key_len);
    }
    if (!there) {
        entries = reallocarray(name->entries, name->n_entries + 1, sizeof(*entries));
        if (!entries)
            return KS_ERR_INTERNAL;
        name->entries = entries;
        memmove(&entries[at + 1], &entries[at], (name->n_entries - at) * sizeof(*entries));
        name->n_entries++;
        source->n_keys++;
        memset(&entries[at], 0, sizeof(*entries));
    }
    entry = &name->entries[at];
    free(entry->public_key);
    entry->name = name->text;
    entry->version = key->version;
    entry->ambiguous = key->state == JOB_KEY_AMBIGUOUS;
    entry->type = key->type;
    memcpy(entry->token, source->token, sizeof(entry->token));
    entry->public_key = ks_steal(&public_key);
    entry->public_key_len = key->public_key_len;
    SHA256(key->public_key, key->public_key_len, entry->public_key_sha256);
    entry->listing = source->listing;
    return KS_OK;
}

static void
name_remove(struct directory *directory, struct name *name)
{
    struct name **link = bucket_of(directory, name->text);
    struct name *last = directory->names[--directory->n_names];

    while (*link != name)
        link = &(*link)->next;
    *link = name->next;
    directory->names[name->index] = last;
    last->index = name->index;
    directory->sorted = false;
    name_free(name);
}

static void
entry_remove(struct directory *directory, struct name *name, size_t index)
{
    struct source *source = source_find(directory, name->entries[index].token);

    if (source)
        source->n_keys--;
    free(name->entries[index].public_key);
    name->n_entries--;
    memmove(&name->entries[index], &name->entries[index + 1],
            (name->n_entries - index) * sizeof(*name->entries));
    if (name->n_entries == 0)
        name_remove(directory, name);
}

/* From the last to the first: a name that goes is replaced by one that was looked at already. */
static void
remove_older(struct directory *directory, const char *token, uint64_t listing)
{
    for (size_t n = directory->n_names; n > 0; n--) {
        struct name *name = directory->names[n - 1];

        for (size_t i = name->n_entries; i > 0; i--) {
            bool last = name->n_entries == 1;

            if (name->entries[i - 1].listing < listing &&
                strcmp(name->entries[i - 1].token, token) == 0)
                entry_remove(directory, name, i - 1);
            else
                last = false;
            if (last)
                break;
        }
    }
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp((*(struct name *const *)a)->text, (*(struct name *const *)b)->text);
}

static void
sort(struct directory *directory)
{
    if (directory->sorted)
        return;
    if (directory->n_names > 0)
        qsort(directory->names, directory->n_names, sizeof(struct name *), compare_names);
    for (size_t i = 0; i < directory->n_names; i++)
        directory->names[i]->index = i;
    directory->sorted = true;
}
