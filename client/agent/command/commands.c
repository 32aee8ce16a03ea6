/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands - the one table of commands
 */
#include "client/agent/command/command.h"

/* clang-format off */
const struct command COMMANDS[] = {
    {"certificate-get", command_certificate_get, "the current certificate, PEM"},
    {"certificate-create-csr", command_certificate_create_csr, "a request for a CA"},
    {"certificate-apply", command_certificate_apply, "check a CA's certificate and serve with it"},
    {"certificate-apply-self-signed", command_certificate_apply_self_signed, "back to the self-signed one, or a new key"},
    {"certificate-status", command_certificate_status, "what serves now, its key, what waits, what was"},
    {"certificate-rollback", command_certificate_rollback, "back to the one before"},
    {"identity-create", command_identity_create, "make an identity: a key, a self-signed certificate"},
    {"identity-list",   command_identity_list,   "the names of the identities"},
    {"run",             command_run,             "serve HTTPS until told to end"},
    {"console",         command_console,         "the certificates of many hosts' agents, from one machine"},
    {"doctor",          command_doctor,          "what is wrong here, and how to mend it"},
    {"token",           command_token,           "tokens of the REST interface: create, list, revoke"},
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
