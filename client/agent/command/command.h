/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command - what every command of `keysvc-agent` is given, and the table row it is found by
 *
 * A command is one function in a file of its own, command_NAME.c:
 *
 *     int
 *     command_certificate_get(struct invocation *invocation, int argc, char **argv)
 *     {
 *         struct report report = REPORT_INIT;
 *         ...
 *         command_parse(invocation, argc, argv, &arguments);
 *         (open what the caller's own rights are needed for: --out-file, --file)
 *         if (command_open(invocation, &report) == KS_OK)
 *             certificate_get(invocation->agent, invocation->identity, &pem, &report);
 *         ...
 *         return command_end(invocation, &report);
 *     }
 *
 * It works on the state folder directly; no agent needs to run.
 */
#pragma once

#include <argp.h>

#include "client/agent/agent.h"

struct invocation {
    const char *config_path;     /* --config; NULL: the default, which may be missing */
    const char *state_dir;       /* --state-dir; NULL: as configured */
    const char *socket;          /* --socket; NULL: as configured */
    const char *identity;        /* --identity, else IDENTITY_OF_LISTENER */
    const char *command;         /* "certificate-get", for messages */
    struct agent_config *config; /* by command_config() */
    struct agent *agent;         /* by command_open() */
    bool changed;                /* what was asked for is made, also if nobody can be told */
};

struct command {
    const char *name; /* "certificate-get"; NULL ends the table */
    int (*run)(struct invocation *invocation, int argc,
               char **argv); /* argv[0] is "keysvc-agent certificate-get"; the exit code */
    const char *help;        /* one line */
};

/* In the order of --help. */
extern const struct command COMMANDS[];
/* NULL: none of that name. */
const struct command *command_find(const char *name);

/*
 * A command's own options (may be NULL), the common ones, and at most `max_positional` others, which
 * land in `positional` (missing ones are NULL). `options`' keys, above 0x200, are given to `option`
 * with `state`. Wrong usage exits with 2 and an error in JSON; --help with 0, as argp does.
 */
struct command_arguments {
    const struct argp_option *options;
    int (*option)(int key, char *value, void *state); /* 0, or ARGP_ERR_UNKNOWN */
    void *state;
    const char *usage; /* of the positional ones: "NAME" */
    const char *help;  /* for --help */
    size_t min_positional;
    size_t max_positional;
    const char **positional;
};
void command_parse(struct invocation *invocation, int argc, char **argv,
                   const struct command_arguments *arguments);

/* For a command whose one option is --json: its `options`, and its `option`, whose state is a bool. */
extern const struct argp_option COMMAND_JSON[];
int command_json_option(int key, char *value, void *state);

/* Takes it (NULL: no memory), prints it. INTERNAL, in the report too: it could not be written. */
ks_err command_print_json(json_t *json, struct report *report);

/* The options of every command, for main.c; its input is struct invocation. */
extern const struct argp COMMAND_COMMON_ARGP;

/* For argp_parse(): its own texts are no JSON, so it is silent but for --help and its like. */
unsigned int command_argp_flags(int argc, char **argv);
void command_usage_of_option(const struct invocation *invocation, const struct argp_state *state)
    __attribute__((noreturn));

/* Prints a USAGE error and exits with 2. */
void command_usage(const struct invocation *invocation, const char *format, ...) KS_PRINTF(2, 3)
    __attribute__((noreturn));

/*
 * The configuration with the common options in it, once; invocation->config. If root calls and the
 * state folder belongs to somebody else, the process *becomes* that user here and for ever: files
 * keep their owner, and keysvcd sees the agent's user. What needs the caller's rights is opened before.
 */
ks_err command_config(struct invocation *invocation, struct report *report) KS_MUST_CHECK;

/* command_config() and agent_open(); the history names the user who called. invocation->agent. */
ks_err command_open(struct invocation *invocation, struct report *report) KS_MUST_CHECK;

/* The same for a command that changes something: no SIGPIPE ends it, wherever it stands then. */
ks_err command_open_to_change(struct invocation *invocation, struct report *report) KS_MUST_CHECK;

/* What was asked for is made: from now on no output that fails is a failure of it. */
void command_changed(struct invocation *invocation);

/* Closes what the two opened; on failure, which lost output is too, prints the report as JSON on standard
 * error. The exit code. */
int command_end(struct invocation *invocation, struct report *report);

/* The table's functions, one file each. */
int command_certificate_apply(struct invocation *invocation, int argc, char **argv);
int command_certificate_apply_self_signed(struct invocation *invocation, int argc, char **argv);
int command_certificate_create_csr(struct invocation *invocation, int argc, char **argv);
int command_certificate_get(struct invocation *invocation, int argc, char **argv);
int command_certificate_rollback(struct invocation *invocation, int argc, char **argv);
int command_certificate_status(struct invocation *invocation, int argc, char **argv);
int command_console(struct invocation *invocation, int argc, char **argv);
int command_doctor(struct invocation *invocation, int argc, char **argv);
int command_identity_create(struct invocation *invocation, int argc, char **argv);
int command_identity_list(struct invocation *invocation, int argc, char **argv);
int command_run(struct invocation *invocation, int argc, char **argv);
int command_token(struct invocation *invocation, int argc, char **argv);
