/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally - counters, and histograms whose buckets grow with the time they stand for
 */
#include "tests/load/tally.h"

#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>

/* Up to 2 * 128 us a bucket for each; then 128 buckets for each doubling, up to 2^32 us. */
#define SUB_BITS 7
#define SUB_COUNT (1u << SUB_BITS)
#define LAST_US UINT32_MAX

static_assert(TALLY_HISTOGRAM_LEN == 2 * SUB_COUNT + (31 - SUB_BITS) * SUB_COUNT,
              "every time up to LAST_US has its bucket");

static size_t tally_size(size_t n_seconds);
static void raise_to(_Atomic uint64_t *max, uint64_t value);
static struct tally_second *second_of(struct tally *tally, uint64_t now_us);
static size_t bucket_of(uint64_t us);
static uint64_t bucket_middle(size_t bucket);

struct tally *
tally_new(uint64_t limit, size_t n_seconds)
{
    struct tally *tally;

    if (n_seconds > TALLY_MAX_SECONDS)
        n_seconds = TALLY_MAX_SECONDS;
    tally = mmap(NULL, tally_size(n_seconds), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                 -1, 0);
    if (tally == MAP_FAILED)
        return NULL;
    tally->limit = limit;
    tally->n_seconds = n_seconds;
    return tally;
}

struct tally *
tally_free(struct tally *tally)
{
    if (tally)
        munmap(tally, tally_size(tally->n_seconds));
    return NULL;
}

static size_t
tally_size(size_t n_seconds)
{
    return sizeof(struct tally) + n_seconds * sizeof(struct tally_second);
}

void
tally_begin(struct tally *tally, uint64_t now_us)
{
    tally->begun_us = now_us;
    tally->last_ok_us = now_us;
}

uint64_t
tally_next(struct tally *tally)
{
    uint64_t asked = tally->asked;

    do {
        if (asked >= tally->limit)
            return 0;
    } while (!atomic_compare_exchange_weak(&tally->asked, &asked, asked + 1));
    return asked + 1;
}

void
tally_ok(struct tally *tally, uint64_t asked_us, uint64_t now_us)
{
    struct tally_second *second = second_of(tally, now_us);
    uint64_t took_us = now_us > asked_us ? now_us - asked_us : 0;
    uint64_t before_us = atomic_exchange(&tally->last_ok_us, now_us);

    tally->outcomes[KS_OK]++;
    histogram_add(&tally->latency, took_us);
    raise_to(&tally->max_us, took_us);
    raise_to(&tally->answer_max_us, took_us);
    /* Another thread may have looked at the clock later and been here earlier. */
    if (now_us > before_us)
        raise_to(&tally->longest_gap_us, now_us - before_us);
    if (!second)
        return;
    second->ok++;
    histogram_add(&second->latency, took_us);
}

void
tally_failed(struct tally *tally, ks_err err, bool retryable, const char *said, uint64_t asked_us,
             uint64_t now_us)
{
    struct tally_second *second = second_of(tally, now_us);

    if (err == KS_OK || (unsigned int)err >= KS_ERR_COUNT) {
        tally->strange++;
        return;
    }
    tally->outcomes[err]++;
    tally->refused += !retryable;
    raise_to(&tally->answer_max_us, now_us > asked_us ? now_us - asked_us : 0);
    if (second)
        second->failed++;
    if (said && !atomic_exchange(&tally->said[err].is_set, true))
        snprintf(tally->said[err].text, sizeof(tally->said[err].text), "%s", said);
}

void
tally_end(struct tally *tally, uint64_t now_us)
{
    tally->ended_us = now_us;
    if (now_us > tally->last_ok_us)
        raise_to(&tally->longest_gap_us, now_us - tally->last_ok_us);
}

static void
raise_to(_Atomic uint64_t *max, uint64_t value)
{
    uint64_t was = *max;

    while (was < value && !atomic_compare_exchange_weak(max, &was, value))
        continue;
}

static struct tally_second *
second_of(struct tally *tally, uint64_t now_us)
{
    uint64_t second = now_us > tally->begun_us ? (now_us - tally->begun_us) / 1000000 : 0;

    return second < tally->n_seconds ? &tally->seconds[second] : NULL;
}

void
histogram_add(struct histogram *histogram, uint64_t us)
{
    atomic_fetch_add_explicit(&histogram->counts[bucket_of(us)], 1, memory_order_relaxed);
}

uint64_t
histogram_permille(const struct histogram *histogram, unsigned int permille)
{
    uint64_t n = 0, seen = 0, wanted;

    for (size_t i = 0; i < TALLY_HISTOGRAM_LEN; i++)
        n += histogram->counts[i];
    wanted = (n * permille + 999) / 1000;
    for (size_t i = 0; n > 0 && i < TALLY_HISTOGRAM_LEN; i++) {
        seen += histogram->counts[i];
        if (seen >= wanted && seen > 0)
            return bucket_middle(i);
    }
    return 0;
}

static size_t
bucket_of(uint64_t us)
{
    unsigned int shift;

    if (us > LAST_US)
        us = LAST_US;
    if (us < 2 * SUB_COUNT)
        return us;
    shift = 63 - (unsigned int)__builtin_clzll(us) - SUB_BITS;
    return shift * SUB_COUNT + (us >> shift);
}

static uint64_t
bucket_middle(size_t bucket)
{
    size_t shift = bucket < 2 * SUB_COUNT ? 0 : bucket / SUB_COUNT - 1;

    return ((uint64_t)(bucket - shift * SUB_COUNT) << shift) + ((1ull << shift) >> 1);
}
