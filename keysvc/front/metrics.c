/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics - counting, and the names of what is counted
 */
#include "front/metrics.h"

/* clang-format off */
const uint64_t METRICS_BOUNDS_US[METRICS_N_BOUNDS] = {
    50, 100, 250, 500,
    1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000,
    1000000, 2500000, 5000000, 10000000, 60000000,
};

static const char *const CLASS_NAME[METRICS_CLASS_COUNT] = {
    [METRICS_CLASS_NONE] = "none",
    [METRICS_SIGN]       = "sign",
    [METRICS_CERTIFY]    = "certify",
    [METRICS_READ]       = "read",
    [METRICS_MAKE]       = "make",
    [METRICS_CHANGE]     = "change",
    [METRICS_RESCAN]     = "rescan",
};

static const char *const REFUSAL_NAME[METRICS_REFUSAL_COUNT] = {
    [METRICS_REFUSAL_RULE]        = "rule",
    [METRICS_REFUSAL_RATE]        = "rate",
    [METRICS_REFUSAL_FAILURES]    = "failures",
    [METRICS_REFUSAL_QUOTA]       = "quota",
    [METRICS_REFUSAL_QUEUE]       = "queue",
    [METRICS_REFUSAL_MALFORMED]   = "malformed",
    [METRICS_REFUSAL_PROTOCOL]    = "protocol",
    [METRICS_REFUSAL_CONNECTIONS] = "connections",
    [METRICS_REFUSAL_OVERDUE]     = "overdue",
    [METRICS_REFUSAL_UNREAD]      = "unread",
};
/* clang-format on */

static void observe(struct metrics_histogram *histogram, uint64_t us);

void
metrics_request(struct metrics *metrics, enum request_operation operation, unsigned int outcome)
{
    metrics->requests[operation][outcome]++;
}

void
metrics_job(struct metrics *metrics, enum metrics_class class, uint64_t total_us,
            uint64_t execution_us)
{
    if (execution_us > total_us)
        execution_us = total_us;
    observe(&metrics->execution[class], execution_us);
    observe(&metrics->queue[class], total_us - execution_us);
}

static void
observe(struct metrics_histogram *histogram, uint64_t us)
{
    size_t bucket = 0;

    /* To the end each time: a branch that the processor guesses wrong costs more than the rest. */
    for (size_t i = 0; i < METRICS_N_BOUNDS; i++)
        bucket += us > METRICS_BOUNDS_US[i];
    histogram->counts[bucket]++;
    histogram->sum_us += us;
}

void
metrics_refuse(struct metrics *metrics, enum metrics_refusal reason)
{
    metrics->refusals[reason]++;
}

const char *metrics_class_name(enum metrics_class class)
{
    return CLASS_NAME[class];
}

const char *
metrics_refusal_name(enum metrics_refusal reason)
{
    return REFUSAL_NAME[reason];
}

const char *
metrics_outcome_name(unsigned int outcome)
{
    return outcome == METRICS_GONE ? "GONE" : err_info((ks_err)outcome)->name;
}
