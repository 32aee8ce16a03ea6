/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console - the command line of the console's verbs
 */
#include "client/agent/console/console.h"
#include "client/agent/console/handshake.h"

#include <argp.h>
#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#define N_AT_ONCE 16
#define MAX_AT_ONCE 256 /* connections, each with a descriptor */
#define TIMEOUT_MS 60000
#define TIMEOUT_MAX_S 600u
#define MS_PER_S 1000u
#define HELP_COLUMN 22
#define NAME_MAX_LEN 64 /* of "keysvc-agent console VERB" */

enum key {
    KEY_CONSOLE_DIR = 0x300,
    KEY_JSON,
    KEY_PARALLEL,
    KEY_TIMEOUT,
    KEY_ALL,
    KEY_YES,
    KEY_PIN,
    KEY_CA_FILE,
    KEY_FINGERPRINT,
    KEY_TOKEN_FILE,
    KEY_CERTIFICATE,
    KEY_KEY,
    KEY_SERVER_NAME,
    KEY_DIRECTORY,
    KEY_WHAT_IF,
    KEY_REKEY,
    KEY_SUBJECT, /* and as many as there are fields */
};

/* Each option, and the bit of the verbs that take it (0: all). */
static const struct {
    unsigned int takes;
    struct argp_option option;
} OPTIONS[] = {
    {0,
     {"console-dir", KEY_CONSOLE_DIR, "DIR", 0, "the console's folder, ~/.config/keysvc-console",
      0}},
    {0, {"json", KEY_JSON, NULL, 0, "the result as JSON", 0}},
    {0, {"parallel", KEY_PARALLEL, "N", 0, "agents at a time, 16 if not given", 0}},
    {0, {"timeout", KEY_TIMEOUT, "SECONDS", 0, "for each agent, 60 if not given", 0}},
    {TAKES_ALL, {"all", KEY_ALL, NULL, 0, "every agent of the list", 0}},
    {TAKES_YES, {"yes", KEY_YES, NULL, 0, "do not ask", 0}},
    {TAKES_PIN, {"pin", KEY_PIN, NULL, 0, "exactly this certificate, though a CA issued it", 0}},
    {TAKES_CA_FILE, {"ca-file", KEY_CA_FILE, "FILE", 0, "the CA's certificate, PEM or DER", 0}},
    {TAKES_FINGERPRINT,
     {"fingerprint", KEY_FINGERPRINT, "SHA256", 0, "the certificate that it must show", 0}},
    {TAKES_CREDENTIALS,
     {"token-file", KEY_TOKEN_FILE, "FILE", 0, "a token of the agent's API, in the first line", 0}},
    {TAKES_CREDENTIALS,
     {"certificate", KEY_CERTIFICATE, "FILE", 0, "the console's own certificate, PEM", 0}},
    {TAKES_CREDENTIALS, {"key", KEY_KEY, "FILE", 0, "its key, or a reference to it", 0}},
    {TAKES_SERVER_NAME,
     {"server-name", KEY_SERVER_NAME, "NAME", 0,
      "what its certificate must name, if that is not the address's host", 0}},
    {TAKES_DIRECTORY,
     {"directory", KEY_DIRECTORY, "DIR", 0, "of NAME.req and NAME.crt, .pem, .cer or .der", 0}},
    {TAKES_WHAT_IF, {"what-if", KEY_WHAT_IF, NULL, 0, "check as for apply, change nothing", 0}},
    {TAKES_REKEY, {"rekey", KEY_REKEY, NULL, 0, "with a new key", 0}},
    {TAKES_SUBJECT,
     {"common-name", KEY_SUBJECT + SUBJECT_COMMON_NAME, "NAME", 0,
      "in this and the others {name} stands for the agent's name, {host} for its host", 0}},
    {TAKES_SUBJECT, {"organization", KEY_SUBJECT + SUBJECT_ORGANIZATION, "O", 0, "", 0}},
    {TAKES_SUBJECT, {"organization-unit", KEY_SUBJECT + SUBJECT_ORGANIZATION_UNIT, "OU", 0, "", 0}},
    {TAKES_SUBJECT, {"country", KEY_SUBJECT + SUBJECT_COUNTRY, "C", 0, "", 0}},
    {TAKES_SUBJECT, {"state", KEY_SUBJECT + SUBJECT_STATE, "ST", 0, "", 0}},
    {TAKES_SUBJECT, {"locality", KEY_SUBJECT + SUBJECT_LOCALITY, "L", 0, "", 0}},
    {TAKES_SUBJECT,
     {"alternative-names", KEY_SUBJECT + SUBJECT_ALTERNATIVE_NAMES, "LIST", 0, "DNS:a,IP:b", 0}},
};

