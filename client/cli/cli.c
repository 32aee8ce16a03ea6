/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli - arguments of one command, and the library's client for it
 */
#include "client/cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/file.h"
#include "build-config.h"
#include "client/cli/output.h"

enum common_key {
    KEY_SOCKET = 0x100,
    KEY_TIMEOUT,
    KEY_JSON,
    KEY_OUT_FILE,
};

/* Options of every command, also before its name. */
static const struct argp_option COMMON_OPTIONS[] = {
    {"socket", KEY_SOCKET, "PATH", 0, "keysvcd's socket; else $KEYSVC_SOCKET, else " KEYSVC_SOCKET,
     100},
    {"timeout", KEY_TIMEOUT, "TIME", 0, "how long to wait: 30, 500ms, 2m; 30 seconds if not given",
     100},
    {"json", KEY_JSON, NULL, 0, "results and errors as JSON on standard output", 100},
    {"out-file", KEY_OUT_FILE, "FILE", 0, "write the result there, whole or not at all", 100},
    {0},
};

static error_t parse_common(int key, char *value, struct argp_state *state);

const struct argp CLI_COMMON_ARGP = {.options = COMMON_OPTIONS, .parser = parse_common};

bool
cli_parse_time(const char *text, uint32_t *out_ms)
{
    static const struct {
        const char *suffix;
        uint32_t ms;
    } UNIT[] = {{"", 1000}, {"s", 1000}, {"ms", 1}, {"m", 60000}, {"min", 60000}};
    unsigned long number;
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    number = strtoul(text, &end, 10);
    if (errno != 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(UNIT); i++) {
        if (strcmp(end, UNIT[i].suffix) != 0)
            continue;
        if (number == 0 || number > KS_TIMEOUT_MAX_MS / UNIT[i].ms)
            return false;
        *out_ms = (uint32_t)number * UNIT[i].ms;
        return true;
    }
    return false;
}

bool
cli_parse_number(const char *text, uint32_t max, uint32_t *out)
{
    char *end;
    unsigned long number;

    if (text[0] < '1' || text[0] > '9')
        return false;
    errno = 0;
    number = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || number > max)
        return false;
    *out = (uint32_t)number;
    return true;
}

static error_t
parse_common(int key, char *value, struct argp_state *state)
{
    struct cli *cli = state->input;
    struct fault why = FAULT_INIT;

    switch (key) {
    case KEY_SOCKET:
        cli->socket = value;
        return 0;
    case KEY_TIMEOUT:
        if (!cli_parse_time(value, &cli->timeout_ms))
            cli_usage(cli, "--timeout %s: not a time from 1ms to 10m", value);
        return 0;
    case KEY_JSON:
        cli->json = true;
        return 0;
    case KEY_OUT_FILE:
        cli->out_file = strcmp(value, "-") == 0 ? NULL : value;
        if (cli->out_file && file_check_replace(cli->out_file, &why) != KS_OK)
            exit(output_fault(cli, KS_ERR_USAGE, &why));
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* --- one command's arguments --- */

struct parse {
    struct cli *cli;
    const struct cli_arguments *arguments;
    size_t n_positional;
};

static error_t
parse_own(int key, char *value, struct argp_state *state)
{
    struct parse *parse = state->input;
    const struct cli_arguments *arguments = parse->arguments;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = parse->cli;
        return 0;
    case ARGP_KEY_ARG:
        if (parse->n_positional == arguments->max_positional)
            cli_usage(parse->cli, "%s: one argument too many", value);
        if (parse->n_positional == 0)
            parse->cli->subject = value;
        arguments->positional[parse->n_positional++] = value;
        return 0;
    case ARGP_KEY_END:
        if (parse->n_positional < arguments->min_positional)
            cli_usage(parse->cli, "%s is missing", arguments->usage);
        return 0;
    case ARGP_KEY_ERROR:
        cli_usage_of_option(parse->cli, state);
    default:
        return arguments->option ? arguments->option(key, value, arguments->state)
                                 : ARGP_ERR_UNKNOWN;
    }
}

void
cli_parse(struct cli *cli, int argc, char **argv, const struct cli_arguments *arguments)
{
    const struct argp_child children[] = {{&CLI_COMMON_ARGP, 0, "Common options:", 100}, {0}};
    const struct argp argp = {
        .options = arguments->options,
        .parser = parse_own,
        .args_doc = arguments->usage,
        .doc = arguments->help,
        .children = children,
    };
    struct parse parse = {.cli = cli, .arguments = arguments};

    for (size_t i = 0; i < arguments->max_positional; i++)
        arguments->positional[i] = NULL;
    if (argp_parse(&argp, argc, argv, cli_argp_flags(argc, argv), NULL, &parse) != 0)
        exit(KS_ERR_INTERNAL);
}

static bool
has_word(int argc, char **argv, const char *const *words, size_t n_words)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        for (size_t j = 0; j < n_words; j++) {
            if (strcmp(argv[i], words[j]) == 0)
                return true;
        }
    }
    return false;
}

bool
cli_wants_json(int argc, char **argv)
{
    static const char *const WORD[] = {"--json"};

    return has_word(argc, argv, WORD, ARRAY_LEN(WORD));
}

unsigned int
cli_argp_flags(int argc, char **argv)
{
    static const char *const WORD[] = {"--help", "-?", "--usage", "--version", "-V"};

    return has_word(argc, argv, WORD, ARRAY_LEN(WORD)) ? 0 : ARGP_NO_ERRS;
}

void
cli_usage_of_option(struct cli *cli, const struct argp_state *state)
{
    const char *word = state->next > 0 && state->next <= state->argc ? state->argv[state->next - 1]
                                                                     : "the command line";

    cli_usage(cli, "%s: no such option, or its argument is missing or not wanted", word);
}

void
cli_usage(struct cli *cli, const char *format, ...)
{
    struct ks_error error = {.code = KS_ERR_USAGE};
    va_list args;

    va_start(args, format);
    vsnprintf(error.message, sizeof(error.message), format, args);
    va_end(args);
    snprintf(error.hint, sizeof(error.hint), "see keysvc%s%s --help", cli->command ? " " : "",
             cli->command ? cli->command : "");
    exit(output_error(cli, &error));
}

/* --- the library --- */

struct ks_client *
cli_client(struct cli *cli)
{
    struct ks_error error;

    if (cli->client)
        return cli->client;
    cli->code = (int)ks_client_new(cli->socket, &cli->client, &error);
    if (cli->code) {
        cli->client = NULL;
        output_error(cli, &error);
        return NULL;
    }
    ks_client_set_timeout(cli->client, cli->timeout_ms);
    ks_client_set_program(cli->client, "keysvc " KEYSVC_VERSION);
    return cli->client;
}
