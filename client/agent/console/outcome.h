/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outcome - how the work for one agent ended: a code, what to tell people, and fields for programs
 *
 * Starts as zeros, which is success without a word.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "base/util.h"

struct outcome {
    ks_err code;
    bool retryable;
    char message[512]; /* what was done, or what failed */
    char hint[320];    /* what to do next; empty: the code's own */
    json_t *checks;    /* the agent's, of a certificate that it refused; NULL: none */
    json_t *fields;    /* an object: what the verb tells besides; NULL: nothing */
};

void outcome_deinit(struct outcome *outcome);
/* `from` is empty afterwards; what `to` held is freed, but its fields stay if `from` has none. */
void outcome_move(struct outcome *to, struct outcome *from);

void outcome_done(struct outcome *outcome, const char *format, ...) KS_PRINTF(2, 3);
/* Takes the code's own `retryable`. Returns the code. */
ks_err outcome_fail(struct outcome *outcome, ks_err code, const char *format, ...) KS_PRINTF(3, 4);
void outcome_hint(struct outcome *outcome, const char *format, ...) KS_PRINTF(2, 3);

/* Takes the value; NULL is ignored. */
void outcome_field(struct outcome *outcome, const char *name, json_t *value);

/* {"name", "ok": true, "message", ...fields} or {"name", "ok": false, "error": {as report.h}, ...}. */
json_t *outcome_json(const struct outcome *outcome, const char *name);
