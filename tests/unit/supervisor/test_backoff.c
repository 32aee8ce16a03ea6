/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_backoff - waits between restarts
 */
#include <criterion/criterion.h>

#include "supervisor/backoff.h"

/* Starts, lives, dies; the wait. */
static uint32_t
live(struct backoff *backoff, uint64_t *now_ms, uint32_t lived_ms, uint32_t floor_ms)
{
    uint32_t wait_ms;

    backoff_started(backoff, *now_ms);
    *now_ms += lived_ms;
    wait_ms = backoff_died(backoff, floor_ms, BACKOFF_MAX_MS, *now_ms);
    *now_ms += wait_ms;
    return wait_ms;
}

Test(backoff, restarts_at_once_the_first_time)
{
    struct backoff backoff = {0};
    uint64_t now_ms = 1000;

    cr_assert_eq(live(&backoff, &now_ms, 5, 0), 0);
}

Test(backoff, doubles_while_it_dies_soon_up_to_half_a_minute)
{
    struct backoff backoff = {0};
    uint64_t now_ms = 1000;
    uint32_t wait_ms = live(&backoff, &now_ms, 5, 0);
    uint32_t before_ms = BACKOFF_FIRST_MS / 2;

    for (int i = 0; i < 20; i++) {
        wait_ms = live(&backoff, &now_ms, 5, 0);
        cr_assert_eq(wait_ms, before_ms * 2 < BACKOFF_MAX_MS ? before_ms * 2 : BACKOFF_MAX_MS);
        before_ms = wait_ms;
    }
    cr_assert_eq(wait_ms, BACKOFF_MAX_MS);
}

Test(backoff, stays_where_it_is_when_the_child_lived_for_a_while)
{
    struct backoff backoff = {0};
    uint64_t now_ms = 1000;

    live(&backoff, &now_ms, 5, 0);
    live(&backoff, &now_ms, 5, 0);
    cr_assert_eq(live(&backoff, &now_ms, 5, 0), 2 * BACKOFF_FIRST_MS);
    cr_assert_eq(live(&backoff, &now_ms, BACKOFF_QUICK_MS, 0), 2 * BACKOFF_FIRST_MS);
}

Test(backoff, forgets_everything_after_a_healthy_minute)
{
    struct backoff backoff = {0};
    uint64_t now_ms = 1000;

    for (int i = 0; i < 10; i++)
        live(&backoff, &now_ms, 5, 0);
    cr_assert_eq(live(&backoff, &now_ms, BACKOFF_HEALTHY_MS, 0), 0);
    cr_assert_eq(live(&backoff, &now_ms, 5, 0), BACKOFF_FIRST_MS);
}

Test(backoff, never_waits_less_than_its_floor)
{
    struct backoff backoff = {0};
    uint64_t now_ms = 1000;

    cr_assert_eq(live(&backoff, &now_ms, 5, BACKOFF_NO_TOKEN_MS), BACKOFF_NO_TOKEN_MS);
    cr_assert_eq(live(&backoff, &now_ms, 5, BACKOFF_NO_TOKEN_MS), 2 * BACKOFF_NO_TOKEN_MS);
    backoff_reset(&backoff);
    cr_assert_eq(live(&backoff, &now_ms, 5, BACKOFF_NO_TOKEN_MS), BACKOFF_NO_TOKEN_MS);
}

/* Starts, becomes ready, serves, dies; the wait. */
static uint32_t
serve(struct backoff *backoff, uint64_t *now_ms, uint32_t served_ms, bool useful)
{
    uint32_t wait_ms;

    backoff_started(backoff, *now_ms);
    *now_ms += 50;
    backoff_ready(backoff, *now_ms);
    *now_ms += served_ms;
    if (useful)
        backoff_useful(backoff);
    wait_ms = backoff_died(backoff, 0, BACKOFF_MAX_MS, *now_ms);
    *now_ms += wait_ms;
    return wait_ms;
}

Test(backoff, starts_at_once_what_served_for_as_long_as_it_would_have_to_wait)
{
    struct backoff backoff = {0};
    uint64_t now_ms = 1000;

    for (int i = 0; i < 10; i++)
        cr_assert_eq(serve(&backoff, &now_ms, BACKOFF_FIRST_MS, false), 0);
    /* A little less, and it is as if it had not been ready at all. */
    cr_assert_eq(serve(&backoff, &now_ms, BACKOFF_FIRST_MS - 1, false), BACKOFF_FIRST_MS);
    for (int i = 0; i < 20; i++)
        serve(&backoff, &now_ms, BACKOFF_FIRST_MS - 1, false);
    cr_assert_eq(backoff.wait_ms, BACKOFF_MAX_MS);
}

Test(backoff, does_not_let_what_did_its_work_wait_for_long)
{
    struct backoff backoff = {0};
    uint64_t now_ms = 1000;

    for (int i = 0; i < 20; i++)
        cr_assert_leq(serve(&backoff, &now_ms, 1, true), BACKOFF_USEFUL_MAX_MS);
    cr_assert_eq(backoff.wait_ms, BACKOFF_USEFUL_MAX_MS);
    /* The next one did not, and the doubling goes on from there. */
    cr_assert_eq(serve(&backoff, &now_ms, 1, false), 2 * BACKOFF_USEFUL_MAX_MS);
    cr_assert_eq(live(&backoff, &now_ms, 5, 0), 4 * BACKOFF_USEFUL_MAX_MS);
}

Test(backoff, looks_for_an_absent_token_each_second_however_long_it_is_away)
{
    struct backoff backoff = {0};
    uint64_t now_ms = 1000;
    uint32_t wait_ms = 0;

    live(&backoff, &now_ms, 5, 0);
    for (int i = 0; i < 20; i++) {
        backoff_started(&backoff, now_ms);
        now_ms += 5;
        wait_ms = backoff_died(&backoff, BACKOFF_NO_TOKEN_MS, BACKOFF_NO_TOKEN_MS, now_ms);
        cr_assert_eq(wait_ms, BACKOFF_NO_TOKEN_MS);
        now_ms += wait_ms;
    }
}
