/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf_replace - finding the value, writing the new file, wiping the old one
 */
#include "client/agent/upload/conf_replace.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"

#define FILE_MAX_LEN (1024u * 1024u)

/* The file's text, wiped when it goes. */
struct text {
    char *data;
    size_t len;
};

struct span {
    size_t from, to;
};

static void
text_deinit(struct text *text)
{
    if (text->data)
        explicit_bzero(text->data, text->len);
    free(text->data);
}

static ks_err
failed(const char *path, const char *what, struct fault *why)
{
    fault_set(why, "%s: %s: %s", path, what, strerror(errno));
    fault_hint(why, "the password still stands in the file: replace it by hand, or let the agent's "
                    "user write to the file's folder");
    return KS_ERR_INTERNAL;
}

/* --- finding --- */

static bool
at_text(const struct text *text, size_t at, const char *what)
{
    size_t len = strlen(what);

    return at + len <= text->len && memcmp(text->data + at, what, len) == 0;
}

/* Behind the quoted text that begins here. */
static size_t
skip_quoted(const struct text *text, size_t at)
{
    char quote = text->data[at++];

    while (at < text->len && text->data[at] != quote)
        at += text->data[at] == '\\' && at + 1 < text->len ? 2 : 1;
    return at < text->len ? at + 1 : at;
}

/* Behind the comment that begins here; `at` itself: none does. */
static size_t
skip_comment(const struct text *text, size_t at)
{
    const char *end;

    if (at_text(text, at, "/*")) {
        end = memmem(text->data + at, text->len - at, "*/", 2);
        return end ? (size_t)(end - text->data) + 2 : text->len;
    }
    if (text->data[at] != '#' && !at_text(text, at, "//"))
        return at;
    end = memchr(text->data + at, '\n', text->len - at);
    return end ? (size_t)(end - text->data) : text->len;
}

static size_t
skip_space(const struct text *text, size_t at)
{
    for (;;) {
        size_t next;

        while (at < text->len && isspace((unsigned char)text->data[at]))
            at++;
        next = at < text->len ? skip_comment(text, at) : at;
        if (next == at)
            return at;
        at = next;
    }
}

static bool
in_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

/* What stands behind `option =`. */
static struct span
value_at(const struct text *text, size_t at)
{
    struct span span = {.from = at, .to = at};

    if (at < text->len && (text->data[at] == '"' || text->data[at] == '\''))
        span.to = skip_quoted(text, at);
    else
        while (span.to < text->len && !isspace((unsigned char)text->data[span.to]) &&
               !strchr("{}#\"'", text->data[span.to]))
            span.to++;
    return span;
}

static size_t
find_values(const struct text *text, const char *option, struct span *out)
{
    size_t n = 0, at = 0;

    while ((at = skip_space(text, at)) < text->len) {
        size_t word = at;

        if (text->data[at] == '"' || text->data[at] == '\'') {
            at = skip_quoted(text, at);
            continue;
        }
        while (at < text->len && in_word(text->data[at]))
            at++;
        if (at == word) {
            at++;
            continue;
        }
        if (at - word != strlen(option) || memcmp(text->data + word, option, at - word) != 0)
            continue;
        at = skip_space(text, at);
        if (at == text->len || text->data[at] != '=')
            continue;
        *out = value_at(text, skip_space(text, at + 1));
        at = out->to;
        n++;
    }
    return n;
}

/* --- writing --- */

/* Not to whom it belongs already: the service's unit lets nobody call fchown(2). */
static bool
give(int fd, const struct stat *old)
{
    struct stat now;

    return fstat(fd, &now) == 0 && ((now.st_uid == old->st_uid && now.st_gid == old->st_gid) ||
                                    fchown(fd, old->st_uid, old->st_gid) == 0);
}

static bool
write_new(int fd, const struct stat *old, const struct text *text, const struct span *span,
          const char *value)
{
    return give(fd, old) && fchmod(fd, old->st_mode & 07777) == 0 &&
           file_write_all(fd, text->data, span->from) && file_write_all(fd, "\"", 1) &&
           file_write_all(fd, value, strlen(value)) && file_write_all(fd, "\"", 1) &&
           file_write_all(fd, text->data + span->to, text->len - span->to) && fsync(fd) == 0;
}

/* The old file has no name any more; one that has is left to whoever gave it. */
static void
wipe_old(int fd, const struct stat *old)
{
    static const char zeros[4096];
    struct stat now;

    if (fstat(fd, &now) != 0 || now.st_nlink > 0)
        return;
    for (off_t at = 0; at < old->st_size; at += (off_t)sizeof(zeros)) {
        size_t n =
            old->st_size - at < (off_t)sizeof(zeros) ? (size_t)(old->st_size - at) : sizeof(zeros);

        if (pwrite(fd, zeros, n, at) < 0)
            return;
    }
    (void)fsync(fd);
}

static ks_err
replace(const char *path, int old_fd, const struct stat *old, const struct text *text,
        const struct span *span, const char *value, struct fault *why)
{
    char beside[PATH_MAX];
    ks_auto(closep) int fd = -1;

    if ((size_t)snprintf(beside, sizeof(beside), "%s.new-XXXXXX", path) >= sizeof(beside)) {
        errno = ENAMETOOLONG;
        return failed(path, "replace it", why);
    }
    fd = mkostemp(beside, O_CLOEXEC);
    if (fd < 0)
        return failed(path, "make a file beside it", why);
    if (!write_new(fd, old, text, span, value) || rename(beside, path) != 0) {
        ks_err err = failed(path, "write the new one", why);

        unlink(beside);
        return err;
    }
    file_sync_folder(path);
    wipe_old(old_fd, old);
    return KS_OK;
}

static ks_err
read_text(int fd, const struct stat *st, const char *path, struct text *out, struct fault *why)
{
    ssize_t n;

    if (!S_ISREG(st->st_mode) || st->st_size > (off_t)FILE_MAX_LEN) {
        errno = EFBIG;
        return failed(path, "read it", why);
    }
    out->data = malloc((size_t)st->st_size + 1);
    if (!out->data)
        return KS_ERR_INTERNAL;
    do {
        n = read(fd, out->data + out->len, (size_t)st->st_size - out->len);
        out->len += n > 0 ? (size_t)n : 0;
    } while (n > 0 || (n < 0 && errno == EINTR));
    return n == 0 ? KS_OK : failed(path, "read it", why);
}

ks_err
conf_replace(const char *path, const char *option, const char *value, struct fault *why)
{
    ks_auto(freep) char *real = realpath(path, NULL);
    ks_auto(text_deinit) struct text text = {0};
    ks_auto(closep) int fd = -1;
    struct span span;
    struct stat st;
    ks_err err;

    if (!real)
        return failed(path, "find it", why);
    fd = open(real, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == EACCES) /* it can be replaced all the same, and not be wiped */
        fd = open(real, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) != 0)
        return failed(path, "open it", why);
    err = read_text(fd, &st, path, &text, why);
    if (err)
        return err;
    if (find_values(&text, option, &span) != 1) {
        fault_set(why, "%s: %s does not stand in it exactly once", path, option);
        return KS_ERR_NOT_FOUND;
    }
    return replace(real, fd, &st, &text, &span, value, why);
}
