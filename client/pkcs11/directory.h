/* SPDX-License-Identifier: Apache-2.0 */
/*
 * directory - the versions of keys that this process may see, as of a moment ago
 *
 * Read in pages, without their public halves; these, and the certificates beside a key, are fetched
 * when somebody asks for them, and kept. Entries are lent: entry_take/entry_put, from any thread.
 *
 * A number names an entry for as long as the module is initialised. A version that disappears from
 * the service's lists (its token is away) keeps its number: whoever holds the key goes on when it is
 * back.
 */
#pragma once

#include "base/keyname.h"
#include "client/pkcs11/certificate.h"
#include "client/pkcs11/key_info.h"
#include "client/pkcs11/module.h"

#define DIRECTORY_MAX 100000u      /* versions of keys: 20 MiB */
#define DIRECTORY_MAX_GONE 10000u  /* of those that disappeared, the ones kept */
#define DIRECTORY_AGE_MS 1000u     /* when a search reads the list again */
#define CERTIFICATES_AGE_MS 10000u /* when a search reads a key's certificates again */

struct entry {
    unsigned int n_users;
    CK_ULONG number; /* from 1 */
    char name[KEYNAME_MAX + 1];
    uint32_t version;
    enum ks_key_type type;
    enum ks_purpose purpose;
    uint32_t token; /* the same number: the same token */
    uint8_t sha256[KS_SHA256_LEN];
    bool newest;   /* of its name */
    bool outdated; /* by a version that is no entry, since nobody can use it */
    bool gone;     /* from the service's list */
    struct key_info *info;
    struct certificates *certificates; /* NULL: not read */
    uint64_t certificates_ms;          /* when they were read */
};

struct directory *directory_new(void);
struct directory *directory_free(struct directory *directory);
void directory_forked(struct directory *directory);

/* Reads the list if what is there is old. CKR_DEVICE_MEMORY: more keys than DIRECTORY_MAX. */
CK_RV directory_refresh(struct module *module) KS_MUST_CHECK;

/* The next refresh reads it whatever its age: the service said that it is wrong. */
void directory_spoil(struct directory *directory);

/* The i-th in order of name and version, or NULL behind the last one; the order changes with
 * each refresh. entry_put. */
struct entry *directory_at(struct directory *directory, size_t i);

/* By its number, or NULL. entry_put. */
struct entry *directory_find(struct directory *directory, CK_ULONG number);

/* By the CKA_ID of its key, as far as that is known here, gone or not; or NULL. entry_put. */
struct entry *directory_find_id(struct directory *directory, const void *id, size_t len);

/* How many directory_at gives now. */
size_t directory_count(struct directory *directory);

/* For ks_auto too. */
void entry_put(struct entry *entry);
void entry_putp(struct entry **entry);

/* "web/shop@1" */
void entry_label(const struct entry *entry, char out[static KEYNAME_LABEL_MAX + 1]);

/* The library's form; without the public half. */
void entry_key(const struct entry *entry, struct ks_key *out);

/* What the public half says; lives as long as the entry is lent. CKR_OBJECT_HANDLE_INVALID: it is
 * gone, or another key now; CKR_FUNCTION_REJECTED: not for this process any more. `quiet`: these two
 * are not reported, as a search passes over them. */
CK_RV entry_info(struct module *module, struct entry *entry, bool quiet,
                 const struct key_info **out) KS_MUST_CHECK;

/* The certificates beside the key, none included. With `young`: read again if they are old.
 * CKR_TOKEN_NOT_PRESENT: its token does not answer now. certificates_putp. */
CK_RV entry_certificates(struct module *module, struct entry *entry, bool young,
                         struct certificates **out) KS_MUST_CHECK;
