/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conffile - reading one configuration file through libconfuse
 *
 * libconfuse keeps its lexer's state in globals, forgets to reset it after a comment or string that
 * does not end, counts lines its own way inside of them, and passes no context to callbacks. So the
 * text is looked over first: comments become spaces, and what would confuse the lexer is refused.
 */
#include "conf/conffile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/log.h"

struct conffile {
    char *path;
    struct conffile_mistakes *mistakes;
    struct buf text; /* as read, and a NUL behind it */
    char *plain;     /* without comments */
    cfg_t *root;
};

/* The file whose cfg_parse is running: libconfuse's callbacks are given nothing else to find it by.
 */
static struct conffile *conffile_reading;

static ks_err read_text(struct conffile *file);
static ks_err make_plain(struct conffile *file);
static ks_err parse(struct conffile *file, cfg_opt_t *schema);

ks_err
conffile_open(const char *path, cfg_opt_t *schema, struct conffile_mistakes *mistakes,
              struct conffile **out)
{
    ks_auto(conffile_freep) struct conffile *file = calloc(1, sizeof(*file));
    ks_err err;

    if (!file)
        return KS_ERR_INTERNAL;
    file->mistakes = mistakes;
    file->path = strdup(path);
    if (!file->path)
        return KS_ERR_INTERNAL;
    err = read_text(file);
    if (!err)
        err = make_plain(file);
    if (!err)
        err = parse(file, schema);
    if (err)
        return err;
    *out = ks_steal(&file);
    return KS_OK;
}

struct conffile *
conffile_free(struct conffile *file)
{
    if (!file)
        return NULL;
    if (file->root)
        cfg_free(file->root);
    /* A password may have stood in it. */
    if (file->text.data)
        explicit_bzero(file->text.data, file->text.len);
    buf_deinit(&file->text);
    if (file->plain)
        explicit_bzero(file->plain, strlen(file->plain));
    free(file->plain);
    free(file->path);
    free(file);
    return NULL;
}

void
conffile_freep(struct conffile **file)
{
    *file = conffile_free(*file);
}

cfg_t *
conffile_root(struct conffile *file)
{
    return file->root;
}

const char *
conffile_text(const struct conffile *file, size_t *len)
{
    *len = file->text.len - 1;
    return (const char *)file->text.data;
}

/* The whole file, if it is a regular one of a sane size. Not blocking: a FIFO would. */
static ks_err
read_text(struct conffile *file)
{
    ks_auto(closep) int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0) {
        conffile_error(file, 0, "cannot be opened: %s", strerror(errno));
        return KS_ERR_BAD_REQUEST;
    }
    if (!S_ISREG(st.st_mode)) {
        conffile_error(file, 0, "is not a regular file");
        return KS_ERR_BAD_REQUEST;
    }
    for (;;) {
        char chunk[16 * 1024];
        ssize_t n = read(fd, chunk, sizeof(chunk));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            conffile_error(file, 0, "cannot be read: %s", strerror(errno));
            return KS_ERR_BAD_REQUEST;
        }
        if (n == 0)
            break;
        if (file->text.len + (size_t)n > CONFFILE_MAX_LEN) {
            conffile_error(file, 0, "is larger than %d bytes", CONFFILE_MAX_LEN);
            return KS_ERR_BAD_REQUEST;
        }
        buf_append(&file->text, chunk, (size_t)n);
    }
    if (memchr(file->text.data ? file->text.data : (const void *)"", '\0', file->text.len)) {
        conffile_error(file, 0, "holds a NUL byte");
        return KS_ERR_BAD_REQUEST;
    }
    buf_append(&file->text, "", 1);
    return file->text.failed ? KS_ERR_INTERNAL : KS_OK;
}

/* Where make_plain is. */
struct scan {
    struct conffile *file;
    char *at;
    unsigned int line;
    unsigned int depth;     /* open braces */
    unsigned int open_line; /* of the outermost */
};

static ks_err
scan_error(struct scan *scan, unsigned int line, const char *what)
{
    conffile_error(scan->file, line, "%s", what);
    return KS_ERR_BAD_REQUEST;
}

