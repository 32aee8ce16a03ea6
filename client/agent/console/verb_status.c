/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_status - console status: is each agent there, and does it show what is trusted
 *
 * Untrusted is a certificate that changed since it was trusted, or expired; then nothing is sent.
 */
#include <stdio.h>

#include "client/agent/console/steps.h"

#define TEXT_LEN 160

static bool
step(struct job *job, struct exchange *answered, struct exchange_request *next)
{
    if (job->stage++ == 0) {
        step_ask_status(job->peer, &job->peer->trust, next);
        return true;
    }
    step_note_status(job, answered);
    if (answered->outcome.code)
        return job_failed(job, answered);
    outcome_done(&job->outcome, "%s", job->peer->status);
    return false;
}

static const char *
field(const struct outcome *outcome, const char *name)
{
    const json_t *certificate = json_object_get(outcome->fields, "certificate");
    const char *text = json_string_value(json_object_get(certificate, name));

    return text ? text : "-";
}

static void
print_status(const struct work *work)
{
    struct columns columns = {.n_columns = 6};
    static const char *const HEADING[] = {"AGENT",  "STATUS",    "SUBJECT",
                                          "ISSUER", "NOT AFTER", "DETAILS"};

    for (size_t i = 0; i < ARRAY_LEN(HEADING); i++)
        columns_add(&columns, "%s", HEADING[i]);
    for (size_t i = 0; i < work->n_jobs; i++) {
        const struct outcome *outcome = &work->jobs[i].outcome;
        const json_t *certificate = json_object_get(outcome->fields, "certificate");
        bool self_signed = json_is_true(json_object_get(certificate, "self_signed"));

        columns_add(&columns, "%s", work->jobs[i].peer->name);
        columns_add(&columns, "%s", work->jobs[i].peer->status);
        columns_add(&columns, "%s", field(outcome, "subject"));
        columns_add(&columns, "%s", self_signed ? "self-signed" : field(outcome, "issuer"));
        columns_add(&columns, "%s", field(outcome, "not_after"));
        columns_add(&columns, "%s%s%s", outcome->code ? err_info(outcome->code)->name : "",
                    outcome->code ? ": " : "", outcome->code ? outcome->message : "");
    }
    columns_print(&columns, stdout);
}

int
verb_status(struct console *console, struct report *report)
{
    ks_auto(work_deinit) struct work work = {0};
    ks_err err = work_select(console, false, &work, report);

    if (err)
        return (int)err;
    work_run(console, &work, step);
    if (console->json)
        return work_end(console, &work, NULL, report);
    err = work_save(console, &work, report);
    print_status(&work);
    return err ? (int)err : work_code(&work);
}
