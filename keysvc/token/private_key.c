/* SPDX-License-Identifier: Apache-2.0 */
/*
 * private_key - PrivateKeyInfo, RSAPrivateKey and ECPrivateKey, read from locked memory
 */
#include "token/private_key.h"

#include <openssl/obj_mac.h>

#include "token/ossl.h"

#define ED25519_LEN 32
#define RSA_N_NUMBERS 8     /* n e d p q dp dq qi */
#define EC_VERSION 1        /* ecPrivkeyVer1 */
#define PKCS8_MAX_VERSION 1 /* v2: with the public key */
#define NUMBER_MAX_LEN 2048 /* bytes; more is not even looked at */
#define EC_PARAMETERS_TAG 0 /* [0] */
#define EC_PUBLIC_KEY_TAG 1 /* [1] */
#define PKCS8_ATTRIBUTES 0  /* [0], implicit */
#define PKCS8_PUBLIC_KEY 1  /* [1], implicit */

static const uint8_t OID_RSA[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};
static const uint8_t OID_EC[] = {0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
static const uint8_t OID_ED25519[] = {0x06, 0x03, 0x2b, 0x65, 0x70};

/* A run of DER that is not read yet. */
struct der {
    const uint8_t *at;
    const uint8_t *end;
};

static ks_err read_pkcs8(struct der in, struct private_key *out, struct fault *why);
static ks_err read_rsa(struct der in, struct private_key *out, struct fault *why);
static ks_err check_rsa(const struct private_key *key, struct fault *why);
static ks_err read_ec(struct der in, const struct der *curve, struct private_key *out,
                      struct fault *why);
static ks_err make_ec(struct der curve, struct der scalar, struct der point,
                      struct private_key *out, struct fault *why);
static ks_err read_ed25519(struct der in, struct private_key *out, struct fault *why);

void
private_key_deinit(struct private_key *key)
{
    keyfile_deinit(&key->memory);
    *key = (struct private_key)PRIVATE_KEY_INIT;
}

static size_t
der_len(struct der in)
{
    return (size_t)(in.end - in.at);
}

/* The next element must be this one; its contents. Only definite lengths: this is DER. */
static bool
der_take(struct der *in, int class, int tag, struct der *contents)
{
    const uint8_t *at = in->at;
    int got_tag, got_class, flags;
    long len;

    if (in->at >= in->end)
        return false;
    flags = ASN1_get_object(&at, &len, &got_tag, &got_class, in->end - in->at);
    if ((flags & ~V_ASN1_CONSTRUCTED) != 0 || got_tag != tag || got_class != class)
        return false;
    *contents = (struct der){at, at + len};
    in->at = contents->end;
    return true;
}

static bool
der_sequence(struct der *in, struct der *contents)
{
    return der_take(in, V_ASN1_UNIVERSAL, V_ASN1_SEQUENCE, contents);
}

static bool
der_octets(struct der *in, struct der *contents)
{
    return der_take(in, V_ASN1_UNIVERSAL, V_ASN1_OCTET_STRING, contents);
}

static bool
der_context(struct der *in, int tag, struct der *contents)
{
    return der_take(in, V_ASN1_CONTEXT_SPECIFIC, tag, contents);
}

/* A positive number without its leading zero. */
static bool
der_number(struct der *in, struct der *out)
{
    if (!der_take(in, V_ASN1_UNIVERSAL, V_ASN1_INTEGER, out) || der_len(*out) == 0 ||
        der_len(*out) > NUMBER_MAX_LEN || (out->at[0] & 0x80) != 0)
        return false;
    while (out->at < out->end && out->at[0] == 0)
        out->at++;
    return true;
}

static bool
der_version(struct der *in, unsigned int max, unsigned int *version)
{
    struct der number;

    if (!der_number(in, &number) || der_len(number) > 1)
        return false;
    *version = der_len(number) > 0 ? number.at[0] : 0;
    return *version <= max;
}

/* The whole next element, head and all. */
static bool
der_element(struct der *in, struct der *out)
{
    const uint8_t *at = in->at;
    int tag, class;
    long len;

    if (in->at >= in->end ||
        (ASN1_get_object(&at, &len, &tag, &class, in->end - in->at) & ~V_ASN1_CONSTRUCTED) != 0)
        return false;
    *out = (struct der){in->at, at + len};
    in->at = out->end;
    return true;
}

static bool
der_is(struct der in, const uint8_t *bytes, size_t len)
{
    return der_len(in) == len && memcmp(in.at, bytes, len) == 0;
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

ks_err
private_key_from_pkcs8(const uint8_t *der, size_t len, struct private_key *out, struct fault *why)
{
    struct der in = {der, der + len}, body;

    if (!der_sequence(&in, &body) || der_len(in) > 0)
        return malformed("PKCS#8 private key", why);
    return read_pkcs8(body, out, why);
}

ks_err
private_key_from_rsa(const uint8_t *der, size_t len, struct private_key *out, struct fault *why)
{
    return read_rsa((struct der){der, der + len}, out, why);
}

ks_err
private_key_from_ec(const uint8_t *der, size_t len, struct private_key *out, struct fault *why)
{
    return read_ec((struct der){der, der + len}, NULL, out, why);
}

/* What may stand behind the key: attributes, and the public key, which is computed anyway. */
static bool
skip_rest(struct der *in)
{
    struct der ignored;

    (void)der_context(in, PKCS8_ATTRIBUTES, &ignored);
    (void)der_context(in, PKCS8_PUBLIC_KEY, &ignored);
    return der_len(*in) == 0;
}

static ks_err
read_pkcs8(struct der in, struct private_key *out, struct fault *why)
{
    struct der algorithm, oid, secret;
    unsigned int version;

    if (!der_version(&in, PKCS8_MAX_VERSION, &version) || !der_sequence(&in, &algorithm) ||
        !der_element(&algorithm, &oid) || !der_octets(&in, &secret) || !skip_rest(&in))
        return malformed("PKCS#8 private key", why);
    if (der_is(oid, OID_RSA, sizeof(OID_RSA)))
        return read_rsa(secret, out, why);
    if (der_is(oid, OID_EC, sizeof(OID_EC)))
        return read_ec(secret, &algorithm, out, why);
    if (der_is(oid, OID_ED25519, sizeof(OID_ED25519)))
        return read_ed25519(secret, out, why);
    fault_set(why, "the file's private key is neither RSA nor EC nor Ed25519");
    return KS_ERR_BAD_REQUEST;
}

/* Copies into the key's locked memory, which is never more than it was made for. */
static void
keep(struct private_key *key, enum private_key_part part, struct der from, size_t len)
{
    uint8_t *to = key->memory.data + key->memory.len;
    size_t zeros = len - der_len(from);

    memset(to, 0, zeros);
    memcpy(to + zeros, from.at, der_len(from));
    key->memory.len += len;
    key->parts[part].data = to;
    key->parts[part].len = len;
}

/* RSAPrivateKey ::= SEQUENCE { 0, n, e, d, p, q, d mod (p-1), d mod (q-1), q^-1 mod p } */
static ks_err
read_rsa(struct der in, struct private_key *out, struct fault *why)
{
    static const enum private_key_part order[RSA_N_NUMBERS] = {
        PRIVATE_KEY_MODULUS,    PRIVATE_KEY_EXPONENT,   PRIVATE_KEY_SECRET,
        PRIVATE_KEY_PRIME_1,    PRIVATE_KEY_PRIME_2,    PRIVATE_KEY_EXPONENT_1,
        PRIVATE_KEY_EXPONENT_2, PRIVATE_KEY_COEFFICIENT};
    struct der body, numbers[RSA_N_NUMBERS];
    unsigned int version;
    ks_err err;

    if (!der_sequence(&in, &body) || der_len(in) > 0 || !der_version(&body, 0, &version))
        return malformed("RSA private key of two primes", why);
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        if (!der_number(&body, &numbers[i]))
            return malformed("RSA private key", why);
    }
    if (der_len(body) > 0)
        return malformed("RSA private key", why);
    if (spki_from_rsa(numbers[0].at, der_len(numbers[0]), numbers[1].at, der_len(numbers[1]),
                      &out->spki, why) != KS_OK)
        return contradiction("its modulus or its public exponent cannot be one", why);
    if (out->spki.type == KS_KEY_TYPE_ANY) {
        fault_set(why,
                  "the file's RSA key has a modulus of %zu bytes; keys of 2048, 3072 and 4096 "
                  "bits are imported",
                  der_len(numbers[0]));
        return KS_ERR_BAD_REQUEST;
    }
    err = keyfile_new((size_t)RSA_N_NUMBERS * NUMBER_MAX_LEN, &out->memory, why);
    if (err)
        return err;
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        keep(out, order[i], numbers[i], der_len(numbers[i]));
    return check_rsa(out, why);
}

/* Numbers of one check; all of them secret. */
struct rsa_check {
    BN_CTX *ctx;
    BIGNUM *n, *e, *d, *p, *q, *dp, *dq, *qi, *p1, *q1, *x;
};

static void
rsa_check_deinit(struct rsa_check *check)
{
    BIGNUM *all[] = {check->n,  check->e,  check->d,  check->p,  check->q, check->dp,
                     check->dq, check->qi, check->p1, check->q1, check->x};

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        BN_clear_free(all[i]);
    BN_CTX_free(check->ctx);
}

static BIGNUM *
part_bn(const struct private_key *key, enum private_key_part part)
{
    BIGNUM *number = BN_secure_new();

    if (!number || !BN_bin2bn(key->parts[part].data, (int)key->parts[part].len, number)) {
        BN_clear_free(number);
        return NULL;
    }
    return number;
}

/* a * b mod m is 1? */
static bool
is_inverse(struct rsa_check *check, const BIGNUM *a, const BIGNUM *b, const BIGNUM *m)
{
    return BN_mod_mul(check->x, a, b, m, check->ctx) == 1 && BN_is_one(check->x);
}

/* a mod m is b? */
static bool
is_residue(struct rsa_check *check, const BIGNUM *a, const BIGNUM *m, const BIGNUM *b)
{
    return BN_mod(check->x, a, m, check->ctx) == 1 && BN_cmp(check->x, b) == 0;
}

static const char *
find_contradiction(struct rsa_check *check)
{
    int half = BN_num_bits(check->n) / 2;

    if (BN_num_bits(check->p) != half || BN_num_bits(check->q) != half || !BN_is_odd(check->p) ||
        !BN_is_odd(check->q) || BN_cmp(check->p, check->q) == 0)
        return "its primes are not two of half the modulus' length";
    if (BN_mul(check->x, check->p, check->q, check->ctx) != 1 || BN_cmp(check->x, check->n) != 0)
        return "its modulus is not the product of its primes";
    if (BN_sub(check->p1, check->p, BN_value_one()) != 1 ||
        BN_sub(check->q1, check->q, BN_value_one()) != 1)
        return "no memory to check it";
    if (BN_cmp(check->d, check->n) >= 0 || BN_num_bits(check->d) <= half ||
        !is_inverse(check, check->d, check->e, check->p1) ||
        !is_inverse(check, check->d, check->e, check->q1))
        return "its private exponent does not belong to the public one";
    if (!is_residue(check, check->d, check->p1, check->dp) ||
        !is_residue(check, check->d, check->q1, check->dq) || BN_cmp(check->qi, check->p) >= 0 ||
        !is_inverse(check, check->qi, check->q, check->p))
        return "its CRT exponents or coefficient do not belong to its primes";
    return NULL;
}

static ks_err
check_rsa(const struct private_key *key, struct fault *why)
{
    ks_auto(rsa_check_deinit) struct rsa_check check = {
        .ctx = BN_CTX_secure_new(),
        .n = part_bn(key, PRIVATE_KEY_MODULUS),
        .e = part_bn(key, PRIVATE_KEY_EXPONENT),
        .d = part_bn(key, PRIVATE_KEY_SECRET),
        .p = part_bn(key, PRIVATE_KEY_PRIME_1),
        .q = part_bn(key, PRIVATE_KEY_PRIME_2),
        .dp = part_bn(key, PRIVATE_KEY_EXPONENT_1),
        .dq = part_bn(key, PRIVATE_KEY_EXPONENT_2),
        .qi = part_bn(key, PRIVATE_KEY_COEFFICIENT),
        .p1 = BN_secure_new(),
        .q1 = BN_secure_new(),
        .x = BN_secure_new(),
    };
    const char *wrong;

    if (!check.ctx || !check.n || !check.e || !check.d || !check.p || !check.q || !check.dp ||
        !check.dq || !check.qi || !check.p1 || !check.q1 || !check.x) {
        fault_set(why, "no memory to check the private key");
        return KS_ERR_INTERNAL;
    }
    wrong = find_contradiction(&check);
    return wrong ? contradiction(wrong, why) : KS_OK;
}

/* `curve`: what PrivateKeyInfo's algorithm says; NULL: the key itself has to. */
static ks_err
read_ec(struct der in, const struct der *curve, struct private_key *out, struct fault *why)
{
    struct der body, scalar, inner = {NULL, NULL}, bits = {NULL, NULL}, point = {NULL, NULL};
    unsigned int version;

    if (!der_sequence(&in, &body) || der_len(in) > 0 || !der_version(&body, EC_VERSION, &version) ||
        version != EC_VERSION || !der_octets(&body, &scalar))
        return malformed("EC private key", why);
    (void)der_context(&body, EC_PARAMETERS_TAG, &inner);
    if (der_context(&body, EC_PUBLIC_KEY_TAG, &bits) &&
        (!der_take(&bits, V_ASN1_UNIVERSAL, V_ASN1_BIT_STRING, &point) || der_len(point) < 1 ||
         *point.at++ != 0 || der_len(bits) > 0))
        return malformed("EC private key", why);
    if (der_len(body) > 0)
        return malformed("EC private key", why);
    if (!curve)
        return make_ec(inner, scalar, point, out, why);
    if (inner.at && !der_is(inner, curve->at, der_len(*curve)))
        return contradiction("it names two curves", why);
    return make_ec(*curve, scalar, point, out, why);
}

static int
curve_nid(struct der curve)
{
    static const struct {
        enum ks_key_type type;
        int nid;
    } curves[] = {
        {KS_KEY_TYPE_EC_P256, NID_X9_62_prime256v1},
        {KS_KEY_TYPE_EC_P384, NID_secp384r1},
        {KS_KEY_TYPE_EC_P521, NID_secp521r1},
    };

    for (size_t i = 0; i < ARRAY_LEN(curves); i++) {
        const uint8_t *params;
        unsigned long bits;
        size_t len;

        if (spki_parameters(curves[i].type, &params, &len, &bits) && der_is(curve, params, len))
            return curves[i].nid;
    }
    return NID_undef;
}

/* The public point of a scalar; 0: it is none of this curve. */
static size_t
public_point(const EC_GROUP *group, const struct private_key *key, struct der claimed,
             uint8_t out[static KS_PUBLIC_KEY_MAX_LEN])
{
    ks_auto(ossl_point_freep) EC_POINT *point = EC_POINT_new(group);
    ks_auto(ossl_point_freep) EC_POINT *other = EC_POINT_new(group);
    ks_auto(ossl_bn_clear_freep) BIGNUM *scalar = part_bn(key, PRIVATE_KEY_SECRET);
    BN_CTX *ctx = BN_CTX_secure_new();
    size_t len = 0;

    if (point && other && scalar && ctx && !BN_is_zero(scalar) &&
        BN_cmp(scalar, EC_GROUP_get0_order(group)) < 0 &&
        EC_POINT_mul(group, point, scalar, NULL, NULL, ctx) == 1 &&
        (!claimed.at || (EC_POINT_oct2point(group, other, claimed.at, der_len(claimed), ctx) == 1 &&
                         EC_POINT_cmp(group, point, other, ctx) == 0)))
        len = EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, out,
                                 KS_PUBLIC_KEY_MAX_LEN, ctx);
    BN_CTX_free(ctx);
    return len;
}

