/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command - arguments of one command, and what is said when they are wrong
 */
#include "client/agent/command/command.h"

#include <stdarg.h>
#include <stdio.h>

#include "build-config.h"

#define OPTION_JSON 0x200

enum common_key {
    KEY_CONFIG = 0x100,
    KEY_STATE_DIR,
    KEY_SOCKET,
    KEY_IDENTITY,
};

static error_t parse_common(int key, char *value, struct argp_state *state);

/* Options of every command, also before its name. */
static const struct argp_option COMMON_OPTIONS[] = {
    {"config", KEY_CONFIG, "FILE", 0, "the configuration; else " KEYSVC_AGENT_CONFIG_FILE, 100},
    {"state-dir", KEY_STATE_DIR, "FOLDER", 0, "where certificates and history are kept", 100},
    {"socket", KEY_SOCKET, "PATH", 0, "keysvcd's socket; else $KEYSVC_SOCKET, else " KEYSVC_SOCKET,
     100},
    {"identity", KEY_IDENTITY, "NAME", 0, "which; else " IDENTITY_OF_LISTENER, 100},
    {0},
};

const struct argp COMMAND_COMMON_ARGP = {.options = COMMON_OPTIONS, .parser = parse_common};

static error_t
parse_common(int key, char *value, struct argp_state *state)
{
    struct invocation *invocation = state->input;

    switch (key) {
    case KEY_CONFIG:
        invocation->config_path = value;
        return 0;
    case KEY_STATE_DIR:
        invocation->state_dir = value;
        return 0;
    case KEY_SOCKET:
        invocation->socket = value;
        return 0;
    case KEY_IDENTITY:
        invocation->identity = value;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* --- one command's arguments --- */

struct parse {
    struct invocation *invocation;
    const struct command_arguments *arguments;
    size_t n_positional;
};

static error_t
parse_own(int key, char *value, struct argp_state *state)
{
    struct parse *parse = state->input;
    const struct command_arguments *arguments = parse->arguments;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = parse->invocation;
        return 0;
    case ARGP_KEY_ARG:
        if (parse->n_positional == arguments->max_positional)
            command_usage(parse->invocation, "%s: one argument too many", value);
        arguments->positional[parse->n_positional++] = value;
        return 0;
    case ARGP_KEY_END:
        if (parse->n_positional < arguments->min_positional)
            command_usage(parse->invocation, "%s is missing", arguments->usage);
        return 0;
    case ARGP_KEY_ERROR:
        command_usage_of_option(parse->invocation, state);
    default:
        return arguments->option ? arguments->option(key, value, arguments->state)
                                 : ARGP_ERR_UNKNOWN;
    }
}

void
command_parse(struct invocation *invocation, int argc, char **argv,
              const struct command_arguments *arguments)
{
    const struct argp_child children[] = {{&COMMAND_COMMON_ARGP, 0, "Common options:", 100}, {0}};
    const struct argp argp = {
        .options = arguments->options,
        .parser = parse_own,
        .args_doc = arguments->usage,
        .doc = arguments->help,
        .children = children,
    };
    struct parse parse = {.invocation = invocation, .arguments = arguments};

    for (size_t i = 0; i < arguments->max_positional; i++)
        arguments->positional[i] = NULL;
    if (argp_parse(&argp, argc, argv, command_argp_flags(argc, argv), NULL, &parse) != 0)
        exit(KS_ERR_INTERNAL);
}

unsigned int
command_argp_flags(int argc, char **argv)
{
    static const char *const WORD[] = {"--help", "-?", "--usage", "--version", "-V"};

    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        for (size_t j = 0; j < ARRAY_LEN(WORD); j++) {
            if (strcmp(argv[i], WORD[j]) == 0)
                return 0;
        }
    }
    return ARGP_NO_ERRS;
}

const struct argp_option COMMAND_JSON[] = {
    {"json", OPTION_JSON, NULL, 0, "as JSON, for programs", 0},
    {0},
};

int
command_json_option(int key, char *value, void *state)
{
    (void)value;
    if (key != OPTION_JSON)
        return ARGP_ERR_UNKNOWN;
    *(bool *)state = true;
    return 0;
}

ks_err
command_print_json(json_t *json, struct report *report)
{
    if (!json)
        return report_fail(report, KS_ERR_INTERNAL, "no memory for the result");
    (void)json_dumpf(json, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(json);
    return report_stdout(report, false);
}

void
command_usage_of_option(const struct invocation *invocation, const struct argp_state *state)
{
    const char *word = state->next > 0 && state->next <= state->argc ? state->argv[state->next - 1]
                                                                     : "the command line";

    command_usage(invocation, "%s: no such option, or its argument is missing or not wanted", word);
}

void
command_usage(const struct invocation *invocation, const char *format, ...)
{
    struct report report = REPORT_INIT;
    char text[sizeof(report.message)];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    report_fail(&report, KS_ERR_USAGE, "%s", text);
    report_hint(&report, "see keysvc-agent%s%s --help", invocation->command ? " " : "",
                invocation->command ? invocation->command : "");
    report_print(&report, stderr);
    exit(KS_ERR_USAGE);
}
