/* SPDX-License-Identifier: Apache-2.0 */
/*
 * work - selecting agents, running a verb's steps, the summary
 */
#include "client/agent/console/work.h"

#include <fnmatch.h>
#include <stdio.h>

#include "client/agent/tame.h"

static json_t *as_json(const struct work *work);
static void print(const struct work *work);

void
work_deinit(struct work *work)
{
    for (size_t i = 0; i < work->n_jobs; i++)
        outcome_deinit(&work->jobs[i].outcome);
    free(work->jobs);
    memset(work, 0, sizeof(*work));
}

/* --- which --- */

static bool
is_selected(const struct console *console, const struct peer *peer)
{
    for (size_t i = 0; i < console->n_words; i++) {
        if (fnmatch(console->words[i], peer->name, 0) == 0)
            return true;
    }
    return console->n_words == 0;
}

static ks_err
check_words(const struct console *console, struct report *report)
{
    for (size_t i = 0; i < console->n_words; i++) {
        size_t j = 0;

        while (j < fleet_n(console->fleet) &&
               fnmatch(console->words[i], fleet_at(console->fleet, j)->name, 0) != 0)
            j++;
        if (j < fleet_n(console->fleet))
            continue;
        report_fail(report, KS_ERR_NOT_FOUND, "%s: no such agent", console->words[i]);
        report_hint(report, "see keysvc-agent console list");
        return KS_ERR_NOT_FOUND;
    }
    return KS_OK;
}

ks_err
work_select(struct console *console, bool must_say, struct work *out, struct report *report)
{
    ks_err err = check_words(console, report);

    if (err)
        return err;
    if (must_say && console->n_words == 0 && !console->all)
        return report_fail(report, KS_ERR_USAGE, "say which agents, by names and globs, or --all");
    out->jobs = calloc(fleet_n(console->fleet) + 1, sizeof(*out->jobs));
    if (!out->jobs)
        return report_fail(report, KS_ERR_INTERNAL, "no memory for the agents");
    for (size_t i = 0; i < fleet_n(console->fleet); i++) {
        struct peer *peer = fleet_at(console->fleet, i);

        if (is_selected(console, peer))
            out->jobs[out->n_jobs++].peer = peer;
    }
    if (out->n_jobs > 0)
        return KS_OK;
    report_fail(report, KS_ERR_NOT_FOUND, "there are no agents in the list");
    report_hint(report, "keysvc-agent console add NAME ADDRESS");
    return KS_ERR_NOT_FOUND;
}

/* --- doing it --- */

ks_err
work_remember(struct console *console, struct work *work, struct report *report)
{
    json_t *json = NULL;
    struct fault why = FAULT_INIT;
    ks_err err = last_run_json(console, work, &json, &why);

    work->remembered = true;
    if (!err)
        err = confdir_write(console->dir, LAST_RUN_NAME, json, &why);
    json_decref(json);
    return err ? report_fault(report, err, &why) : KS_OK;
}

void
work_run(const struct console *console, struct work *work, job_step_fn step)
{
    struct progress progress = {.terminal = isatty(STDERR_FILENO), .silent = console->json};
    const struct parallel parallel = {
        .n_at_once = console->n_at_once,
        .timeout_ms = console->timeout_ms,
        .progress = &progress,
    };

    parallel_run(&parallel, work->jobs, work->n_jobs, step);
}

ks_err
work_save(struct console *console, struct work *work, struct report *report)
{
    struct fault why = FAULT_INIT;
    ks_err err = fleet_save(console->fleet, &why);

    if (err)
        return report_fault(report, err, &why);
    return work->remembered ? work_remember(console, work, report) : KS_OK;
}

int
work_code(const struct work *work)
{
    for (size_t i = 0; i < work->n_jobs; i++) {
        if (work->jobs[i].outcome.code)
            return (int)work->jobs[i].outcome.code;
    }
    return KS_OK;
}

int
work_end(struct console *console, struct work *work, json_t *extra, struct report *report)
{
    ks_err err = work_save(console, work, report);

    if (console->json) {
        json_t *json = as_json(work);

        if (json && extra)
            (void)json_object_update(json, extra);
        if (json)
            json_dumpf(json, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(json);
    } else {
        print(work);
    }
    json_decref(extra);
    return err ? (int)err : work_code(work);
}

/* --- telling --- */

static size_t
n_failed(const struct work *work)
{
    size_t n = 0;

    for (size_t i = 0; i < work->n_jobs; i++)
        n += work->jobs[i].outcome.code ? 1 : 0;
    return n;
}

/* {"agents": [...], "summary": {...}}; NULL: no memory. */
static json_t *
as_json(const struct work *work)
{
    json_t *agents = json_array();

    for (size_t i = 0; i < work->n_jobs; i++) {
        if (json_array_append_new(
                agents, outcome_json(&work->jobs[i].outcome, work->jobs[i].peer->name)) != 0)
            break;
    }
    return json_pack("{s:o?, s:{s:I, s:I}}", "agents", agents, "summary", "succeeded",
                     (json_int_t)(work->n_jobs - n_failed(work)), "failed",
                     (json_int_t)n_failed(work));
}

/* What the agent or the console expected and found, of the checks that failed. */
static void
print_checks(const struct job *job)
{
    const json_t *check;
    size_t index;

    json_array_foreach(job->outcome.checks, index, check)
    {
        const char *texts[] = {"check", "expected", "found"};
        char clean[ARRAY_LEN(texts)][512];

        if (!json_is_false(json_object_get(check, "passed")))
            continue;
        for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
            const char *text = json_string_value(json_object_get(check, texts[i]));

            snprintf(clean[i], sizeof(clean[i]), "%s", text ? text : "");
            tame_text(clean[i]);
        }
        printf("%s: %s: expected %s; found %s\n", job->peer->name, clean[0], clean[1], clean[2]);
    }
}

static void
print(const struct work *work)
{
    struct columns columns = {.n_columns = 3};

    columns_add(&columns, "AGENT");
    columns_add(&columns, "RESULT");
    columns_add(&columns, "DETAILS");
    for (size_t i = 0; i < work->n_jobs; i++) {
        const struct outcome *outcome = &work->jobs[i].outcome;

        columns_add(&columns, "%s", work->jobs[i].peer->name);
        columns_add(&columns, "%s", err_info(outcome->code)->name);
        columns_add(&columns, "%s", outcome->message);
    }
    columns_print(&columns, stdout);
    for (size_t i = 0; i < work->n_jobs; i++) {
        const struct outcome *outcome = &work->jobs[i].outcome;

        print_checks(&work->jobs[i]);
        if (outcome->code && outcome->hint[0])
            printf("%s: hint: %s\n", work->jobs[i].peer->name, outcome->hint);
    }
    printf("%zu succeeded, %zu failed\n", work->n_jobs - n_failed(work), n_failed(work));
}
