/* SPDX-License-Identifier: Apache-2.0 */
#include "token/idle.h"

#include <criterion/criterion.h>

#include "base/clock.h"
#include "test_worker.h"

#define EVERY_MS 5000

static struct bed *bed;
static struct pulse pulse;

/* A token that was called just now. */
static void
set_up(void)
{
    bed = bed_new();
    bed_list(bed);
    pulse = (struct pulse){.n_calls = 0};
    bed->worker.p11.pulse = &pulse;
    bed->worker.config->tokens[0].profile.idle_check_ms = EVERY_MS;
    atomic_store(&pulse.since_ms, clock_mono_ms());
}

static void
tear_down(void)
{
    bed->worker.p11.pulse = NULL; /* no page to be unmapped */
    bed = bed_free(bed);
}

TestSuite(idle, .init = set_up, .fini = tear_down);

static void
let_it_be_due(void)
{
    atomic_store(&pulse.since_ms, clock_mono_ms() - EVERY_MS);
}

Test(idle, sleeps_no_longer_than_until_the_next_look)
{
    cr_assert_gt(idle_timeout_ms(&bed->worker, -1), 0);
    cr_assert_leq(idle_timeout_ms(&bed->worker, -1), EVERY_MS);
    cr_assert_eq(idle_timeout_ms(&bed->worker, 0), 0, "what else is due is not put off");
    let_it_be_due();
    cr_assert_eq(idle_timeout_ms(&bed->worker, -1), 0);
    bed->worker.config->tokens[0].profile.idle_check_ms = 0;
    cr_assert_eq(idle_timeout_ms(&bed->worker, -1), -1, "off");
    cr_assert_eq(idle_timeout_ms(&bed->worker, 7), 7);
}

Test(idle, looks_when_it_is_due_and_any_call_counts_as_a_look)
{
    idle_check(&bed->worker);
    cr_assert_eq(atomic_load(&pulse.n_calls), 0, "too early");
    let_it_be_due();
    idle_check(&bed->worker);
    cr_assert_gt(atomic_load(&pulse.n_calls), 0);
    cr_assert_gt(idle_timeout_ms(&bed->worker, -1), 0, "the look was one");
    cr_assert_eq(bed->worker.exit_code, WORKER_GO_ON);
}

Test(idle, never_looks_when_it_is_off)
{
    bed->worker.config->tokens[0].profile.idle_check_ms = 0;
    let_it_be_due();
    idle_check(&bed->worker);
    cr_assert_eq(atomic_load(&pulse.n_calls), 0);
}

Test(idle, costs_a_healthy_token_no_login_and_no_search)
{
    unsigned int n_logins = fake_n_calls(FAKE_LOGIN), n_searches = fake_n_calls(FAKE_FIND_INIT);
    unsigned int n_asked = bed->n_asked;

    for (int i = 0; i < 3; i++) {
        let_it_be_due();
        idle_check(&bed->worker);
    }
    cr_assert_eq(fake_n_calls(FAKE_LOGIN), n_logins);
    cr_assert_eq(fake_n_calls(FAKE_FIND_INIT), n_searches);
    cr_assert_eq(bed->n_asked, n_asked);
}

Test(idle, a_token_that_is_gone_ends_the_process)
{
    let_it_be_due();
    fake_fail_next(FAKE_TOKEN_INFO, CKR_TOKEN_NOT_PRESENT);
    idle_check(&bed->worker);
    cr_assert_eq(bed->worker.exit_code, CONTROL_EXIT_TOKEN_LOST);
}

Test(idle, one_vague_answer_is_none_and_is_asked_about_soon)
{
    let_it_be_due();
    fake_fail_next(FAKE_TOKEN_INFO, CKR_GENERAL_ERROR);
    idle_check(&bed->worker);
    cr_assert_eq(bed->worker.exit_code, WORKER_GO_ON);
    cr_assert_leq(idle_timeout_ms(&bed->worker, -1), IDLE_AGAIN_MS);
    let_it_be_due();
    idle_check(&bed->worker);
    cr_assert_gt(idle_timeout_ms(&bed->worker, -1), IDLE_AGAIN_MS, "the token is well");
    for (int i = 1; i <= IDLE_VAGUE_MAX; i++) {
        cr_assert_eq(bed->worker.exit_code, WORKER_GO_ON);
        let_it_be_due();
        fake_fail_next(FAKE_TOKEN_INFO, CKR_GENERAL_ERROR);
        idle_check(&bed->worker);
    }
    cr_assert_eq(bed->worker.exit_code, CONTROL_EXIT_TOKEN_LOST);
}

Test(idle, a_session_that_is_gone_is_opened_again_with_one_login)
{
    unsigned int n_logins = fake_n_calls(FAKE_LOGIN);

    let_it_be_due();
    fake_lose_session();
    idle_check(&bed->worker);
    cr_assert_eq(bed->worker.exit_code, WORKER_GO_ON);
    cr_assert_eq(fake_n_calls(FAKE_LOGIN), n_logins + 1);
}

Test(idle, a_token_that_refuses_the_pin_is_asked_no_second_time)
{
    let_it_be_due();
    fake_lose_session();
    bed->denial = KS_ERR_LOGIN_BLOCKED;
    idle_check(&bed->worker);
    cr_assert_eq(bed->worker.exit_code, CONTROL_EXIT_LOGIN_BLOCKED);
}
