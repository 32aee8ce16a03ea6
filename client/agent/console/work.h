/* SPDX-License-Identifier: Apache-2.0 */
/*
 * work - the agents that a verb is done to, its last run, and how it ended
 *
 *   work_select() -> work_remember() -> work_run() -> work_end()
 */
#pragma once

#include <stdio.h>

#include "client/agent/console/console.h"
#include "client/agent/console/parallel.h"

struct work {
    struct job *jobs; /* in the order of the names */
    size_t n_jobs;
    bool remembered;
};

/* Frees the jobs; what they point to as `data` is the verb's. */
void work_deinit(struct work *work);

/* By the console's words: names and globs, or all. `must_say`: all only with --all. NOT_FOUND: a name
 * or glob that fits none. */
ks_err work_select(struct console *console, bool must_say, struct work *out,
                   struct report *report) KS_MUST_CHECK;

/* Keeps what is about to be done as the last run, all of it not done yet: after a crash, retry. USAGE: an
 * option cannot be kept. */
ks_err work_remember(struct console *console, struct work *work,
                     struct report *report) KS_MUST_CHECK;

void work_run(const struct console *console, struct work *work, job_step_fn step);

/*
 * Saves what became known of the agents and of the run, prints the summary (with `extra`, an object
 * that is taken, beside the agents; NULL: nothing). The exit code: 0, or the first failure's.
 */
int work_end(struct console *console, struct work *work, json_t *extra, struct report *report);

/* For a verb whose result is more than a summary: saves only. */
ks_err work_save(struct console *console, struct work *work, struct report *report) KS_MUST_CHECK;
int work_code(const struct work *work);

/* --- last_run.c --- */

#define LAST_RUN_NAME "last-run.json"

/* {"verb", "options", "agents": [{"name", "ok"}]}. USAGE: an option is not UTF-8. */
ks_err last_run_json(const struct console *console, const struct work *work, json_t **out,
                     struct fault *why) KS_MUST_CHECK;
/* Puts verb, options and the words (those that failed) into the console; they live as long as `json`. */
ks_err last_run_take(struct console *console, const json_t *json,
                     struct report *report) KS_MUST_CHECK;

/* --- columns.c --- */

struct columns {
    size_t n_columns;
    char **cells;
    size_t n_cells;
};

/* One cell after the other, made harmless for a terminal; the first row is the heading. */
void columns_add(struct columns *columns, const char *format, ...) KS_PRINTF(2, 3);
/* Prints and frees. */
void columns_print(struct columns *columns, FILE *out);
