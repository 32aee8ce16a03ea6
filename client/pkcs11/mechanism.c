/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mechanism - one row a mechanism
 */
#include "client/pkcs11/mechanism.h"

#include "client/pkcs11/key_info.h"

#define SIGNS (CKF_SIGN | CKF_VERIFY)
#define ON_CURVES (SIGNS | CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_UNCOMPRESS)

/* clang-format off */
static const struct mechanism MECHANISM[] = {
    {CKM_SHA256,              SCHEME_DIGEST, KS_HASH_SHA256, false},
    {CKM_SHA384,              SCHEME_DIGEST, KS_HASH_SHA384, false},
    {CKM_SHA512,              SCHEME_DIGEST, KS_HASH_SHA512, false},
    {CKM_RSA_PKCS,            SCHEME_PKCS1,  KS_HASH_NONE,   true},
    {CKM_SHA256_RSA_PKCS,     SCHEME_PKCS1,  KS_HASH_SHA256, false},
    {CKM_SHA384_RSA_PKCS,     SCHEME_PKCS1,  KS_HASH_SHA384, false},
    {CKM_SHA512_RSA_PKCS,     SCHEME_PKCS1,  KS_HASH_SHA512, false},
    {CKM_RSA_PKCS_PSS,        SCHEME_PSS,    KS_HASH_NONE,   true},
    {CKM_SHA256_RSA_PKCS_PSS, SCHEME_PSS,    KS_HASH_SHA256, false},
    {CKM_SHA384_RSA_PKCS_PSS, SCHEME_PSS,    KS_HASH_SHA384, false},
    {CKM_SHA512_RSA_PKCS_PSS, SCHEME_PSS,    KS_HASH_SHA512, false},
    {CKM_ECDSA,               SCHEME_ECDSA,  KS_HASH_NONE,   true},
    {CKM_ECDSA_SHA256,        SCHEME_ECDSA,  KS_HASH_SHA256, false},
    {CKM_ECDSA_SHA384,        SCHEME_ECDSA,  KS_HASH_SHA384, false},
    {CKM_ECDSA_SHA512,        SCHEME_ECDSA,  KS_HASH_SHA512, false},
    {CKM_EDDSA,               SCHEME_EDDSA,  KS_HASH_NONE,   false},
};

static const struct { CK_KEY_TYPE key; CK_ULONG min, max; CK_FLAGS flags; } SCHEME[] = {
    [SCHEME_DIGEST] = {CK_UNAVAILABLE_INFORMATION, 0, 0, CKF_DIGEST},
    [SCHEME_ECDSA]  = {CKK_EC, 256, 521, ON_CURVES},
    [SCHEME_EDDSA]  = {CKK_EC_EDWARDS, 256, 256, ON_CURVES},
    [SCHEME_PKCS1]  = {CKK_RSA, 2048, 4096, SIGNS},
    [SCHEME_PSS]    = {CKK_RSA, 2048, 4096, SIGNS},
};

static const struct { CK_MECHANISM_TYPE hash; CK_ULONG mgf; } PSS[KS_HASH_COUNT] = {
    [KS_HASH_SHA256] = {CKM_SHA256, CKG_MGF1_SHA256},
    [KS_HASH_SHA384] = {CKM_SHA384, CKG_MGF1_SHA384},
    [KS_HASH_SHA512] = {CKM_SHA512, CKG_MGF1_SHA512},
};
/* clang-format on */

static CK_RV read_parameter(const CK_MECHANISM *given, struct signing *out);
static CK_RV read_pss(const CK_MECHANISM *given, struct signing *out);

size_t
mechanism_count(void)
{
    return ARRAY_LEN(MECHANISM);
}

const struct mechanism *
mechanism_at(size_t i)
{
    return &MECHANISM[i];
}

const struct mechanism *
mechanism_find(CK_MECHANISM_TYPE type)
{
    for (size_t i = 0; i < ARRAY_LEN(MECHANISM); i++) {
        if (MECHANISM[i].type == type)
            return &MECHANISM[i];
    }
    return NULL;
}

void
mechanism_info(const struct mechanism *mechanism, CK_MECHANISM_INFO *out)
{
    out->ulMinKeySize = SCHEME[mechanism->scheme].min;
    out->ulMaxKeySize = SCHEME[mechanism->scheme].max;
    out->flags = SCHEME[mechanism->scheme].flags;
}

/* As docs/purposes.md has it: keys for TLS sign what the service can look at as a whole. */
bool
mechanism_allowed(const struct mechanism *mechanism, enum ks_key_type type, enum ks_purpose purpose)
{
    if (SCHEME[mechanism->scheme].key != key_info_pkcs11_type(type))
        return false;
    switch (purpose) {
    case KS_PURPOSE_SIGN:
        return true;
    case KS_PURPOSE_TLS_SERVER:
    case KS_PURPOSE_TLS_CLIENT:
    case KS_PURPOSE_TLS:
        return !mechanism->raw;
    default:
        return false;
    }
}

