/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_admin - keysvc token init T, keysvc token change-pin T
 *
 * Never over the socket: PINs pass no process that talks to clients. This program becomes keysvcd
 * --administer, which runs the token process as the token's user; that one asks for the PINs.
 */
#include <errno.h>
#include <stdio.h>

#include "client/cli/keysvcd.h"
#include "client/cli/output.h"

#define MAX_WORDS 32 /* of keysvcd's command line */

enum {
    KEY_SO_PIN_FILE = 0x200,
    KEY_OLD_SO_PIN_FILE,
    KEY_PIN_FILE,
    KEY_NEW_PIN_FILE,
    KEY_FORCE,
};

/* The words that become keysvcd's. */
struct command_line {
    struct cli *cli;
    const char *words[MAX_WORDS + 1];
    size_t n_words;
};

static void
add_word(struct command_line *line, const char *word)
{
    if (line->n_words == MAX_WORDS)
        cli_usage(line->cli, "more than %d arguments", MAX_WORDS);
    line->words[line->n_words++] = word;
    line->words[line->n_words] = NULL;
}

static int
take_option(int key, char *value, void *state)
{
    static const char *const NAME[] = {
        [KEY_SO_PIN_FILE - KEY_SO_PIN_FILE] = "--so-pin-file",
        [KEY_OLD_SO_PIN_FILE - KEY_SO_PIN_FILE] = "--old-so-pin-file",
        [KEY_PIN_FILE - KEY_SO_PIN_FILE] = "--pin-file",
        [KEY_NEW_PIN_FILE - KEY_SO_PIN_FILE] = "--new-pin-file",
        [KEY_FORCE - KEY_SO_PIN_FILE] = "--force",
    };
    struct command_line *line = state;

    if (key < KEY_SO_PIN_FILE || key > KEY_FORCE)
        return keysvcd_option(line->cli, key, value);
    add_word(line, NAME[key - KEY_SO_PIN_FILE]);
    if (value)
        add_word(line, value);
    return 0;
}

static int
administer(struct cli *cli, int argc, char **argv, const char *what,
           const struct argp_option *options, const char *help)
{
    const char *positional[MAX_WORDS];
    struct command_line line = {.cli = cli};
    const struct cli_arguments arguments = {
        .options = options,
        .option = take_option,
        .state = &line,
        .usage = "TOKEN [-- KEYSVCD-ARGUMENT...]",
        .help = help,
        .min_positional = 1,
        .max_positional = ARRAY_LEN(positional),
        .positional = positional,
    };
    struct fault why = FAULT_INIT;
    char path[PATH_MAX];
    ks_err err;

    add_word(&line, "keysvcd");
    cli_parse(cli, argc, argv, &arguments);
    err = keysvcd_find(cli, path, &why);
    if (err)
        return output_fault(cli, err, &why);
    if (cli->config) {
        add_word(&line, "--config");
        add_word(&line, cli->config);
    }
    for (size_t i = 1; i < ARRAY_LEN(positional) && positional[i]; i++)
        add_word(&line, positional[i]);
    add_word(&line, "--administer");
    add_word(&line, what);
    add_word(&line, positional[0]);
    execv(path, (char *const *)(uintptr_t)line.words);
    return output_fail(cli, KS_ERR_INTERNAL, "%s: %s", path, strerror(errno));
}

int
token_init_run(struct cli *cli, int argc, char **argv)
{
    static const struct argp_option OPTIONS[] = {
        {"so-pin-file", KEY_SO_PIN_FILE, "FILE", 0, "the new SO PIN, instead of asking for it", 0},
        {"old-so-pin-file", KEY_OLD_SO_PIN_FILE, "FILE", 0,
         "the SO PIN that the token has now (its maker's), if it is another one", 0},
        {"pin-file", KEY_PIN_FILE, "FILE", 0, "the new user PIN; else the token's own PIN file", 0},
        {"force", KEY_FORCE, NULL, 0, "also a token that has been initialised", 0},
        KEYSVCD_OPTIONS,
        {0},
    };

    return administer(cli, argc, argv, "init", OPTIONS,
                      "Initialises a token of keysvcd.conf: its label, a new SO PIN and a new user "
                      "PIN, from files or asked for on the terminal. Whatever the token held is "
                      "lost.");
}

int
token_change_pin_run(struct cli *cli, int argc, char **argv)
{
    static const struct argp_option OPTIONS[] = {
        {"pin-file", KEY_PIN_FILE, "FILE", 0, "the old PIN; else the token's own PIN file", 0},
        {"new-pin-file", KEY_NEW_PIN_FILE, "FILE", 0,
         "the new PIN, in the PIN file's folder; it takes that file's place", 0},
        KEYSVCD_OPTIONS,
        {0},
    };

    return administer(cli, argc, argv, "change-pin", OPTIONS,
                      "Changes the user PIN of a token of keysvcd.conf, and then its PIN file.");
}