static ks_err
scan_string(struct scan *scan)
{
    char quote = *scan->at++;

    for (; *scan->at != quote; scan->at++) {
        if (*scan->at == '\0' || *scan->at == '\n')
            return scan_error(scan, scan->line, "a string does not end on its line");
        if ((unsigned char)*scan->at < ' ' || *scan->at == 0x7f)
            return scan_error(scan, scan->line, "a control character in a string");
        if (*scan->at == '\\') {
            scan->at++;
            if (*scan->at != '\\' && *scan->at != quote)
                return scan_error(scan, scan->line,
                                  "a backslash may only stand before a backslash or a quote");
        }
    }
    scan->at++;
    return KS_OK;
}

static void
scan_line_comment(struct scan *scan)
{
    while (*scan->at != '\0' && *scan->at != '\n')
        *scan->at++ = ' ';
}

static ks_err
scan_block_comment(struct scan *scan)
{
    unsigned int first_line = scan->line;
    char *end = strstr(scan->at + 2, "*/");

    if (!end)
        return scan_error(scan, first_line, "a comment does not end");
    for (; scan->at < end + 2; scan->at++) {
        if (*scan->at == '\n')
            scan->line++;
        else
            *scan->at = ' ';
    }
    return KS_OK;
}

static bool
is_comment(const char *at)
{
    return at[0] == '#' || (at[0] == '/' && (at[1] == '/' || at[1] == '*'));
}

/* A word outside of quotes. What libconfuse would drop or cut off from it silently is refused. */
static ks_err
scan_word(struct scan *scan)
{
    while (*scan->at != '\0' && !strchr(" \t\r\n{}()=+,\"'", *scan->at)) {
        if (is_comment(scan->at) || *scan->at == '*')
            return scan_error(scan, scan->line, "a text with *, #, // or /* must stand in quotes");
        if ((unsigned char)*scan->at < ' ' || *scan->at == 0x7f)
            return scan_error(scan, scan->line, "a control character");
        scan->at++;
    }
    if (*scan->at == '"' || *scan->at == '\'')
        return scan_error(scan, scan->line, "a quote in the middle of a word");
    return KS_OK;
}

/* libconfuse takes the end of the file for the end of a section. */
static ks_err
scan_brace(struct scan *scan)
{
    if (*scan->at == '}' && scan->depth == 0)
        return scan_error(scan, scan->line, "a closing brace that closes nothing");
    if (*scan->at++ == '}') {
        scan->depth--;
        return KS_OK;
    }
    if (scan->depth++ == 0)
        scan->open_line = scan->line;
    return KS_OK;
}

static ks_err
scan_next(struct scan *scan)
{
    char c = *scan->at;

    if (c == '\n') {
        scan->line++;
        scan->at++;
        return KS_OK;
    }
    if (c == '\r')
        return scan_error(scan, scan->line, "a carriage return; lines end with a line feed");
    if (c == '"' || c == '\'')
        return scan_string(scan);
    if (c == '/' && scan->at[1] == '*')
        return scan_block_comment(scan);
    if (is_comment(scan->at)) {
        scan_line_comment(scan);
        return KS_OK;
    }
    if (c == '{' || c == '}')
        return scan_brace(scan);
    if (strchr(" \t=,", c)) {
        scan->at++;
        return KS_OK;
    }
    if (c == '+' && scan->at[1] == '=') {
        scan->at += 2;
        return KS_OK;
    }
    if (strchr("()+", c))
        return scan_error(scan, scan->line, "a parenthesis or plus sign outside of quotes");
    return scan_word(scan);
}

static ks_err
make_plain(struct conffile *file)
{
    struct scan scan = {.file = file, .line = 1};

    file->plain = strdup((const char *)file->text.data);
    if (!file->plain)
        return KS_ERR_INTERNAL;
    scan.at = file->plain;
    while (*scan.at != '\0') {
        ks_err err = scan_next(&scan);

        if (err)
            return err;
    }
    if (scan.depth > 0)
        return scan_error(&scan, scan.open_line, "a brace that is not closed");
    scan.line = 1;
    for (const char *at = file->plain; *at != '\0'; at++) {
        scan.line += *at == '\n';
        if (at[0] == '$' && at[1] == '{')
            return scan_error(&scan, scan.line, "${...}: the environment is not read here");
    }
    return KS_OK;
}

