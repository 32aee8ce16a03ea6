/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object - what a handle stands for: a private key, a public key or a certificate of one entry
 *
 * A handle is the entry's number and which of its objects; it stays as long as the entry's number.
 */
#pragma once

#include "client/pkcs11/entry.h"

/* Bits, to say which kinds something is about. */
enum object_kind {
    OBJECT_PRIVATE = 1,
    OBJECT_PUBLIC = 2,
    OBJECT_CERTIFICATE = 4, /* of the key */
    OBJECT_ISSUER = 8,      /* further ones of its chain */
};

#define OBJECT_KEYS (OBJECT_PRIVATE | OBJECT_PUBLIC)
#define OBJECT_CERTIFICATES (OBJECT_CERTIFICATE | OBJECT_ISSUER)
#define OBJECT_ALL (OBJECT_KEYS | OBJECT_CERTIFICATES)

struct object {
    struct module *module;
    struct entry *entry;
    enum object_kind kind;
    bool searching;                    /* what cannot be known is passed over, without a word */
    bool newest;                       /* of its name, to this search */
    size_t place;                      /* in the chain; 0: the key's own */
    struct certificates *certificates; /* of certificates only */
    const struct certificate *certificate;
};

#define OBJECT_INIT                                                                                \
    {                                                                                              \
        NULL, NULL, OBJECT_PRIVATE, false, false, 0, NULL, NULL                                    \
    }

CK_OBJECT_HANDLE object_handle(const struct entry *entry, enum object_kind kind, size_t place);

/* CKR_OBJECT_HANDLE_INVALID, or what a failed look at the certificates gives. object_deinit. */
CK_RV object_open(struct module *module, CK_OBJECT_HANDLE handle, struct object *out) KS_MUST_CHECK;

/* For ks_auto. */
void object_deinit(struct object *object);

CK_OBJECT_CLASS object_class(enum object_kind kind);
