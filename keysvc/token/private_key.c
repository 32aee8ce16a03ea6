/* SPDX-License-Identifier: Apache-2.0 */
/*
 * private_key - PrivateKeyInfo, RSAPrivateKey and ECPrivateKey, read by OpenSSL's ASN.1 templates
 *
 * The structures are declared here and not left to its decoders for keys: those of OpenSSL 3.0 know
 * no public key behind the private one (RFC 5958), take more primes than two, curves that are spelt
 * out and numbers that contradict each other. EVP_PKEY_check() would find the last, and test hostile
 * numbers for being primes in the one thread that signs.
 */
#include "token/private_key.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>

#include "token/ossl.h"

#define ED25519_LEN 32
#define EC_VERSION 1        /* ecPrivkeyVer1 */
#define PKCS8_MAX_VERSION 1 /* v2: with the public key */
#define NUMBER_MAX_LEN 2048 /* bytes; more is not even looked at */
#define UNUSED_BITS 0x07    /* of a BIT STRING, in its flags */

/* RFC 5958 */
struct info {
    int32_t version;
    X509_ALGOR *algorithm;
    ASN1_OCTET_STRING *secret;
    STACK_OF(X509_ATTRIBUTE) * attributes;
    ASN1_BIT_STRING *public_key; /* is computed anyway */
};

/* RFC 8017, with two primes; CBIGNUM wipes what it frees. */
struct rsa {
    int32_t version;
    BIGNUM *n, *e, *d, *p, *q, *dp, *dq, *qi;
};

/* RFC 5915 */
struct ec {
    int32_t version;
    ASN1_OCTET_STRING *scalar;
    ASN1_TYPE *curve;
    ASN1_BIT_STRING *point;
};

/* clang-format off */
ASN1_SEQUENCE(info) = {
    ASN1_EMBED(struct info, version, INT32),
    ASN1_SIMPLE(struct info, algorithm, X509_ALGOR),
    ASN1_SIMPLE(struct info, secret, ASN1_OCTET_STRING),
    ASN1_IMP_SET_OF_OPT(struct info, attributes, X509_ATTRIBUTE, 0),
    ASN1_IMP_OPT(struct info, public_key, ASN1_BIT_STRING, 1),
} static_ASN1_SEQUENCE_END_name(struct info, info)

ASN1_SEQUENCE(rsa) = {
    ASN1_EMBED(struct rsa, version, INT32),
    ASN1_SIMPLE(struct rsa, n, BIGNUM),
    ASN1_SIMPLE(struct rsa, e, BIGNUM),
    ASN1_SIMPLE(struct rsa, d, CBIGNUM),
    ASN1_SIMPLE(struct rsa, p, CBIGNUM),
    ASN1_SIMPLE(struct rsa, q, CBIGNUM),
    ASN1_SIMPLE(struct rsa, dp, CBIGNUM),
    ASN1_SIMPLE(struct rsa, dq, CBIGNUM),
    ASN1_SIMPLE(struct rsa, qi, CBIGNUM),
} static_ASN1_SEQUENCE_END_name(struct rsa, rsa)

ASN1_SEQUENCE(ec) = {
    ASN1_EMBED(struct ec, version, INT32),
    ASN1_SIMPLE(struct ec, scalar, ASN1_OCTET_STRING),
    ASN1_EXP_OPT(struct ec, curve, ASN1_ANY, 0),
    ASN1_EXP_OPT(struct ec, point, ASN1_BIT_STRING, 1),
} static_ASN1_SEQUENCE_END_name(struct ec, ec)
    /* clang-format on */

    /* For ks_auto. */
    static void info_freep(struct info * *info)
{
    ASN1_item_free((ASN1_VALUE *)*info, ASN1_ITEM_rptr(info));
}

static void
rsa_freep(struct rsa **rsa)
{
    ASN1_item_free((ASN1_VALUE *)*rsa, ASN1_ITEM_rptr(rsa));
}

static void
ec_freep(struct ec **ec)
{
    ASN1_item_free((ASN1_VALUE *)*ec, ASN1_ITEM_rptr(ec));
}

static ks_err read_ec(const uint8_t *der, size_t len, const ASN1_TYPE *curve,
                      struct private_key *out, struct fault *why);
static ks_err read_ed25519(const uint8_t *der, size_t len, struct private_key *out,
                           struct fault *why);
static ks_err keep_rsa(const struct rsa *rsa, struct private_key *out, struct fault *why);
static ks_err check_rsa(const struct rsa *rsa, struct fault *why);
static ks_err make_ec(const ASN1_TYPE *curve, const struct ec *ec, struct private_key *out,
                      struct fault *why);

