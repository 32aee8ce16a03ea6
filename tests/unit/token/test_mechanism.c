/* SPDX-License-Identifier: Apache-2.0 */
#include "token/mechanism.h"

#include <criterion/criterion.h>

#include "base/util.h"

Test(mechanism, has_a_name_for_what_tokens_list_and_a_number_for_the_rest)
{
    static const struct {
        CK_MECHANISM_TYPE type;
        const char *name;
    } cases[] = {
        {CKM_RSA_PKCS_KEY_PAIR_GEN, "CKM_RSA_PKCS_KEY_PAIR_GEN"},
        {CKM_RSA_PKCS_PSS, "CKM_RSA_PKCS_PSS"},
        {CKM_DSA, "CKM_DSA"},
        {CKM_DH_PKCS_DERIVE, "CKM_DH_PKCS_DERIVE"},
        {CKM_DES3_CBC, "CKM_DES3_CBC"},
        {CKM_SHA_1, "CKM_SHA_1"},
        {CKM_SHA512_HMAC_GENERAL, "CKM_SHA512_HMAC_GENERAL"},
        {CKM_GENERIC_SECRET_KEY_GEN, "CKM_GENERIC_SECRET_KEY_GEN"},
        {CKM_XOR_BASE_AND_DATA, "CKM_XOR_BASE_AND_DATA"},
        {CKM_EC_KEY_PAIR_GEN, "CKM_EC_KEY_PAIR_GEN"},
        {CKM_ECDSA, "CKM_ECDSA"},
        {CKM_EDDSA, "CKM_EDDSA"},
        {CKM_AES_KEY_WRAP_PAD, "CKM_AES_KEY_WRAP_PAD"},
        {CKM_VENDOR_DEFINED | 1, "0x80000001"},
        {0x1ff, "0x000001ff"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char name[MECHANISM_NAME_MAX + 1];

        mechanism_name(cases[i].type, name);
        cr_expect_str_eq(name, cases[i].name);
    }
}

Test(mechanism, leaves_no_name_empty_and_none_twice)
{
    static char names[0x4100][MECHANISM_NAME_MAX + 1];

    for (CK_MECHANISM_TYPE type = 0; type < ARRAY_LEN(names); type++) {
        mechanism_name(type, names[type]);
        cr_assert_neq(names[type][0], '\0', "0x%lx", type);
        if (strncmp(names[type], "0x", 2) == 0)
            continue;
        cr_assert_eq(strncmp(names[type], "CKM_", 4), 0);
        for (CK_MECHANISM_TYPE other = 0; other < type; other++)
            cr_assert_str_neq(names[type], names[other]);
    }
}

Test(mechanism, names_token_and_mechanism_only_where_the_token_does_not_do_it)
{
    struct fault why = FAULT_INIT;

    cr_assert_eq(mechanism_fault("main", CKM_EDDSA, "C_SignInit", CKR_MECHANISM_INVALID, &why),
                 KS_ERR_UNSUPPORTED);
    cr_assert_str_eq(why.text, "token main does not do CKM_EDDSA: C_SignInit: "
                               "CKR_MECHANISM_INVALID (0x70)");
    cr_assert_str_eq(why.hint, "see `keysvc token show main`");
    cr_assert_eq(why.rv, CKR_MECHANISM_INVALID);

    why = (struct fault)FAULT_INIT;
    cr_assert_eq(mechanism_fault("main", CKM_EDDSA, "C_Sign", CKR_DEVICE_REMOVED, &why),
                 KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_str_eq(why.text, "C_Sign: CKR_DEVICE_REMOVED (0x32)");
}
