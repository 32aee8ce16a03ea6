/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crew - the threads of one client process, and their pace
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "tests/load/run.h"

#define STACK_LEN                                                                                  \
    (256 * 1024) /* bytes: libcrypto and protobuf need far less, and there may be thousands */
#define POLL_NS 500000

static uint64_t cpu_us(void);

bool
crew_run(const struct run *run, unsigned int first, void *process, void *(*work)(void *crew_member))
{
    ks_auto(freep) pthread_t *threads = calloc(run->n_threads, sizeof(*threads));
    ks_auto(freep) struct crew_member *members = calloc(run->n_threads, sizeof(*members));
    pthread_attr_t attributes;
    uint64_t before_us;

    if (!threads || !members)
        return false;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_LEN);
    for (unsigned int i = 0; i < run->n_threads; i++) {
        members[i] = (struct crew_member){run, process, first + i};
        if (pthread_create(&threads[i], &attributes, work, &members[i]) != 0) {
            fprintf(stderr, "load: cannot start thread %u\n", i);
            return false;
        }
    }
    while (!run->control->go)
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    before_us = cpu_us();
    for (unsigned int i = 0; i < run->n_threads; i++)
        pthread_join(threads[i], NULL);
    run->tally->cpu_us += cpu_us() - before_us;
    pthread_attr_destroy(&attributes);
    return true;
}

static uint64_t
cpu_us(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

void
crew_wait_go(const struct run *run)
{
    run->control->n_ready++;
    while (!run->control->go)
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
}

void
pace_init(struct pace *pace, const struct run *run, unsigned int index, uint64_t now_us)
{
    unsigned int n = run->n_processes * run->n_threads;

    *pace = (struct pace){0};
    if (run->rate == 0)
        return;
    pace->interval_us = (uint64_t)(1e6 * n / run->rate);
    pace->due_us = now_us + pace->interval_us * index / n;
}

void
pace_sent(struct pace *pace, uint64_t now_us)
{
    if (pace->interval_us == 0)
        return;
    pace->due_us += pace->interval_us;
    if (pace->due_us < now_us)
        pace->due_us = now_us;
}
