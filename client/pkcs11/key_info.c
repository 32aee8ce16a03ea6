/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_info - the fields of a public key, and what follows from its type
 *
 * The fields are read through ASN.1 templates and not through EVP_PKEY: the program's own OpenSSL
 * configuration would choose who decodes that, and nothing is computed with the key here.
 */
#include "client/pkcs11/key_info.h"

#include <limits.h>

#include <openssl/asn1t.h>
#include <openssl/x509.h>

struct public_key {
    X509_ALGOR *algorithm;
    ASN1_BIT_STRING *bits;
};

ASN1_SEQUENCE(public_key) = {
    ASN1_SIMPLE(struct public_key, algorithm, X509_ALGOR),
    ASN1_SIMPLE(struct public_key, bits, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END_name(struct public_key, public_key);

struct rsa_key {
    ASN1_INTEGER *modulus;
    ASN1_INTEGER *exponent;
};

ASN1_SEQUENCE(rsa_key) = {
    ASN1_SIMPLE(struct rsa_key, modulus, ASN1_INTEGER),
    ASN1_SIMPLE(struct rsa_key, exponent, ASN1_INTEGER),
} static_ASN1_SEQUENCE_END_name(struct rsa_key, rsa_key);

/* clang-format off */
static const struct { CK_KEY_TYPE type; CK_ULONG bits; size_t signature_len; } TYPE[KS_KEY_TYPE_COUNT] = {
    [KS_KEY_TYPE_ANY]      = {CK_UNAVAILABLE_INFORMATION, 0, 0},
    [KS_KEY_TYPE_EC_P256]  = {CKK_EC, 256, 64},
    [KS_KEY_TYPE_EC_P384]  = {CKK_EC, 384, 96},
    [KS_KEY_TYPE_EC_P521]  = {CKK_EC, 521, 132},
    [KS_KEY_TYPE_ED25519]  = {CKK_EC_EDWARDS, 256, 64},
    [KS_KEY_TYPE_RSA_2048] = {CKK_RSA, 2048, 256},
    [KS_KEY_TYPE_RSA_3072] = {CKK_RSA, 3072, 384},
    [KS_KEY_TYPE_RSA_4096] = {CKK_RSA, 4096, 512},
};
/* clang-format on */

static bool read_key(enum ks_key_type type, const struct public_key *key, struct key_info *out);

CK_KEY_TYPE
key_info_pkcs11_type(enum ks_key_type type)
{
    return (unsigned int)type < KS_KEY_TYPE_COUNT ? TYPE[type].type : CK_UNAVAILABLE_INFORMATION;
}

CK_ULONG
key_info_bits(enum ks_key_type type)
{
    return (unsigned int)type < KS_KEY_TYPE_COUNT ? TYPE[type].bits : 0;
}

size_t
key_info_signature_len(enum ks_key_type type)
{
    return (unsigned int)type < KS_KEY_TYPE_COUNT ? TYPE[type].signature_len : 0;
}

static bool
copy(struct ks_blob *out, const void *data, size_t len)
{
    out->data = malloc(len > 0 ? len : 1);
    if (!out->data)
        return false;
    memcpy(out->data, data, len);
    out->len = len;
    return true;
}

struct key_info *
key_info_new(const struct hashes *hashes, enum ks_key_type type, const uint8_t *der, size_t len)
{
    const unsigned char *at = der;
    struct public_key *key = NULL;
    struct key_info *info = calloc(1, sizeof(*info));
    bool good = false;

    if (info && len <= KS_PUBLIC_KEY_MAX_LEN)
        key = (struct public_key *)ASN1_item_d2i(NULL, &at, (long)len, ASN1_ITEM_rptr(public_key));
    if (key && at == der + len)
        good = hashes_sha1(hashes, ASN1_STRING_get0_data(key->bits),
                           (size_t)ASN1_STRING_length(key->bits), info->id) &&
               copy(&info->der, der, len) && read_key(type, key, info);
    ASN1_item_free((ASN1_VALUE *)key, ASN1_ITEM_rptr(public_key));
    return good ? info : key_info_free(info);
}

struct key_info *
key_info_free(struct key_info *info)
{
    if (!info)
        return NULL;
    free(info->der.data);
    free(info->modulus.data);
    free(info->exponent.data);
    free(info->params.data);
    free(info->point.data);
    free(info);
    return NULL;
}

static bool
read_rsa(const ASN1_BIT_STRING *bits, struct key_info *out)
{
    const unsigned char *at = ASN1_STRING_get0_data(bits);
    struct rsa_key *rsa = (struct rsa_key *)ASN1_item_d2i(NULL, &at, ASN1_STRING_length(bits),
                                                          ASN1_ITEM_rptr(rsa_key));
    bool good = rsa &&
                copy(&out->modulus, ASN1_STRING_get0_data(rsa->modulus),
                     (size_t)ASN1_STRING_length(rsa->modulus)) &&
                copy(&out->exponent, ASN1_STRING_get0_data(rsa->exponent),
                     (size_t)ASN1_STRING_length(rsa->exponent));

    ASN1_item_free((ASN1_VALUE *)rsa, ASN1_ITEM_rptr(rsa_key));
    return good;
}

static bool
take_der(struct ks_blob *out, unsigned char *der, int len)
{
    bool good = len > 0 && copy(out, der, (size_t)len);

    OPENSSL_free(der);
    return good;
}

/* The curve of an EC key is its algorithm's parameter; Ed25519 is an algorithm of its own, and has
 * that for a curve (RFC 8410). */
static bool
read_curve(bool edwards, const X509_ALGOR *algorithm, struct ks_blob *out)
{
    const ASN1_OBJECT *curve;
    const void *parameter;
    unsigned char *der = NULL;
    int type, len;

    X509_ALGOR_get0(&curve, &type, &parameter, algorithm);
    if (!edwards && type != V_ASN1_OBJECT)
        return false;
    len = i2d_ASN1_OBJECT(edwards ? curve : parameter, &der);
    return take_der(out, der, len);
}

static bool
read_key(enum ks_key_type type, const struct public_key *key, struct key_info *out)
{
    CK_KEY_TYPE pkcs11_type = key_info_pkcs11_type(type);
    unsigned char *der = NULL;
    int len;

    if (pkcs11_type == CKK_RSA)
        return read_rsa(key->bits, out);
    if (pkcs11_type != CKK_EC && pkcs11_type != CKK_EC_EDWARDS)
        return false;
    /* A BIT STRING and an OCTET STRING are one type to libcrypto, but for its tag. */
    len = i2d_ASN1_OCTET_STRING(key->bits, &der);
    return take_der(&out->point, der, len) &&
           read_curve(pkcs11_type == CKK_EC_EDWARDS, key->algorithm, &out->params);
}
