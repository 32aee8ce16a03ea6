/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ossl - OpenSSL's release functions in the form that ks_auto wants, and its names for our hashes
 */
#pragma once

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/crypto.h"

/* ossl_NAME_freep(TYPE **): releases what it points at, or nothing. */
#define OSSL_FREEP(name, type, release)                                                            \
    static inline void ossl_##name##_freep(type **pointer)                                         \
    {                                                                                              \
        release(*pointer);                                                                         \
    }

OSSL_FREEP(algor, X509_ALGOR, X509_ALGOR_free)
OSSL_FREEP(authority, AUTHORITY_KEYID, AUTHORITY_KEYID_free)
OSSL_FREEP(bn, BIGNUM, BN_free)
OSSL_FREEP(bn_clear, BIGNUM, BN_clear_free) /* secret ones */
OSSL_FREEP(constraints, BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free)
OSSL_FREEP(general_name, GENERAL_NAME, GENERAL_NAME_free)
OSSL_FREEP(general_names, GENERAL_NAMES, GENERAL_NAMES_free)
OSSL_FREEP(group, EC_GROUP, EC_GROUP_free)
OSSL_FREEP(md_ctx, EVP_MD_CTX, EVP_MD_CTX_free)
OSSL_FREEP(memory, uint8_t, OPENSSL_free)
OSSL_FREEP(name, X509_NAME, X509_NAME_free)
OSSL_FREEP(pkcs12, PKCS12, PKCS12_free)
OSSL_FREEP(pkey, EVP_PKEY, EVP_PKEY_free)
OSSL_FREEP(pkey_ctx, EVP_PKEY_CTX, EVP_PKEY_CTX_free)
OSSL_FREEP(point, EC_POINT, EC_POINT_free)
OSSL_FREEP(pss, RSA_PSS_PARAMS, RSA_PSS_PARAMS_free)
OSSL_FREEP(pubkey, X509_PUBKEY, X509_PUBKEY_free)
OSSL_FREEP(req, X509_REQ, X509_REQ_free)
OSSL_FREEP(string, ASN1_STRING, ASN1_STRING_free) /* integers, bits and octets too */
OSSL_FREEP(usage, EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free)
OSSL_FREEP(x509, X509, X509_free)

#undef OSSL_FREEP

/* STACK_OF(X509_EXTENSION) is this struct. */
static inline void
ossl_extensions_freep(struct stack_st_X509_EXTENSION **list)
{
    sk_X509_EXTENSION_pop_free(*list, X509_EXTENSION_free);
}

/* STACK_OF(X509) is this struct. */
static inline void
ossl_certificates_freep(struct stack_st_X509 **list)
{
    sk_X509_pop_free(*list, X509_free);
}

/* NULL for NONE. */
static inline const EVP_MD *
ossl_md(enum ks_hash hash)
{
    switch (hash) {
    case KS_HASH_SHA256:
        return EVP_sha256();
    case KS_HASH_SHA384:
        return EVP_sha384();
    case KS_HASH_SHA512:
        return EVP_sha512();
    case KS_HASH_NONE:
    case KS_HASH_COUNT:
        break;
    }
    return NULL;
}
