/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_certificate_rollback - keysvc-agent certificate-rollback
 */
#include <stdio.h>

#include "client/agent/command/command.h"
#include "client/agent/identity/operations.h"

int
command_certificate_rollback(struct invocation *invocation, int argc, char **argv)
{
    const struct command_arguments arguments = {
        .help = "Back to the certificate that was current before; once more leads forth again.",
    };
    struct report report = REPORT_INIT;

    command_parse(invocation, argc, argv, &arguments);
    if (command_open_to_change(invocation, &report) == KS_OK &&
        certificate_rollback(invocation->agent, invocation->identity, &report) == KS_OK) {
        command_changed(invocation);
        printf("%s: back to the one before%s%s\n", invocation->identity,
               report.message[0] ? "; " : "", report.message);
    }
    return command_end(invocation, &report);
}
