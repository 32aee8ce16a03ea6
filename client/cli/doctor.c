/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor - keysvc doctor [--config FILE], keysvc doctor --program NAME
 *
 * Runs the checks in order, of the service or of one program, and shows all findings. The exit code is the class of the first thing
 * that is wrong.
 */
#include "client/cli/doctor.h"

#include <stdarg.h>
#include <stdio.h>

#include "client/cli/doctor_program.h"
#include "client/cli/keysvcd.h"
#include "client/cli/output.h"
#include "client/cli/table.h"

#define MAX_MORE 16 /* arguments handed on to keysvcd --check */

enum {
    KEY_PROGRAM = 0x200,
    KEY_FILE,
    KEY_CONFIG_DIR,
    KEY_OPENSSL_CONF,
    KEY_PID,
    KEY_USER,
};

static const struct argp_option OPTIONS[] = {
    KEYSVCD_OPTIONS,
    {"program", KEY_PROGRAM, "NAME", 0,
     "a program that uses references instead: what keeps it from its keys", 0},
    {"file", KEY_FILE, "FILE", 0,
     "with --program: a reference or certificate of it; may be given again; else they are looked "
     "for in its configuration",
     0},
    {"config-dir", KEY_CONFIG_DIR, "DIR", 0, "with --program: its configuration, if not /etc/NAME",
     0},
    {"openssl-conf", KEY_OPENSSL_CONF, "FILE", 0,
     "with --program: its openssl.cnf, if not what its environment says", 0},
    {"pid", KEY_PID, "PID", 0, "with --program: of several instances this process and its children",
     0},
    {"user", KEY_USER, "USER", 0, "with --program: who signs, if not the users of its processes",
     0},
    {0},
};

struct doctor_options {
    struct cli *cli;
    struct program_options program;
};

struct doctor {
    struct doctor_finding *findings;
    size_t n_findings;
    struct doctor_fact *facts;
    size_t n_facts;
    bool answers;
    uint8_t configuration_sha256[KS_SHA256_LEN]; /* if it answers */
};

static const char *const VERDICT[] = {
    [DOCTOR_FINE] = "ok",
    [DOCTOR_SKIPPED] = "skipped",
    [DOCTOR_NOTE] = "note",
    [DOCTOR_WRONG] = "wrong",
};

static int show_text(struct cli *cli, const struct doctor *doctor);
static int show_json(struct cli *cli, const struct doctor *doctor);

static void look_at_service(struct doctor *doctor, struct cli *cli, const char *const *more);

static int
take_option(int key, char *value, void *state)
{
    struct doctor_options *options = state;
    struct program_options *program = &options->program;

    switch (key) {
    case KEY_PROGRAM:
        program->name = value;
        return 0;
    case KEY_FILE:
        if (program->n_files == ARRAY_LEN(program->files))
            cli_usage(options->cli, "--file: more than %d", PROGRAM_MAX_FILES);
        program->files[program->n_files++] = value;
        return 0;
    case KEY_CONFIG_DIR:
        program->config_dir = value;
        return 0;
    case KEY_OPENSSL_CONF:
        program->openssl_conf = value;
        return 0;
    case KEY_PID:
        if (!cli_parse_number(value, INT_MAX, &program->pid))
            cli_usage(options->cli, "--pid %s: not the number of a process", value);
        return 0;
    case KEY_USER:
        program->user = value;
        return 0;
    default:
        return keysvcd_option(options->cli, key, value);
    }
}

/* A name and no path: it is looked for in /proc and below /etc. */
static void
check_usage(struct cli *cli, const struct program_options *program)
{
    if (!program->name && (program->n_files > 0 || program->config_dir || program->openssl_conf ||
                           program->pid || program->user))
        cli_usage(cli, "--file, --config-dir, --openssl-conf, --pid and --user need --program");
    if (program->name && (program->name[0] == '\0' || program->name[0] == '.' ||
                          strchr(program->name, '/') || strlen(program->name) > NAME_MAX))
        cli_usage(cli, "--program %s: not the name of a program", program->name);
}

