/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reference - the small file that stands where a program expects a private key
 *
 * The type of the key is read from the SubjectPublicKeyInfo's own fields and not through EVP: the
 * provider calls this from inside libcrypto's decoders, which a decoder must not enter again.
 */
#include <assert.h>
#include <limits.h>

#include <openssl/asn1t.h>
#include <openssl/obj_mac.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "base/keyname.h"
#include "client/lib/error.h"
#include "client/lib/keysvc.h"

#define FORM "keysvc-reference-1"
#define FORM_FAMILY "keysvc-reference-" /* of whatever version */
#define ED25519_LEN 32                  /* bytes of a public key */

static_assert(KS_PUBLIC_KEY_MAX_LEN + KEYNAME_LABEL_MAX + sizeof(FORM) + 16 <= KS_REFERENCE_MAX_LEN,
              "the longest key under the longest name fits");

struct reference {
    ASN1_UTF8STRING *form;
    ASN1_UTF8STRING *label;
    ASN1_OCTET_STRING *public_key;
};

ASN1_SEQUENCE(reference) = {
    ASN1_SIMPLE(struct reference, form, ASN1_UTF8STRING),
    ASN1_SIMPLE(struct reference, label, ASN1_UTF8STRING),
    ASN1_SIMPLE(struct reference, public_key, ASN1_OCTET_STRING),
} static_ASN1_SEQUENCE_END_name(struct reference, reference);

/* SubjectPublicKeyInfo, and RSAPublicKey inside of it, without the key behind them. */
struct key_info {
    X509_ALGOR *algorithm;
    ASN1_BIT_STRING *bits;
};

