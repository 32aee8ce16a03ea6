/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spki - from CKA_EC_POINT, CKA_MODULUS and the like to SubjectPublicKeyInfo, and to an EVP_PKEY
 *
 * Trusts nothing of what a token shows. Everything goes through the parameter interface of OpenSSL
 * 3; no private key is ever in one of these objects.
 */
#include "token/spki.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/objects.h>
#include <openssl/sha.h>

#include "token/ossl.h"

#define RSA_EXPONENT_MAX_BITS 64 /* OpenSSL verifies nothing with longer ones above 3072 bits */
#define RSA_MODULUS_MAX_LEN 2048 /* bytes; more is not even looked at */

/* CKA_EC_PARAMS, in each encoding that tokens use; the first of a type is the one we send. */
static const uint8_t P256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static const uint8_t P384[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
static const uint8_t P521[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23};
static const uint8_t ED25519_NAME[] = {0x13, 0x0c, 'e', 'd', 'w', 'a', 'r',
                                       'd',  's',  '2', '5', '5', '1', '9'};
static const uint8_t ED25519_OID[] = {0x06, 0x03, 0x2b, 0x65, 0x70};
/* 1.3.6.1.4.1.11591.15.1, older than RFC 8410 */
static const uint8_t ED25519_GNU_OID[] = {0x06, 0x09, 0x2b, 0x06, 0x01, 0x04,
                                          0x01, 0xda, 0x47, 0x0f, 0x01};

struct curve {
    enum ks_key_type type;
    int nid;
    const char *group; /* NULL: not a group of OpenSSL's EC keys */
    size_t point_len;
    const uint8_t *params;
    size_t params_len;
};

/* clang-format off */
static const struct curve CURVES[] = {
    {KS_KEY_TYPE_EC_P256, NID_X9_62_prime256v1, SN_X9_62_prime256v1, 65, P256, sizeof(P256)},
    {KS_KEY_TYPE_EC_P384, NID_secp384r1, SN_secp384r1, 97, P384, sizeof(P384)},
    {KS_KEY_TYPE_EC_P521, NID_secp521r1, SN_secp521r1, 133, P521, sizeof(P521)},
    {KS_KEY_TYPE_ED25519, NID_ED25519, NULL, 32, ED25519_NAME, sizeof(ED25519_NAME)},
    {KS_KEY_TYPE_ED25519, NID_ED25519, NULL, 32, ED25519_OID, sizeof(ED25519_OID)},
    {KS_KEY_TYPE_ED25519, NID_ED25519, NULL, 32, ED25519_GNU_OID, sizeof(ED25519_GNU_OID)},
};

static const struct { enum ks_key_type type; int bits; } RSA_SIZES[] = {
    {KS_KEY_TYPE_RSA_2048, 2048},
    {KS_KEY_TYPE_RSA_3072, 3072},
    {KS_KEY_TYPE_RSA_4096, 4096},
};
/* clang-format on */

static const struct curve *curve_of_params(const uint8_t *params, size_t len);
static const struct curve *curve_of_type(enum ks_key_type type);
static const uint8_t *bare_point(const struct curve *curve, const uint8_t *point, size_t len);
static ks_err spki_encode(int algorithm, int parameter_type, void *parameter, const uint8_t *key,
                          size_t key_len, struct spki *out);
static int rsa_key_encode(const BIGNUM *modulus, const BIGNUM *exponent, uint8_t **out);
static ks_err spki_from_algorithm(const X509_ALGOR *algorithm, const uint8_t *key, size_t len,
                                  struct spki *out, struct fault *why);
static bool rsa_key_decode(const uint8_t *der, size_t len, BIGNUM **modulus, BIGNUM **exponent);
static bool spki_bit_string(const struct spki *spki, const uint8_t **contents, size_t *len);
static EVP_PKEY *pkey_from(const char *type, OSSL_PARAM *params);
static EVP_PKEY *pkey_from_curve(const struct curve *curve, const uint8_t *point, size_t len);
static EVP_PKEY *pkey_from_rsa(const uint8_t *der, size_t len);

ks_err
spki_from_ec(const uint8_t *params, size_t params_len, const uint8_t *point, size_t point_len,
             struct spki *out, struct fault *why)
{
    const struct curve *curve = curve_of_params(params, params_len);
    const uint8_t *bare;
    ks_err err;

    *out = (struct spki){.type = KS_KEY_TYPE_ANY};
    if (!curve)
        return KS_OK;
    bare = bare_point(curve, point, point_len);
    if (!bare) {
        fault_set(why, "the token shows a public key of %s with a point of %zu bytes",
                  ks_key_type_name(curve->type), point_len);
        return KS_ERR_BAD_REQUEST;
    }
    if (!curve->group) {
        err = spki_encode(curve->nid, V_ASN1_UNDEF, NULL, bare, curve->point_len, out);
    } else if (!spki_point_on_curve(curve->nid, bare, curve->point_len)) {
        fault_set(why, "the token shows a public key of %s whose point is not on the curve",
                  ks_key_type_name(curve->type));
        return KS_ERR_BAD_REQUEST;
    } else {
        err = spki_encode(NID_X9_62_id_ecPublicKey, V_ASN1_OBJECT, OBJ_nid2obj(curve->nid), bare,
                          curve->point_len, out);
    }
    if (err) {
        fault_set(why, "a public key could not be encoded");
        return err;
    }
    out->type = curve->type;
    return KS_OK;
}

static const struct curve *
curve_of_params(const uint8_t *params, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(CURVES); i++) {
        if (CURVES[i].params_len == len && memcmp(CURVES[i].params, params, len) == 0)
            return &CURVES[i];
    }
    return NULL;
}

