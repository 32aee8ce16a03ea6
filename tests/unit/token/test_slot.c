/* SPDX-License-Identifier: Apache-2.0 */
#include "token/slot.h"

#include <criterion/criterion.h>

#include "test_worker.h"

static struct bed *bed;

static void
set_up(void)
{
    bed = bed_new();
}

static void
tear_down(void)
{
    bed = bed_free(bed);
}

TestSuite(slot, .init = set_up, .fini = tear_down);

/* The bed is logged in; each case logs in again after a loss. */
static ks_err
log_in_again(struct fault *why)
{
    fake_log_out();
    return slot_login(bed->worker.slot, why);
}

Test(slot, logs_in_with_the_pin_less_one_newline)
{
    struct fault why = FAULT_INIT;

    cr_assert_eq(log_in_again(&why), KS_OK);
    bed->pin = FAKE_PIN;
    cr_assert_eq(log_in_again(&why), KS_OK);
    bed->pin = FAKE_PIN "\n\n";
    cr_assert_eq(log_in_again(&why), KS_ERR_LOGIN_BLOCKED);
    cr_assert_eq(bed->told, KS_ERR_LOGIN_BLOCKED);
}

Test(slot, does_not_call_the_token_when_it_is_denied_or_has_no_pin)
{
    unsigned int n = fake_n_calls(FAKE_LOGIN);
    char too_long[300];
    struct fault why = FAULT_INIT;

    memset(too_long, '1', sizeof(too_long));
    too_long[sizeof(too_long) - 1] = '\0';
    bed->pin = "";
    cr_assert_eq(log_in_again(&why), KS_ERR_LOGIN_BLOCKED);
    bed->pin = too_long;
    cr_assert_eq(log_in_again(&why), KS_ERR_LOGIN_BLOCKED);
    bed->denial = KS_ERR_LOGIN_BLOCKED;
    cr_assert_eq(log_in_again(&why), KS_ERR_LOGIN_BLOCKED);
    cr_assert_eq(fake_n_calls(FAKE_LOGIN), n);
    cr_assert_eq(bed->n_told + 1, bed->n_asked, "a denial is not told back");
}

Test(slot, keeps_away_from_a_token_whose_pin_count_is_low_final_or_locked)
{
    static const CK_FLAGS flags[] = {CKF_USER_PIN_COUNT_LOW, CKF_USER_PIN_FINAL_TRY,
                                     CKF_USER_PIN_LOCKED};
    unsigned int n = fake_n_calls(FAKE_LOGIN);

    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        struct fault why = FAULT_INIT;

        fake_token_flags(flags[i]);
        cr_assert_eq(log_in_again(&why), KS_ERR_LOGIN_BLOCKED);
        cr_assert(why.hint[0]);
    }
    cr_assert_eq(fake_n_calls(FAKE_LOGIN), n);
}

Test(slot, overlooks_a_low_count_once_when_told_to_but_no_final_try)
{
    struct fault why = FAULT_INIT;

    bed_new_slot(bed, true);
    fake_token_flags(CKF_USER_PIN_COUNT_LOW);
    cr_assert_eq(log_in_again(&why), KS_OK);
    cr_assert_eq(log_in_again(&why), KS_ERR_LOGIN_BLOCKED);
    bed_new_slot(bed, true);
    fake_token_flags(CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY);
    cr_assert_eq(log_in_again(&why), KS_ERR_LOGIN_BLOCKED);
}

Test(slot, tells_a_failure_that_says_nothing_about_the_pin_apart)
{
    struct fault why = FAULT_INIT;

    fake_fail_next(FAKE_LOGIN, CKR_DEVICE_ERROR);
    cr_assert_eq(log_in_again(&why), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(bed->told, KS_ERR_TOKEN_UNAVAILABLE);
    fake_fail_next(FAKE_LOGIN, CKR_PIN_LOCKED);
    cr_assert_eq(log_in_again(&why), KS_ERR_LOGIN_BLOCKED);
}

Test(slot, has_another_generation_after_every_recovery)
{
    uint64_t generation = slot_generation(bed->worker.slot);
    struct fault why = FAULT_INIT;

    fake_lose_session();
    cr_assert_eq(slot_recover(bed->worker.slot, CKR_SESSION_HANDLE_INVALID, &why), KS_OK);
    cr_assert(slot_generation(bed->worker.slot) > generation);
    generation = slot_generation(bed->worker.slot);
    fake_log_out();
    cr_assert_eq(slot_recover(bed->worker.slot, CKR_USER_NOT_LOGGED_IN, &why), KS_OK);
    cr_assert(slot_generation(bed->worker.slot) > generation);
    fake_lose_session();
    fake_fail_next(FAKE_OPEN_SESSION, CKR_DEVICE_REMOVED);
    cr_assert_eq(slot_recover(bed->worker.slot, CKR_SESSION_CLOSED, &why),
                 KS_ERR_TOKEN_UNAVAILABLE);
}

Test(slot, asks_again_after_a_vague_answer_about_the_token_and_believes_the_last)
{
    unsigned int n = fake_n_calls(FAKE_TOKEN_INFO);
    struct fault why = FAULT_INIT;
    CK_TOKEN_INFO info;

    fake_fail_times(FAKE_TOKEN_INFO, SLOT_INFO_TRIES - 1, CKR_GENERAL_ERROR);
    cr_assert_eq(slot_token_info(bed->worker.slot, &info, &why), KS_OK, "%s", why.text);
    cr_assert_eq(fake_n_calls(FAKE_TOKEN_INFO), n + SLOT_INFO_TRIES);
    fake_fail_times(FAKE_TOKEN_INFO, SLOT_INFO_TRIES, CKR_FUNCTION_FAILED);
    cr_assert_eq(slot_token_info(bed->worker.slot, &info, &why), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(why.rv, CKR_FUNCTION_FAILED);
    cr_assert_eq(slot_token_info(bed->worker.slot, &info, &why), KS_OK);
}

Test(slot, asks_once_about_a_token_that_is_gone)
{
    unsigned int n = fake_n_calls(FAKE_TOKEN_INFO);
    struct fault why = FAULT_INIT;
    CK_TOKEN_INFO info;

    fake_fail_next(FAKE_TOKEN_INFO, CKR_TOKEN_NOT_PRESENT);
    cr_assert_eq(slot_token_info(bed->worker.slot, &info, &why), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(fake_n_calls(FAKE_TOKEN_INFO), n + 1);
}
