/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_certificate_apply - keysvc-agent certificate-apply --ca-file F --file F [--what-if]
 */
#include <stdio.h>

#include "client/agent/command/command.h"
#include "client/agent/identity/operations.h"
#include "base/file.h"

enum key { OPTION_CA_FILE = 0x200, OPTION_FILE, OPTION_WHAT_IF };

static const struct argp_option OPTIONS[] = {
    {"ca-file", OPTION_CA_FILE, "FILE", 0, "the CA that must have issued it, DER or PEM", 0},
    {"file", OPTION_FILE, "FILE", 0, "the certificate, DER or PEM; PEM with intermediates, if any",
     0},
    {"what-if", OPTION_WHAT_IF, NULL, 0, "checks only, changes nothing", 0},
    {0},
};

struct wanted {
    const char *ca_path;
    const char *path;
    bool what_if;
};

static int
parse_option(int key, char *value, void *state)
{
    struct wanted *wanted = state;

    switch (key) {
    case OPTION_CA_FILE:
        wanted->ca_path = value;
        return 0;
    case OPTION_FILE:
        wanted->path = value;
        return 0;
    case OPTION_WHAT_IF:
        wanted->what_if = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* With the caller's rights: this comes before command_open_to_change(). */
static ks_err
read_files(const struct wanted *wanted, struct buf *certificate, struct buf *ca,
           struct report *report)
{
    struct fault why = FAULT_INIT;
    ks_err err = file_read(wanted->path, certificate, &why);

    if (!err)
        err = file_read(wanted->ca_path, ca, &why);
    return err ? report_fault(report, err, &why) : KS_OK;
}

static void
print_checks(const json_t *told)
{
    const json_t *check;
    size_t i;

    json_array_foreach(json_object_get(told, "checks"), i, check)
        printf("passed  %-16s  %s\n", json_string_value(json_object_get(check, "check")),
               json_string_value(json_object_get(check, "found")));
}

static ks_err
apply(struct invocation *invocation, const struct wanted *wanted, struct report *report)
{
    ks_auto(buf_deinit) struct buf certificate = {.max = APPLY_MAX_LEN};
    ks_auto(buf_deinit) struct buf ca = {.max = APPLY_MAX_LEN};
    struct apply_request request = {.what_if = wanted->what_if};
    json_t *told = NULL;
    ks_err err = read_files(wanted, &certificate, &ca, report);

    if (!err)
        err = command_open_to_change(invocation, report);
    if (err)
        return err;
    request.certificate = certificate.data;
    request.certificate_len = certificate.len;
    request.ca = ca.data;
    request.ca_len = ca.len;
    err = certificate_apply(invocation->agent, invocation->identity, &request, &told, report);
    if (err)
        return err;
    if (!wanted->what_if)
        command_changed(invocation);
    print_checks(told);
    printf("%s: %s%s%s\n", invocation->identity,
           wanted->what_if ? "it would be applied; nothing was changed" : "applied",
           report->message[0] ? "; " : "", report->message);
    json_decref(told);
    return KS_OK;
}

int
command_certificate_apply(struct invocation *invocation, int argc, char **argv)
{
    struct wanted wanted = {0};
    const struct command_arguments arguments = {
        .options = OPTIONS,
        .option = parse_option,
        .state = &wanted,
        .help =
            "Checks a certificate that a CA has issued for this identity and serves with it, for "
            "new connections at once. Refused with every check's answer if one fails.",
    };
    struct report report = REPORT_INIT;

    command_parse(invocation, argc, argv, &arguments);
    if (!wanted.path || !wanted.ca_path)
        command_usage(invocation, "%s is missing", wanted.path ? "--ca-file" : "--file");
    (void)apply(invocation, &wanted, &report);
    return command_end(invocation, &report);
}
