/* SPDX-License-Identifier: Apache-2.0 */
/*
 * directory - which keys the tokens hold, as their first workers told
 *
 * Names are found through a hash table and hold their versions in order; a lookup costs the same
 * with ten keys and with ten thousand. The order for listing is made when it is first wanted after
 * a change. An entry stays valid until the next change to the directory.
 *
 * While a token lists its keys again, what was known goes on being used; what it did not name again
 * goes at the end.
 */
#pragma once

#include "base/err.h"
#include "ipc/job.h"

struct directory_entry {
    const char *name;
    uint32_t version;
    bool ambiguous; /* two private keys carry this label */
    enum ks_key_type type;
    char token[CONFIG_TITLE_MAX + 1];
    uint8_t *public_key; /* DER SubjectPublicKeyInfo; NULL: no public half was found */
    size_t public_key_len;
    uint8_t public_key_sha256[KS_SHA256_LEN];
    uint64_t listing; /* of the listing that named it last */
};

/* Of one token, which could fill our memory otherwise. The largest that were tried had 100000. */
#define DIRECTORY_MAX_KEYS (256 * 1024)

struct directory;

ks_err directory_new(struct directory **out) KS_MUST_CHECK;
struct directory *directory_free(struct directory *directory);

/* One listing of a token: begin, a put for each key, end. A put outside of a listing is one key's
 * news. INTERNAL: no memory; BAD_REQUEST: not a key's name, one more than
 * DIRECTORY_MAX_KEYS, an end without a beginning. */
ks_err directory_begin(struct directory *directory, const char *token) KS_MUST_CHECK;
ks_err directory_put(struct directory *directory, const char *token,
                     const struct job_key *key) KS_MUST_CHECK;
ks_err directory_end(struct directory *directory, const char *token) KS_MUST_CHECK;

/* The token is configured no more. */
void directory_forget(struct directory *directory, const char *token);

/* A listing of this token has once come to its end: a key that is not here does not exist. */
bool directory_knows(const struct directory *directory, const char *token);

/* Between its beginning and its end. */
bool directory_is_listing(const struct directory *directory, const char *token);

/* Version 0: the newest. `token` NULL: on whichever token. NULL: no such key. */
const struct directory_entry *directory_find(const struct directory *directory, const char *name,
                                             uint32_t version, const char *token);

/* The entries of one name in order of version, on all tokens; 0 and NULL: none. */
size_t directory_versions(const struct directory *directory, const char *name,
                          const struct directory_entry **out);

size_t directory_count(const struct directory *directory, const char *token);

/* How the keys of some tokens are spread over them; without the service's own. */
struct directory_spread {
    uint32_t n_keys;       /* versions that any of them shows */
    uint32_t n_everywhere; /* of these: on all of them */
    uint32_t n_differing;  /* of these: not the same key on all that show it */
};
struct directory_spread directory_spread(const struct directory *directory,
                                         const struct strv *tokens);

/* The names in strcmp() order: the position of the first one that is not before `name`, and the
 * name at a position (NULL: behind the last). */
size_t directory_position(struct directory *directory, const char *name);
const char *directory_name_at(struct directory *directory, size_t position);
