/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main - the command `keysvc-agent`: finds the command in the table and gives it its arguments
 */
#include <stdio.h>

#include "base/log.h"
#include "build-config.h"
#include "client/agent/command/command.h"

#define COMMAND_MAX 64 /* bytes of "keysvc-agent COMMAND" */
#define HELP_COLUMN 32

struct top {
    struct invocation *invocation;
    char **words; /* from the first that is no option; NULL: none */
};

static error_t
parse_top(int key, char *value, struct argp_state *state)
{
    struct top *top = state->input;

    (void)value;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = top->invocation;
        return 0;
    case ARGP_KEY_ARG:
        top->words = &state->argv[state->next - 1];
        state->next = state->argc;
        return 0;
    case ARGP_KEY_NO_ARGS:
        command_usage(top->invocation, "a command is missing");
    case ARGP_KEY_ERROR:
        command_usage_of_option(top->invocation, state);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The table as the end of --help. */
static char *
add_commands(int key, const char *text, void *input)
{
    char *help = NULL;
    size_t len;
    FILE *out;

    (void)input;
    if (key != ARGP_KEY_HELP_EXTRA)
        return (char *)(uintptr_t)text;
    out = open_memstream(&help, &len);
    if (!out)
        return NULL;
    fputs("Commands:\n", out);
    for (const struct command *command = COMMANDS; command->name; command++) {
        int width = fprintf(out, "  %s", command->name);

        fprintf(out, "%*s%s\n", width < HELP_COLUMN ? HELP_COLUMN - width : 1, "", command->help);
    }
    fclose(out);
    return help;
}

static int
run_command(struct invocation *invocation, int argc, char **words)
{
    const struct command *command = command_find(words[0]);
    char name[COMMAND_MAX];

    if (!command)
        command_usage(invocation, "%s: no such command", words[0]);
    snprintf(name, sizeof(name), "keysvc-agent %s", command->name);
    invocation->command = command->name;
    words[0] = name;
    return command->run(invocation, argc, words);
}

int
main(int argc, char **argv)
{
    const struct argp_child children[] = {{&COMMAND_COMMON_ARGP, 0, NULL, 0}, {0}};
    const struct argp argp = {
        .parser = parse_top,
        .args_doc = "COMMAND [ARGUMENT...]",
        .doc = "The life of this host's certificates; their keys stay on the tokens of keysvcd."
               "\vkeysvc-agent COMMAND --help says more; so does keysvc-agent(1).",
        .children = children,
        .help_filter = add_commands,
    };
    struct invocation invocation = {.identity = IDENTITY_OF_LISTENER};
    struct top top = {.invocation = &invocation};

    /* What commands write on standard error is JSON; `run` asks for more. */
    log_init("keysvc-agent", LOG_LEVEL_ERROR);
    argp_program_version = "keysvc-agent " KEYSVC_VERSION;
    argp_err_exit_status = KS_ERR_USAGE;
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER | command_argp_flags(argc, argv), NULL, &top))
        return KS_ERR_INTERNAL;
    return run_command(&invocation, argc - (int)(top.words - argv), top.words);
}
