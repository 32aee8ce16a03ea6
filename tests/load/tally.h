/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally - what became of all requests of a run, counted by every thread and process of it at once
 *
 * One piece of shared memory, made before the fork; counters are atomic, so nothing is merged in
 * the end. Times are clock_mono_us(). Latencies are kept in buckets that are at most 0.8 % wide.
 */
#pragma once

#include <stdatomic.h>

#include "base/err.h"
#include "base/util.h"

#define TALLY_SAID_LEN 192        /* bytes of the first message of each outcome */
#define TALLY_MAX_SECONDS 7200    /* of a time line */
#define TALLY_HISTOGRAM_LEN 3328  /* buckets: up to 71 minutes */
#define TALLY_NO_LIMIT UINT64_MAX /* requests */

struct histogram {
    _Atomic uint32_t counts[TALLY_HISTOGRAM_LEN];
};

struct tally_second {
    _Atomic uint64_t ok, failed;
    struct histogram latency; /* of what was OK */
};

struct tally {
    _Atomic uint64_t asked; /* numbers given out: see tally_next */
    uint64_t limit;         /* so many requests and no more */

    _Atomic uint64_t outcomes[KS_ERR_COUNT];
    _Atomic uint64_t refused; /* failures that the service says will not be better later */
    _Atomic uint64_t wrong;   /* signatures that do not verify */
    _Atomic uint64_t doubled; /* answers to what had been answered */
    _Atomic uint64_t strange; /* answers to what was never asked, or of another kind */
    _Atomic uint64_t
        unanswered;        /* still open long behind their deadline, on a connection that lived */
    _Atomic uint64_t lost; /* open on a connection that ended */
    _Atomic uint64_t connections;
    struct {
        _Atomic bool is_set;
        char text[TALLY_SAID_LEN];
    } said[KS_ERR_COUNT]; /* the first message of each failure */

    _Atomic uint64_t max_us;        /* of what was OK */
    _Atomic uint64_t answer_max_us; /* of any answer */
    _Atomic uint64_t last_ok_us, longest_gap_us;
    _Atomic uint64_t cpu_us; /* of all client processes */
    uint64_t begun_us, ended_us;

    struct histogram latency; /* of what was OK */
    size_t n_seconds;         /* 0: no time line */
    struct tally_second seconds[];
};

/* In shared memory; NULL: no memory. `limit` as above; a time line of so many seconds. */
struct tally *tally_new(uint64_t limit, size_t n_seconds);
struct tally *tally_free(struct tally *tally);

void tally_begin(struct tally *tally, uint64_t now_us);

/* A number for one more request, 1 and up, no two alike; 0: the limit is reached. */
uint64_t tally_next(struct tally *tally);

/* A right signature. */
void tally_ok(struct tally *tally, uint64_t asked_us, uint64_t now_us);

/* `said` may be NULL; an outcome that is none counts as strange. */
void tally_failed(struct tally *tally, ks_err err, bool retryable, const char *said,
                  uint64_t asked_us, uint64_t now_us);

/* No more is asked; what came since the last OK is a gap too. */
void tally_end(struct tally *tally, uint64_t now_us);

void histogram_add(struct histogram *histogram, uint64_t us);

/* The time within which so many per mille came, 500: the median; 0: nothing was added. */
uint64_t histogram_permille(const struct histogram *histogram, unsigned int permille);
