/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_show - console show: the fields of status that are the same over all agents of the selection
 */
#include <stdio.h>
#include <stdlib.h>

#include "client/agent/console/identical.h"
#include "client/agent/console/steps.h"

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

/* What the agents said; those that failed said nothing. */
static json_t *
identical_fields(const struct work *work)
{
    json_t *all = json_array();
    json_t *same;

    for (size_t i = 0; i < work->n_jobs; i++) {
        const struct outcome *outcome = &work->jobs[i].outcome;
        json_t *one = json_object();

        (void)json_object_update(one, json_object_get(outcome->fields, "certificate"));
        (void)json_object_update(one, json_object_get(outcome->fields, "agent"));
        (void)json_object_set(one, "trusted_by", json_object_get(outcome->fields, "trust"));
        if (outcome->code)
            json_decref(one);
        else
            (void)json_array_append_new(all, one);
    }
    same = identical(all);
    json_decref(all);
    return same;
}

static void
write_value(FILE *out, const json_t *value)
{
    ks_auto(freep) char *text = NULL;

    if (json_is_string(value))
        fputs(json_string_value(value), out);
    else if (!json_is_null(value) && (text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT)))
        fputs(text, out);
}

/* "set: 2, kind: issued", without what is null. */
static void
write_members(FILE *out, const json_t *object)
{
    const char *name, *between = "";
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        if (json_is_null(value))
            continue;
        fprintf(out, "%s%s: ", between, name);
        write_value(out, value);
        between = ", ";
    }
}

static void
add_row(struct columns *columns, const char *name, const json_t *value)
{
    ks_auto(freep) char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return;
    if (json_is_object(value))
        write_members(out, value);
    else
        write_value(out, value);
    if (fclose(out))
        return;
    columns_add(columns, "%s", name);
    columns_add(columns, "%s", text);
}

/* Of a list each item has a row. */
static void
print_fields(const json_t *same, size_t n_agents)
{
    struct columns columns = {.n_columns = 2};
    const char *name;
    json_t *value, *item;
    size_t i;

    columns_add(&columns, "FIELD");
    columns_add(&columns, "VALUE, of %zu agent%s", n_agents, n_agents == 1 ? "" : "s");
    json_object_foreach((json_t *)(uintptr_t)same, name, value)
    {
        if (!json_is_array(value) || json_array_size(value) == 0)
            add_row(&columns, name, json_is_array(value) ? NULL : value);
        json_array_foreach(value, i, item) add_row(&columns, i == 0 ? name : "", item);
    }
    columns_print(&columns, stdout);
}

static void
print_failed(const struct work *work)
{
    for (size_t i = 0; i < work->n_jobs; i++) {
        const struct outcome *outcome = &work->jobs[i].outcome;

        if (outcome->code)
            printf("%s: left out: %s: %s\n", work->jobs[i].peer->name,
                   err_info(outcome->code)->name, outcome->message);
    }
}

int
verb_show(struct console *console, struct report *report)
{
    ks_auto(work_deinit) struct work work = {0};
    json_t *same;
    size_t n_agents = 0;
    ks_err err = work_select(console, false, &work, report);

    if (err)
        return (int)err;
    work_run(console, &work, step);
    for (size_t i = 0; i < work.n_jobs; i++)
        n_agents += work.jobs[i].outcome.code ? 0 : 1;
    same = identical_fields(&work);
    if (console->json)
        return work_end(console, &work, json_pack("{s:o?}", "fields", same), report);
    err = work_save(console, &work, report);
    if (n_agents > 0)
        print_fields(same, n_agents);
    print_failed(&work);
    json_decref(same);
    return err ? (int)err : work_code(&work);
}