void
private_key_deinit(struct private_key *key)
{
    keyfile_deinit(&key->memory);
    *key = (struct private_key)PRIVATE_KEY_INIT;
}

static ks_err
malformed(const char *what, struct fault *why)
{
    fault_set(why, "the file holds no well-formed %s: it is damaged, or cut off", what);
    return KS_ERR_BAD_REQUEST;
}

static ks_err
contradiction(const char *what, struct fault *why)
{
    fault_set(why, "the private key in the file contradicts itself: %s", what);
    return KS_ERR_BAD_REQUEST;
}

/* The structure over all of `der`, or nothing. */
static void *
read_item(const uint8_t *der, size_t len, const ASN1_ITEM *item)
{
    const uint8_t *at = der;
    ASN1_VALUE *value = ASN1_item_d2i(NULL, &at, (long)len, item);

    if (value && at == der + len)
        return value;
    ERR_clear_error();
    ASN1_item_free(value, item);
    return NULL;
}

ks_err
private_key_from_pkcs8(const uint8_t *der, size_t len, struct private_key *out, struct fault *why)
{
    ks_auto(info_freep) struct info *info = read_item(der, len, ASN1_ITEM_rptr(info));
    const uint8_t *secret;
    size_t secret_len;

    if (!info || info->version < 0 || info->version > PKCS8_MAX_VERSION)
        return malformed("PKCS#8 private key", why);
    secret = ASN1_STRING_get0_data(info->secret);
    secret_len = (size_t)ASN1_STRING_length(info->secret);
    switch (OBJ_obj2nid(info->algorithm->algorithm)) {
    case NID_rsaEncryption:
        return private_key_from_rsa(secret, secret_len, out, why);
    case NID_X9_62_id_ecPublicKey:
        return read_ec(secret, secret_len, info->algorithm->parameter, out, why);
    case NID_ED25519:
        return read_ed25519(secret, secret_len, out, why);
    default:
        fault_set(why, "the file's private key is neither RSA nor EC nor Ed25519");
        return KS_ERR_BAD_REQUEST;
    }
}

ks_err
private_key_from_rsa(const uint8_t *der, size_t len, struct private_key *out, struct fault *why)
{
    ks_auto(rsa_freep) struct rsa *rsa = read_item(der, len, ASN1_ITEM_rptr(rsa));
    ks_err err;

    if (!rsa || rsa->version != 0)
        return malformed("RSA private key of two primes", why);
    err = keep_rsa(rsa, out, why);
    return err ? err : check_rsa(rsa, why);
}

ks_err
private_key_from_ec(const uint8_t *der, size_t len, struct private_key *out, struct fault *why)
{
    return read_ec(der, len, NULL, out, why);
}

/* Room in the key's locked memory, which is never more than it was made for. */
static uint8_t *
add_part(struct private_key *key, enum private_key_part part, size_t len)
{
    uint8_t *to = key->memory.data + key->memory.len;

    key->memory.len += len;
    key->parts[part].data = to;
    key->parts[part].len = len;
    return to;
}

static ks_err
keep_rsa(const struct rsa *rsa, struct private_key *out, struct fault *why)
{
    const BIGNUM *const numbers[PRIVATE_KEY_PART_COUNT] = {
        [PRIVATE_KEY_SECRET] = rsa->d,      [PRIVATE_KEY_MODULUS] = rsa->n,
        [PRIVATE_KEY_EXPONENT] = rsa->e,    [PRIVATE_KEY_PRIME_1] = rsa->p,
        [PRIVATE_KEY_PRIME_2] = rsa->q,     [PRIVATE_KEY_EXPONENT_1] = rsa->dp,
        [PRIVATE_KEY_EXPONENT_2] = rsa->dq, [PRIVATE_KEY_COEFFICIENT] = rsa->qi,
    };
    ks_err err = keyfile_new((size_t)PRIVATE_KEY_PART_COUNT * NUMBER_MAX_LEN, &out->memory, why);

    for (size_t i = 0; !err && i < ARRAY_LEN(numbers); i++) {
        int len = BN_num_bytes(numbers[i]);

        if (len > NUMBER_MAX_LEN)
            return malformed("RSA private key", why);
        BN_bn2bin(numbers[i], add_part(out, (enum private_key_part)i, (size_t)len));
    }
    if (err)
        return err;
    if (spki_from_rsa(out->parts[PRIVATE_KEY_MODULUS].data, out->parts[PRIVATE_KEY_MODULUS].len,
                      out->parts[PRIVATE_KEY_EXPONENT].data, out->parts[PRIVATE_KEY_EXPONENT].len,
                      &out->spki, why) != KS_OK)
        return contradiction("its modulus or its public exponent cannot be one", why);
    if (out->spki.type != KS_KEY_TYPE_ANY)
        return KS_OK;
    fault_set(why,
              "the file's RSA key has a modulus of %zu bytes; keys of 2048, 3072 and 4096 "
              "bits are imported",
              out->parts[PRIVATE_KEY_MODULUS].len);
    return KS_ERR_BAD_REQUEST;
}

