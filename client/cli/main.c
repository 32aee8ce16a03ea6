/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main - the command `keysvc`: finds the command in the table and gives it its arguments
 */
#include <stdio.h>

#include "build-config.h"
#include "client/cli/cli.h"
#include "client/cli/output.h"

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

/* The rows of one noun (NULL: of all), as at the end of --help. */
static void
print_commands(FILE *out, const char *noun)
{
    for (size_t i = 0; i < CLI_N_COMMANDS; i++) {
        const struct cli_command *command = &CLI_COMMANDS[i];
        int width;

        if (noun && strcmp(command->noun, noun) != 0)
            continue;
        width = fprintf(out, "  %s%s%s", command->noun, command->verb ? " " : "",
                        command->verb ? command->verb : "");
        fprintf(out, "%*s%s\n", HELP_COLUMN - width, "", command->help);
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
    print_commands(out, NULL);
    fclose(out);
    return help;
}

static bool
is_option(const char *word)
{
    return word && word[0] == '-';
}

/* A noun without its verb: its verbs are what is wanted to be known. */
static int
explain_noun(const struct cli *cli, char **words)
{
    struct ks_error error = {.code = KS_ERR_USAGE};

    if (words[1] && (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-?") == 0)) {
        printf("Usage: keysvc %s VERB [ARGUMENT...]\n\n", words[0]);
        print_commands(stdout, words[0]);
        printf("\nkeysvc %s VERB --help says more; so does keysvc(1).\n", words[0]);
        return KS_OK;
    }
    if (words[1] && !is_option(words[1]))
        snprintf(error.message, sizeof(error.message), "%s %s: no such command", words[0],
                 words[1]);
    else
        snprintf(error.message, sizeof(error.message), "%s: its verb is missing", words[0]);
    snprintf(error.hint, sizeof(error.hint), "see keysvc %s --help", words[0]);
    output_error(cli, &error);
    if (!cli->json)
        print_commands(stderr, words[0]);
    return KS_ERR_USAGE;
}

static int
run_command(struct cli *cli, int argc, char **words)
{
    char name[COMMAND_MAX];
    int n_words = 0, code;
    const struct cli_command *command = cli_find(words, &n_words);

    if (!command && n_words > 0)
        return explain_noun(cli, words);
    if (!command)
        cli_usage(cli, "%s: no such command", words[0]);
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
