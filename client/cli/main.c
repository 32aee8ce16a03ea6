/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main - the command `keysvc`: finds the command in the table and gives it its arguments
 */
#include <stdio.h>

#include "build-config.h"
#include "client/cli/cli.h"

#define COMMAND_MAX 64 /* bytes of "keysvc NOUN VERB" */
#define HELP_COLUMN 22

struct top {
    struct cli *cli;
    char **words; /* from the first that is no option; NULL: none */
};

static error_t
parse_top(int key, char *value, struct argp_state *state)
{
    struct top *top = state->input;

    (void)value;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = top->cli;
        return 0;
    case ARGP_KEY_ARG:
        top->words = &state->argv[state->next - 1];
        state->next = state->argc;
        return 0;
    case ARGP_KEY_NO_ARGS:
        cli_usage(top->cli, "a command is missing");
    case ARGP_KEY_ERROR:
        cli_usage_of_option(top->cli, state);
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
    for (size_t i = 0; i < CLI_N_COMMANDS; i++) {
        const struct cli_command *command = &CLI_COMMANDS[i];
        int width = fprintf(out, "  %s%s%s", command->noun, command->verb ? " " : "",
                            command->verb ? command->verb : "");

        fprintf(out, "%*s%s\n", HELP_COLUMN - width, "", command->help);
    }
    fclose(out);
    return help;
}

static int
run_command(struct cli *cli, int argc, char **words)
{
    char name[COMMAND_MAX];
    int n_words = 0, code;
    const struct cli_command *command = cli_find(words, &n_words);

    if (!command && n_words > 0 && words[1])
        cli_usage(cli, "%s %s: no such command", words[0], words[1]);
    if (!command)
        cli_usage(cli, n_words > 0 ? "%s: its verb is missing" : "%s: no such command", words[0]);
    snprintf(name, sizeof(name), "keysvc %s%s%s", command->noun, command->verb ? " " : "",
             command->verb ? command->verb : "");
    cli->command = name + strlen("keysvc ");
    words[n_words - 1] = name;
    code = command->run(cli, argc - (n_words - 1), words + n_words - 1);
    cli->client = ks_client_free(cli->client);
    return code;
}

int
main(int argc, char **argv)
{
    const struct argp_child children[] = {{&CLI_COMMON_ARGP, 0, NULL, 0}, {0}};
    const struct argp argp = {
        .parser = parse_top,
        .args_doc = "COMMAND [ARGUMENT...]",
        .doc = "Keys on this host's tokens: signatures, certificate signing requests and their "
               "administration.\vkeysvc COMMAND --help says more; so does keysvc(1).",
        .children = children,
        .help_filter = add_commands,
    };
    struct cli cli = {0};
    struct top top = {.cli = &cli};

    argp_program_version = "keysvc " KEYSVC_VERSION;
    argp_err_exit_status = KS_ERR_USAGE;
    cli.json = cli_wants_json(argc, argv);
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER | cli_argp_flags(argc, argv), NULL, &top) != 0)
        return KS_ERR_INTERNAL;
    return run_command(&cli, argc - (int)(top.words - argv), top.words);
}
