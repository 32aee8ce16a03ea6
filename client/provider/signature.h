/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature - one program's operation with one key: what it asked for, and what came in so far
 *
 * signature.c has the operations, signature_params.c what programs set and ask, verify.c the half
 * that needs no private key. An operation belongs to one thread, as everywhere in OpenSSL.
 */
#pragma once

#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "base/buf.h"
#include "client/provider/key.h"

struct signature {
    struct provider *provider;
    struct key *key;
    bool ready; /* to sign: the last init was one for it, and was not refused */

    /* What is to be made; kept from one init to the next, as programs set it in between. */
    enum ks_hash hash; /* NONE: not named */
    int padding;       /* RSA_PKCS1_PADDING, RSA_PKCS1_PSS_PADDING */
    int salt_len;      /* bytes, or RSA_PSS_SALTLEN_DIGEST */
    enum ks_hash mgf1; /* NONE: as `hash` */

    /* Signing a message in pieces: all of it, and only when that is too much, its digest. */
    struct buf message;
    bool digesting;
    EVP_MD_CTX *digest;

    /* Verifying: by the default provider with the public half. One of the two, or none. */
    EVP_PKEY_CTX *verify_digest;
    EVP_MD_CTX *verify_message;
};

/* An init gives a key or, to start again with the one it has, NULL. False: there is none. */
bool signature_take_key(struct signature *signature, struct key *key);

/* Forgets what came in. */
void signature_rewind(struct signature *signature);

/* DEFAULT where the hash is not named; COUNT: refused, on OpenSSL's error stack. */
enum ks_algorithm signature_algorithm(const struct signature *signature, enum ks_hash hash);

/* --- signature_params.c --- */

/* "SHA256", "SHA2-256", ...; false: another hash, on OpenSSL's error stack. */
bool signature_set_hash(struct signature *signature, const char *name);

OSSL_FUNC_signature_get_ctx_params_fn signature_get_params;
OSSL_FUNC_signature_gettable_ctx_params_fn signature_gettable;
OSSL_FUNC_signature_gettable_ctx_params_fn signature_gettable_rsa;
OSSL_FUNC_signature_set_ctx_params_fn signature_set_params;
OSSL_FUNC_signature_settable_ctx_params_fn signature_settable;
OSSL_FUNC_signature_settable_ctx_params_fn signature_settable_rsa;

/* --- verify.c --- */

OSSL_FUNC_signature_verify_init_fn verify_init;
OSSL_FUNC_signature_verify_fn verify_run;
OSSL_FUNC_signature_digest_verify_init_fn verify_message_init;
OSSL_FUNC_signature_digest_verify_update_fn verify_message_update;
OSSL_FUNC_signature_digest_verify_final_fn verify_message_final;
OSSL_FUNC_signature_digest_verify_fn verify_message;

/* The context that knows the parameters of a verification under way; NULL: there is none. */
EVP_PKEY_CTX *verify_context(const struct signature *signature);
void verify_end(struct signature *signature);
bool verify_copy(const struct signature *from, struct signature *to);
