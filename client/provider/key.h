/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key - a reference's key, or a public key that a program brought into this provider
 *
 * Keys do not change once they are shared: a duplicate is one more reference to the same key.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include <openssl/evp.h>

#include "base/keyname.h"
#include "client/provider/provider.h"

struct key {
    struct provider *provider;
    const char *type; /* "EC", "ED25519", "RSA"; a constant */
    atomic_uint n_owners;
    bool private; /* `info` names a key of keysvcd; else it is empty */
    struct ks_key info;
    char label[KEYNAME_LABEL_MAX + 1]; /* "web/shop@1"; empty as well */
    /* In the provider's own context; answers all that can be asked without the private half. NULL:
     * nothing was imported yet. */
    EVP_PKEY *public;
};

/* Empty; for the import of a public key. NULL: no memory. */
struct key *key_new(struct provider *provider, const char *type);

/* With the public half inside `info`. NULL: it is none, or of a type we do not know; on OpenSSL's
 * error stack. */
struct key *key_new_private(struct provider *provider, const struct ks_key *info);

struct key *key_ref(struct key *key);

/* Takes NULL; returns NULL. */
struct key *key_free(struct key *key);

/*
 * Decoders and stores hand keys over as a pointer inside of an object's parameters; whoever takes
 * it, KEYMGMT's load, leaves NULL. Returns what the callback did; the key is released if nobody
 * took it.
 */
int key_hand_over(struct key *key, OSSL_CALLBACK *object, void *object_arg);
struct key *key_take(const void *reference, size_t len);