ASN1_SEQUENCE(key_info) = {
    ASN1_SIMPLE(struct key_info, algorithm, X509_ALGOR),
    ASN1_SIMPLE(struct key_info, bits, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END_name(struct key_info, key_info);

struct rsa_info {
    ASN1_INTEGER *modulus;
    ASN1_INTEGER *exponent;
};

ASN1_SEQUENCE(rsa_info) = {
    ASN1_SIMPLE(struct rsa_info, modulus, ASN1_INTEGER),
    ASN1_SIMPLE(struct rsa_info, exponent, ASN1_INTEGER),
} static_ASN1_SEQUENCE_END_name(struct rsa_info, rsa_info);

static char *encode(struct reference *reference);
static ks_err read_fields(const struct reference *reference, struct ks_key *out,
                          struct ks_error *error);
static enum ks_key_type type_of(const uint8_t *der, size_t len);

/* A structure with exactly these bytes in DER; NULL: anything else. */
static void *
exactly(const ASN1_ITEM *item, const uint8_t *der, size_t len)
{
    const unsigned char *at = der;
    ASN1_VALUE *value = len <= LONG_MAX ? ASN1_item_d2i(NULL, &at, (long)len, item) : NULL;
    unsigned char *again = NULL;
    int again_len = value ? ASN1_item_i2d(value, &again, item) : -1;

    if (again_len < 0 || (size_t)again_len != len || memcmp(again, der, len) != 0) {
        ASN1_item_free(value, item);
        value = NULL;
    }
    OPENSSL_free(again);
    return value;
}

static void
reference_freep(struct reference **reference)
{
    ASN1_item_free((ASN1_VALUE *)*reference, ASN1_ITEM_rptr(reference));
}

ks_err
ks_reference_encode(const struct ks_key *key, char **pem, struct ks_error *error)
{
    ks_auto(reference_freep) struct reference *reference = NULL;
    char label[KEYNAME_LABEL_MAX + 1];

    error_clear(error);
    if (!keyname_valid(key->name) || key->version == 0 || key->version > KEYNAME_VERSION_MAX)
        return error_set(error, KS_ERR_BAD_REQUEST, "%.100s@%u is not a version of a key",
                         key->name, key->version);
    if (key->public_key_len == 0 || key->public_key_len > sizeof(key->public_key))
        return error_set(error, KS_ERR_USAGE, "%s@%u has no public half, which a reference holds",
                         key->name, key->version);
    keyname_label(key->name, key->version, label);
    reference = (struct reference *)ASN1_item_new(ASN1_ITEM_rptr(reference));
    if (!reference || !ASN1_STRING_set(reference->form, FORM, -1) ||
        !ASN1_STRING_set(reference->label, label, -1) ||
        !ASN1_STRING_set(reference->public_key, key->public_key, (int)key->public_key_len))
        return error_set(error, KS_ERR_INTERNAL, "no memory for a reference");
    *pem = encode(reference);
    return *pem ? KS_OK : error_set(error, KS_ERR_INTERNAL, "no memory for a reference");
}

static char *
encode(struct reference *reference)
{
    unsigned char *der = NULL;
    int len = ASN1_item_i2d((ASN1_VALUE *)reference, &der, ASN1_ITEM_rptr(reference));
    BIO *out = BIO_new(BIO_s_mem());
    char *text = NULL;
    char *data;
    long text_len;

    if (len > 0 && out && PEM_write_bio(out, KS_REFERENCE_PEM_NAME, "", der, len) > 0) {
        text_len = BIO_get_mem_data(out, &data);
        text = strndup(data, (size_t)text_len);
    }
    BIO_free(out);
    OPENSSL_free(der);
    return text;
}

ks_err
ks_reference_decode(const void *der, size_t len, struct ks_key *out, struct ks_error *error)
{
    ks_auto(reference_freep) struct reference *reference = NULL;

    error_clear(error);
    if (len > KS_REFERENCE_MAX_LEN)
        return error_set(error, KS_ERR_BAD_REQUEST,
                         "a reference to a key has at most %u bytes, not %zu", KS_REFERENCE_MAX_LEN,
                         len);
    reference = exactly(ASN1_ITEM_rptr(reference), der, len);
    if (!reference)
        return error_set(error, KS_ERR_BAD_REQUEST, "not a reference to a key");
    return read_fields(reference, out, error);
}

static bool
string_is(const ASN1_STRING *string, const char *text)
{
    return (size_t)ASN1_STRING_length(string) == strlen(text) &&
           memcmp(ASN1_STRING_get0_data(string), text, strlen(text)) == 0;
}

static bool
string_begins(const ASN1_STRING *string, const char *text)
{
    return (size_t)ASN1_STRING_length(string) >= strlen(text) &&
           memcmp(ASN1_STRING_get0_data(string), text, strlen(text)) == 0;
}

static ks_err
read_fields(const struct reference *reference, struct ks_key *out, struct ks_error *error)
{
    size_t len = (size_t)ASN1_STRING_length(reference->public_key);

    if (!string_begins(reference->form, FORM_FAMILY))
        return error_set(error, KS_ERR_BAD_REQUEST, "not a reference to a key");
    if (!string_is(reference->form, FORM))
        return error_set(error, KS_ERR_UNSUPPORTED,
                         "a reference to a key in a later form than this library's, " FORM);
    memset(out, 0, sizeof(*out));
    if (!keyname_split((const char *)ASN1_STRING_get0_data(reference->label),
                       (size_t)ASN1_STRING_length(reference->label), false, out->name,
                       &out->version))
        return error_set(error, KS_ERR_BAD_REQUEST,
                         "the reference to a key names no version of a key");
    if (len == 0 || len > sizeof(out->public_key))
        return error_set(error, KS_ERR_BAD_REQUEST, "%s@%u: the reference holds no public key",
                         out->name, out->version);
    memcpy(out->public_key, ASN1_STRING_get0_data(reference->public_key), len);
    out->public_key_len = len;
    if (!SHA256(out->public_key, len, out->public_key_sha256))
        return error_set(error, KS_ERR_INTERNAL, "libcrypto has no sha256");
    out->type = type_of(out->public_key, len);
    if (out->type == KS_KEY_TYPE_ANY)
        return error_set(error, KS_ERR_UNSUPPORTED,
                         "%s@%u: the reference holds a public key of no type this library knows",
                         out->name, out->version);
    return KS_OK;
}

/* --- which type of key --- */

static enum ks_key_type
rsa_type(const ASN1_BIT_STRING *bits)
{
    struct rsa_info *rsa = exactly(ASN1_ITEM_rptr(rsa_info), ASN1_STRING_get0_data(bits),
                                   (size_t)ASN1_STRING_length(bits));
    /* The first octet of a modulus has its highest bit set, and all sizes are whole octets. */
    bool full = rsa && ASN1_STRING_type(rsa->modulus) == V_ASN1_INTEGER &&
                ASN1_STRING_length(rsa->modulus) > 0 &&
                ASN1_STRING_get0_data(rsa->modulus)[0] & 0x80;
    int n_bits = full ? ASN1_STRING_length(rsa->modulus) * 8 : 0;

    ASN1_item_free((ASN1_VALUE *)rsa, ASN1_ITEM_rptr(rsa_info));
    switch (n_bits) {
    case 2048:
        return KS_KEY_TYPE_RSA_2048;
    case 3072:
        return KS_KEY_TYPE_RSA_3072;
    case 4096:
        return KS_KEY_TYPE_RSA_4096;
    default:
        return KS_KEY_TYPE_ANY;
    }
}

static enum ks_key_type
ec_type(const X509_ALGOR *algorithm)
{
    const void *curve = NULL;
    int type = V_ASN1_UNDEF;

    X509_ALGOR_get0(NULL, &type, &curve, algorithm);
    if (type != V_ASN1_OBJECT)
        return KS_KEY_TYPE_ANY;
    switch (OBJ_obj2nid(curve)) {
    case NID_X9_62_prime256v1:
        return KS_KEY_TYPE_EC_P256;
    case NID_secp384r1:
        return KS_KEY_TYPE_EC_P384;
    case NID_secp521r1:
        return KS_KEY_TYPE_EC_P521;
    default:
        return KS_KEY_TYPE_ANY;
    }
}

static enum ks_key_type
type_of(const uint8_t *der, size_t len)
{
    struct key_info *info = exactly(ASN1_ITEM_rptr(key_info), der, len);
    enum ks_key_type type = KS_KEY_TYPE_ANY;
    const ASN1_OBJECT *algorithm;

    if (!info)
        return type;
    X509_ALGOR_get0(&algorithm, NULL, NULL, info->algorithm);
    switch (OBJ_obj2nid(algorithm)) {
    case NID_rsaEncryption:
        type = rsa_type(info->bits);
        break;
    case NID_X9_62_id_ecPublicKey:
        type = ec_type(info->algorithm);
        break;
    case NID_ED25519:
        if (ASN1_STRING_length(info->bits) == ED25519_LEN)
            type = KS_KEY_TYPE_ED25519;
        break;
    default:
        break;
    }
    ASN1_item_free((ASN1_VALUE *)info, ASN1_ITEM_rptr(key_info));
    return type;
}
