/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_verify - keysvc audit verify [--audit-dir DIR] [--state-dir DIR] [--key PEM] [FILE...]
 *
 * Chain by chain: its files, the oldest first, its token's audit key and the last checkpoint, both
 * kept in the state folder, out of reach of whoever can write the audit files. A chain with a
 * checkpoint there and no file here was taken away whole.
 */
#include <errno.h>
#include <stdio.h>

#include "base/verify.h"
#include "client/cli/audit.h"
#include "client/cli/output.h"

#define KEY_SUFFIX ".audit-key.pem"
#define CHECKPOINT_SUFFIX ".checkpoint"
#define FRONT_CHAIN "front"
#define CHECKPOINT_LINE_MAX (CHAIN_CHECKPOINT_MAX + 512) /* bytes: text and signature */

enum { KEY_AUDIT_DIR = 0x200, KEY_STATE_DIR, KEY_PEM };

struct options {
    const char *dir;
    const char *state_dir; /* NULL: not given, and there is none on this host */
    const char *pem;
};

/* What was found out about one chain. */
struct finding {
    const char *chain;
    const char *file; /* name of the one read last */
    ks_err err;
    struct verify_result result;
    struct fault why;
    bool has_keys;
    bool has_outside;
};

struct report {
    struct cli *cli;
    FILE *text; /* one of the two */
    json_t *list;
    ks_err worst;
    ks_err err; /* why chains that are missing were not looked for */
    struct fault why;
};

static void check_chain(const struct options *options, const struct audit_file *files,
                        size_t n_files, struct finding *out);
static void report_add(struct report *report, const struct finding *finding);
static void report_missing(struct report *report, const struct options *options,
                           const struct audit_files *files);
static int report_end(struct report *report, char **text);

