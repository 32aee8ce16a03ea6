/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry - one version of a key in the directory
 *
 * Its public half and the certificates beside it are fetched when somebody asks for them, and kept.
 * An entry lives as long as it is lent to anybody. All functions are for any thread, and but for
 * _put_locked without the lock.
 */
#pragma once

#include "base/keyname.h"
#include "client/pkcs11/certificates.h"
#include "client/pkcs11/key_info.h"
#include "client/pkcs11/module.h"

#define CERTIFICATES_AGE_MS 10000u /* when a search reads a key's certificates again */

struct entry {
    unsigned int n_users;
    CK_ULONG number; /* from 1 */
    char name[KEYNAME_MAX + 1];
    uint32_t version;
    enum ks_key_type type;
    uint32_t token; /* the same number: the same token */
    uint8_t sha256[KS_SHA256_LEN];
    /* What follows changes, under the lock. */
    enum ks_purpose purpose;
    bool newest;   /* of its name */
    bool outdated; /* by a version that is no entry, since nobody can use it */
    bool gone;     /* from the service's list */
    struct key_info *info;
    struct certificates *certificates; /* NULL: not read */
    uint64_t certificates_ms;          /* when they were read */
};

/* Takes NULL. _putp is for ks_auto, _put_locked for who holds the lock. */
void entry_put(struct entry *entry);
void entry_putp(struct entry **entry);
void entry_put_locked(struct entry *entry);

/* "web/shop@1" */
void entry_label(const struct entry *entry, char out[static KEYNAME_LABEL_MAX + 1]);

enum ks_purpose entry_purpose(const struct entry *entry);

/* The library's form, without the public half. And without the purpose, so that the library sends
 * each message whole: a digest would be refused where the class takes none. */
void entry_key(const struct entry *entry, struct ks_key *out);

/* What the public half says; lives as long as the entry is lent. CKR_OBJECT_HANDLE_INVALID: it is
 * gone, or another key now; CKR_FUNCTION_REJECTED: not for this process any more. `quiet`: these two
 * are not reported, as a search passes over them. */
CK_RV entry_info(struct module *module, struct entry *entry, bool quiet,
                 const struct key_info **out) KS_MUST_CHECK;

/* The certificates beside the key, none included. With `young`: read again if they are old.
 * CKR_TOKEN_NOT_PRESENT: its token does not answer now; CKR_DEVICE_MEMORY: all that are kept would
 * be more than CERTIFICATES_MAX_BYTES. certificates_putp. */
CK_RV entry_certificates(struct module *module, struct entry *entry, bool young,
                         struct certificates **out) KS_MUST_CHECK;
