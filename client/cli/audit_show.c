/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_show - keysvc audit show [--request ID] [--key NAME] [--audit-dir DIR] [FILE...]
 *
 * Shows records, proves nothing: that is audit verify. Values are printed as they are escaped in
 * the file, so that nothing in them reaches a terminal.
 */
#include <errno.h>
#include <stdio.h>

#include "base/record.h"
#include "client/cli/audit.h"
#include "client/cli/output.h"

enum { KEY_AUDIT_DIR = 0x200, KEY_REQUEST, KEY_KEY };

struct show {
    const char *dir;
    const char *request;
    const char *key;
    bool json;
    FILE *out;
    bool not_records; /* there were lines that are none */
};

static ks_err show_file(struct show *show, const struct audit_file *file, struct fault *why);
static void show_line(struct show *show, const struct audit_file *file, const char *line,
                      size_t len, uint64_t number);

static int
take_option(int key, char *value, void *state)
{
    struct show *show = state;

    switch (key) {
    case KEY_AUDIT_DIR:
        show->dir = value;
        return 0;
    case KEY_REQUEST:
        show->request = value;
        return 0;
    case KEY_KEY:
        show->key = value;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* All files to standard output, or into memory for --out-file, which is whole or not at all. */
static int
show_files(struct cli *cli, struct show *show, const struct audit_files *files)
{
    struct fault why = FAULT_INIT;
    char *text = NULL;
    size_t len = 0;
    ks_err err = KS_OK;
    int code;

    show->out = cli->out_file ? open_memstream(&text, &len) : stdout;
    if (!show->out)
        return output_fail(cli, KS_ERR_INTERNAL, "no memory for the result");
    for (size_t i = 0; i < files->n_items && !err; i++)
        err = show_file(show, &files->items[i], &why);
    if (cli->out_file) {
        code = fclose(show->out) == 0 ? KS_OK : KS_ERR_INTERNAL;
        if (!err)
            code = code ? output_fail(cli, KS_ERR_INTERNAL, "no memory for the result")
                        : output_text(cli, text);
        free(text);
    } else {
        code = fflush(stdout) == 0 && !ferror(stdout) ? KS_OK : output_stdout_failed(cli);
    }
    if (err)
        return output_fault(cli, err, &why);
    return code || !show->not_records ? code : KS_ERR_BAD_REQUEST;
}

int
audit_show_run(struct cli *cli, int argc, char **argv)
{
    static const struct argp_option OPTIONS[] = {
        {"audit-dir", KEY_AUDIT_DIR, "DIR", 0, "all chains in it; " AUDIT_DIR " if not given", 0},
        {"request", KEY_REQUEST, "ID", 0, "only records of this request", 0},
        {"key", KEY_KEY, "NAME", 0, "only records of this key, of one version with NAME@N", 0},
        {0},
    };
    ks_auto(audit_files_deinit) struct audit_files files = {0};
    const char *paths[AUDIT_MAX_NAMED];
    struct show show = {.dir = AUDIT_DIR};
    const struct cli_arguments arguments = {
        .options = OPTIONS,
        .option = take_option,
        .state = &show,
        .usage = "[FILE...]",
        .help =
            "Shows audit records, one a line, file by file; --json gives each as it stands in the "
            "file, with its chain. Reads the files, the service need not run.",
        .max_positional = ARRAY_LEN(paths),
        .positional = paths,
    };
    struct fault why = FAULT_INIT;
    ks_err err;

    cli_parse(cli, argc, argv, &arguments);
    show.json = cli->json;
    err = audit_files_choose(paths, ARRAY_LEN(paths), show.dir, &files, &why);
    if (err)
        return output_fault(cli, err, &why);
    return show_files(cli, &show, &files);
}

static ks_err
show_file(struct show *show, const struct audit_file *file, struct fault *why)
{
    ks_auto(fclosep) FILE *stream = NULL;
    char line[CHAIN_RECORD_MAX];
    uint64_t number = 1;
    size_t len = 0;
    ks_err err;
    int c;

    err = audit_file_open(file, &stream, why);
    if (err) {
        fault_prefix(why, "%.300s", file->path);
        fault_hint(why, "audit files are readable by root");
        return err;
    }
    while ((c = getc_unlocked(stream)) != EOF) {
        if (c == '\n') {
            show_line(show, file, line, len, number++);
            len = 0;
        } else if (len < sizeof(line)) {
            /* A line longer than a record stays as long as the room, which is no record either. */
            line[len++] = (char)c;
        }
    }
    if (ferror(stream)) {
        fault_set(why, "%.300s: %s", file->path, strerror(errno));
        return KS_ERR_INTERNAL;
    }
    if (len > 0)
        show_line(show, file, line, len, number);
    return KS_OK;
}

static bool
member_is(const struct record *record, const char *key, const char *value, bool or_version)
{
    struct record_member member;
    size_t len = strlen(value);

    if (!value[0] || !record_find(record, key, &member) || member.value_len < len ||
        memcmp(member.value, value, len) != 0)
        return false;
    return member.value_len == len || (or_version && member.value[len] == '@');
}

static void
show_text(const struct show *show, const struct audit_file *file, const struct record *record)
{
    const char *cursor = NULL;
    struct record_member member;

    fprintf(show->out, "%.*s %s %llu %.*s", RECORD_TIME_LEN, record->time,
            file->chain[0] ? file->chain : file->name, (unsigned long long)record->seq,
            (int)record->event_len, record->event);
    while (record_next(record, &cursor, &member)) {
        bool bare = member.value_len > 0 && !memchr(member.value, ' ', member.value_len) &&
                    !memchr(member.value, '"', member.value_len);

        fprintf(show->out, bare ? " %.*s=%.*s" : " %.*s=\"%.*s\"", (int)member.key_len, member.key,
                (int)member.value_len, member.value);
    }
    fputc('\n', show->out);
}

/* The record as it stands in the file, and first of all whose: numbers are a chain's own. */
static void
show_json(const struct show *show, const struct audit_file *file, const char *line, size_t len)
{
    json_t *chain = json_string(file->chain[0] ? file->chain : file->name);
    char *text = chain ? json_dumps(chain, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;

    fprintf(show->out, "{\"chain\":%s,%.*s\n", text ? text : "null", (int)len - 1, line + 1);
    free(text);
    json_decref(chain);
}

static void
show_line(struct show *show, const struct audit_file *file, const char *line, size_t len,
          uint64_t number)
{
    struct record record;
    size_t stopped_at;

    if (len == CHAIN_RECORD_MAX || record_scan(line, len, &record, &stopped_at) != RECORD_WHOLE) {
        /* The record after a torn line tells of it. */
        if (record_torn(line, len))
            return;
        fprintf(stderr, "%s:%llu: not a record; run keysvc audit verify\n", file->name,
                (unsigned long long)number);
        show->not_records = true;
        return;
    }
    if (show->request && !member_is(&record, "request", show->request, false))
        return;
    if (show->key && !member_is(&record, "key", show->key, true))
        return;
    if (show->json)
        show_json(show, file, line, len);
    else
        show_text(show, file, &record);
}
