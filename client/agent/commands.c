/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands - the one table of commands
 */
#include "client/agent/command.h"

/* clang-format off */
const struct command COMMANDS[] = {
    {"identity-create", command_identity_create, "make an identity: a key, a self-signed certificate"},
    {"identity-list",   command_identity_list,   "the names of the identities"},
    {"console",         command_console,         "the certificates of many hosts' agents, from one machine"},
    {NULL, NULL, NULL},
};
/* clang-format on */

const struct command *
command_find(const char *name)
{
    for (const struct command *command = COMMANDS; command->name; command++) {
        if (strcmp(command->name, name) == 0)
            return command;
    }
    return NULL;
}
