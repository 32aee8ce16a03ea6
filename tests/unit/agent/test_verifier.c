/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of a password. */
#include <criterion/criterion.h>

#include "client/agent/upload/verifier.h"

Test(verifier, knows_its_password_and_no_other)
{
    char text[VERIFIER_TEXT_MAX], other[VERIFIER_TEXT_MAX];
    struct fault why = FAULT_INIT;

    cr_assert_eq(verifier_make("geheim \xc3\xbc", text, &why), KS_OK);
    cr_assert_eq(verifier_make("geheim \xc3\xbc", other, &why), KS_OK);
    cr_assert_str_neq(text, other, "it is salted");
    cr_assert_null(strstr(text, "geheim"));
    cr_assert(verifier_matches(text, "geheim \xc3\xbc"));
    cr_assert_not(verifier_matches(text, "geheim \xc3\xbd"));
    cr_assert_not(verifier_matches(text, "geheim \xc3\xbc "));
    cr_assert_not(verifier_matches(text, ""));
    cr_assert_eq(verifier_make("", text, &why), KS_OK);
    cr_assert(verifier_matches(text, ""));
}

Test(verifier, of_other_shape_matches_nothing)
{
    char text[VERIFIER_TEXT_MAX];
    struct fault why = FAULT_INIT;

    cr_assert_not(verifier_matches("", ""));
    cr_assert_not(verifier_matches("$scrypt$", ""));
    cr_assert_not(verifier_matches("$scrypt$ln=15,r=8,p=1$", ""));
    cr_assert_eq(verifier_make("a", text, &why), KS_OK);
    text[strlen(text) - 1] = '\0';
    cr_assert_not(verifier_matches(text, "a"));
}
