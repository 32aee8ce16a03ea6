/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crypto - the tables behind the words
 */
#include "base/crypto.h"

#include "base/util.h"

enum key_family {
    FAMILY_NONE,
    FAMILY_EC,
    FAMILY_ED25519,
    FAMILY_RSA,
};

/* clang-format off */
static const struct { const char *name; enum key_family family; enum ks_algorithm standard; } KEY_TYPE[KS_KEY_TYPE_COUNT] = {
    [KS_KEY_TYPE_ANY]      = {"any", FAMILY_NONE, KS_ALGORITHM_COUNT},
    [KS_KEY_TYPE_EC_P256]  = {"ec-p256", FAMILY_EC, KS_ALGORITHM_ECDSA_SHA256},
    [KS_KEY_TYPE_EC_P384]  = {"ec-p384", FAMILY_EC, KS_ALGORITHM_ECDSA_SHA384},
    [KS_KEY_TYPE_EC_P521]  = {"ec-p521", FAMILY_EC, KS_ALGORITHM_ECDSA_SHA512},
    [KS_KEY_TYPE_ED25519]  = {"ed25519", FAMILY_ED25519, KS_ALGORITHM_ED25519},
    [KS_KEY_TYPE_RSA_2048] = {"rsa-2048", FAMILY_RSA, KS_ALGORITHM_RSA_PKCS1_SHA256},
    [KS_KEY_TYPE_RSA_3072] = {"rsa-3072", FAMILY_RSA, KS_ALGORITHM_RSA_PKCS1_SHA256},
    [KS_KEY_TYPE_RSA_4096] = {"rsa-4096", FAMILY_RSA, KS_ALGORITHM_RSA_PKCS1_SHA256},
};

static const char *const PURPOSE[KS_PURPOSE_COUNT] = {
    [KS_PURPOSE_NONE]       = "none",
    [KS_PURPOSE_TLS_SERVER] = "tls-server",
    [KS_PURPOSE_TLS_CLIENT] = "tls-client",
    [KS_PURPOSE_TLS]        = "tls",
    [KS_PURPOSE_SIGN]       = "sign",
    [KS_PURPOSE_AUDIT]      = "audit",
};

static const struct { const char *name; size_t len; } HASH[KS_HASH_COUNT] = {
    [KS_HASH_NONE]   = {"none", 0},
    [KS_HASH_SHA256] = {"sha256", 32},
    [KS_HASH_SHA384] = {"sha384", 48},
    [KS_HASH_SHA512] = {"sha512", 64},
};

static const struct { const char *name; enum key_family family; enum ks_hash hash; } ALGORITHM[KS_ALGORITHM_COUNT] = {
    [KS_ALGORITHM_DEFAULT]          = {"default", FAMILY_NONE, KS_HASH_NONE},
    [KS_ALGORITHM_ECDSA_SHA256]     = {"ecdsa-sha256", FAMILY_EC, KS_HASH_SHA256},
    [KS_ALGORITHM_ECDSA_SHA384]     = {"ecdsa-sha384", FAMILY_EC, KS_HASH_SHA384},
    [KS_ALGORITHM_ECDSA_SHA512]     = {"ecdsa-sha512", FAMILY_EC, KS_HASH_SHA512},
    [KS_ALGORITHM_RSA_PKCS1_SHA256] = {"rsa-pkcs1-sha256", FAMILY_RSA, KS_HASH_SHA256},
    [KS_ALGORITHM_RSA_PKCS1_SHA384] = {"rsa-pkcs1-sha384", FAMILY_RSA, KS_HASH_SHA384},
    [KS_ALGORITHM_RSA_PKCS1_SHA512] = {"rsa-pkcs1-sha512", FAMILY_RSA, KS_HASH_SHA512},
    [KS_ALGORITHM_RSA_PSS_SHA256]   = {"rsa-pss-sha256", FAMILY_RSA, KS_HASH_SHA256},
    [KS_ALGORITHM_RSA_PSS_SHA384]   = {"rsa-pss-sha384", FAMILY_RSA, KS_HASH_SHA384},
    [KS_ALGORITHM_RSA_PSS_SHA512]   = {"rsa-pss-sha512", FAMILY_RSA, KS_HASH_SHA512},
    [KS_ALGORITHM_ED25519]          = {"ed25519", FAMILY_ED25519, KS_HASH_NONE},
};
/* clang-format on */

const char *
ks_key_type_name(enum ks_key_type type)
{
    return (unsigned int)type < KS_KEY_TYPE_COUNT ? KEY_TYPE[type].name : "unknown";
}

const char *
ks_purpose_name(enum ks_purpose purpose)
{
    return (unsigned int)purpose < KS_PURPOSE_COUNT ? PURPOSE[purpose] : "unknown";
}

const char *
ks_hash_name(enum ks_hash hash)
{
    return (unsigned int)hash < KS_HASH_COUNT ? HASH[hash].name : "unknown";
}

const char *
ks_algorithm_name(enum ks_algorithm algorithm)
{
    return (unsigned int)algorithm < KS_ALGORITHM_COUNT ? ALGORITHM[algorithm].name : "unknown";
}

enum ks_key_type
ks_key_type_from_name(const char *name)
{
    for (unsigned int i = KS_KEY_TYPE_ANY + 1; i < KS_KEY_TYPE_COUNT; i++) {
        if (strcmp(KEY_TYPE[i].name, name) == 0)
            return (enum ks_key_type)i;
    }
    return KS_KEY_TYPE_COUNT;
}

enum ks_purpose
ks_purpose_from_name(const char *name)
{
    for (unsigned int i = KS_PURPOSE_NONE + 1; i < KS_PURPOSE_COUNT; i++) {
        if (strcmp(PURPOSE[i], name) == 0)
            return (enum ks_purpose)i;
    }
    return KS_PURPOSE_COUNT;
}

enum ks_hash
ks_hash_from_name(const char *name)
{
    for (unsigned int i = KS_HASH_NONE + 1; i < KS_HASH_COUNT; i++) {
        if (strcmp(HASH[i].name, name) == 0)
            return (enum ks_hash)i;
    }
    return KS_HASH_COUNT;
}

enum ks_algorithm
ks_algorithm_from_name(const char *name)
{
    for (unsigned int i = KS_ALGORITHM_DEFAULT + 1; i < KS_ALGORITHM_COUNT; i++) {
        if (strcmp(ALGORITHM[i].name, name) == 0)
            return (enum ks_algorithm)i;
    }
    return KS_ALGORITHM_COUNT;
}

size_t
ks_hash_len(enum ks_hash hash)
{
    return (unsigned int)hash < KS_HASH_COUNT ? HASH[hash].len : 0;
}

enum ks_hash
ks_algorithm_hash(enum ks_algorithm algorithm)
{
    return (unsigned int)algorithm < KS_ALGORITHM_COUNT ? ALGORITHM[algorithm].hash : KS_HASH_NONE;
}

enum ks_algorithm
ks_algorithm_for(enum ks_key_type type, enum ks_algorithm algorithm)
{
    if ((unsigned int)type >= KS_KEY_TYPE_COUNT || (unsigned int)algorithm >= KS_ALGORITHM_COUNT)
        return KS_ALGORITHM_COUNT;
    if (algorithm == KS_ALGORITHM_DEFAULT)
        return KEY_TYPE[type].standard;
    return ALGORITHM[algorithm].family == KEY_TYPE[type].family ? algorithm : KS_ALGORITHM_COUNT;
}
