/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status_view - texts of the service's state, and differences between two looks at it
 */
#include "client/cli/status_view.h"

#include <inttypes.h>
#include <stdio.h>

#define RATE_COLUMNS 5
#define TIME_COLUMNS 4

static char *operations_text(const struct status_look *before, const struct status_look *now);
static char *times_text(const struct status_look *before, const struct status_look *now);
static char *trouble_text(const struct ks_metrics *metrics);

void
status_look_deinit(struct status_look *look)
{
    look->status = ks_status_free(look->status);
    look->metrics = ks_metrics_free(look->metrics);
}

/* "3d 4h", "5m 6s": the two largest units. */
static void
uptime_text(uint64_t ms, char *out, size_t cap)
{
    uint64_t s = ms / 1000;

    if (s >= 86400)
        snprintf(out, cap, "%" PRIu64 "d %" PRIu64 "h", s / 86400, s / 3600 % 24);
    else if (s >= 3600)
        snprintf(out, cap, "%" PRIu64 "h %" PRIu64 "m", s / 3600, s / 60 % 60);
    else
        snprintf(out, cap, "%" PRIu64 "m %" PRIu64 "s", s / 60, s % 60);
}

char *
status_view_text(const struct ks_status *status)
{
    ks_auto(freep) char *tokens = token_view_text(status);
    char *text = NULL;
    char uptime[64];

    uptime_text(status->uptime_ms, uptime, sizeof(uptime));
    if (!tokens || asprintf(&text,
                            "keysvcd %s, configuration %" PRIu64 ", up %s, connections: %u\n"
                            "you are uid %u%s%s%s\n\n%s",
                            status->version, status->generation, uptime, status->connections,
                            status->uid, status->unit[0] ? ", unit " : "", status->unit,
                            status->administrator ? ", an administrator" : "", tokens) < 0)
        return NULL;
    return text;
}

bool
status_view_restarted(const struct status_look *before, const struct status_look *now)
{
    if (before->metrics && now->metrics)
        return before->metrics->started_us != now->metrics->started_us;
    return now->status->uptime_ms < before->status->uptime_ms;
}

char *
status_view_rates(const struct status_look *before, const struct status_look *now)
{
    ks_auto(freep) char *state = status_view_text(now->status);
    ks_auto(freep) char *operations = NULL;
    ks_auto(freep) char *times = NULL;
    ks_auto(freep) char *trouble = NULL;
    char *text = NULL;

    if (!state || !now->metrics)
        return ks_steal(&state);
    if (!before->metrics || now->at_ms <= before->at_ms || status_view_restarted(before, now))
        before = NULL;
    operations = operations_text(before, now);
    times = times_text(before, now);
    trouble = trouble_text(now->metrics);
    if (!operations || !times || !trouble ||
        asprintf(&text, "%s\n%s\n%s\n%s", state, operations, times, trouble) < 0)
        return NULL;
    return text;
}

/* How much of this was counted before; none for what was not there. */
static uint64_t
count_before(const struct status_look *before, const struct ks_request_count *count)
{
    for (size_t i = 0; before && i < before->metrics->n_requests; i++) {
        const struct ks_request_count *old = &before->metrics->requests[i];

        if (strcmp(old->operation, count->operation) == 0 &&
            strcmp(old->outcome, count->outcome) == 0)
            return old->count;
    }
    return 0;
}

struct operation_sum {
    uint64_t total, failed, total_new, failed_new;
};

static struct operation_sum
sum_operation(const struct status_look *before, const struct status_look *now, const char *name)
{
    struct operation_sum sum = {0};

    for (size_t i = 0; i < now->metrics->n_requests; i++) {
        const struct ks_request_count *count = &now->metrics->requests[i];
        bool failed = strcmp(count->outcome, "OK") != 0;
        uint64_t is_new = count->count - count_before(before, count);

        if (strcmp(count->operation, name) != 0)
            continue;
        sum.total += count->count;
        sum.total_new += is_new;
        sum.failed += failed ? count->count : 0;
        sum.failed_new += failed ? is_new : 0;
    }
    return sum;
}

/* "-" where there is nothing to compare with. */
static void
add_rate(struct table *table, const struct status_look *before, const struct status_look *now,
         uint64_t is_new)
{
    if (before)
        table_add(table, "%.1f", (double)is_new * 1000 / (double)(now->at_ms - before->at_ms));
    else
        table_add(table, "-");
}

