/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holders - the directory's entries, token by token of a group
 */
#include "front/holders.h"

static uint32_t newest(const struct config *config, const struct directory *directory,
                       const char *place, const char *name);
static void hold(struct holders *out, const struct directory_entry *entry, uint64_t member);

void
holders_find(const struct config *config, const struct directory *directory, const char *place,
             const char *name, uint32_t version, struct holders *out)
{
    const char *token;

    *out = (struct holders){0};
    if (version == 0)
        version = newest(config, directory, place, name);
    for (size_t i = 0; version > 0 && (token = config_member(config, place, i)); i++) {
        const struct directory_entry *entry = directory_find(directory, name, version, token);

        if (entry)
            hold(out, entry, 1ull << i);
    }
}

void
holders_find_meant(const struct config *config, const struct directory *directory,
                   const char *place, const char *name, uint32_t version,
                   const uint8_t sha256[static KS_SHA256_LEN], struct holders *out)
{
    const char *token;

    *out = (struct holders){0};
    for (size_t i = 0; (token = config_member(config, place, i)); i++) {
        const struct directory_entry *entry = directory_find(directory, name, version, token);

        if (entry && !entry->ambiguous && entry->public_key &&
            memcmp(entry->public_key_sha256, sha256, KS_SHA256_LEN) == 0)
            hold(out, entry, 1ull << i);
    }
}

static uint32_t
newest(const struct config *config, const struct directory *directory, const char *place,
       const char *name)
{
    uint32_t version = 0;
    const char *token;

    for (size_t i = 0; (token = config_member(config, place, i)); i++) {
        const struct directory_entry *entry = directory_find(directory, name, 0, token);

        if (entry && entry->version > version)
            version = entry->version;
    }
    return version;
}

/* A token that shows no public half is no match for one that does: who is meant is told by it. */
static void
hold(struct holders *out, const struct directory_entry *entry, uint64_t member)
{
    if (entry->ambiguous && !out->doubled)
        out->doubled = entry;
    out->shown |= member;
    if (!out->key || (!out->key->public_key && entry->public_key)) {
        out->key = entry;
        out->members = member;
    } else if (out->key->public_key && !entry->public_key) {
        return;
    } else if (memcmp(out->key->public_key_sha256, entry->public_key_sha256, KS_SHA256_LEN) == 0) {
        out->members |= member;
    } else if (!out->rival) {
        out->rival = entry;
    }
}

const char *
holders_unknown(const struct config *config, const struct directory *directory, const char *place)
{
    const char *token;

    for (size_t i = 0; (token = config_member(config, place, i)); i++) {
        if (!directory_knows(directory, token))
            return token;
    }
    return NULL;
}