CK_RV
mechanism_read(const CK_MECHANISM *given, enum ks_key_type type, struct signing *out)
{
    const struct mechanism *mechanism = mechanism_find(given->mechanism);

    if (!mechanism || mechanism->scheme == SCHEME_DIGEST)
        return CKR_MECHANISM_INVALID;
    if (SCHEME[mechanism->scheme].key != key_info_pkcs11_type(type))
        return CKR_KEY_TYPE_INCONSISTENT;
    if (!given->pParameter && given->ulParameterLen > 0)
        return CKR_MECHANISM_PARAM_INVALID;
    out->mechanism = mechanism;
    out->type = type;
    out->hash = mechanism->hash;
    return read_parameter(given, out);
}

/* CK_EDDSA_PARAMS, which the header does not have: only plain Ed25519 without a context. */
struct eddsa_parameter {
    CK_BBOOL prehashed;
    CK_ULONG context_len;
    CK_BYTE *context;
};

static CK_RV
read_eddsa(const CK_MECHANISM *given)
{
    struct eddsa_parameter parameter;

    if (given->ulParameterLen == 0)
        return CKR_OK;
    if (given->ulParameterLen != sizeof(parameter))
        return CKR_MECHANISM_PARAM_INVALID;
    memcpy(&parameter, given->pParameter, sizeof(parameter));
    return parameter.prehashed == CK_FALSE && parameter.context_len == 0
               ? CKR_OK
               : CKR_MECHANISM_PARAM_INVALID;
}

static CK_RV
read_parameter(const CK_MECHANISM *given, struct signing *out)
{
    switch (out->mechanism->scheme) {
    case SCHEME_PSS:
        return read_pss(given, out);
    case SCHEME_EDDSA:
        return read_eddsa(given);
    default:
        return given->ulParameterLen == 0 ? CKR_OK : CKR_MECHANISM_PARAM_INVALID;
    }
}

/* One hash for message and mask, and a salt of its length: what the service makes. */
static CK_RV
read_pss(const CK_MECHANISM *given, struct signing *out)
{
    CK_RSA_PKCS_PSS_PARAMS parameter;

    if (given->ulParameterLen != sizeof(parameter))
        return CKR_MECHANISM_PARAM_INVALID;
    memcpy(&parameter, given->pParameter, sizeof(parameter));
    for (unsigned int i = KS_HASH_NONE + 1; i < KS_HASH_COUNT; i++) {
        if (PSS[i].hash != parameter.hashAlg || PSS[i].mgf != parameter.mgf ||
            ks_hash_len((enum ks_hash)i) != parameter.sLen)
            continue;
        if (out->hash != KS_HASH_NONE && out->hash != (enum ks_hash)i)
            continue;
        out->hash = (enum ks_hash)i;
        return CKR_OK;
    }
    return CKR_MECHANISM_PARAM_INVALID;
}

/* --- raw inputs --- */

static CK_RV
read_digest(const uint8_t *data, size_t len, enum ks_hash *hash, const uint8_t **digest)
{
    for (unsigned int i = KS_HASH_NONE + 1; i < KS_HASH_COUNT; i++) {
        if (len != ks_hash_len((enum ks_hash)i))
            continue;
        *hash = (enum ks_hash)i;
        *digest = data;
        return CKR_OK;
    }
    return CKR_DATA_LEN_RANGE;
}

CK_RV
mechanism_raw(const struct signing *signing, const uint8_t *data, size_t len, enum ks_hash *hash,
              const uint8_t **digest)
{
    if (len > MECHANISM_RAW_MAX)
        return CKR_DATA_LEN_RANGE;
    switch (signing->mechanism->scheme) {
    case SCHEME_PKCS1:
        *hash = ks_digest_info_read(data, len, digest);
        return *hash == KS_HASH_NONE ? CKR_DATA_INVALID : CKR_OK;
    case SCHEME_PSS:
        *hash = signing->hash;
        *digest = data;
        return len == ks_hash_len(signing->hash) ? CKR_OK : CKR_DATA_LEN_RANGE;
    default:
        return read_digest(data, len, hash, digest);
    }
}

enum ks_algorithm
mechanism_algorithm(const struct signing *signing, enum ks_hash hash)
{
    /* Within a scheme the algorithms are in the order of the hashes. */
    unsigned int step = (unsigned int)hash - KS_HASH_SHA256;

    if (signing->mechanism->scheme == SCHEME_EDDSA)
        return KS_ALGORITHM_ED25519;
    if (hash == KS_HASH_NONE || (unsigned int)hash >= KS_HASH_COUNT)
        return KS_ALGORITHM_COUNT;
    switch (signing->mechanism->scheme) {
    case SCHEME_ECDSA:
        return (enum ks_algorithm)(KS_ALGORITHM_ECDSA_SHA256 + step);
    case SCHEME_PKCS1:
        return (enum ks_algorithm)(KS_ALGORITHM_RSA_PKCS1_SHA256 + step);
    case SCHEME_PSS:
        return (enum ks_algorithm)(KS_ALGORITHM_RSA_PSS_SHA256 + step);
    default:
        return KS_ALGORITHM_COUNT;
    }
}
