/* SPDX-License-Identifier: Apache-2.0 */
#include "token/ckr.h"

#include <criterion/criterion.h>

Test(ckr, has_each_value_once_and_an_error_for_all_but_ok)
{
    size_t n_rows;
    const struct ckr_info *table = ckr_table(&n_rows);

    for (size_t i = 0; i < n_rows; i++) {
        cr_expect_eq(ckr_info(table[i].rv), &table[i], "%s is there twice", table[i].name);
        cr_expect_eq(strncmp(table[i].name, "CKR_", 4), 0);
        cr_expect_eq(table[i].rv == CKR_OK, table[i].err == KS_OK, "%s", table[i].name);
        cr_expect_eq(table[i].rv == CKR_OK, table[i].action == CKR_ACTION_NONE, "%s",
                     table[i].name);
    }
}

Test(ckr, has_every_value_of_the_standard_with_its_name)
{
    static const struct {
        const char *name;
        CK_RV rv;
    } standard[] = {
#define CKR(name) {#name, name},
#include "tests/fakes/ckr-names.h"
#undef CKR
    };
    size_t n_rows;

    (void)ckr_table(&n_rows);
    for (size_t i = 0; i < ARRAY_LEN(standard); i++) {
        /* Where the vendors' begin: none itself. */
        if (standard[i].rv != CKR_VENDOR_DEFINED)
            cr_expect_str_eq(ckr_info(standard[i].rv)->name, standard[i].name);
    }
    cr_assert_eq(n_rows, ARRAY_LEN(standard) - 1);
}

Test(ckr, says_that_it_may_succeed_later_exactly_where_something_can_come_back)
{
    size_t n_rows;
    const struct ckr_info *table = ckr_table(&n_rows);

    for (size_t i = 0; i < n_rows; i++) {
        bool retryable = err_info(table[i].err)->retryable;

        if (table[i].action >= CKR_ACTION_LOGIN && table[i].action <= CKR_ACTION_ABSENT)
            cr_expect(retryable, "%s", table[i].name);
        if (table[i].action == CKR_ACTION_UNSUPPORTED || table[i].action == CKR_ACTION_BLOCKED)
            cr_expect_not(retryable, "%s", table[i].name);
    }
}

Test(ckr, blocks_the_login_exactly_where_the_pin_was_refused)
{
    size_t n_rows;
    const struct ckr_info *table = ckr_table(&n_rows);

    for (size_t i = 0; i < n_rows; i++)
        cr_expect_eq(table[i].err == KS_ERR_LOGIN_BLOCKED, table[i].action == CKR_ACTION_BLOCKED,
                     "%s", table[i].name);
    cr_assert_eq(ckr_action(CKR_PIN_INCORRECT), CKR_ACTION_BLOCKED);
    cr_assert_eq(ckr_action(CKR_PIN_LOCKED), CKR_ACTION_BLOCKED);
}

Test(ckr, knows_how_each_kind_of_loss_is_mended)
{
    cr_assert_eq(ckr_action(CKR_USER_NOT_LOGGED_IN), CKR_ACTION_LOGIN);
    cr_assert_eq(ckr_action(CKR_SESSION_HANDLE_INVALID), CKR_ACTION_REOPEN);
    cr_assert_eq(ckr_action(CKR_SESSION_CLOSED), CKR_ACTION_REOPEN);
    cr_assert_eq(ckr_action(CKR_KEY_HANDLE_INVALID), CKR_ACTION_FIND);
    cr_assert_eq(ckr_action(CKR_DEVICE_ERROR), CKR_ACTION_RESTART);
    cr_assert_eq(ckr_action(CKR_TOKEN_NOT_PRESENT), CKR_ACTION_ABSENT);
    cr_assert_eq(ckr_action(CKR_MECHANISM_INVALID), CKR_ACTION_UNSUPPORTED);
}

Test(ckr, restarts_for_a_vendor_s_value)
{
    struct fault why = FAULT_INIT;

    cr_assert_eq(ckr_fault(0x80000042, "C_Sign", &why), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(ckr_action(why.rv), CKR_ACTION_RESTART);
    cr_assert(strstr(why.text, "C_Sign") && strstr(why.text, "0x80000042"));
}

Test(ckr, calls_vague_only_what_restarts_the_process)
{
    size_t n_rows, n_vague = 0;
    const struct ckr_info *table = ckr_table(&n_rows);

    for (size_t i = 0; i < n_rows; i++) {
        if (!ckr_is_vague(table[i].rv))
            continue;
        n_vague++;
        cr_expect_eq(table[i].action, CKR_ACTION_RESTART, "%s", table[i].name);
    }
    cr_assert_eq(n_vague, 2);
    cr_assert_not(ckr_is_vague(CKR_DEVICE_ERROR));
}

Test(ckr, knows_which_answers_leave_a_pin_as_it_was)
{
    cr_expect(ckr_is_refused_pin(CKR_PIN_INCORRECT));
    cr_expect(ckr_is_refused_pin(CKR_PIN_LEN_RANGE));
    cr_expect(ckr_is_refused_pin(CKR_USER_NOT_LOGGED_IN));
    cr_expect_not(ckr_is_refused_pin(CKR_OK));
    cr_expect_not(ckr_is_refused_pin(CKR_GENERAL_ERROR));
    cr_expect_not(ckr_is_refused_pin(CKR_DEVICE_REMOVED));
    cr_expect_not(ckr_is_refused_pin(CKR_SESSION_CLOSED));
    cr_expect_not(ckr_is_refused_pin(0x80000042));
}
