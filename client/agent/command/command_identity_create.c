/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_identity_create - keysvc-agent identity-create NAME
 */
#include <stdio.h>

#include "client/agent/command/command.h"
#include "client/agent/identity/identity.h"

int
command_identity_create(struct invocation *invocation, int argc, char **argv)
{
    const char *name;
    const struct command_arguments arguments = {
        .usage = "NAME",
        .help =
            "Makes an identity: a key on the token, or the one that is there under its name, and a "
            "self-signed certificate. One that is there already stays as it is.",
        .min_positional = 1,
        .max_positional = 1,
        .positional = &name,
    };
    struct report report = REPORT_INIT;

    command_parse(invocation, argc, argv, &arguments);
    if (command_open_to_change(invocation, &report) == KS_OK &&
        identity_ensure(invocation->agent, name, &report) == KS_OK && report.message[0]) {
        command_changed(invocation);
        printf("%s: %s\n", name, report.message);
    }
    return command_end(invocation, &report);
}
