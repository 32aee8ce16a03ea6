/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report - filled once where something fails, printed as JSON at the edges
 */
#include "client/agent/report.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "client/agent/tame.h"

/* The texts of an outcome; those of err_info() are the rule, but that of wrong use is of keysvc. */
static ks_err
fill(struct report *report, ks_err code, const char *message, const char *hint, bool retryable)
{
    const struct err_info *info = err_info(code);
    const char *usual = info->hint ? info->hint : "";

    if (code == KS_ERR_USAGE)
        usual = "see keysvc-agent --help, keysvc-agent(1) and keysvc-agent-console(1)";
    report->code = code;
    snprintf(report->message, sizeof(report->message), "%s", *message ? message : info->message);
    snprintf(report->hint, sizeof(report->hint), "%s", *hint ? hint : usual);
    report->retryable = retryable;
    tame_lines(report->message);
    tame_lines(report->hint);
    return code;
}

ks_err
report_fail(struct report *report, ks_err code, const char *format, ...)
{
    char text[sizeof(report->message)];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return fill(report, code, text, "", err_info(code)->retryable);
}

void
report_note(struct report *report, const char *format, ...)
{
    size_t len = strlen(report->message);
    va_list args;

    if (report->code)
        return;
    if (len > 0)
        len += (size_t)snprintf(report->message + len, sizeof(report->message) - len, "; ");
    if (len >= sizeof(report->message))
        return;
    va_start(args, format);
    vsnprintf(report->message + len, sizeof(report->message) - len, format, args);
    va_end(args);
    tame_lines(report->message);
}

void
report_tell_note(const struct report *report, json_t *object)
{
    if (report->message[0])
        (void)json_object_set_new(object, "note", json_string(report->message));
}

void
report_hint(struct report *report, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(report->hint, sizeof(report->hint), format, args);
    va_end(args);
    tame_lines(report->hint);
}

ks_err
report_error(struct report *report, const struct ks_error *error)
{
    return fill(report, error->code, error->message, error->hint, error->retryable);
}

ks_err
report_fault(struct report *report, ks_err code, const struct fault *why)
{
    return fill(report, code, why->text, why->hint, err_info(code)->retryable);
}

ks_err
report_stdout(struct report *report, bool changed)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return KS_OK;
    report_fail(report, changed ? KS_ERR_OUTCOME_UNKNOWN : KS_ERR_INTERNAL, "%sstandard output: %s",
                changed ? "it was carried out, but its result could not be written: " : "",
                errno ? strerror(errno) : "not all could be written");
    report_hint(report, changed ? "do not do it again; look at what there is now"
                                : "send it to where there is room");
    return report->code;
}

struct report_check *
report_add(struct report *report, const char *name, bool passed)
{
    /* More kinds of checks than there are is our own bug; the last place is overwritten then. */
    struct report_check *check =
        &report->checks[report->n_checks < REPORT_MAX_CHECKS ? report->n_checks++
                                                             : REPORT_MAX_CHECKS - 1];

    *check = (struct report_check){.name = name, .passed = passed};
    return check;
}

json_t *
report_checks_json(const struct report *report)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < report->n_checks; i++) {
        struct report_check check = report->checks[i];

        tame_lines(check.expected);
        tame_lines(check.found);
        if (json_array_append_new(list, json_pack("{s:s, s:b, s:s, s:s}", "check", check.name,
                                                  "passed", check.passed, "expected",
                                                  check.expected, "found", check.found))) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

json_t *
report_json(const struct report *report)
{
    json_t *error =
        json_pack("{s:s, s:s, s:s, s:b}", "code", err_info(report->code)->name, "message",
                  report->message, "hint", report->hint, "retryable", report->retryable);

    if (error && report->n_checks > 0 &&
        json_object_set_new(error, "checks", report_checks_json(report))) {
        json_decref(error);
        return NULL;
    }
    return error ? json_pack("{s:o}", "error", error) : NULL;
}

/* For a person. */
static void
print_text(const struct report *report, FILE *out)
{
    for (size_t i = 0; i < report->n_checks; i++) {
        struct report_check check = report->checks[i];

        tame_lines(check.expected);
        tame_lines(check.found);
        fprintf(out, "%s  %-16s  %s%s%s\n", check.passed ? "passed" : "FAILED", check.name,
                check.found,
                check.passed ? "" : "; expected: ", check.passed ? "" : check.expected);
    }
    fprintf(out, "%s: %s\n", err_info(report->code)->name, report->message);
    if (report->hint[0])
        fprintf(out, "hint: %s\n", report->hint);
}

void
report_print(const struct report *report, FILE *out)
{
    json_t *json;

    if (isatty(fileno(out))) {
        print_text(report, out);
        return;
    }
    json = report_json(report);
    if (json)
        json_dumpf(json, out, JSON_INDENT(2));
    else
        fprintf(out, "{\"error\": {\"code\": \"%s\"}}", err_info(report->code)->name);
    fputc('\n', out);
    json_decref(json);
}