static ks_err
make_ec(struct der curve, struct der scalar, struct der point, struct private_key *out,
        struct fault *why)
{
    ks_auto(ossl_group_freep) EC_GROUP *group = NULL;
    uint8_t bytes[KS_PUBLIC_KEY_MAX_LEN];
    int nid = curve_nid(curve);
    size_t len;
    ks_err err;

    if (nid == NID_undef) {
        fault_set(why, "the file's EC key is on another curve than P-256, P-384 and P-521, or "
                       "spells its curve out instead of naming it");
        return KS_ERR_BAD_REQUEST;
    }
    group = EC_GROUP_new_by_curve_name(nid);
    if (!group)
        return KS_ERR_INTERNAL;
    /* Some makers leave leading zeros out, some add one. */
    while (der_len(scalar) > 0 && scalar.at[0] == 0)
        scalar.at++;
    len = ((size_t)EC_GROUP_get_degree(group) + 7) / 8;
    if (der_len(scalar) > len)
        return contradiction("its secret is longer than its curve's field", why);
    err = keyfile_new(len, &out->memory, why);
    if (err)
        return err;
    keep(out, PRIVATE_KEY_SECRET, scalar, len);
    len = public_point(group, out, point, bytes);
    if (len == 0)
        return contradiction("its secret does not belong to its curve or to its public key", why);
    return spki_from_ec(curve.at, der_len(curve), bytes, len, &out->spki, why);
}

/* CurvePrivateKey ::= OCTET STRING, inside of the one of PrivateKeyInfo */
static ks_err
read_ed25519(struct der in, struct private_key *out, struct fault *why)
{
    ks_auto(ossl_pkey_freep) EVP_PKEY *pkey = NULL;
    uint8_t point[ED25519_LEN];
    size_t len = sizeof(point);
    struct der seed;
    ks_err err;

    if (!der_octets(&in, &seed) || der_len(in) > 0 || der_len(seed) != ED25519_LEN)
        return malformed("Ed25519 private key", why);
    err = keyfile_new(ED25519_LEN, &out->memory, why);
    if (err)
        return err;
    keep(out, PRIVATE_KEY_SECRET, seed, ED25519_LEN);
    pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed.at, ED25519_LEN);
    if (!pkey || EVP_PKEY_get_raw_public_key(pkey, point, &len) != 1) {
        fault_set(why, "the public half of the Ed25519 key cannot be computed");
        return KS_ERR_INTERNAL;
    }
    return spki_from_ec(OID_ED25519, sizeof(OID_ED25519), point, len, &out->spki, why);
}
