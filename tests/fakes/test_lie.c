/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_lie - public keys that the token does not have, and that nobody sees to be none
 */
#include "tests/fakes/lie.h"

#include <criterion/criterion.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <string.h>

#include "tests/fakes/break_rig.h"

TestSuite(lie, .init = rig_begin, .fini = rig_end, .timeout = 60);

Test(lie, is_about_a_point_with_another_one_on_the_same_curve)
{
    static const struct {
        const char *name;
        int nid;
    } curves[] = {
        {"P-256", NID_X9_62_prime256v1}, {"P-384", NID_secp384r1}, {"P-521", NID_secp521r1}};

    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
        EVP_PKEY *key = EVP_EC_gen(curves[i].name);
        EC_GROUP *group = EC_GROUP_new_by_curve_name(curves[i].nid);
        EC_POINT *point = EC_POINT_new(group);
        uint8_t told[200], *at = told + 1;
        CK_ATTRIBUTE attribute = {CKA_EC_POINT, told, 0};
        uint8_t before[200];
        size_t len = 0, header;

        told[0] = V_ASN1_OCTET_STRING;
        cr_assert_eq(EVP_PKEY_get_octet_string_param(key, "pub", before, sizeof(before), &len), 1);
        if (len > 127)
            *at++ = 0x81;
        *at++ = (uint8_t)len;
        header = (size_t)(at - told);
        memcpy(at, before, len);
        attribute.ulValueLen = header + len;
        lie_about(&attribute, 1);
        cr_expect_neq(memcmp(at, before, len), 0, "%s", curves[i].name);
        cr_expect_eq(EC_POINT_oct2point(group, point, at, len, NULL), 1, "%s", curves[i].name);
        lie_about(&attribute, 1);
        cr_expect_eq(memcmp(at, before, len), 0, "%s: the negative's negative", curves[i].name);
        EC_POINT_free(point);
        EC_GROUP_free(group);
        EVP_PKEY_free(key);
    }
}

Test(lie, is_about_a_modulus_with_another_that_openssl_takes)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    EVP_PKEY *other = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    BIGNUM *n = NULL;
    uint8_t modulus[256], before[256];
    unsigned int e = 65537;
    bool taken = false;
    CK_ATTRIBUTE attribute = {CKA_MODULUS, modulus, sizeof(modulus)};
    OSSL_PARAM parameters[3];

    cr_assert_eq(EVP_PKEY_get_bn_param(key, "n", &n), 1);
    cr_assert_eq(BN_bn2binpad(n, before, sizeof(before)), 256);
    memcpy(modulus, before, sizeof(modulus));
    lie_about(&attribute, 1);
    cr_assert_neq(memcmp(modulus, before, sizeof(modulus)), 0);

    BN_bin2bn(modulus, sizeof(modulus), n);
    BN_bn2nativepad(n, modulus, sizeof(modulus));
    parameters[0] = OSSL_PARAM_construct_BN("n", modulus, sizeof(modulus));
    parameters[1] = OSSL_PARAM_construct_uint("e", &e);
    parameters[2] = OSSL_PARAM_construct_end();
    cr_assert_eq(EVP_PKEY_fromdata_init(ctx), 1);
    cr_assert_eq(EVP_PKEY_fromdata(ctx, &other, EVP_PKEY_PUBLIC_KEY, parameters), 1);
    EVP_PKEY_CTX_free(ctx);
    ctx = EVP_PKEY_CTX_new(other, NULL);
    /* It draws numbers, and with some of them it finds a factor of a modulus that is no key's. */
    for (int i = 0; i < 20 && !taken; i++)
        taken = EVP_PKEY_public_check(ctx) == 1;
    cr_assert(taken);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(other);
    EVP_PKEY_free(key);
    BN_free(n);
}

Test(lie, goes_through_the_module_and_to_nobody_who_asks_only_for_the_length)
{
    CK_BYTE honest[100], told[100];
    CK_ATTRIBUTE attribute = {CKA_EC_POINT, honest, sizeof(honest)};

    cr_assert_eq(rig.p11->C_GetAttributeValue(rig.session, rig.public_key, &attribute, 1), CKR_OK);
    rig_write("rules", "C_GetAttributeValue:*:lie\n");
    attribute = (CK_ATTRIBUTE){CKA_EC_POINT, NULL, 0};
    cr_assert_eq(rig.p11->C_GetAttributeValue(rig.session, rig.public_key, &attribute, 1), CKR_OK);
    cr_assert_eq(attribute.ulValueLen, 67);
    attribute.pValue = told;
    cr_assert_eq(rig.p11->C_GetAttributeValue(rig.session, rig.public_key, &attribute, 1), CKR_OK);
    cr_assert_eq(memcmp(told, honest, 3 + 32), 0, "the same x");
    cr_assert_neq(memcmp(told, honest, 67), 0);
}
