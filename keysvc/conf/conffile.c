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
#include "conf/confscan.h"

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
    if (!err) {
        file->plain = strdup((const char *)file->text.data);
        err = file->plain ? confscan_make_plain(file, mistakes, file->plain) : KS_ERR_INTERNAL;
    }
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
    value->option = option->name;
    value->line = (unsigned int)section->line;
    memcpy(value->text, text, len + 1);
    *(void **)result = value;
    return 0;
}

void
conffile_free_value(void *pointer)
{
    struct conffile_value *value = pointer;

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
