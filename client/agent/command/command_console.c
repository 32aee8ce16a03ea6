/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_console - keysvc-agent console: other hosts' agents; nothing of this host's is used
 */
#include "client/agent/command/command.h"
#include "client/agent/console/console.h"

int
command_console(struct invocation *invocation, int argc, char **argv)
{
    (void)invocation;
    return console_run(argc, argv);
}
