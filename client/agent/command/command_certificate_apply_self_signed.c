/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_certificate_apply_self_signed - keysvc-agent certificate-apply-self-signed [--rekey]
 */
#include <stdio.h>

#include "client/agent/command/command.h"
#include "client/agent/identity/operations.h"

#define OPTION_REKEY 0x200

static int
parse_option(int key, char *value, void *state)
{
    (void)value;
    if (key != OPTION_REKEY)
        return ARGP_ERR_UNKNOWN;
    *(bool *)state = true;
    return 0;
}

int
command_certificate_apply_self_signed(struct invocation *invocation, int argc, char **argv)
{
    static const struct argp_option OPTIONS[] = {
        {"rekey", OPTION_REKEY, NULL, 0, "a new key and a new certificate", 0},
        {0},
    };
    bool rekey = false;
    const struct command_arguments arguments = {
        .options = OPTIONS,
        .option = parse_option,
        .state = &rekey,
        .help = "Back to the kept self-signed certificate; if there is none, a new one on the key "
                "that is there.",
    };
    struct report report = REPORT_INIT;

    command_parse(invocation, argc, argv, &arguments);
    if (command_open_to_change(invocation, &report) == KS_OK &&
        certificate_self_signed(invocation->agent, invocation->identity, rekey, &report) == KS_OK) {
        command_changed(invocation);
        printf("%s: self-signed%s%s\n", invocation->identity, report.message[0] ? "; " : "",
               report.message);
    }
    return command_end(invocation, &report);
}