static int
exit_code(const struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->n_findings; i++) {
        if (doctor->findings[i].verdict == DOCTOR_WRONG)
            return (int)doctor->findings[i].class;
    }
    return KS_OK;
}

int
doctor_run(struct cli *cli, int argc, char **argv)
{
    struct doctor_options options = {.cli = cli, .program = {.proc = "/proc", .root = ""}};
    const char *more[MAX_MORE + 1];
    const struct cli_arguments arguments = {
        .options = OPTIONS,
        .option = take_option,
        .state = &options,
        .usage = "[-- KEYSVCD-ARGUMENT...]",
        .max_positional = MAX_MORE,
        .positional = more,
        .help = "Looks at the socket, the service, its rules, tokens, keys, PIN files, devices, "
                "audit and this host, and says of each what is wrong and how to mend it; with "
                "--program at what keeps an unmodified program from using its references. As root "
                "it sees more. "
                "The exit code is 0 if nothing is wrong, else the class of the first thing that "
                "is.",
    };
    struct doctor doctor = {0};
    int code;

    more[MAX_MORE] = NULL;
    cli_parse(cli, argc, argv, &arguments);
    cli->subject = NULL;
    check_usage(cli, &options.program);
    doctor_socket(&doctor, cli);
    doctor_service(&doctor, cli);
    if (options.program.name)
        doctor_program(&doctor, cli, &options.program);
    else
        look_at_service(&doctor, cli, more);
    code = cli->json ? show_json(cli, &doctor) : show_text(cli, &doctor);
    if (!code)
        code = exit_code(&doctor);
    free(doctor.findings);
    free(doctor.facts);
    return code;
}

static void
look_at_service(struct doctor *doctor, struct cli *cli, const char *const *more)
{
    doctor_config(doctor, cli, more);
    doctor_tokens(doctor);
    doctor_devices(doctor);
    doctor_stores(doctor);
    doctor_keys(doctor, cli);
    doctor_audit(doctor);
    doctor_state(doctor);
    doctor_host(doctor);
}

static int
show_text(struct cli *cli, const struct doctor *doctor)
{
    ks_auto(freep) char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return output_fail(cli, KS_ERR_INTERNAL, "no memory for the result");
    for (size_t i = 0; i < doctor->n_findings; i++) {
        const struct doctor_finding *finding = &doctor->findings[i];

        fprintf(out, "%-8s %-14s %s\n", VERDICT[finding->verdict], finding->check, finding->text);
        if (finding->mend[0] != '\0')
            fprintf(out, "%-8s %-14s -> %s\n", "", "", finding->mend);
    }
    if (fclose(out) != 0)
        return output_fail(cli, KS_ERR_INTERNAL, "no memory for the result");
    return output_text(cli, text);
}

static int
show_json(struct cli *cli, const struct doctor *doctor)
{
    json_t *list = json_array();

    for (size_t i = 0; i < doctor->n_findings; i++) {
        const struct doctor_finding *finding = &doctor->findings[i];

        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:s, s:s}", "check", finding->check, "verdict",
                            VERDICT[finding->verdict], "code",
                            finding->verdict == DOCTOR_WRONG ? ks_err_name(finding->class) : "OK",
                            "text", finding->text, "mend", finding->mend));
    }
    return output_json(
        cli, json_pack("{s:b, s:o}", "fine", exit_code(doctor) == KS_OK, "findings", list));
}

/* --- findings --- */

/* Parts of it stand in other people's files: nothing moves the cursor, and JSON can carry it all. */
static void
tame(char *text)
{
    json_t *value;

    table_tame(text);
    value = json_string(text);
    for (char *c = text; !value && *c; c++)
        *c = (unsigned char)*c < 0x80 ? *c : '?';
    json_decref(value);
}