/* The outcomes of one operation stand together in the list. */
static char *
operations_text(const struct status_look *before, const struct status_look *now)
{
    static const char *const HEADING[RATE_COLUMNS] = {"OPERATION", "PER SECOND", "NOT OK", "TOTAL",
                                                      "NOT OK"};
    ks_auto(table_deinit) struct table table = TABLE_INIT(RATE_COLUMNS);
    const char *name = "";

    for (size_t i = 0; i < RATE_COLUMNS; i++)
        table_add(&table, "%s", HEADING[i]);
    for (size_t i = 0; i < now->metrics->n_requests; i++) {
        struct operation_sum sum;

        if (strcmp(now->metrics->requests[i].operation, name) == 0)
            continue;
        name = now->metrics->requests[i].operation;
        sum = sum_operation(before, now, name);
        table_add(&table, "%s", name);
        add_rate(&table, before, now, sum.total_new);
        add_rate(&table, before, now, sum.failed_new);
        table_add(&table, "%" PRIu64, sum.total);
        table_add(&table, "%" PRIu64, sum.failed);
    }
    return table_text(&table);
}

static uint64_t
n_jobs(const struct ks_metrics *metrics, const struct ks_job_times *times)
{
    uint64_t n = 0;

    for (size_t i = 0; times && i <= metrics->n_bounds; i++)
        n += times->execution_counts[i];
    return n;
}

static const struct ks_job_times *
times_before(const struct status_look *before, const char *class)
{
    for (size_t i = 0; before && i < before->metrics->n_times; i++) {
        if (strcmp(before->metrics->times[i].operation_class, class) == 0)
            return &before->metrics->times[i];
    }
    return NULL;
}

/* Means of the jobs since the last look, or, where there is none, since the start. */
static void
add_times(struct table *table, const struct status_look *before, const struct status_look *now,
          const struct ks_job_times *times)
{
    const struct ks_job_times *old = times_before(before, times->operation_class);
    uint64_t n = n_jobs(now->metrics, times) - (old ? n_jobs(before->metrics, old) : 0);
    uint64_t queue_us = times->queue_us - (old ? old->queue_us : 0);
    uint64_t execution_us = times->execution_us - (old ? old->execution_us : 0);

    table_add(table, "%s", times->operation_class);
    add_rate(table, before, now, n);
    if (n > 0) {
        table_add(table, "%.3f ms", (double)queue_us / 1000 / (double)n);
        table_add(table, "%.3f ms", (double)execution_us / 1000 / (double)n);
    } else {
        table_add(table, "-");
        table_add(table, "-");
    }
}

static char *
times_text(const struct status_look *before, const struct status_look *now)
{
    static const char *const HEADING[TIME_COLUMNS] = {"JOBS", "PER SECOND", "MEAN WAIT",
                                                      "MEAN WORK"};
    ks_auto(table_deinit) struct table table = TABLE_INIT(TIME_COLUMNS);

    for (size_t i = 0; i < TIME_COLUMNS; i++)
        table_add(&table, "%s", HEADING[i]);
    for (size_t i = 0; i < now->metrics->n_times; i++) {
        if (n_jobs(now->metrics, &now->metrics->times[i]) > 0)
            add_times(&table, before, now, &now->metrics->times[i]);
    }
    return table_text(&table);
}

/* What somebody may have to look at. */
static char *
trouble_text(const struct ks_metrics *metrics)
{
    uint64_t restarts = metrics->front_restarts, failures = metrics->keysvcd_audit_failures;
    uint64_t unsynced = 0, unsynced_ms = 0, refusals = 0;
    char *text = NULL;

    for (size_t i = 0; i < metrics->n_workers; i++)
        restarts += metrics->workers[i].restarts;
    for (size_t i = 0; i < metrics->n_refusals; i++)
        refusals += metrics->refusals[i].count;
    for (size_t i = 0; i < metrics->n_chains; i++) {
        const struct ks_chain_metrics *chain = &metrics->chains[i];

        failures += chain->failures;
        unsynced += chain->unsynced;
        unsynced_ms = chain->unsynced_ms > unsynced_ms ? chain->unsynced_ms : unsynced_ms;
    }
    if (asprintf(&text,
                 "restarts: %" PRIu64 ", refusals: %" PRIu64 ", audit failures: %" PRIu64
                 ", records not on the disk: %" PRIu64 " (for %.1f s)%s\n",
                 restarts, refusals, failures, unsynced, (double)unsynced_ms / 1000,
                 metrics->last_reload_failed ? ", the last reload failed" : "") < 0)
        return NULL;
    return text;
}
