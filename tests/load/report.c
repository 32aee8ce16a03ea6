/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report - the tally as one JSON object, or as lines of it
 */
#include <jansson.h>
#include <stdio.h>

#include "tests/load/run.h"

static json_t *outcomes_of(const struct tally *tally);
static json_t *said_of(const struct tally *tally);
static json_t *timeline_of(const struct tally *tally);
static double seconds_of(const struct tally *tally);
static uint64_t answered_of(const struct tally *tally);

void
report_print(const struct run *run)
{
    struct tally *tally = run->tally;
    uint64_t ok = tally->outcomes[KS_OK], answered = answered_of(tally);
    double seconds = seconds_of(tally);
    json_t *report = json_pack(
        "{s:s, s:i, s:i, s:i, s:f, s:I, s:I, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, "
        "s:I, s:I, "
        "s:I, s:I, s:I, s:I, s:f}",
        "via", run->raw ? "protocol" : "library", "processes", (int)run->n_processes, "threads",
        (int)run->n_threads, "open", (int)run->n_open, "seconds", seconds, "asked",
        (json_int_t)tally->asked, "ok", (json_int_t)ok, "outcomes", outcomes_of(tally), "said",
        said_of(tally), "refused", (json_int_t)tally->refused, "wrong", (json_int_t)tally->wrong,
        "doubled", (json_int_t)tally->doubled, "strange", (json_int_t)tally->strange, "unanswered",
        (json_int_t)tally->unanswered, "lost", (json_int_t)tally->lost, "connections",
        (json_int_t)tally->connections, "per_second", seconds > 0 ? (double)ok / seconds : 0.0,
        "median_us", (json_int_t)histogram_permille(&tally->latency, 500), "p99_us",
        (json_int_t)histogram_permille(&tally->latency, 990), "max_us", (json_int_t)tally->max_us,
        "answer_max_us", (json_int_t)tally->answer_max_us, "longest_gap_ms",
        (json_int_t)(tally->longest_gap_us / 1000), "client_cpu_us", (json_int_t)tally->cpu_us,
        "client_cpu_us_each", answered ? (double)tally->cpu_us / (double)answered : 0.0);
    size_t flags = JSON_REAL_PRECISION(7);

    if (report && tally->n_seconds > 0)
        json_object_set_new(report, "timeline", timeline_of(tally));
    json_dumpf(report, stdout, run->json ? flags : flags | JSON_INDENT(2));
    putchar('\n');
    json_decref(report);
}

/* Those that came, by name. */
static json_t *
outcomes_of(const struct tally *tally)
{
    json_t *outcomes = json_object();

    for (unsigned int i = 0; i < KS_ERR_COUNT; i++) {
        if (tally->outcomes[i] > 0)
            json_object_set_new(outcomes, err_info((ks_err)i)->name,
                                json_integer((json_int_t)tally->outcomes[i]));
    }
    return outcomes;
}

static json_t *
said_of(const struct tally *tally)
{
    json_t *said = json_object();

    for (unsigned int i = 0; i < KS_ERR_COUNT; i++) {
        if (tally->said[i].is_set)
            json_object_set_new(
                said, err_info((ks_err)i)->name,
                json_stringn_nocheck(tally->said[i].text, strlen(tally->said[i].text)));
    }
    return said;
}

/* Whole seconds of the run; the last may be a part of one. */
static json_t *
timeline_of(const struct tally *tally)
{
    size_t n = (size_t)seconds_of(tally) + 1;
    json_t *timeline = json_array();

    for (size_t i = 0; i < tally->n_seconds && i < n; i++) {
        const struct tally_second *second = &tally->seconds[i];

        json_array_append_new(
            timeline, json_pack("{s:I, s:I, s:I, s:I}", "ok", (json_int_t)second->ok, "failed",
                                (json_int_t)second->failed, "median_us",
                                (json_int_t)histogram_permille(&second->latency, 500), "p99_us",
                                (json_int_t)histogram_permille(&second->latency, 990)));
    }
    return timeline;
}

static double
seconds_of(const struct tally *tally)
{
    return (double)(tally->ended_us - tally->begun_us) / 1e6;
}

static uint64_t
answered_of(const struct tally *tally)
{
    uint64_t n = 0;

    for (unsigned int i = 0; i < KS_ERR_COUNT; i++)
        n += tally->outcomes[i];
    return n;
}