/* What one check computes; all of it secret. */
struct check {
    BN_CTX *ctx;
    BIGNUM *p1, *q1, *x;
};

static void
check_deinit(struct check *check)
{
    BN_clear_free(check->p1);
    BN_clear_free(check->q1);
    BN_clear_free(check->x);
    BN_CTX_free(check->ctx);
}

/* a * b mod m is 1? */
static bool
is_inverse(struct check *check, const BIGNUM *a, const BIGNUM *b, const BIGNUM *m)
{
    return BN_mod_mul(check->x, a, b, m, check->ctx) == 1 && BN_is_one(check->x);
}

/* a mod m is b? */
static bool
is_residue(struct check *check, const BIGNUM *a, const BIGNUM *m, const BIGNUM *b)
{
    return BN_mod(check->x, a, m, check->ctx) == 1 && BN_cmp(check->x, b) == 0;
}

static const char *
find_contradiction(const struct rsa *rsa, struct check *check)
{
    int half = BN_num_bits(rsa->n) / 2;

    if (BN_num_bits(rsa->p) != half || BN_num_bits(rsa->q) != half || !BN_is_odd(rsa->p) ||
        !BN_is_odd(rsa->q) || BN_cmp(rsa->p, rsa->q) == 0)
        return "its primes are not two of half the modulus' length";
    if (BN_mul(check->x, rsa->p, rsa->q, check->ctx) != 1 || BN_cmp(check->x, rsa->n) != 0)
        return "its modulus is not the product of its primes";
    if (BN_sub(check->p1, rsa->p, BN_value_one()) != 1 ||
        BN_sub(check->q1, rsa->q, BN_value_one()) != 1)
        return "no memory to check it";
    if (BN_cmp(rsa->d, rsa->n) >= 0 || BN_num_bits(rsa->d) <= half ||
        !is_inverse(check, rsa->d, rsa->e, check->p1) ||
        !is_inverse(check, rsa->d, rsa->e, check->q1))
        return "its private exponent does not belong to the public one";
    if (!is_residue(check, rsa->d, check->p1, rsa->dp) ||
        !is_residue(check, rsa->d, check->q1, rsa->dq) || BN_cmp(rsa->qi, rsa->p) >= 0 ||
        !is_inverse(check, rsa->qi, rsa->q, rsa->p))
        return "its CRT exponents or coefficient do not belong to its primes";
    return NULL;
}

static ks_err
check_rsa(const struct rsa *rsa, struct fault *why)
{
    ks_auto(check_deinit) struct check check = {BN_CTX_secure_new(), BN_secure_new(),
                                                BN_secure_new(), BN_secure_new()};
    const char *wrong;

    if (!check.ctx || !check.p1 || !check.q1 || !check.x) {
        fault_set(why, "no memory to check the private key");
        return KS_ERR_INTERNAL;
    }
    wrong = find_contradiction(rsa, &check);
    return wrong ? contradiction(wrong, why) : KS_OK;
}

/* `curve`: what PrivateKeyInfo's algorithm says; NULL: the key itself has to. */
static ks_err
read_ec(const uint8_t *der, size_t len, const ASN1_TYPE *curve, struct private_key *out,
        struct fault *why)
{
    ks_auto(ec_freep) struct ec *ec = read_item(der, len, ASN1_ITEM_rptr(ec));

    if (!ec || ec->version != EC_VERSION || (ec->point && (ec->point->flags & UNUSED_BITS) != 0))
        return malformed("EC private key", why);
    if (curve && ec->curve && ASN1_TYPE_cmp(curve, ec->curve) != 0)
        return contradiction("it names two curves", why);
    return make_ec(curve ? curve : ec->curve, ec, out, why);
}

