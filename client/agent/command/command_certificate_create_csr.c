/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_certificate_create_csr - keysvc-agent certificate-create-csr [--out-file F] [--common-name N] ...
 */
#include <stdio.h>

#include "client/agent/command/command.h"
#include "client/agent/identity/operations.h"
#include "client/agent/command/outfile.h"

enum key {
    OPTION_OUT_FILE = 0x200,
    OPTION_COMMON_NAME,
    OPTION_ORGANIZATION,
    OPTION_ORGANIZATION_UNIT,
    OPTION_COUNTRY,
    OPTION_STATE,
    OPTION_LOCALITY,
    OPTION_ALTERNATIVE_NAMES,
};

static const struct argp_option OPTIONS[] = {
    {"out-file", OPTION_OUT_FILE, "FILE", 0, "else standard output; replaces what is there", 0},
    {"common-name", OPTION_COMMON_NAME, "NAME", 0, "CN; else the full host name", 1},
    {"organization", OPTION_ORGANIZATION, "TEXT", 0, "O", 1},
    {"organization-unit", OPTION_ORGANIZATION_UNIT, "TEXT", 0, "OU", 1},
    {"country", OPTION_COUNTRY, "CC", 0, "C, two letters", 1},
    {"state", OPTION_STATE, "TEXT", 0, "ST", 1},
    {"locality", OPTION_LOCALITY, "TEXT", 0, "L", 1},
    {"alternative-names", OPTION_ALTERNATIVE_NAMES, "NAME,...", 0,
     "host.example,10.0.0.1,a@b.example,https://x/, also as DNS:..., IP:..., EMAIL:..., URI:...; "
     "else host name, full host name and static addresses",
     2},
    {0},
};

struct wanted {
    const char *path;
    struct csr_fields fields;
};

static int
parse_option(int key, char *value, void *state)
{
    struct wanted *wanted = state;
    const char **const place[] = {
        [OPTION_OUT_FILE - OPTION_OUT_FILE] = &wanted->path,
        [OPTION_COMMON_NAME - OPTION_OUT_FILE] = &wanted->fields.common_name,
        [OPTION_ORGANIZATION - OPTION_OUT_FILE] = &wanted->fields.organization,
        [OPTION_ORGANIZATION_UNIT - OPTION_OUT_FILE] = &wanted->fields.organization_unit,
        [OPTION_COUNTRY - OPTION_OUT_FILE] = &wanted->fields.country,
        [OPTION_STATE - OPTION_OUT_FILE] = &wanted->fields.state,
        [OPTION_LOCALITY - OPTION_OUT_FILE] = &wanted->fields.locality,
        [OPTION_ALTERNATIVE_NAMES - OPTION_OUT_FILE] = &wanted->fields.alternative_names,
    };

    if (key < OPTION_OUT_FILE || (size_t)key - OPTION_OUT_FILE >= ARRAY_LEN(place))
        return ARGP_ERR_UNKNOWN;
    *place[key - OPTION_OUT_FILE] = value;
    return 0;
}

static ks_err
create(struct invocation *invocation, const struct wanted *wanted, struct outfile *file,
       struct report *report)
{
    ks_auto(freep) char *pem = NULL;
    struct fault why = FAULT_INIT;
    ks_err err = command_open(invocation, report);

    if (!err)
        err = certificate_create_csr(invocation->agent, invocation->identity, &wanted->fields, &pem,
                                     report);
    if (err)
        return err;
    err = outfile_write(file, pem, strlen(pem), &why);
    if (err)
        return report_fault(report, err, &why);
    /* Standard output may be the request. */
    if (report->message[0] != '\0')
        fprintf(stderr, "%s: %s\n", invocation->identity, report->message);
    return KS_OK;
}

int
command_certificate_create_csr(struct invocation *invocation, int argc, char **argv)
{
    struct wanted wanted = {0};
    const struct command_arguments arguments = {
        .options = OPTIONS,
        .option = parse_option,
        .state = &wanted,
        .help = "A certificate signing request for the identity's key, PKCS#10 in PEM. It is kept "
                "until its certificate is applied.",
    };
    ks_auto(outfile_closep) struct outfile *file = NULL;
    struct report report = REPORT_INIT;
    struct fault why = FAULT_INIT;
    ks_err err;

    command_parse(invocation, argc, argv, &arguments);
    err = outfile_open(wanted.path, &file, &why);
    if (err)
        report_fault(&report, err, &why);
    else
        (void)create(invocation, &wanted, file, &report);
    return command_end(invocation, &report);
}
