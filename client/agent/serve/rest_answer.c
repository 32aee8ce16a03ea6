/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rest_answer - outcomes as HTTP, JSON in both directions
 */
#include <stdarg.h>
#include <stdio.h>

#include "client/agent/serve/rest_private.h"

#define JSON "application/json"
#define BODY_MAX_LEN (2u * 1024u * 1024u) /* two files of APPLY_MAX_LEN; the server takes less */

/* clang-format off */
static const struct {
    ks_err err;
    int code;
} STATUS[] = {
    {KS_OK, 200},
    {KS_ERR_USAGE, 400},
    {KS_ERR_BAD_REQUEST, 400},
    {KS_ERR_CERTIFICATE_REFUSED, 400},
    {KS_ERR_NAME_NOT_ALLOWED, 400},
    {KS_ERR_DENIED, 403},
    {KS_ERR_IN_USE, 403},
    {KS_ERR_NO_KEY, 404},
    {KS_ERR_NOT_FOUND, 404},
    {KS_ERR_EXISTS, 409},
    {KS_ERR_TOO_LARGE, 413},
    {KS_ERR_TOKEN_UNAVAILABLE, 503},
    {KS_ERR_BUSY, 503},
    {KS_ERR_NO_SERVICE, 503},
    {KS_ERR_AUDIT_UNWRITABLE, 503},
    {KS_ERR_LOGIN_BLOCKED, 503},
    {KS_ERR_DEADLINE, 504},
};
/* clang-format on */

int
rest_status_of(ks_err err)
{
    for (size_t i = 0; i < ARRAY_LEN(STATUS); i++) {
        if (STATUS[i].err == err)
            return STATUS[i].code;
    }
    return 500;
}

/* One line: whoever looks at it with curl has a prompt behind it. Takes `json`; NULL: no memory. */
static char *
json_line(json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL, *line = NULL;

    json_decref(json);
    if (text && asprintf(&line, "%s\n", text) < 0)
        line = NULL;
    free(text);
    return line;
}

static void
answer_report(struct rest_call *call, int code, const struct report *report)
{
    char *text = NULL;

    if (code == 503)
        web_answer_header(call->request, "Retry-After", "1");
    if (call->plain) {
        web_answer_text(call->request, code, "%s%s%s", report->message, report->hint[0] ? "; " : "",
                        report->hint);
        return;
    }
    text = json_line(report_json(report));
    web_answer_bytes(call->request, code, JSON, text ? text : "{}\n", text ? strlen(text) : 3);
    free(text);
}

void
rest_fail(struct rest_call *call, const struct report *report)
{
    int code = rest_status_of(report->code);

    if (code >= 500)
        log_warning("event=request-failed path=\"%s\" who=\"%s\" outcome=%s why=\"%s\"",
                    LOG_TEXT(web_path(call->request)), LOG_TEXT(call->agent->who),
                    ks_err_name(report->code), LOG_TEXT(report->message));
    answer_report(call, code, report);
}

void
rest_fail_with(struct rest_call *call, int code, ks_err err, const char *format, ...)
{
    struct report report = REPORT_INIT;
    char text[sizeof(report.message)];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    report_fail(&report, err, "%s", text);
    report.hint[0] = '\0'; /* those of the outcomes are about keysvcd */
    answer_report(call, code, &report);
}

void
rest_answer_json(struct rest_call *call, json_t *json)
{
    char *text = json_line(json);

    if (text)
        web_answer_bytes(call->request, 200, JSON, text, strlen(text));
    else
        rest_fail_with(call, 500, KS_ERR_INTERNAL, "no memory for the answer");
    free(text);
}

void
rest_answer_noted(struct rest_call *call, const struct report *report, json_t *json)
{
    report_tell_note(report, json);
    rest_answer_json(call, json);
}

static bool
is_known(const char *name, const char *const *known)
{
    while (*known && strcmp(*known, name) != 0)
        known++;
    return *known != NULL;
}

json_t *
rest_body(struct rest_call *call, const char *const *known, bool optional)
{
    json_error_t error;
    size_t len;
    const char *body = web_body(call->request, &len);
    json_t *object;
    const char *name;
    json_t *value;

    if (len == 0 && optional)
        return json_object();
    if (len > BODY_MAX_LEN) {
        rest_fail_with(call, 413, KS_ERR_TOO_LARGE, "the body is larger than %u bytes",
                       BODY_MAX_LEN);
        return NULL;
    }
    /* What jansson says of a mistake quotes the body, where passwords are. */
    object = len > 0 ? json_loadb(body, len, JSON_REJECT_DUPLICATES, &error) : NULL;
    if (!json_is_object(object)) {
        json_decref(object);
        rest_fail_with(call, 400, KS_ERR_BAD_REQUEST, "the body is no JSON object");
        return NULL;
    }
    json_object_foreach(object, name, value)
    {
        if (is_known(name, known))
            continue;
        json_decref(object);
        rest_fail_with(call, 400, KS_ERR_BAD_REQUEST, "the body has a member that is not known");
        return NULL;
    }
    return object;
}