static int
take_option(int key, char *value, void *state)
{
    struct options *options = state;

    switch (key) {
    case KEY_AUDIT_DIR:
        options->dir = value;
        return 0;
    case KEY_STATE_DIR:
        options->state_dir = value;
        return 0;
    case KEY_PEM:
        options->pem = value;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Files of one chain stand side by side; such without a chain's name are each their own. */
static size_t
n_of_chain(const struct audit_files *files, size_t first)
{
    size_t n = 1;

    while (files->items[first].chain[0] && first + n < files->n_items &&
           strcmp(files->items[first].chain, files->items[first + n].chain) == 0)
        n++;
    return n;
}

static int
verify_files(struct cli *cli, const struct options *options, const struct audit_files *files,
             bool whole_dir)
{
    struct report report = {.cli = cli};
    char *text = NULL;
    size_t n, len;

    if (cli->json)
        report.list = json_array();
    else
        report.text = open_memstream(&text, &len);
    if (!report.list && !report.text)
        return output_fail(cli, KS_ERR_INTERNAL, "no memory for the result");
    for (size_t i = 0; i < files->n_items; i += n) {
        struct finding finding = {.err = KS_OK};

        n = n_of_chain(files, i);
        check_chain(options, &files->items[i], n, &finding);
        report_add(&report, &finding);
    }
    if (whole_dir && options->state_dir)
        report_missing(&report, options, files);
    return report_end(&report, &text);
}

int
audit_verify_run(struct cli *cli, int argc, char **argv)
{
    static const struct argp_option OPTIONS[] = {
        {"audit-dir", KEY_AUDIT_DIR, "DIR", 0, "all chains in it; " AUDIT_DIR " if not given", 0},
        {"state-dir", KEY_STATE_DIR, "DIR", 0,
         "where last checkpoints and audit keys are kept; " AUDIT_STATE_DIR " if not given", 0},
        {"key", KEY_PEM, "FILE", 0, "public audit keys as PEM, instead of those kept there", 0},
        {0},
    };
    ks_auto(audit_files_deinit) struct audit_files files = {0};
    const char *paths[AUDIT_MAX_NAMED];
    struct options options = {.dir = AUDIT_DIR, .state_dir = NULL};
    const struct cli_arguments arguments = {
        .options = OPTIONS,
        .option = take_option,
        .state = &options,
        .usage = "[FILE...]",
        .help =
            "Proves that the audit's files are what was written, or names the first place where "
            "they are not. Reads the files, the service need not run. Exit code 6: altered.",
        .max_positional = ARRAY_LEN(paths),
        .positional = paths,
    };
    struct fault why = FAULT_INIT;
    ks_err err;

    cli_parse(cli, argc, argv, &arguments);
    if (!options.state_dir && access(AUDIT_STATE_DIR, F_OK) == 0)
        options.state_dir = AUDIT_STATE_DIR;
    err = audit_files_choose(paths, ARRAY_LEN(paths), options.dir, &files, &why);
    if (err)
        return output_fault(cli, err, &why);
    return verify_files(cli, &options, &files, !paths[0]);
}

/* One or more keys in a file: an audit key that was rotated stays in it. */
static ks_err
add_keys(const char *path, struct verify_key *keys, size_t *n_keys, struct fault *why)
{
    ks_auto(fclosep) FILE *pem = fopen(path, "re");
    struct fault no_more = FAULT_INIT;
    size_t before = *n_keys;

    if (!pem) {
        fault_set(why, "%s: %s", path, strerror(errno));
        return KS_ERR_INTERNAL;
    }
    while (*n_keys < VERIFY_MAX_KEYS && verify_key_read(pem, &keys[*n_keys], &no_more) == KS_OK)
        ++*n_keys;
    if (*n_keys == before) {
        fault_set(why, "%s: %s", path, no_more.text);
        return KS_ERR_INTERNAL;
    }
    return KS_OK;
}

/* "main" of "main-1". */
static void
token_of(const char *chain, char token[static CHAIN_NAME_MAX + 1])
{
    const char *dash = strrchr(chain, '-');
    size_t len = dash && dash[1] && dash[1 + strspn(dash + 1, "0123456789")] == '\0'
                     ? (size_t)(dash - chain)
                     : strlen(chain);

    memcpy(token, chain, len);
    token[len] = '\0';
}

/* The keys whose signatures count in this chain. The front has none of its own: any token signs. */
static ks_err
find_keys(const struct options *options, const char *chain, struct verify_key *keys, size_t *n_keys,
          struct fault *why)
{
    ks_auto(strv_deinit) struct strv tokens = STRV_INIT;
    char path[AUDIT_PATH_MAX], token[CHAIN_NAME_MAX + 1];
    bool any = !chain[0] || strcmp(chain, FRONT_CHAIN) == 0;
    ks_err err;

    if (options->pem)
        return add_keys(options->pem, keys, n_keys, why);
    if (!options->state_dir)
        return KS_OK;
    err = audit_names_in(options->state_dir, KEY_SUFFIX, &tokens, why);
    if (err)
        return err;
    token_of(chain, token);
    for (size_t i = 0; i < tokens.n_items && *n_keys < VERIFY_MAX_KEYS; i++) {
        if (!any && strcmp(tokens.items[i], token) != 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s" KEY_SUFFIX, options->state_dir, tokens.items[i]);
        err = add_keys(path, keys, n_keys, why);
        if (err)
            return err;
    }
    return KS_OK;
}

/* The line in STATE_DIR/CHAIN.checkpoint; NULL: there is none. */
static ks_err
read_outside(const struct options *options, const char *chain, char **out, struct fault *why)
{
    char path[AUDIT_PATH_MAX], line[CHECKPOINT_LINE_MAX + 1];
    ks_auto(fclosep) FILE *file = NULL;
    size_t len;

    *out = NULL;
    if (!chain[0] || !options->state_dir)
        return KS_OK;
    snprintf(path, sizeof(path), "%s/%s" CHECKPOINT_SUFFIX, options->state_dir, chain);
    file = fopen(path, "re");
    if (!file && errno == ENOENT)
        return KS_OK;
    len = file ? fread(line, 1, sizeof(line) - 1, file) : 0;
    if (!file || ferror(file)) {
        fault_set(why, "%s: %s", path, strerror(errno));
        return KS_ERR_INTERNAL;
    }
    line[len] = '\0';
    line[strcspn(line, "\n")] = '\0';
    *out = strdup(line);
    return *out ? KS_OK : KS_ERR_INTERNAL;
}

static ks_err
add_files(struct verify *verify, const struct audit_file *files, size_t n_files,
          struct finding *finding)
{
    ks_err err;

    for (size_t i = 0; i < n_files; i++) {
        ks_auto(fclosep) FILE *file = NULL;

        finding->file = files[i].name;
        err = audit_file_open(&files[i], &file, &finding->why);
        if (!err)
            err = verify_add(verify, file, &finding->why);
        if (err)
            return err;
    }
    /* Of a rotated file alone nobody expects the chain's end. */
    return files[n_files - 1].rotation == 0 ? verify_end(verify, &finding->why) : KS_OK;
}

static void
check_chain(const struct options *options, const struct audit_file *files, size_t n_files,
            struct finding *out)
{
    const char *chain = files[0].chain;
    ks_auto(freep) struct verify_key *keys = calloc(VERIFY_MAX_KEYS, sizeof(*keys));
    ks_auto(freep) char *outside = NULL;
    ks_auto(verify_freep) struct verify *verify = NULL;
    struct verify_options verify_options = {.keys = keys};

    out->chain = chain;
    out->file = files[n_files - 1].name;
    out->err =
        keys ? find_keys(options, chain, keys, &verify_options.n_keys, &out->why) : KS_ERR_INTERNAL;
    /* The checkpoint before the files: a running service writes them in the other order. */
    if (!out->err)
        out->err = read_outside(options, chain, &outside, &out->why);
    if (out->err)
        return;
    verify_options.last_checkpoint = outside;
    out->has_keys = verify_options.n_keys > 0;
    out->has_outside = outside != NULL;
    out->err = verify_new(chain[0] ? chain : NULL, &verify_options, &verify, &out->why);
    if (out->err)
        return;
    out->err = add_files(verify, files, n_files, out);
    verify_result(verify, &out->result);
}

/* The report. */

static void
report_text(FILE *out, const struct finding *finding)
{
    const struct verify_result *result = &finding->result;

    if (finding->err) {
        fprintf(out, "%s:", finding->file);
        if (result->bad_line)
            fprintf(out, "%llu:", (unsigned long long)result->bad_line);
        fprintf(out, " %s%s\n", finding->err == KS_ERR_BAD_REQUEST ? "" : "cannot be verified: ",
                finding->why.text);
        return;
    }
    fprintf(out, "%s: whole, records: %llu, checkpoints: %llu, ", finding->file,
            (unsigned long long)result->n_records, (unsigned long long)result->n_checkpoints);
    if (result->last_signed_seq)
        fprintf(out, "signed up to record %llu", (unsigned long long)result->last_signed_seq);
    else
        fprintf(out, "not signed");
    if (result->first_seq > 1)
        fprintf(out, ", continues records up to %llu, which were not read",
                (unsigned long long)(result->first_seq - 1));
    if (result->n_unproven)
        fprintf(out, ", %llu checkpoints not proven", (unsigned long long)result->n_unproven);
    if (result->n_torn)
        fprintf(out, ", %llu torn lines closed", (unsigned long long)result->n_torn);
    if (result->torn_end)
        fprintf(out, ", its last line is torn and not yet closed");
    if (!finding->has_keys)
        fprintf(out, "; no audit key to check signatures with");
    if (!finding->has_outside)
        fprintf(out, "; no checkpoint kept outside, a cut at the end would not be seen");
    fputc('\n', out);
    for (size_t i = 0; i < result->n_open_intents && i < VERIFY_NAMED_INTENTS; i++)
        fprintf(out, "%s: record %llu began a change that has no result: look at the key\n",
                finding->file, (unsigned long long)result->open_intents[i]);
    if (result->n_open_intents > VERIFY_NAMED_INTENTS)
        fprintf(out, "%s: and %llu more\n", finding->file,
                (unsigned long long)(result->n_open_intents - VERIFY_NAMED_INTENTS));
}

static json_t *
report_object(const struct finding *finding)
{
    const struct verify_result *result = &finding->result;
    json_t *intents = json_array(), *object;

    for (size_t i = 0; i < result->n_open_intents && i < VERIFY_NAMED_INTENTS; i++)
        json_array_append_new(intents, json_integer((json_int_t)result->open_intents[i]));
    object = json_pack(
        "{s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:I, s:o}", "file", finding->file,
        "chain", finding->chain, "whole", finding->err == KS_OK, "records",
        (json_int_t)result->n_records, "first", (json_int_t)result->first_seq, "last",
        (json_int_t)result->last_seq, "checkpoints", (json_int_t)result->n_checkpoints, "unproven",
        (json_int_t)result->n_unproven, "signed_up_to", (json_int_t)result->last_signed_seq, "torn",
        (json_int_t)result->n_torn, "torn_end", result->torn_end, "n_open_intents",
        (json_int_t)result->n_open_intents, "open_intents", intents);
    /* Older files that are gone are no alteration, but nothing is known of them. */
    if (object && result->first_seq > 1)
        json_object_set_new(object, "not_read_up_to",
                            json_integer((json_int_t)(result->first_seq - 1)));
    if (object && finding->err) {
        json_object_set_new(object, "code", json_string(ks_err_name(finding->err)));
        json_object_set_new(object, "problem", json_string(finding->why.text));
        if (result->bad_line)
            json_object_set_new(object, "line", json_integer((json_int_t)result->bad_line));
        if (result->bad_line)
            json_object_set_new(object, "offset", json_integer((json_int_t)result->bad_offset));
    }
    return object;
}

/* An altered file is worse than one that could not be looked at. */
static void
worsen(struct report *report, ks_err err)
{
    if (err && report->worst != KS_ERR_BAD_REQUEST)
        report->worst = err;
}

static void
report_add(struct report *report, const struct finding *finding)
{
    worsen(report, finding->err);
    if (report->text)
        report_text(report->text, finding);
    else if (json_array_append_new(report->list, report_object(finding)) != 0)
        worsen(report, KS_ERR_INTERNAL);
}

static bool
has_newest(const struct audit_files *files, const char *chain)
{
    for (size_t i = 0; i < files->n_items; i++)
        if (files->items[i].rotation == 0 && strcmp(files->items[i].chain, chain) == 0)
            return true;
    return false;
}

static void
report_missing(struct report *report, const struct options *options,
               const struct audit_files *files)
{
    ks_auto(strv_deinit) struct strv chains = STRV_INIT;

    report->err = audit_names_in(options->state_dir, CHECKPOINT_SUFFIX, &chains, &report->why);
    worsen(report, report->err);
    for (size_t i = 0; i < chains.n_items; i++) {
        struct finding finding = {.chain = chains.items[i], .err = KS_ERR_BAD_REQUEST};
        char name[AUDIT_PATH_MAX];

        if (has_newest(files, chains.items[i]))
            continue;
        snprintf(name, sizeof(name), "%s.log", chains.items[i]);
        finding.file = name;
        fault_set(&finding.why, "is missing: a checkpoint of it is kept in %s", options->state_dir);
        report_add(report, &finding);
    }
}

static json_t *
whole_object(const struct report *report)
{
    json_t *object =
        json_pack("{s:b, s:o}", "whole", report->worst == KS_OK, "chains", report->list);

    if (object && report->err) {
        json_object_set_new(object, "code", json_string(ks_err_name(report->err)));
        json_object_set_new(object, "problem", json_string(report->why.text));
    }
    return object;
}

/* Takes the report's stream or list. */
static int
report_end(struct report *report, char **text)
{
    int code;

    if (report->list)
        code = output_json(report->cli, whole_object(report));
    else if (fclose(report->text) != 0)
        code = output_fail(report->cli, KS_ERR_INTERNAL, "no memory for the result");
    else
        code = output_text(report->cli, *text);
    free(*text);
    if (report->err && !report->cli->json)
        output_fault(report->cli, report->err, &report->why);
    return code ? code : (int)report->worst;
}
