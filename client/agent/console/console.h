/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console - `keysvc-agent console VERB`: the certificates of many agents, from one machine
 *
 *     verb (verb_*.c)   what is asked of one agent, and what its answer means: a step function
 *       work.h          the agents it is done to; runs them, tells how it ended
 *         parallel.h    all at once, each with its own time
 *           exchange.h  one request over one connection
 *             handshake.h, trust.h   whether this is the agent that was trusted: before anything is sent
 *     fleet.h           the agents, in the console's folder
 *
 * A verb is one row of the table in verbs.c and one file.
 */
#pragma once

#include <limits.h>

#include "client/agent/console/fleet.h"
#include "client/agent/report.h"

/* Which options a verb takes; those common to all need no bit. */
enum {
    TAKES_CREDENTIALS = 1 << 0, /* --token-file --certificate --key */
    TAKES_FINGERPRINT = 1 << 1,
    TAKES_CA_FILE = 1 << 2,
    TAKES_YES = 1 << 3,
    TAKES_DIRECTORY = 1 << 4,
    TAKES_WHAT_IF = 1 << 5,
    TAKES_REKEY = 1 << 6,
    TAKES_SUBJECT = 1 << 7, /* of a CSR */
    TAKES_SERVER_NAME = 1 << 8,
    TAKES_PIN = 1 << 9,
    TAKES_ALL = 1 << 10,
};

enum subject_field {
    SUBJECT_COMMON_NAME,
    SUBJECT_ORGANIZATION,
    SUBJECT_ORGANIZATION_UNIT,
    SUBJECT_COUNTRY,
    SUBJECT_STATE,
    SUBJECT_LOCALITY,
    SUBJECT_ALTERNATIVE_NAMES,
    SUBJECT_N_FIELDS,
};
/* As the agents' REST interface has them: "common_name". */
extern const char *const SUBJECT_FIELD_NAMES[SUBJECT_N_FIELDS];

/* What a verb does, without the agents it is done to; kept of the last run. NULL: not given. */
struct console_options {
    const char *ca_file;
    const char *directory;
    const char *subject[SUBJECT_N_FIELDS];
    bool what_if;
    bool rekey;
    const char *fingerprint;
    const char *server_name;
    const char *token_file;
    const char *certificate_file;
    const char *key_file;
    bool yes;
    bool pin;
};

struct console {
    const struct console_verb *verb;
    char dir[PATH_MAX];
    bool json;
    bool all;
    uint32_t n_at_once;
    uint32_t timeout_ms; /* for each agent */
    struct console_options options;
    const char **words; /* behind the verb: names and globs */
    size_t n_words;
    struct fleet *fleet;
};

struct console_verb {
    const char *name; /* NULL ends the table */
    /* The exit code; `report` has the error, unless that of an agent was shown already. */
    int (*run)(struct console *console, struct report *report);
    const char *usage; /* of its words */
    const char *help;
    unsigned int takes;
    bool changes; /* an agent, or the list */
    size_t min_words;
    size_t max_words;
};

#define CONSOLE_MAX_WORDS 10000u

/* In the order of --help. */
extern const struct console_verb CONSOLE_VERBS[];
const struct console_verb *console_find_verb(const char *name);

/* Whole command; argv[0] is "keysvc-agent console". The exit code. */
int console_run(int argc, char **argv);

/* Asks on the terminal; false: no, or there is none. */
bool console_ask(const char *question);
/* A token of the API, from a file's first line or (path NULL) the terminal; *out NULL: there is none.
 * free() after wiping. */
ks_err console_read_token(const char *path, char **out, struct report *report) KS_MUST_CHECK;

/* The table's functions. */
int verb_add(struct console *console, struct report *report);
int verb_apply(struct console *console, struct report *report);
int verb_create_csr(struct console *console, struct report *report);
int verb_list(struct console *console, struct report *report);
int verb_remove(struct console *console, struct report *report);
int verb_retry(struct console *console, struct report *report);
int verb_self_signed(struct console *console, struct report *report);
int verb_show(struct console *console, struct report *report);
int verb_status(struct console *console, struct report *report);
int verb_trust(struct console *console, struct report *report);
int verb_verify(struct console *console, struct report *report);
