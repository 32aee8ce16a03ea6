/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli - what every command of `keysvc` is given, and the table row it is found by
 *
 * A command is one function in a file of its own. It parses its own arguments with cli_parse(),
 * does its work, writes its result through output.h and returns the exit code, which is a ks_err.
 * It reports an error itself, once, with output_error() or output_fault().
 */
#pragma once

#include <argp.h>

#include "base/fault.h"
#include "client/lib/keysvc.h"

struct cli {
    const char *socket;   /* --socket; NULL: the library's own choice */
    uint32_t timeout_ms;  /* --timeout; 0: the library's own */
    bool json;            /* --json */
    const char *out_file; /* --out-file; NULL: standard output */
    const char *config;   /* --config; NULL: the default of keysvcd */
    const char *keysvcd;  /* --keysvcd; NULL: looked for */
    const char *command;  /* "key generate", for messages */
    const char *subject;  /* what it is done to, "web/shop", for messages; NULL: nothing named */
    bool changed; /* a change that was asked for is made: all that can fail now is telling it */
    struct ks_client *client; /* by cli_client() */
    int code;                 /* the exit code, when cli_client() gave NULL */
};

typedef int (*cli_fn)(struct cli *cli, int argc, char **argv);

struct cli_command {
    const char *noun; /* "key" */
    const char *verb; /* "generate"; NULL: the noun is the whole command */
    cli_fn run;       /* argv[0] is "keysvc key generate" */
    const char *help; /* one line */
};

/*
 * Parses a command's arguments: its own options (may be NULL), the common ones, and at most
 * `max_positional` others, which land in `positional` (in order; missing ones are NULL; the first
 * becomes cli->subject). `options`' keys are given to `option` with `state`. Wrong usage exits with
 * 2, --help and --usage with 0, as argp does.
 */
struct cli_arguments {
    const struct argp_option *options;
    int (*option)(int key, char *value, void *state); /* 0, or ARGP_ERR_UNKNOWN */
    void *state;
    const char *usage; /* of the positional ones: "NAME" */
    const char *help;  /* for --help */
    size_t min_positional;
    size_t max_positional;
    const char **positional;
};
void cli_parse(struct cli *cli, int argc, char **argv, const struct cli_arguments *arguments);

/* The options of every command, for main.c; its input is struct cli. */
extern const struct argp CLI_COMMON_ARGP;

/* "30" and "30s", "500ms", "2m"; false: not that, zero, or more than the library waits. */
bool cli_parse_time(const char *text, uint32_t *out_ms);

/* A decimal from 1 to `max` without leading zeros; false: not that. */
bool cli_parse_number(const char *text, uint32_t max, uint32_t *out);

/* The library's client, made at the first call; NULL: reported; return cli->code. */
struct ks_client *cli_client(struct cli *cli);

/* Ends with code 2 and "keysvc COMMAND SUBJECT: USAGE: message"; does not return. */
void cli_usage(struct cli *cli, const char *format, ...) KS_PRINTF(2, 3) __attribute__((noreturn));

/* Is --json among the words? Errors may come before it is parsed. */
bool cli_wants_json(int argc, char **argv);

/*
 * For argp_parse(): argp's own texts are several lines and no JSON, so it is silent unless --help
 * or its like is among the words; on ARGP_KEY_ERROR cli_usage_of_option() says what is wrong.
 */
unsigned int cli_argp_flags(int argc, char **argv);
void cli_usage_of_option(struct cli *cli, const struct argp_state *state) __attribute__((noreturn));

/* The table of commands, in the order of --help. */
extern const struct cli_command CLI_COMMANDS[];
extern const size_t CLI_N_COMMANDS;

/*
 * The command that begins at words[0]; *n_words says how many words name it. NULL: none. A NULL
 * ends `words`.
 */
const struct cli_command *cli_find(char *const *words, int *n_words);

/* The table's functions, one file each. */
int audit_show_run(struct cli *cli, int argc, char **argv);
int audit_verify_run(struct cli *cli, int argc, char **argv);
int csr_run(struct cli *cli, int argc, char **argv);
int doctor_run(struct cli *cli, int argc, char **argv);
int key_certificate_run(struct cli *cli, int argc, char **argv);
int key_destroy_run(struct cli *cli, int argc, char **argv);
int key_generate_run(struct cli *cli, int argc, char **argv);
int key_import_run(struct cli *cli, int argc, char **argv);
int key_list_run(struct cli *cli, int argc, char **argv);
int key_public_run(struct cli *cli, int argc, char **argv);
int key_reference_run(struct cli *cli, int argc, char **argv);
int key_rotate_run(struct cli *cli, int argc, char **argv);
int key_show_run(struct cli *cli, int argc, char **argv);
int metrics_run(struct cli *cli, int argc, char **argv);
int policy_explain_run(struct cli *cli, int argc, char **argv);
int reload_run(struct cli *cli, int argc, char **argv);
int self_sign_run(struct cli *cli, int argc, char **argv);
int sign_run(struct cli *cli, int argc, char **argv);
int status_run(struct cli *cli, int argc, char **argv);
int token_change_pin_run(struct cli *cli, int argc, char **argv);
int token_init_run(struct cli *cli, int argc, char **argv);
int token_list_run(struct cli *cli, int argc, char **argv);
int token_rescan_run(struct cli *cli, int argc, char **argv);
int token_retry_login_run(struct cli *cli, int argc, char **argv);
int token_show_run(struct cli *cli, int argc, char **argv);
