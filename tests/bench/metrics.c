/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics - what counting costs a request, in nanoseconds of processor time
 *
 * All that the front counts on the way of one signature: bytes in, outcome, two histograms, bytes
 * out. The times are drawn beforehand from those that signatures take, so that the branches are not
 * always the same.
 */
#include "front/metrics.h"

#include <stdio.h>
#include <time.h>

#define N_TIMES 4096 /* a power of two */
#define N_REQUESTS 20000000u
#define N_RUNS 5
#define FASTEST_US 40
#define SPREAD_US 2000

static struct metrics metrics;
static uint32_t total_us[N_TIMES], execution_us[N_TIMES];

static uint64_t
now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static double
run(void)
{
    uint64_t began_ns = now_ns();

    for (uint32_t i = 0; i < N_REQUESTS; i++) {
        metrics.received += 200;
        metrics_request(&metrics, REQUEST_SIGN, KS_OK);
        metrics_job(&metrics, METRICS_SIGN, total_us[i % N_TIMES], execution_us[i % N_TIMES]);
        metrics.sent += 100;
    }
    return (double)(now_ns() - began_ns) / N_REQUESTS;
}

int
main(void)
{
    srandom(1);
    for (size_t i = 0; i < N_TIMES; i++) {
        execution_us[i] = FASTEST_US + (uint32_t)random() % SPREAD_US;
        total_us[i] = execution_us[i] + (uint32_t)random() % SPREAD_US;
    }
    for (int i = 0; i < N_RUNS; i++)
        printf("%.1f ns a request\n", run());
    return metrics.requests[REQUEST_SIGN][KS_OK] == (uint64_t)N_RUNS * N_REQUESTS ? 0 : 1;
}
