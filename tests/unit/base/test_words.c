/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "base/crypto.h"
#include "base/fault.h"
#include "base/strv.h"

Test(crypto, every_name_leads_back_to_its_value)
{
    for (int i = 1; i < KS_KEY_TYPE_COUNT; i++)
        cr_assert_eq((int)ks_key_type_from_name(ks_key_type_name((enum ks_key_type)i)), i);
    for (int i = 1; i < KS_PURPOSE_COUNT; i++)
        cr_assert_eq((int)ks_purpose_from_name(ks_purpose_name((enum ks_purpose)i)), i);
    for (int i = 1; i < KS_HASH_COUNT; i++)
        cr_assert_eq((int)ks_hash_from_name(ks_hash_name((enum ks_hash)i)), i);
    for (int i = 1; i < KS_ALGORITHM_COUNT; i++)
        cr_assert_eq((int)ks_algorithm_from_name(ks_algorithm_name((enum ks_algorithm)i)), i);
}

Test(crypto, an_unknown_name_is_none_and_an_unknown_value_has_a_harmless_name)
{
    cr_assert_eq(ks_key_type_from_name("ec-p192"), KS_KEY_TYPE_COUNT);
    cr_assert_eq(ks_purpose_from_name("none"), KS_PURPOSE_COUNT);
    cr_assert_eq(ks_hash_from_name("md5"), KS_HASH_COUNT);
    cr_assert_eq(ks_algorithm_from_name(""), KS_ALGORITHM_COUNT);
    cr_assert_str_eq(ks_algorithm_name((enum ks_algorithm)99), "unknown");
    cr_assert_eq(ks_hash_len((enum ks_hash)99), 0);
}

Test(crypto, an_algorithm_fits_its_key_type_only)
{
    cr_assert_eq(ks_algorithm_for(KS_KEY_TYPE_EC_P256, KS_ALGORITHM_DEFAULT),
                 KS_ALGORITHM_ECDSA_SHA256);
    cr_assert_eq(ks_algorithm_for(KS_KEY_TYPE_EC_P384, KS_ALGORITHM_DEFAULT),
                 KS_ALGORITHM_ECDSA_SHA384);
    cr_assert_eq(ks_algorithm_for(KS_KEY_TYPE_RSA_2048, KS_ALGORITHM_RSA_PSS_SHA512),
                 KS_ALGORITHM_RSA_PSS_SHA512);
    cr_assert_eq(ks_algorithm_for(KS_KEY_TYPE_RSA_2048, KS_ALGORITHM_ECDSA_SHA256),
                 KS_ALGORITHM_COUNT);
    cr_assert_eq(ks_algorithm_for(KS_KEY_TYPE_EC_P256, KS_ALGORITHM_ED25519), KS_ALGORITHM_COUNT);
    cr_assert_eq(ks_algorithm_for(KS_KEY_TYPE_ANY, KS_ALGORITHM_DEFAULT), KS_ALGORITHM_COUNT);
    cr_assert_eq(ks_algorithm_for((enum ks_key_type)99, KS_ALGORITHM_DEFAULT), KS_ALGORITHM_COUNT);
}

Test(fault, a_text_that_is_too_long_is_cut_and_a_prefix_keeps_its_end)
{
    struct fault why = FAULT_INIT;
    char text[1000];

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    fault_set(&why, "%s", text);
    cr_assert_eq(strlen(why.text), sizeof(why.text) - 1);
    fault_set(&why, "no such file");
    fault_prefix(&why, "token %s", "main");
    cr_assert_str_eq(why.text, "token main: no such file");
    fault_hint(&why, "look");
    cr_assert_str_eq(why.hint, "look");
}

Test(strv, owns_copies)
{
    ks_auto(strv_deinit) struct strv a = STRV_INIT;
    char text[] = "one";

    cr_assert_eq(strv_add(&a, text), KS_OK);
    text[0] = 'x';
    cr_assert(strv_contains(&a, "one"));
    cr_assert_not(strv_contains(&a, "xne"));
}

Test(util, a_text_that_does_not_fit_is_not_cut_but_refused)
{
    char out[4];

    cr_assert(text_copy(out, sizeof(out), "abc"));
    cr_assert_str_eq(out, "abc");
    cr_assert_not(text_copy(out, sizeof(out), "abcd"));
    cr_assert_str_empty(out);
}