/* Prints the error and ends with its code, as every command of keysvc-agent. */
static void __attribute__((noreturn)) KS_PRINTF(2, 3)
    usage(const struct console *console, const char *format, ...)
{
    struct report report = REPORT_INIT;
    char text[sizeof(report.message)];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    report_fail(&report, KS_ERR_USAGE, "%s", text);
    report_hint(&report, "see keysvc-agent console%s%s --help", console->verb ? " " : "",
                console->verb ? console->verb->name : "");
    report_print(&report, stderr);
    exit(KS_ERR_USAGE);
}

/* --- the options --- */

static uint32_t
number(const struct console *console, const char *name, const char *text, uint32_t max)
{
    char *end;
    unsigned long value;

    errno = 0;
    value = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || errno != 0 || *end || value == 0 || value > max)
        usage(console, "--%s %s: not a number from 1 to %u", name, text, max);
    return (uint32_t)value;
}

static bool
take_common(struct console *console, int key, const char *value)
{
    switch (key) {
    case KEY_CONSOLE_DIR:
        if (!text_copy(console->dir, sizeof(console->dir), value) || !value[0])
            usage(console, "--console-dir: not a path");
        return true;
    case KEY_JSON:
        console->json = true;
        return true;
    case KEY_PARALLEL:
        console->n_at_once = number(console, "parallel", value, MAX_AT_ONCE);
        return true;
    case KEY_TIMEOUT:
        console->timeout_ms = MS_PER_S * number(console, "timeout", value, TIMEOUT_MAX_S);
        return true;
    case KEY_ALL:
        console->all = true;
        return true;
    default:
        return false;
    }
}

static bool
take_flag(struct console_options *options, int key)
{
    switch (key) {
    case KEY_YES:
        options->yes = true;
        return true;
    case KEY_PIN:
        options->pin = true;
        return true;
    case KEY_WHAT_IF:
        options->what_if = true;
        return true;
    case KEY_REKEY:
        options->rekey = true;
        return true;
    default:
        return false;
    }
}

static bool
take_text(struct console_options *options, int key, const char *value)
{
    const char **place[] = {
        [KEY_CA_FILE - KEY_CA_FILE] = &options->ca_file,
        [KEY_FINGERPRINT - KEY_CA_FILE] = &options->fingerprint,
        [KEY_TOKEN_FILE - KEY_CA_FILE] = &options->token_file,
        [KEY_CERTIFICATE - KEY_CA_FILE] = &options->certificate_file,
        [KEY_KEY - KEY_CA_FILE] = &options->key_file,
        [KEY_SERVER_NAME - KEY_CA_FILE] = &options->server_name,
        [KEY_DIRECTORY - KEY_CA_FILE] = &options->directory,
    };

    if (key >= KEY_SUBJECT && key < KEY_SUBJECT + SUBJECT_N_FIELDS)
        options->subject[key - KEY_SUBJECT] = value;
    else if (key >= KEY_CA_FILE && key <= KEY_DIRECTORY)
        *place[key - KEY_CA_FILE] = value;
    else
        return false;
    return true;
}

