/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_rules - what stands in a file of rules
 */
#include "tests/fakes/rules.h"

#include <p11-kit/pkcs11.h>

#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/fakes/calls.h"

Test(rules, reads_every_form)
{
    struct rules rules;

    cr_assert_eq(rules_parse("C_Sign:3:CKR_DEVICE_REMOVED\n C_Sign:5+:hang # from the fifth\n\n"
                             "C_Login:%50:abort\nC_GetInfo:*:slow 20\n*:~7:after segv\n"
                             "token:removed\ntoken:other /a/b # c\n sessions:4\npin:3",
                             &rules),
                 0);
    cr_assert_eq(rules.n, 5);
    cr_assert(rules.device.is_removed);
    cr_assert_str_eq(rules.device.other, "/a/b");
    cr_assert_eq(rules.device.max_sessions, 4);
    cr_assert_eq(rules.device.max_tries, 3);
    cr_assert_null(rules_find(&rules, FUNCTION_C_Sign, 2));
    cr_assert_eq(rules_find(&rules, FUNCTION_C_Sign, 3)->value, CKR_DEVICE_REMOVED);
    cr_assert_null(rules_find(&rules, FUNCTION_C_Sign, 4));
    cr_assert_eq(rules_find(&rules, FUNCTION_C_Sign, 500)->action, RULE_HANG);
    cr_assert_null(rules_find(&rules, FUNCTION_C_Login, 49));
    cr_assert_eq(rules_find(&rules, FUNCTION_C_Login, 100)->action, RULE_ABORT);
    cr_assert_eq(rules_find(&rules, FUNCTION_C_GetInfo, 1)->value, 20);
}

Test(rules, knows_every_return_value_by_its_name)
{
    struct rules rules;

    cr_assert_eq(rules_parse("C_Sign:1:CKR_FUNCTION_REJECTED\nC_Sign:2:CKR_NEW_PIN_MODE", &rules),
                 0);
    cr_assert_eq(rules_find(&rules, FUNCTION_C_Sign, 1)->value, CKR_FUNCTION_REJECTED);
    cr_assert_eq(rules_find(&rules, FUNCTION_C_Sign, 2)->value, CKR_NEW_PIN_MODE);
}

Test(rules, names_the_line_that_is_no_rule)
{
    static const char *const wrong[] = {
        "C_Sign",
        "C_Sign:1",
        "C_Sing:1:hang",
        "C_Sign:0:hang",
        "C_Sign:x:hang",
        "C_Sign:1:",
        "C_Sign:1:sleep",
        "C_Sign:1:slow",
        "C_Sign:%0:hang",
        "C_Sign:1:hang now",
        "C_Sign:~0:hang",
        "C_Sign:~:hang",
        "C_Sign:1:CKR_NOTHING",
        "token:gone",
        "token:other",
        "token:removed 1",
        "sessions:0",
        "sessions:",
        "pin:x",
        "pin:1 2",
        "pins:1",
    };
    struct rules rules;
    char text[128];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(text, sizeof(text), "C_Sign:1:hang\n%s\n", wrong[i]);
        cr_expect_eq(rules_parse(text, &rules), 2, "%s", wrong[i]);
    }
}
