/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verbs - the one table of the console's verbs
 */
#include "client/agent/console/console.h"

/* clang-format off */
const struct console_verb CONSOLE_VERBS[] = {
    {"add", verb_add, "NAME ADDRESS", "take an agent into the list",
     TAKES_CREDENTIALS | TAKES_FINGERPRINT | TAKES_CA_FILE | TAKES_YES | TAKES_SERVER_NAME, true, 2, 2},
    {"list", verb_list, "[NAME...]", "the agents of the list, and what was last seen of them", TAKES_ALL, false, 0, CONSOLE_MAX_WORDS},
    {"remove", verb_remove, "NAME...", "take agents off the list", TAKES_ALL, true, 0, CONSOLE_MAX_WORDS},
    {"status", verb_status, "[NAME...]", "are they there, and do they show what is trusted", TAKES_ALL, false, 0, CONSOLE_MAX_WORDS},
    {"trust", verb_trust, "NAME...", "trust the certificates that they show now",
     TAKES_ALL | TAKES_YES | TAKES_CA_FILE | TAKES_FINGERPRINT | TAKES_PIN, true, 0, CONSOLE_MAX_WORDS},
    {"create-csr", verb_create_csr, "[NAME...]", "their certificate signing requests, each into a file",
     TAKES_ALL | TAKES_DIRECTORY | TAKES_SUBJECT, false, 0, CONSOLE_MAX_WORDS},
    {"verify", verb_verify, "[NAME...]", "would the issued files apply", TAKES_ALL | TAKES_DIRECTORY | TAKES_CA_FILE, false, 0, CONSOLE_MAX_WORDS},
    {"apply", verb_apply, "[NAME...]", "apply the issued files",
     TAKES_ALL | TAKES_DIRECTORY | TAKES_CA_FILE | TAKES_WHAT_IF, true, 0, CONSOLE_MAX_WORDS},
    {"retry", verb_retry, "", "once more with those that failed in the last run", 0, false, 0, 0},
    {"apply-self-signed", verb_self_signed, "NAME...", "back to self-signed certificates", TAKES_ALL | TAKES_REKEY, true, 0, CONSOLE_MAX_WORDS},
    {"show", verb_show, "[NAME...]", "what is the same over all of them", TAKES_ALL, false, 0, CONSOLE_MAX_WORDS},
    {NULL, NULL, NULL, NULL, 0, false, 0, 0},
};
/* clang-format on */

const char *const SUBJECT_FIELD_NAMES[SUBJECT_N_FIELDS] = {
    [SUBJECT_COMMON_NAME] = "common_name",
    [SUBJECT_ORGANIZATION] = "organization",
    [SUBJECT_ORGANIZATION_UNIT] = "organization_unit",
    [SUBJECT_COUNTRY] = "country",
    [SUBJECT_STATE] = "state",
    [SUBJECT_LOCALITY] = "locality",
    [SUBJECT_ALTERNATIVE_NAMES] = "alternative_names",
};

const struct console_verb *
console_find_verb(const char *name)
{
    for (const struct console_verb *verb = CONSOLE_VERBS; verb->name; verb++) {
        if (strcmp(verb->name, name) == 0)
            return verb;
    }
    return NULL;
}