static error_t
parse_verb(int key, char *value, struct argp_state *state)
{
    struct console *console = state->input;

    switch (key) {
    case ARGP_KEY_ARG:
        if (console->n_words == console->verb->max_words)
            usage(console, "%s: one argument too many", value);
        console->words[console->n_words++] = value;
        return 0;
    case ARGP_KEY_END:
        if (console->n_words < console->verb->min_words)
            usage(console, "%s is missing", console->verb->usage);
        if (console->all && console->n_words > 0)
            usage(console, "--all goes with no names");
        return 0;
    case ARGP_KEY_ERROR:
        usage(console, "%s: no such option, or its argument is missing or not wanted",
              state->argv[state->next - 1]);
    default:
        if (take_common(console, key, value) || take_flag(&console->options, key) ||
            take_text(&console->options, key, value))
            return 0;
        return ARGP_ERR_UNKNOWN;
    }
}

static bool
wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-?") == 0 ||
            strcmp(argv[i], "--usage") == 0)
            return true;
    }
    return false;
}

static void
parse(struct console *console, int argc, char **argv)
{
    struct argp_option options[ARRAY_LEN(OPTIONS) + 1] = {0};
    const struct argp argp = {
        .options = options,
        .parser = parse_verb,
        .args_doc = console->verb->usage,
        .doc = console->verb->help,
    };
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(OPTIONS); i++) {
        if (OPTIONS[i].takes == 0 || (OPTIONS[i].takes & console->verb->takes))
            options[n++] = OPTIONS[i].option;
    }
    if (argp_parse(&argp, argc, argv, wants_help(argc, argv) ? 0 : ARGP_NO_ERRS, NULL, console) !=
        0)
        exit(KS_ERR_INTERNAL);
}

/* --- the command --- */

static void
print_verbs(FILE *out)
{
    fprintf(out, "Usage: keysvc-agent console VERB [ARGUMENT...]\n\n");
    for (const struct console_verb *verb = CONSOLE_VERBS; verb->name; verb++)
        fprintf(out, "  %-*s%s\n", HELP_COLUMN, verb->name, verb->help);
    fprintf(out,
            "\nkeysvc-agent console VERB --help says more; so does keysvc-agent-console(1).\n");
}

static void
choose_dir(struct console *console)
{
    const char *config = secure_getenv("XDG_CONFIG_HOME");
    const char *home = secure_getenv("HOME");
    int len;

    if (console->dir[0])
        return;
    if (config && config[0] == '/')
        len = snprintf(console->dir, sizeof(console->dir), "%s/keysvc-console", config);
    else if (home && home[0] == '/')
        len = snprintf(console->dir, sizeof(console->dir), "%s/.config/keysvc-console", home);
    else
        usage(console, "--console-dir is needed where there is no home folder");
    if ((size_t)len >= sizeof(console->dir))
        usage(console, "the path of the console's folder is too long");
}

static int
run_verb(struct console *console, struct report *report)
{
    struct fault why = FAULT_INIT;
    ks_err err = fleet_open(console->dir, &console->fleet, &why);
    int code;

    if (err) {
        report_fault(report, err, &why);
        return (int)err;
    }
    code = console->verb->run(console, report);
    console->fleet = fleet_free(console->fleet);
    return code;
}

int
console_run(int argc, char **argv)
{
    struct console console = {.n_at_once = N_AT_ONCE, .timeout_ms = TIMEOUT_MS};
    struct report report = REPORT_INIT;
    char name[NAME_MAX_LEN];
    int code;

    if (argc < 2)
        usage(&console, "a verb is missing");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0) {
        print_verbs(stdout);
        return KS_OK;
    }
    console.verb = console_find_verb(argv[1]);
    if (!console.verb)
        usage(&console, "%s: no such verb", argv[1]);
    snprintf(name, sizeof(name), "keysvc-agent console %s", console.verb->name);
    argv[1] = name;
    console.words = calloc((size_t)argc, sizeof(*console.words));
    if (!console.words || curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return KS_ERR_INTERNAL;
    parse(&console, argc - 1, argv + 1);
    choose_dir(&console);
    if (console.verb->changes)
        signal(SIGPIPE, SIG_IGN);
    code = run_verb(&console, &report);
    if (!report.code)
        (void)report_stdout(&report, console.verb->changes && !console.options.what_if);
    if (report.code)
        report_print(&report, stderr);
    handshake_end();
    curl_global_cleanup();
    free(console.words);
    return report.code ? (int)report.code : code;
}
