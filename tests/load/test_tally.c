/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tally - that the load generator counts right: what it counts wrong, no test behind it sees
 */
#include <criterion/criterion.h>
#include <pthread.h>

#include "tests/load/run.h"

static struct tally *tally;

static void
setup(void)
{
    tally = tally_new(TALLY_NO_LIMIT, 3);
    cr_assert(tally);
    tally_begin(tally, 1000000);
}

static void
teardown(void)
{
    tally = tally_free(tally);
}

TestSuite(tally, .init = setup, .fini = teardown);

Test(tally, tells_a_time_within_one_per_cent_of_what_was_added)
{
    for (uint64_t us = 1; us < UINT32_MAX; us = us * 9 / 8 + 1) {
        struct histogram histogram = {0};
        uint64_t told;

        histogram_add(&histogram, us);
        told = histogram_permille(&histogram, 500);
        cr_assert(told <= us + us / 100 && told >= us - us / 100, "%lu is told as %lu", us, told);
    }
}

Test(tally, tells_the_longest_time_of_all_for_what_is_longer)
{
    struct histogram histogram = {0};

    histogram_add(&histogram, UINT64_MAX);
    cr_assert_gt(histogram_permille(&histogram, 990), UINT32_MAX / 100 * 99);
}

Test(tally, tells_median_and_99th_percentile_apart)
{
    struct histogram histogram = {0};

    cr_assert_eq(histogram_permille(&histogram, 500), 0);
    for (unsigned int i = 0; i < 98; i++)
        histogram_add(&histogram, 100);
    histogram_add(&histogram, 200);
    histogram_add(&histogram, 200);
    cr_assert_eq(histogram_permille(&histogram, 500), 100);
    cr_assert_eq(histogram_permille(&histogram, 980), 100);
    cr_assert_eq(histogram_permille(&histogram, 990), 200);
}

Test(tally, counts_each_outcome_and_keeps_the_first_message)
{
    tally_ok(tally, 1000000, 1000100);
    tally_failed(tally, KS_ERR_BUSY, true, "first", 1000000, 1000500);
    tally_failed(tally, KS_ERR_BUSY, true, "second", 1000000, 1000200);
    tally_failed(tally, KS_ERR_DENIED, false, NULL, 1000000, 1000200);
    cr_assert_eq(tally->outcomes[KS_OK], 1);
    cr_assert_eq(tally->outcomes[KS_ERR_BUSY], 2);
    cr_assert_eq(tally->refused, 1);
    cr_assert_str_eq(tally->said[KS_ERR_BUSY].text, "first");
    cr_assert_eq(tally->max_us, 100);
    cr_assert_eq(tally->answer_max_us, 500);
}

Test(tally, takes_an_error_that_is_none_for_strange)
{
    tally_failed(tally, KS_OK, true, NULL, 0, 0);
    tally_failed(tally, (ks_err)4711, true, NULL, 0, 0);
    cr_assert_eq(tally->strange, 2);
    cr_assert_eq(tally->outcomes[KS_OK], 0);
}

Test(tally, knows_the_longest_gap_wherever_it_is)
{
    tally_ok(tally, 1000000, 1300000);
    cr_assert_eq(tally->longest_gap_us, 300000, "before the first");
    tally_ok(tally, 1000000, 1700000);
    tally_failed(tally, KS_ERR_BUSY, true, NULL, 1000000, 1800000);
    tally_ok(tally, 1000000, 1900000);
    cr_assert_eq(tally->longest_gap_us, 400000, "between two");
    /* Another thread's clock was read before. */
    tally_ok(tally, 1000000, 1850000);
    tally_end(tally, 2900000);
    cr_assert_eq(tally->longest_gap_us, 1050000, "behind the last");
}

Test(tally, keeps_each_second_by_itself_and_drops_what_is_beyond)
{
    tally_ok(tally, 1000000, 1999999);
    tally_ok(tally, 2000000, 2000100);
    tally_failed(tally, KS_ERR_BUSY, true, NULL, 2000000, 2000100);
    tally_ok(tally, 2000000, 9000000);
    cr_assert_eq(tally->seconds[0].ok, 1);
    cr_assert_eq(tally->seconds[1].ok, 1);
    cr_assert_eq(tally->seconds[1].failed, 1);
    cr_assert_eq(tally->seconds[2].ok, 0);
    cr_assert_eq(histogram_permille(&tally->seconds[1].latency, 990), 100);
    cr_assert_eq(tally->outcomes[KS_OK], 3);
}

#define N_THREADS 4
#define N_EACH 20000

static void *
take_numbers(void *context)
{
    _Atomic uint8_t *taken = context;
    uint64_t number;

    while ((number = tally_next(tally)) != 0)
        taken[number]++;
    return NULL;
}

Test(tally, gives_each_number_once_up_to_the_limit)
{
    _Atomic uint8_t *taken = calloc(N_THREADS * N_EACH + 2, 1);
    pthread_t threads[N_THREADS];

    tally->limit = N_THREADS * N_EACH;
    for (unsigned int i = 0; i < N_THREADS; i++)
        pthread_create(&threads[i], NULL, take_numbers, (void *)taken);
    for (unsigned int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(taken[0], 0);
    for (unsigned int i = 1; i <= N_THREADS * N_EACH; i++)
        cr_assert_eq(taken[i], 1, "%u", i);
    cr_assert_eq(taken[N_THREADS * N_EACH + 1], 0);
    cr_assert_eq(tally->asked, N_THREADS * N_EACH);
    free((void *)taken);
}

Test(pace, spreads_the_clients_over_an_interval_and_does_not_catch_up)
{
    struct run run = {.n_processes = 2, .n_threads = 2, .rate = 100};
    struct pace pace;

    pace_init(&pace, &run, 1, 1000);
    cr_assert_eq(pace.interval_us, 40000);
    cr_assert_eq(pace.due_us, 11000);
    pace_sent(&pace, 11500);
    cr_assert_eq(pace.due_us, 51000, "late once, and not for ever");
    pace_sent(&pace, 500000);
    cr_assert_eq(pace.due_us, 500000);
    run.rate = 0;
    pace_init(&pace, &run, 1, 1000);
    pace_sent(&pace, 5000);
    cr_assert_eq(pace.due_us, 0);
}
