/* SPDX-License-Identifier: Apache-2.0 */
/*
 * last_run - what was done last and to whom, so that it can be done again to those that failed
 */
#include "client/agent/console/work.h"

/* What JSON cannot carry is refused: left out, the next run would be another one than this. */
static bool
set(json_t *object, const char *name, const char *text, struct fault *why)
{
    if (!text || json_object_set_new(object, name, json_string(text)) == 0)
        return true;
    fault_set(why, "%s: not UTF-8, and could not be kept for retry", name);
    return false;
}

/* Files are named from the root: the next run may be started elsewhere. */
static bool
set_path(json_t *object, const char *name, const char *path, struct fault *why)
{
    ks_auto(freep) char *whole = path ? realpath(path, NULL) : NULL;

    return set(object, name, whole ? whole : path, why);
}

static ks_err
options_json(const struct console_options *options, json_t **out, struct fault *why)
{
    json_t *json = json_pack("{s:b, s:b}", "what_if", options->what_if, "rekey", options->rekey);
    bool kept;

    if (!json)
        return KS_ERR_INTERNAL;
    kept = set_path(json, "ca_file", options->ca_file, why) &&
           set_path(json, "directory", options->directory, why);
    for (size_t i = 0; kept && i < SUBJECT_N_FIELDS; i++)
        kept = set(json, SUBJECT_FIELD_NAMES[i], options->subject[i], why);
    if (kept)
        *out = json;
    else
        json_decref(json);
    return kept ? KS_OK : KS_ERR_USAGE;
}

static json_t *
agents_json(const struct work *work)
{
    json_t *agents = json_array();

    for (size_t i = 0; agents && i < work->n_jobs; i++) {
        const struct job *job = &work->jobs[i];

        if (json_array_append_new(agents, json_pack("{s:s, s:b}", "name", job->peer->name, "ok",
                                                    job->finished && !job->outcome.code)) != 0) {
            json_decref(agents);
            return NULL;
        }
    }
    return agents;
}

ks_err
last_run_json(const struct console *console, const struct work *work, json_t **out,
              struct fault *why)
{
    json_t *options = NULL;
    ks_err err;

    fault_set(why, "no memory for the last run");
    err = options_json(&console->options, &options, why);
    if (err)
        return err;
    *out = json_pack("{s:s, s:o, s:o}", "verb", console->verb->name, "options", options, "agents",
                     agents_json(work));
    return *out ? KS_OK : KS_ERR_INTERNAL;
}

static ks_err
take_failed(struct console *console, const json_t *agents, struct report *report)
{
    const json_t *agent;
    size_t index;

    free(console->words);
    console->n_words = 0;
    console->words = calloc(json_array_size(agents) + 1, sizeof(*console->words));
    if (!console->words)
        return report_fail(report, KS_ERR_INTERNAL, "no memory for the agents");
    json_array_foreach(agents, index, agent)
    {
        const char *name = json_string_value(json_object_get(agent, "name"));

        /* One that was taken off the list since is not missed. */
        if (name && !json_is_true(json_object_get(agent, "ok")) && fleet_find(console->fleet, name))
            console->words[console->n_words++] = name;
    }
    return KS_OK;
}

ks_err
last_run_take(struct console *console, const json_t *json, struct report *report)
{
    const json_t *options = json_object_get(json, "options");
    const char *verb = json_string_value(json_object_get(json, "verb"));

    console->verb = verb ? console_find_verb(verb) : NULL;
    if (!console->verb)
        return report_fail(report, KS_ERR_USAGE, "%s/" LAST_RUN_NAME " is not the last run's",
                           console->dir);
    console->options.what_if = json_is_true(json_object_get(options, "what_if"));
    console->options.rekey = json_is_true(json_object_get(options, "rekey"));
    console->options.ca_file = json_string_value(json_object_get(options, "ca_file"));
    console->options.directory = json_string_value(json_object_get(options, "directory"));
    for (size_t i = 0; i < SUBJECT_N_FIELDS; i++)
        console->options.subject[i] =
            json_string_value(json_object_get(options, SUBJECT_FIELD_NAMES[i]));
    return take_failed(console, json_object_get(json, "agents"), report);
}