/* Without memory a finding is lost, and the program has other worries. */
static void
add(struct doctor *doctor, enum doctor_verdict verdict, ks_err class, const char *check,
    const char *mend, const char *format, va_list args)
{
    struct doctor_finding *findings =
        reallocarray(doctor->findings, doctor->n_findings + 1, sizeof(*findings));
    struct doctor_finding *finding;

    if (!findings)
        return;
    doctor->findings = findings;
    finding = &findings[doctor->n_findings++];
    finding->verdict = verdict;
    finding->class = class;
    finding->check = check;
    vsnprintf(finding->text, sizeof(finding->text), format, args);
    snprintf(finding->mend, sizeof(finding->mend), "%s", mend);
    tame(finding->text);
    tame(finding->mend);
}

void
doctor_fine(struct doctor *doctor, const char *check, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(doctor, DOCTOR_FINE, KS_OK, check, "", format, args);
    va_end(args);
}

void
doctor_skip(struct doctor *doctor, const char *check, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(doctor, DOCTOR_SKIPPED, KS_OK, check, "", format, args);
    va_end(args);
}

void
doctor_note(struct doctor *doctor, const char *check, const char *mend, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(doctor, DOCTOR_NOTE, KS_OK, check, mend, format, args);
    va_end(args);
}

void
doctor_wrong(struct doctor *doctor, ks_err class, const char *check, const char *mend,
             const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(doctor, DOCTOR_WRONG, class, check, mend, format, args);
    va_end(args);
}

struct doctor *
doctor_new(void)
{
    return calloc(1, sizeof(struct doctor));
}

struct doctor *
doctor_free(struct doctor *doctor)
{
    if (doctor) {
        free(doctor->findings);
        free(doctor->facts);
        free(doctor);
    }
    return NULL;
}

const struct doctor_finding *
doctor_finding_at(const struct doctor *doctor, size_t i)
{
    return i < doctor->n_findings ? &doctor->findings[i] : NULL;
}

void
doctor_note_answer(struct doctor *doctor, const struct ks_status *status)
{
    doctor->answers = true;
    memcpy(doctor->configuration_sha256, status->configuration_sha256, KS_SHA256_LEN);
}

bool
doctor_answers(const struct doctor *doctor)
{
    return doctor->answers;
}

const uint8_t *
doctor_configuration(const struct doctor *doctor)
{
    return doctor->answers ? doctor->configuration_sha256 : NULL;
}

/* --- facts --- */

void
doctor_fact_add(struct doctor *doctor, const struct doctor_fact *fact)
{
    struct doctor_fact *facts = reallocarray(doctor->facts, doctor->n_facts + 1, sizeof(*facts));

    if (!facts)
        return;
    doctor->facts = facts;
    facts[doctor->n_facts++] = *fact;
}

const struct doctor_fact *
doctor_fact_next(const struct doctor *doctor, const char *section, const struct doctor_fact *last)
{
    for (size_t i = last ? (size_t)(last - doctor->facts) + 1 : 0; i < doctor->n_facts; i++) {
        if (strcmp(doctor->facts[i].section, section) == 0)
            return &doctor->facts[i];
    }
    return NULL;
}

void
doctor_each_fact(struct doctor *doctor, const char *section, doctor_fact_fn each)
{
    for (size_t i = 0; i < doctor->n_facts; i++) {
        if (strcmp(doctor->facts[i].section, section) == 0)
            each(doctor, &doctor->facts[i]);
    }
}

const char *
doctor_fact_find(struct doctor *doctor, const char *section, const char *name, const char *option)
{
    for (size_t i = 0; i < doctor->n_facts; i++) {
        const struct doctor_fact *fact = &doctor->facts[i];

        if (strcmp(fact->section, section) == 0 && strcmp(fact->name, name) == 0 &&
            strcmp(fact->option, option) == 0)
            return fact->value;
    }
    return NULL;
}
