/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_key - keys of the token in memory, by OpenSSL
 */
#include "fake_object.h"

#include <criterion/criterion.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

static void
push(OSSL_PARAM_BLD *params, const char *name, const CK_ATTRIBUTE *attribute, BIGNUM **number)
{
    *number = attribute ? BN_bin2bn(attribute->pValue, (int)attribute->ulValueLen, NULL) : NULL;
    if (*number)
        cr_assert_eq(OSSL_PARAM_BLD_push_BN(params, name, *number), 1);
}

static EVP_PKEY *
pkey_from(const char *type, OSSL_PARAM_BLD *builder)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;

    cr_assert_eq(EVP_PKEY_fromdata_init(context), 1);
    if (EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_KEYPAIR, params) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return pkey;
}

EVP_PKEY *
fake_key_rsa(const CK_ATTRIBUTE *template, CK_ULONG n)
{
    static const struct {
        CK_ATTRIBUTE_TYPE type;
        const char *name;
    } parts[] = {
        {CKA_MODULUS, OSSL_PKEY_PARAM_RSA_N},
        {CKA_PUBLIC_EXPONENT, OSSL_PKEY_PARAM_RSA_E},
        {CKA_PRIVATE_EXPONENT, OSSL_PKEY_PARAM_RSA_D},
        {CKA_PRIME_1, OSSL_PKEY_PARAM_RSA_FACTOR1},
        {CKA_PRIME_2, OSSL_PKEY_PARAM_RSA_FACTOR2},
        {CKA_EXPONENT_1, OSSL_PKEY_PARAM_RSA_EXPONENT1},
        {CKA_EXPONENT_2, OSSL_PKEY_PARAM_RSA_EXPONENT2},
        {CKA_COEFFICIENT, OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
    };
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    BIGNUM *numbers[ARRAY_LEN(parts)];
    EVP_PKEY *pkey;

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        push(builder, parts[i].name, fake_object_wanted(template, n, parts[i].type), &numbers[i]);
    pkey = pkey_from("RSA", builder);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        BN_clear_free(numbers[i]);
    OSSL_PARAM_BLD_free(builder);
    return pkey;
}

/* P-256; a token computes the point itself. */
EVP_PKEY *
fake_key_ec(const CK_ATTRIBUTE *template, CK_ULONG n)
{
    const CK_ATTRIBUTE *value = fake_object_wanted(template, n, CKA_VALUE);
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *point = EC_POINT_new(group);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    uint8_t bytes[65];
    BIGNUM *secret;
    EVP_PKEY *pkey = NULL;

    push(builder, OSSL_PKEY_PARAM_PRIV_KEY, value, &secret);
    if (secret && EC_POINT_mul(group, point, secret, NULL, NULL, NULL) == 1 &&
        EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, bytes, sizeof(bytes),
                           NULL) == sizeof(bytes)) {
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, bytes, sizeof(bytes));
        pkey = pkey_from("EC", builder);
    }
    BN_clear_free(secret);
    OSSL_PARAM_BLD_free(builder);
    EC_POINT_free(point);
    EC_GROUP_free(group);
    return pkey;
}

static void
set_public(struct fake_object *object, EVP_PKEY *pkey, bool is_rsa)
{
    static const uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    static const uint8_t f4[] = {1, 0, 1};
    CK_KEY_TYPE type = is_rsa ? CKK_RSA : CKK_EC;
    uint8_t value[512];
    size_t len = 0;

    fake_object_set(object, CKA_KEY_TYPE, &type, sizeof(type));
    if (is_rsa) {
        BIGNUM *n = NULL;

        EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n);
        fake_object_set(object, CKA_MODULUS, value, (size_t)BN_bn2bin(n, value));
        fake_object_set(object, CKA_PUBLIC_EXPONENT, f4, sizeof(f4));
        BN_free(n);
        return;
    }
    EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, value + 2, sizeof(value) - 2,
                                    &len);
    value[0] = 0x04;
    value[1] = (uint8_t)len;
    fake_object_set(object, CKA_EC_PARAMS, p256, sizeof(p256));
    fake_object_set(object, CKA_EC_POINT, value, len + 2);
}

struct fake_object *
fake_key_pair(bool is_rsa, bool with_public, struct fake_object **public_object)
{
    EVP_PKEY *pkey = is_rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    struct fake_object *private_object = fake_object_new(CKO_PRIVATE_KEY, pkey);
    CK_KEY_TYPE type = is_rsa ? CKK_RSA : CKK_EC;

    fake_object_set_flag(private_object, CKA_PRIVATE, true);
    fake_object_set(private_object, CKA_KEY_TYPE, &type, sizeof(type));
    if (with_public) {
        *public_object = fake_object_new(CKO_PUBLIC_KEY, pkey);
        set_public(*public_object, pkey, is_rsa);
    } else {
        set_public(private_object, pkey, is_rsa);
    }
    EVP_PKEY_free(pkey);
    return private_object;
}

void
fake_add_pair(const char *label, bool is_rsa, bool with_public)
{
    struct fake_object *public_object = NULL;
    struct fake_object *private_object = fake_key_pair(is_rsa, with_public, &public_object);

    fake_object_set(private_object, CKA_LABEL, label, strlen(label));
    if (public_object)
        fake_object_set(public_object, CKA_LABEL, label, strlen(label));
}
