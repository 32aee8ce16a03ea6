/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands - the one table of nouns and verbs
 */
#include "client/cli/cli.h"

/* clang-format off */
const struct cli_command CLI_COMMANDS[] = {
    {"status", NULL,           status_run,            "what the service and its tokens are doing"},
    {"token",  "list",         token_list_run,        "all tokens and their states"},
    {"token",  "show",         token_show_run,        "one token"},
    {"token",  "init",         token_init_run,        "initialise a token and set its PINs, as root"},
    {"token",  "change-pin",   token_change_pin_run,  "change a token's user PIN, as root"},
    {"token",  "retry-login",  token_retry_login_run, "allow one more login after a failed one"},
    {"token",  "rescan",       token_rescan_run,      "find keys that other tools made or removed"},
    {"key",    "generate",     key_generate_run,      "make the first version of a new key"},
    {"key",    "list",         key_list_run,          "the keys one may see"},
    {"key",    "show",         key_show_run,          "one key and its versions"},
    {"key",    "rotate",       key_rotate_run,        "make the next version of a key"},
    {"key",    "import",       key_import_run,        "bring a key from a PKCS#12 or PKCS#8 file onto the token"},
    {"key",    "destroy",      key_destroy_run,       "remove one version of a key, for ever"},
    {"key",    "certificate",  key_certificate_run,   "put, get or delete the certificates beside a key"},
    {"key",    "public",       key_public_run,        "a key's public half as PEM"},
    {"key",    "reference",    key_reference_run,     "what a program loads in place of a private key"},
    {"sign",   NULL,           sign_run,              "sign a file"},
    {"csr",    NULL,           csr_run,               "a certificate signing request"},
    {"self-sign", NULL,        self_sign_run,         "a certificate signed with the key itself"},
    {"policy", "explain",      policy_explain_run,    "would this be allowed, and if not, what is missing"},
    {"audit",  "show",         audit_show_run,        "what was recorded, from the files"},
    {"audit",  "verify",       audit_verify_run,      "are the records those that were written"},
    {"metrics", NULL,          metrics_run,           "what the service has counted, for Prometheus"},
    {"reload", NULL,           reload_run,            "read keysvcd.conf again"},
    {"doctor", NULL,           doctor_run,            "what is wrong on this host, and how to mend it"},
};
/* clang-format on */
const size_t CLI_N_COMMANDS = ARRAY_LEN(CLI_COMMANDS);

const struct cli_command *
cli_find(char *const *words, int *n_words)
{
    for (size_t i = 0; i < CLI_N_COMMANDS; i++) {
        const struct cli_command *command = &CLI_COMMANDS[i];

        if (!words[0] || strcmp(words[0], command->noun) != 0)
            continue;
        *n_words = command->verb ? 2 : 1;
        if (!command->verb || (words[1] && strcmp(words[1], command->verb) == 0))
            return command;
    }
    return NULL;
}
