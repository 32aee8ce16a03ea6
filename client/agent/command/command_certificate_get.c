/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_certificate_get - keysvc-agent certificate-get [--out-file F]
 */
#include "client/agent/command/command.h"
#include "client/agent/identity/operations.h"
#include "client/agent/command/outfile.h"

#define OPTION_OUT_FILE 0x200

static int
parse_option(int key, char *value, void *state)
{
    if (key != OPTION_OUT_FILE)
        return ARGP_ERR_UNKNOWN;
    *(const char **)state = value;
    return 0;
}

static ks_err
get(struct invocation *invocation, struct outfile *file, struct report *report)
{
    ks_auto(freep) char *pem = NULL;
    struct fault why = FAULT_INIT;
    ks_err err = command_open(invocation, report);

    if (!err)
        err = certificate_get(invocation->agent, invocation->identity, &pem, report);
    if (err)
        return err;
    err = outfile_write(file, pem, strlen(pem), &why);
    return err ? report_fault(report, err, &why) : KS_OK;
}

int
command_certificate_get(struct invocation *invocation, int argc, char **argv)
{
    static const struct argp_option OPTIONS[] = {
        {"out-file", OPTION_OUT_FILE, "FILE", 0, "else standard output; replaces what is there", 0},
        {0},
    };
    const char *path = NULL;
    const struct command_arguments arguments = {
        .options = OPTIONS,
        .option = parse_option,
        .state = &path,
        .help = "The current certificate and its intermediates, PEM.",
    };
    ks_auto(outfile_closep) struct outfile *file = NULL;
    struct report report = REPORT_INIT;
    struct fault why = FAULT_INIT;
    ks_err err;

    command_parse(invocation, argc, argv, &arguments);
    err = outfile_open(path, &file, &why);
    if (err)
        report_fault(&report, err, &why);
    else
        (void)get(invocation, file, &report);
    return command_end(invocation, &report);
}