static void KS_PRINTF(2, 0) confuse_error(cfg_t *section, const char *format, va_list args)
{
    char text[256];

    vsnprintf(text, sizeof(text), format, args);
    conffile_error(conffile_reading, (unsigned int)section->line, "%s", text);
}

static ks_err
parse(struct conffile *file, cfg_opt_t *schema)
{
    unsigned int n_before = file->mistakes->n;
    size_t len = strlen(file->plain);
    FILE *stream;
    int rc;

    file->root = cfg_init(schema, CFGF_NONE);
    if (!file->root)
        return KS_ERR_INTERNAL;
    cfg_set_error_function(file->root, confuse_error);
    if (len == 0)
        return KS_OK;
    stream = fmemopen(file->plain, len, "r");
    if (!stream)
        return KS_ERR_INTERNAL;
    conffile_reading = file;
    rc = cfg_parse_fp(file->root, stream);
    conffile_reading = NULL;
    fclose(stream);
    if (rc != CFG_SUCCESS && file->mistakes->n == n_before)
        conffile_error(file, (unsigned int)file->root->line, "is malformed");
    return file->mistakes->n == n_before ? KS_OK : KS_ERR_BAD_REQUEST;
}

int
conffile_parse_value(cfg_t *section, cfg_opt_t *option, const char *text, void *result)
{
    size_t len = strlen(text);
    struct conffile_value *value = malloc(sizeof(*value) + len + 1);

    if (!value)
        return -1;
    value->file = conffile_reading;
    value->section = section;
    value->option = option->name;
    value->line = (unsigned int)section->line;
    memcpy(value->text, text, len + 1);
    *(void **)result = value;
    return 0;
}

/* While the file is being parsed libconfuse frees a value only to put another in its place, and
 * then only the last would count. */
void
conffile_free_value(void *pointer)
{
    struct conffile_value *value = pointer;

    if (conffile_reading)
        conffile_error(conffile_reading, (unsigned int)value->section->line,
                       "%s is given twice, first on line %u", value->option, value->line);
    explicit_bzero(value->text, strlen(value->text));
    free(value);
}

const struct conffile_value *
conffile_get_at(cfg_t *section, const char *option, size_t index)
{
    if (index >= conffile_count(section, option))
        return NULL;
    return cfg_getnptr(section, option, (unsigned int)index);
}

const struct conffile_value *
conffile_get(cfg_t *section, const char *option)
{
    return conffile_get_at(section, option, 0);
}

size_t
conffile_count(cfg_t *section, const char *option)
{
    return cfg_size(section, option);
}

bool
conffile_emptied(cfg_t *section, const char *option)
{
    cfg_opt_t *opt = cfg_getopt(section, option);

    return opt && (opt->flags & CFGF_MODIFIED) && cfg_opt_size(opt) == 0;
}

/* libconfuse remembers where a section ends; it begins on the last line before that opens with its
 * word. */
unsigned int
conffile_line(const struct conffile *file, cfg_t *section)
{
    size_t word_len = strlen(section->name);
    unsigned int line = 1, found = 0;

    for (const char *at = file->plain; at && line <= (unsigned int)section->line; line++) {
        const char *word = at + strspn(at, " \t");

        if (strncmp(word, section->name, word_len) == 0 && strchr(" \t{\"'", word[word_len]))
            found = line;
        at = strchr(at, '\n');
        if (at)
            at++;
    }
    return found > 0 ? found : (unsigned int)section->line;
}

static void
record(struct conffile *file, unsigned int line, const char *text)
{
    struct fault fault = FAULT_INIT;

    if (line > 0)
        fault_set(&fault, "%s:%u: %s", file->path, line, text);
    else
        fault_set(&fault, "%s: %s", file->path, text);
    if (file->mistakes->tell)
        file->mistakes->tell(fault.text);
    else
        log_error("%s", fault.text);
    if (file->mistakes->n++ == 0)
        fault_set(file->mistakes->why, "%s", fault.text);
}

void
conffile_error(struct conffile *file, unsigned int line, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    record(file, line, text);
}

void
conffile_value_error(const struct conffile_value *value, const char *format, ...)
{
    char text[320];
    int len = snprintf(text, sizeof(text), "%s: ", value->option);
    va_list args;

    va_start(args, format);
    vsnprintf(text + len, sizeof(text) - (size_t)len, format, args);
    va_end(args);
    record(value->file, value->line, text);
}