static const struct curve *
curve_of_type(enum ks_key_type type)
{
    for (size_t i = 0; i < ARRAY_LEN(CURVES); i++) {
        if (CURVES[i].type == type)
            return &CURVES[i];
    }
    return NULL;
}

/* The standard wants an OCTET STRING, some tokens leave it out; the lengths never overlap. */
static const uint8_t *
bare_point(const struct curve *curve, const uint8_t *point, size_t len)
{
    const uint8_t *at = point;
    long contents;
    int tag, class;

    if (len == curve->point_len)
        return point;
    if (len < curve->point_len || len > LONG_MAX)
        return NULL;
    if (ASN1_get_object(&at, &contents, &tag, &class, (long)len) != 0)
        return NULL;
    if (tag != V_ASN1_OCTET_STRING || class != V_ASN1_UNIVERSAL ||
        (size_t)contents != curve->point_len || at + contents != point + len)
        return NULL;
    return at;
}

bool
spki_point_on_curve(int nid, const uint8_t *point, size_t len)
{
    ks_auto(ossl_group_freep) EC_GROUP *group = EC_GROUP_new_by_curve_name(nid);
    ks_auto(ossl_point_freep) EC_POINT *on_curve = group ? EC_POINT_new(group) : NULL;

    /* EC_POINT_oct2point() refuses a point that does not satisfy the curve's equation. */
    return on_curve && len > 1 && point[0] == POINT_CONVERSION_UNCOMPRESSED &&
           EC_POINT_oct2point(group, on_curve, point, len, NULL) == 1 &&
           !EC_POINT_is_at_infinity(group, on_curve);
}

ks_err
spki_from_rsa(const uint8_t *modulus, size_t modulus_len, const uint8_t *exponent,
              size_t exponent_len, struct spki *out, struct fault *why)
{
    ks_auto(ossl_bn_freep) BIGNUM *n = NULL;
    ks_auto(ossl_bn_freep) BIGNUM *e = NULL;
    ks_auto(ossl_memory_freep) uint8_t *key = NULL;
    int key_len;

    *out = (struct spki){.type = KS_KEY_TYPE_ANY};
    if (modulus_len == 0 || modulus_len > RSA_MODULUS_MAX_LEN || exponent_len == 0 ||
        exponent_len > RSA_MODULUS_MAX_LEN) {
        fault_set(why, "the token shows an RSA key of %zu bytes with an exponent of %zu",
                  modulus_len, exponent_len);
        return KS_ERR_BAD_REQUEST;
    }
    n = BN_bin2bn(modulus, (int)modulus_len, NULL);
    e = BN_bin2bn(exponent, (int)exponent_len, NULL);
    if (!n || !e)
        return KS_ERR_INTERNAL;
    if (!BN_is_odd(n) || !BN_is_odd(e) || BN_is_one(e) || BN_num_bits(e) > RSA_EXPONENT_MAX_BITS) {
        fault_set(why, "the token shows an RSA key whose modulus or exponent cannot be one");
        return KS_ERR_BAD_REQUEST;
    }
    for (size_t i = 0; i < ARRAY_LEN(RSA_SIZES); i++) {
        if (RSA_SIZES[i].bits == BN_num_bits(n))
            out->type = RSA_SIZES[i].type;
    }
    if (out->type == KS_KEY_TYPE_ANY)
        return KS_OK;
    key_len = rsa_key_encode(n, e, &key);
    if (key_len > 0 &&
        !spki_encode(NID_rsaEncryption, V_ASN1_NULL, NULL, key, (size_t)key_len, out))
        return KS_OK;
    *out = (struct spki){.type = KS_KEY_TYPE_ANY};
    fault_set(why, "a public key could not be encoded");
    return KS_ERR_INTERNAL;
}

/* RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }; 0: no memory. */
static int
rsa_key_encode(const BIGNUM *modulus, const BIGNUM *exponent, uint8_t **out)
{
    ks_auto(ossl_string_freep) ASN1_INTEGER *n = BN_to_ASN1_INTEGER(modulus, NULL);
    ks_auto(ossl_string_freep) ASN1_INTEGER *e = BN_to_ASN1_INTEGER(exponent, NULL);
    int contents, total;
    uint8_t *at;

    if (!n || !e)
        return 0;
    contents = i2d_ASN1_INTEGER(n, NULL) + i2d_ASN1_INTEGER(e, NULL);
    total = ASN1_object_size(1, contents, V_ASN1_SEQUENCE);
    *out = OPENSSL_malloc((size_t)total);
    if (!*out)
        return 0;
    at = *out;
    ASN1_put_object(&at, 1, contents, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
    i2d_ASN1_INTEGER(n, &at);
    i2d_ASN1_INTEGER(e, &at);
    return total;
}

static ks_err
spki_encode(int algorithm, int parameter_type, void *parameter, const uint8_t *key, size_t key_len,
            struct spki *out)
{
    ks_auto(ossl_pubkey_freep) X509_PUBKEY *encoded = X509_PUBKEY_new();
    ks_auto(ossl_memory_freep) uint8_t *copy = OPENSSL_memdup(key, key_len);
    uint8_t *at = out->der;
    int len;

    if (!encoded || !copy ||
        X509_PUBKEY_set0_param(encoded, OBJ_nid2obj(algorithm), parameter_type, parameter, copy,
                               (int)key_len) != 1)
        return KS_ERR_INTERNAL;
    copy = NULL; /* taken */
    len = i2d_X509_PUBKEY(encoded, NULL);
    if (len <= 0 || (size_t)len > sizeof(out->der) || i2d_X509_PUBKEY(encoded, &at) != len)
        return KS_ERR_INTERNAL;
    out->len = (size_t)len;
    return KS_OK;
}

ks_err
spki_from_certificate(const uint8_t *der, size_t len, struct spki *out, struct fault *why)
{
    const uint8_t *at = der, *key = NULL;
    ks_auto(ossl_x509_freep) X509 *certificate =
        len > 0 && len <= LONG_MAX ? d2i_X509(NULL, &at, (long)len) : NULL;
    X509_PUBKEY *encoded = certificate ? X509_get_X509_PUBKEY(certificate) : NULL;
    X509_ALGOR *algorithm = NULL;
    int key_len = 0;

    *out = (struct spki){.type = KS_KEY_TYPE_ANY};
    if (encoded && at == der + len &&
        X509_PUBKEY_get0_param(NULL, &key, &key_len, &algorithm, encoded) == 1 && key_len > 0)
        return spki_from_algorithm(algorithm, key, (size_t)key_len, out, why);
    ERR_clear_error();
    fault_set(why, "not a certificate");
    return KS_ERR_BAD_REQUEST;
}

static ks_err
spki_from_algorithm(const X509_ALGOR *algorithm, const uint8_t *key, size_t len, struct spki *out,
                    struct fault *why)
{
    uint8_t params[64], modulus[RSA_MODULUS_MAX_LEN], exponent[RSA_MODULUS_MAX_LEN];
    ks_auto(ossl_bn_freep) BIGNUM *n = NULL;
    ks_auto(ossl_bn_freep) BIGNUM *e = NULL;
    const ASN1_OBJECT *name = NULL;
    const void *parameter = NULL;
    int parameter_type = V_ASN1_UNDEF, params_len;
    uint8_t *at = params;

    X509_ALGOR_get0(&name, &parameter_type, &parameter, algorithm);
    switch (OBJ_obj2nid(name)) {
    case NID_ED25519:
        return spki_from_ec(ED25519_OID, sizeof(ED25519_OID), key, len, out, why);
    case NID_X9_62_id_ecPublicKey:
        params_len = parameter_type == V_ASN1_OBJECT ? i2d_ASN1_OBJECT(parameter, NULL) : 0;
        if (params_len <= 0 || (size_t)params_len > sizeof(params))
            return KS_OK; /* not a named curve */
        i2d_ASN1_OBJECT(parameter, &at);
        return spki_from_ec(params, (size_t)params_len, key, len, out, why);
    case NID_rsaEncryption:
        if (rsa_key_decode(key, len, &n, &e) && BN_num_bytes(n) <= RSA_MODULUS_MAX_LEN &&
            BN_num_bytes(e) <= RSA_MODULUS_MAX_LEN)
            return spki_from_rsa(modulus, (size_t)BN_bn2bin(n, modulus), exponent,
                                 (size_t)BN_bn2bin(e, exponent), out, why);
        fault_set(why, "not a certificate with an RSA key");
        return KS_ERR_BAD_REQUEST;
    default:
        return KS_OK;
    }
}

bool
spki_has_modulus(const struct spki *spki, const uint8_t *modulus, size_t len)
{
    ks_auto(ossl_bn_freep) BIGNUM *n = NULL;
    ks_auto(ossl_bn_freep) BIGNUM *e = NULL;
    ks_auto(ossl_bn_freep) BIGNUM *other = NULL;
    const uint8_t *key = NULL;
    size_t key_len = 0;

    if (spki->type < KS_KEY_TYPE_RSA_2048 || len > RSA_MODULUS_MAX_LEN ||
        !spki_bit_string(spki, &key, &key_len) || !rsa_key_decode(key, key_len, &n, &e))
        return false;
    other = BN_bin2bn(modulus, (int)len, NULL);
    return other && BN_cmp(n, other) == 0;
}

void
spki_sha256(const struct spki *spki, uint8_t out[static KS_SHA256_LEN])
{
    SHA256(spki->der, spki->len, out);
}

ks_err
spki_key_id(const struct spki *spki, uint8_t out[static SPKI_KEY_ID_LEN])
{
    const uint8_t *contents;
    size_t len;

    if (!spki_bit_string(spki, &contents, &len))
        return KS_ERR_BAD_REQUEST;
    return SHA1(contents, len, out) ? KS_OK : KS_ERR_INTERNAL;
}

/* SEQUENCE { algorithm SEQUENCE, key BIT STRING without unused bits } */
static bool
spki_bit_string(const struct spki *spki, const uint8_t **contents, size_t *len)
{
    const uint8_t *at = spki->der, *end = spki->der + spki->len;
    long part;
    int tag, class;

    if (spki->len == 0 || spki->len > sizeof(spki->der))
        return false;
    if (ASN1_get_object(&at, &part, &tag, &class, end - at) != V_ASN1_CONSTRUCTED ||
        tag != V_ASN1_SEQUENCE || at + part != end)
        return false;
    if (ASN1_get_object(&at, &part, &tag, &class, end - at) != V_ASN1_CONSTRUCTED ||
        tag != V_ASN1_SEQUENCE)
        return false;
    at += part;
    if (ASN1_get_object(&at, &part, &tag, &class, end - at) != 0 || tag != V_ASN1_BIT_STRING ||
        at + part != end || part < 1 || *at != 0)
        return false;
    *contents = at + 1;
    *len = (size_t)part - 1;
    return true;
}

bool
spki_parameters(enum ks_key_type type, const uint8_t **params, size_t *params_len,
                unsigned long *bits)
{
    const struct curve *curve = curve_of_type(type);

    *params = curve ? curve->params : NULL;
    *params_len = curve ? curve->params_len : 0;
    *bits = 0;
    for (size_t i = 0; i < ARRAY_LEN(RSA_SIZES); i++) {
        if (RSA_SIZES[i].type == type)
            *bits = (unsigned long)RSA_SIZES[i].bits;
    }
    return *params || *bits;
}

ks_err
spki_pkey(const struct spki *spki, EVP_PKEY **out, struct fault *why)
{
    const struct curve *curve = curve_of_type(spki->type);
    const uint8_t *key = NULL;
    size_t len = 0;

    *out = NULL;
    if (spki->type == KS_KEY_TYPE_ANY || !spki_bit_string(spki, &key, &len)) {
        fault_set(why, "the public key is of no type that is known here");
        return KS_ERR_BAD_REQUEST;
    }
    *out = curve ? pkey_from_curve(curve, key, len) : pkey_from_rsa(key, len);
    if (*out)
        return KS_OK;
    fault_set(why, "the public key of type %s cannot be read", ks_key_type_name(spki->type));
    return KS_ERR_BAD_REQUEST;
}

static EVP_PKEY *
pkey_from_curve(const struct curve *curve, const uint8_t *point, size_t len)
{
    OSSL_PARAM params[3];

    if (len != curve->point_len)
        return NULL;
    if (!curve->group)
        return EVP_PKEY_new_raw_public_key_ex(NULL, SN_ED25519, NULL, point, len);
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                                 (char *)(uintptr_t)curve->group, 0);
    params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
                                                  (uint8_t *)(uintptr_t)point, len);
    params[2] = OSSL_PARAM_construct_end();
    return pkey_from("EC", params);
}

