/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outcome - filling it, and its JSON
 */
#include "client/agent/console/outcome.h"

#include <stdarg.h>
#include <stdio.h>

#include "client/agent/console/peercert.h"
#include "client/agent/tame.h"

void
outcome_deinit(struct outcome *outcome)
{
    json_decref(outcome->checks);
    json_decref(outcome->fields);
    memset(outcome, 0, sizeof(*outcome));
}

void
outcome_move(struct outcome *to, struct outcome *from)
{
    json_t *fields = from->fields ? NULL : json_incref(to->fields);

    outcome_deinit(to);
    *to = *from;
    memset(from, 0, sizeof(*from));
    if (fields)
        to->fields = fields;
}

/* Texts may hold what an agent said. */
static void
set_text(char *out, size_t cap, const char *format, va_list args)
{
    vsnprintf(out, cap, format, args);
    tame_text(out);
}

void
outcome_done(struct outcome *outcome, const char *format, ...)
{
    va_list args;

    outcome->code = KS_OK;
    outcome->retryable = false;
    va_start(args, format);
    set_text(outcome->message, sizeof(outcome->message), format, args);
    va_end(args);
}

ks_err
outcome_fail(struct outcome *outcome, ks_err code, const char *format, ...)
{
    va_list args;

    outcome->code = code;
    outcome->retryable = err_info(code)->retryable;
    outcome->hint[0] = '\0';
    va_start(args, format);
    set_text(outcome->message, sizeof(outcome->message), format, args);
    va_end(args);
    return code;
}

void
outcome_hint(struct outcome *outcome, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set_text(outcome->hint, sizeof(outcome->hint), format, args);
    va_end(args);
}

void
outcome_field(struct outcome *outcome, const char *name, json_t *value)
{
    if (!outcome->fields)
        outcome->fields = json_object();
    /* Takes the value, and what comes too late for memory is only not shown. */
    if (json_object_set_new(outcome->fields, name, value) != 0)
        return;
}

static json_t *
error_json(const struct outcome *outcome)
{
    const struct err_info *info = err_info(outcome->code);
    json_t *error =
        json_pack("{s:s, s:s, s:s, s:b}", "code", info->name, "message",
                  outcome->message[0] ? outcome->message : info->message, "hint",
                  outcome->hint[0] ? outcome->hint : info->hint, "retryable", outcome->retryable);

    if (error && outcome->checks && json_object_set(error, "checks", outcome->checks) != 0) {
        json_decref(error);
        return NULL;
    }
    return error;
}

json_t *
outcome_json(const struct outcome *outcome, const char *name)
{
    json_t *json = json_pack("{s:s, s:b}", "name", name, "ok", outcome->code == KS_OK);

    if (!json)
        return NULL;
    if (outcome->fields)
        (void)json_object_update_missing(json, outcome->fields);
    if (outcome->code)
        (void)json_object_set_new(json, "error", error_json(outcome));
    else if (outcome->message[0])
        (void)json_object_set_new(json, "message", json_string(outcome->message));
    return json;
}
