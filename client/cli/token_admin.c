/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_admin - keysvc token init T, keysvc token change-pin T
 *
 * Never over the socket: PINs pass no process that talks to clients. This program runs keysvcd
 * --administer, which runs the token process as the token's user; that one asks for the PINs, on
 * the terminal itself. Their outcome is an exit code and a line "PROGRAM: what; what to do", which
 * is told here as any other error is.
 */
#include <stdio.h>
#include <sys/wait.h>

#include "client/cli/keysvcd.h"
#include "client/cli/output.h"

#define MAX_WORDS 32           /* of keysvcd's command line */
#define OUTPUT_MAX (64 * 1024) /* bytes that it may say */

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

/* The outcome's line begins so: keysvcd's own, or that of the process it started. */
static const char *
outcome_in(const char *line)
{
    static const char *const PROGRAM[] = {"keysvcd: ", "keysvc-token: "};

    const char *name = line;

    /* argp names a program as it was started, perhaps by its whole path. */
    for (const char *at = line; *at != '\0' && *at != ' '; at++) {
        if (*at == '/')
            name = at + 1;
    }
    for (size_t i = 0; i < ARRAY_LEN(PROGRAM); i++) {
        if (strncmp(name, PROGRAM[i], strlen(PROGRAM[i])) == 0)
            return name + strlen(PROGRAM[i]);
    }
    return NULL;
}

/* Warnings, and what a module says aloud, go through as they are; of a failure the first line of
 * one of our programs is its outcome, which stays in `errors`. */
static const char *
take_outcome(char *errors, bool failed)
{
    const char *outcome = NULL, *found;
    char *line;

    while ((line = strsep(&errors, "\n"))) {
        found = failed && !outcome ? outcome_in(line) : NULL;
        if (found)
            outcome = found;
        else if (line[0] != '\0' && strncmp(line, "Try `", strlen("Try `")) != 0)
            fprintf(stderr, "%s\n", line);
    }
    return outcome;
}

static int
fail(const struct cli *cli, int status, const char *outcome)
{
    struct ks_error error = {.code = KS_ERR_INTERNAL};
    const char *hint = outcome ? strstr(outcome, "; ") : NULL;

    if (WIFEXITED(status) && WEXITSTATUS(status) < KS_ERR_COUNT)
        error.code = (ks_err)WEXITSTATUS(status);
    error.retryable = err_info(error.code)->retryable;
    if (outcome)
        snprintf(error.message, sizeof(error.message), "%.*s",
                 (int)(hint ? (size_t)(hint - outcome) : strlen(outcome)), outcome);
    else
        snprintf(error.message, sizeof(error.message), "keysvcd ended with %s %d",
                 WIFEXITED(status) ? "code" : "signal",
                 WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    if (hint)
        snprintf(error.hint, sizeof(error.hint), "%s", hint + strlen("; "));
    return output_error(cli, &error);
}

static int
attend(struct cli *cli, const char *path, const char *const *words)
{
    ks_auto(buf_deinit) struct buf out = {.max = OUTPUT_MAX};
    ks_auto(buf_deinit) struct buf errors = {.max = OUTPUT_MAX};
    struct fault why = FAULT_INIT;
    const char *outcome;
    int status = 0;
    ks_err err = keysvcd_attend(path, words, &out, &errors, &status, &why);

    if (err)
        return output_fault(cli, err, &why);
    buf_append(&out, "", 1);
    buf_append(&errors, "", 1);
    outcome = take_outcome(errors.failed ? NULL : (char *)errors.data, status != 0);
    if (status != 0)
        return fail(cli, status, outcome);
    return output_done(cli, json_pack("{s:b, s:s}", "done", true, "token", cli->subject), "%s",
                       out.failed ? "" : (const char *)out.data);
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
    cli->subject = positional[0];
    return attend(cli, path, line.words);
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