/* RSAPublicKey over all of `der`; the caller frees both in any case. */
static bool
rsa_key_decode(const uint8_t *der, size_t len, BIGNUM **modulus, BIGNUM **exponent)
{
    const uint8_t *at = der, *end = der + len;
    ks_auto(ossl_string_freep) ASN1_INTEGER *n = NULL;
    ks_auto(ossl_string_freep) ASN1_INTEGER *e = NULL;
    long part;
    int tag, class;

    if (ASN1_get_object(&at, &part, &tag, &class, end - at) != V_ASN1_CONSTRUCTED ||
        tag != V_ASN1_SEQUENCE || at + part != end)
        return false;
    n = d2i_ASN1_INTEGER(NULL, &at, end - at);
    e = n ? d2i_ASN1_INTEGER(NULL, &at, end - at) : NULL;
    *modulus = n ? ASN1_INTEGER_to_BN(n, NULL) : NULL;
    *exponent = e ? ASN1_INTEGER_to_BN(e, NULL) : NULL;
    return *modulus && *exponent && at == end && !BN_is_negative(*modulus) &&
           !BN_is_negative(*exponent);
}

static EVP_PKEY *
pkey_from_rsa(const uint8_t *der, size_t len)
{
    uint8_t n_native[KS_PUBLIC_KEY_MAX_LEN], e_native[KS_PUBLIC_KEY_MAX_LEN];
    ks_auto(ossl_bn_freep) BIGNUM *modulus = NULL;
    ks_auto(ossl_bn_freep) BIGNUM *exponent = NULL;
    OSSL_PARAM params[3];

    if (!rsa_key_decode(der, len, &modulus, &exponent))
        return NULL;
    if (BN_bn2nativepad(modulus, n_native, BN_num_bytes(modulus)) <= 0 ||
        BN_bn2nativepad(exponent, e_native, BN_num_bytes(exponent)) <= 0)
        return NULL;
    params[0] =
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, n_native, (size_t)BN_num_bytes(modulus));
    params[1] =
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, e_native, (size_t)BN_num_bytes(exponent));
    params[2] = OSSL_PARAM_construct_end();
    return pkey_from("RSA", params);
}

static EVP_PKEY *
pkey_from(const char *type, OSSL_PARAM *params)
{
    ks_auto(ossl_pkey_ctx_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;

    if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        return NULL;
    return key;
}
