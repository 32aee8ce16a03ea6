/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_turn - one start at a time, and one token's trouble is not the others'
 */
#include <criterion/criterion.h>

#include "supervisor/turn.h"

static struct event_base *base;
static struct turn *turn;
static int n_granted[3];

static void
count(void *context)
{
    (*(int *)context)++;
}

static struct turn_place places[3] = {
    {.granted = count, .context = &n_granted[0], .token = "main"},
    {.granted = count, .context = &n_granted[1], .token = "main"},
    {.granted = count, .context = &n_granted[2], .token = "other"},
};

static void
setup(void)
{
    base = event_base_new();
    cr_assert_eq(turn_new(base, 20, &turn), KS_OK);
}

static void
teardown(void)
{
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        turn_done(turn, &places[i]);
    turn = turn_free(turn);
    event_base_free(base);
}

TestSuite(turn, .init = setup, .fini = teardown, .timeout = 30);

Test(turn, is_held_by_one_and_goes_to_the_next_in_order)
{
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        turn_want(turn, &places[i]);
    cr_assert(n_granted[0] == 1 && n_granted[1] == 0 && n_granted[2] == 0);
    turn_want(turn, &places[0]);
    turn_done(turn, &places[0]);
    cr_assert(n_granted[0] == 1 && n_granted[1] == 1 && n_granted[2] == 0);
    turn_done(turn, &places[1]);
    cr_assert_eq(n_granted[2], 1);
    cr_assert(turn_held(&places[2]));
}

Test(turn, is_not_given_to_one_that_left_the_queue)
{
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        turn_want(turn, &places[i]);
    turn_done(turn, &places[1]);
    turn_done(turn, &places[1]);
    turn_done(turn, &places[0]);
    cr_assert(n_granted[1] == 0 && n_granted[2] == 1);
}

Test(turn, passes_on_to_another_token_when_its_holder_overstays)
{
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        turn_want(turn, &places[i]);
    while (n_granted[2] == 0)
        event_base_loop(base, EVLOOP_ONCE);
    cr_assert_eq(n_granted[1], 0);
    cr_assert(turn_held(&places[0]));
    turn_done(turn, &places[2]);
    cr_assert_eq(n_granted[1], 0);
    turn_done(turn, &places[0]);
    cr_assert_eq(n_granted[1], 1);
}
