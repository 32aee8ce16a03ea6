/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_certificate_status - keysvc-agent certificate-status [--json]
 */
#include <stdio.h>

#include "client/agent/command/command.h"
#include "client/agent/identity/operations.h"

#define LABEL_COLUMN 13

static const char *
text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

static void
print_line(const char *label, const char *text)
{
    printf("%-*s %s\n", LABEL_COLUMN, label, text);
}

static void
print_names(const json_t *status)
{
    const json_t *name;
    size_t i;

    printf("%-*s ", LABEL_COLUMN, "names");
    json_array_foreach(json_object_get(status, "names"), i, name)
        printf("%s%s", i > 0 ? ", " : "", json_string_value(name));
    putchar('\n');
}

/* What waits, and what was: a line each. */
static void
print_rows(const json_t *status)
{
    const json_t *row;
    size_t i;

    json_array_foreach(json_object_get(status, "pending_csrs"), i, row) printf(
        "%-*s %s  %s  %s, by %s\n", LABEL_COLUMN, i == 0 ? "pending CSRs" : "",
        text_of(row, "made"), text_of(row, "key"), text_of(row, "subject"), text_of(row, "who"));
    json_array_foreach(json_object_get(status, "history"), i, row)
        printf("%-*s %s  %-11s  set %lld  %s  %s, by %s\n", LABEL_COLUMN, i == 0 ? "history" : "",
               text_of(row, "at"), text_of(row, "action"),
               (long long)json_integer_value(json_object_get(row, "set")), text_of(row, "key"),
               text_of(row, "subject"), text_of(row, "who"));
}

/* That of agent.conf, when it is not what serves though somebody wanted it to. */
static void
print_trouble(const json_t *status)
{
    const json_t *trouble = json_object_get(status, "certificate_file");

    if (!trouble)
        return;
    printf("%-*s %s %s at %s: %s\n", LABEL_COLUMN, "configured", text_of(trouble, "file"),
           json_is_true(json_object_get(trouble, "taken")) ? "was taken, its password stays"
                                                           : "was refused",
           text_of(trouble, "at"), text_of(trouble, "message"));
    if (text_of(trouble, "hint")[0])
        printf("%-*s -> %s\n", LABEL_COLUMN, "", text_of(trouble, "hint"));
}

static void
print_text(const json_t *status)
{
    static const char *const LINE[] = {"identity", "state",  "trust", "kind",
                                       "subject",  "issuer", "serial"};

    for (size_t i = 0; i < ARRAY_LEN(LINE); i++)
        print_line(LINE[i], text_of(status, LINE[i]));
    print_names(status);
    printf("%-*s %s to %s\n", LABEL_COLUMN, "valid", text_of(status, "not_before"),
           text_of(status, "not_after"));
    print_line("self-signed", json_is_true(json_object_get(status, "self_signed")) ? "yes" : "no");
    printf("%-*s %s, %s, %s\n", LABEL_COLUMN, "key", text_of(status, "key"),
           text_of(status, "key_type"), text_of(status, "key_state"));
    print_line("sha256", text_of(status, "sha256"));
    printf("%-*s %lld\n", LABEL_COLUMN, "set",
           (long long)json_integer_value(json_object_get(status, "set")));
    print_trouble(status);
    print_rows(status);
}

static ks_err
print_status(struct invocation *invocation, bool json, struct report *report)
{
    json_t *status = NULL;
    ks_err err = certificate_status(invocation->agent, invocation->identity, &status, report);

    if (err)
        return err;
    if (json)
        return command_print_json(status, report);
    print_text(status);
    json_decref(status);
    return report_stdout(report, false);
}

int
command_certificate_status(struct invocation *invocation, int argc, char **argv)
{
    bool json = false;
    const struct command_arguments arguments = {
        .options = COMMAND_JSON,
        .option = command_json_option,
        .state = &json,
        .help = "What serves now, its key, what waits and what was.",
    };
    struct report report = REPORT_INIT;

    command_parse(invocation, argc, argv, &arguments);
    if (command_open(invocation, &report) == KS_OK)
        (void)print_status(invocation, json, &report);
    return command_end(invocation, &report);
}
