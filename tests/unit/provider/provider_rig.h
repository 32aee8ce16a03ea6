/* SPDX-License-Identifier: Apache-2.0 */
/*
 * provider_rig - keysvc.so in a library context of its own, before a fake server with a key in software
 *
 * The provider is loaded as a program loads it: the built keysvc.so, by an openssl.cnf.
 */
#pragma once

#include <stdatomic.h>

#include <openssl/evp.h>

#include "client_rig.h"

#define RIG_LABEL "web/shop@1"

struct rig {
    struct fake_server *server;
    OSSL_LIB_CTX *libctx;
    EVP_PKEY *software; /* the private key that the server signs with */
    enum ks_key_type type;
    /* How it signs; set before it is asked. */
    const char *hash;
    int padding;         /* RSA only; 0: PKCS#1 v1.5 */
    unsigned int refuse; /* a ks_err: every request ends so */
    size_t nonsense_len; /* bytes of a signature that is none; 0: it signs */
    /* What the server saw last, and how often. */
    size_t len;
    int prehashed;
    atomic_uint n_signatures;
};

/* `options`: more lines of the provider's section. The key is made. */
void rig_start(struct rig *rig, enum ks_key_type type, const char *options);
void rig_stop(struct rig *rig);

/* PEM; free(). */
char *rig_reference(const struct rig *rig);

/* The first private key in the text; NULL: none. */
EVP_PKEY *rig_read(const struct rig *rig, const char *pem);

/* The reference's key; the test ends if it cannot be read. */
EVP_PKEY *rig_key(const struct rig *rig);

/* Does the oldest error's reason have that text in it? Empties the stack. */
bool rig_said(const char *text);

/* Digest-sign in pieces of at most `piece` bytes; the length, 0: refused. */
size_t rig_sign(const struct rig *rig, EVP_PKEY *key, const char *hash, const char *padding,
                const void *data, size_t len, size_t piece,
                uint8_t out[static KS_SIGNATURE_MAX_LEN]);

/* With the software key. */
bool rig_verifies(const struct rig *rig, const void *data, size_t len, const uint8_t *sig,
                  size_t sig_len);