/* ANY: not by name, or none of ours. */
static enum ks_key_type
curve_type(const ASN1_TYPE *curve)
{
    if (!curve || curve->type != V_ASN1_OBJECT)
        return KS_KEY_TYPE_ANY;
    switch (OBJ_obj2nid(curve->value.object)) {
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

/* The public point of a scalar; 0: it is none of this curve, or not the claimed one (NULL: none). */
static size_t
public_point(const EC_GROUP *group, const BIGNUM *scalar, const ASN1_BIT_STRING *claimed,
             uint8_t out[static KS_PUBLIC_KEY_MAX_LEN])
{
    ks_auto(ossl_point_freep) EC_POINT *point = EC_POINT_new(group);
    ks_auto(ossl_point_freep) EC_POINT *other = EC_POINT_new(group);
    BN_CTX *ctx = BN_CTX_secure_new();
    size_t len = 0;

    if (point && other && ctx && !BN_is_zero(scalar) &&
        BN_cmp(scalar, EC_GROUP_get0_order(group)) < 0 &&
        EC_POINT_mul(group, point, scalar, NULL, NULL, ctx) == 1 &&
        (!claimed || (EC_POINT_oct2point(group, other, ASN1_STRING_get0_data(claimed),
                                         (size_t)ASN1_STRING_length(claimed), ctx) == 1 &&
                      EC_POINT_cmp(group, point, other, ctx) == 0)))
        len = EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, out,
                                 KS_PUBLIC_KEY_MAX_LEN, ctx);
    BN_CTX_free(ctx);
    return len;
}

static ks_err
make_ec(const ASN1_TYPE *curve, const struct ec *ec, struct private_key *out, struct fault *why)
{
    ks_auto(ossl_bn_clear_freep) BIGNUM *scalar = BN_secure_new();
    ks_auto(ossl_group_freep) EC_GROUP *group = NULL;
    enum ks_key_type type = curve_type(curve);
    uint8_t point[KS_PUBLIC_KEY_MAX_LEN];
    const uint8_t *params;
    size_t params_len, len;
    unsigned long bits;
    ks_err err;

    if (type == KS_KEY_TYPE_ANY || !spki_parameters(type, &params, &params_len, &bits)) {
        fault_set(why, "the file's EC key is on another curve than P-256, P-384 and P-521, or "
                       "spells its curve out instead of naming it");
        return KS_ERR_BAD_REQUEST;
    }
    group = EC_GROUP_new_by_curve_name(OBJ_obj2nid(curve->value.object));
    /* Some makers leave leading zeros out, some add one. */
    if (!group || !scalar ||
        !BN_bin2bn(ASN1_STRING_get0_data(ec->scalar), ASN1_STRING_length(ec->scalar), scalar))
        return KS_ERR_INTERNAL;
    len = ((size_t)EC_GROUP_get_degree(group) + 7) / 8;
    if ((size_t)BN_num_bytes(scalar) > len)
        return contradiction("its secret is longer than its curve's field", why);
    err = keyfile_new(len, &out->memory, why);
    if (err)
        return err;
    BN_bn2binpad(scalar, add_part(out, PRIVATE_KEY_SECRET, len), (int)len);
    len = public_point(group, scalar, ec->point, point);
    if (len == 0)
        return contradiction("its secret does not belong to its curve or to its public key", why);
    return spki_from_ec(params, params_len, point, len, &out->spki, why);
}

/* CurvePrivateKey ::= OCTET STRING, inside of the one of PrivateKeyInfo */
static ks_err
read_ed25519(const uint8_t *der, size_t len, struct private_key *out, struct fault *why)
{
    ks_auto(ossl_string_freep) ASN1_OCTET_STRING *seed =
        read_item(der, len, ASN1_ITEM_rptr(ASN1_OCTET_STRING));
    ks_auto(ossl_pkey_freep) EVP_PKEY *pkey = NULL;
    uint8_t point[ED25519_LEN];
    size_t point_len = sizeof(point), params_len;
    const uint8_t *params, *bytes;
    unsigned long bits;
    ks_err err;

    if (!seed || ASN1_STRING_length(seed) != ED25519_LEN ||
        !spki_parameters(KS_KEY_TYPE_ED25519, &params, &params_len, &bits))
        return malformed("Ed25519 private key", why);
    err = keyfile_new(ED25519_LEN, &out->memory, why);
    if (err)
        return err;
    bytes = memcpy(add_part(out, PRIVATE_KEY_SECRET, ED25519_LEN), ASN1_STRING_get0_data(seed),
                   ED25519_LEN);
    pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, bytes, ED25519_LEN);
    if (!pkey || EVP_PKEY_get_raw_public_key(pkey, point, &point_len) != 1) {
        fault_set(why, "the public half of the Ed25519 key cannot be computed");
        return KS_ERR_INTERNAL;
    }
    return spki_from_ec(params, params_len, point, point_len, &out->spki, why);
}
