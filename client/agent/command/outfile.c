/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outfile - the process that writes, and reading with a limit
 *
 *     command                                      writer
 *     outfile_open   socketpair, fork ----------->  waits for the bytes
 *     (becomes the agent's user)
 *     outfile_write  bytes, end of sending ------>  temporary file, fsync, rename
 *                    <------------------------------ "" or what went wrong
 *     outfile_close  waits for its end
 *
 * Without an outfile_write() the writer reads the end at once, and a length that it was not told:
 * it writes nothing then.
 */
#include "client/agent/command/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define READ_STEP (64u * 1024u)         /* bytes */
#define WRITE_MAX (16u * 1024u * 1024u) /* bytes; PEM of any chain fits */

struct outfile {
    int fd;    /* to the writer; -1: standard output */
    pid_t pid; /* the writer */
};

static void serve(int fd, const char *path) __attribute__((noreturn));
static bool write_path(const char *path, const struct buf *data);
static bool write_all(int fd, const void *data, size_t len);
static ks_err write_output(const void *data, size_t len, struct fault *why);

ks_err
outfile_open(const char *path, struct outfile **out, struct fault *why)
{
    struct outfile *file = calloc(1, sizeof(*file));
    int pair[2];

    if (!file)
        return KS_ERR_INTERNAL;
    file->fd = -1;
    if (!path || strcmp(path, "-") == 0) {
        *out = file;
        return KS_OK;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0) {
        fflush(NULL);
        file->pid = fork();
        if (file->pid == 0) {
            close(pair[0]);
            serve(pair[1], path);
        }
        close(pair[1]);
        if (file->pid > 0) {
            file->fd = pair[0];
            *out = file;
            return KS_OK;
        }
        close(pair[0]);
    }
    fault_set(why, "%s: no process to write it: %s", path, strerror(errno));
    free(file);
    return KS_ERR_INTERNAL;
}

ks_err
outfile_write(struct outfile *file, const void *data, size_t len, struct fault *why)
{
    char answer[sizeof(why->text)];
    size_t got = 0;
    ssize_t n;

    if (file->fd < 0)
        return write_output(data, len, why);
    if (!write_all(file->fd, &len, sizeof(len)) || !write_all(file->fd, data, len))
        n = -1;
    else
        while ((n = read(file->fd, answer + got, sizeof(answer) - 1 - got)) > 0)
            got += (size_t)n;
    answer[got] = '\0';
    if (n == 0 && strcmp(answer, "ok") == 0)
        return KS_OK;
    fault_set(why, "%s", got > 0 ? answer : "the process that writes the file is gone");
    fault_hint(why, "look at the folder's rights and free space");
    return KS_ERR_INTERNAL;
}

struct outfile *
outfile_close(struct outfile *file)
{
    if (!file)
        return NULL;
    closep(&file->fd);
    while (file->pid > 0 && waitpid(file->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    free(file);
    return NULL;
}

void
outfile_closep(struct outfile **file)
{
    *file = outfile_close(*file);
}

static ks_err
write_output(const void *data, size_t len, struct fault *why)
{
    if (fwrite(data, 1, len, stdout) == len && fflush(stdout) == 0)
        return KS_OK;
    fault_set(why, "standard output takes no more: %s", strerror(errno));
    return KS_ERR_INTERNAL;
}

/* --- the writer --- */

static bool
read_exactly(int fd, void *out, size_t len)
{
    uint8_t *next = out;

    while (len > 0) {
        ssize_t n = read(fd, next, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        next += n;
        len -= (size_t)n;
    }
    return true;
}

static void
serve(int fd, const char *path)
{
    struct buf data = {.max = WRITE_MAX};
    size_t len;
    uint8_t *room;
    char text[256];

    if (!read_exactly(fd, &len, sizeof(len)))
        _exit(0);
    room = buf_reserve(&data, len > 0 ? len : 1);
    if (!room || !read_exactly(fd, room, len))
        _exit(1);
    data.len = len;
    if (write_path(path, &data))
        snprintf(text, sizeof(text), "ok");
    else
        snprintf(text, sizeof(text), "%.200s: %s", path, strerror(errno));
    _exit(write_all(fd, text, strlen(text)) ? 0 : 1);
}

static bool
write_all(int fd, const void *data, size_t len)
{
    const uint8_t *next = data;

    while (len > 0) {
        ssize_t n = send(fd, next, len, MSG_NOSIGNAL);

        if (n < 0 && errno == ENOTSOCK)
            n = write(fd, next, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        next += n;
        len -= (size_t)n;
    }
    return true;
}

static bool
write_in_place(const char *path, const struct buf *data)
{
    ks_auto(closep) int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

    return fd >= 0 && write_all(fd, data->data, data->len);
}

/* Makes the rename itself durable; a folder that cannot be opened so is none of our business. */
static void
sync_folder_of(const char *path, int folder_len)
{
    char folder[PATH_MAX];
    ks_auto(closep) int fd = -1;

    snprintf(folder, sizeof(folder), "%.*s", folder_len > 0 ? folder_len : 1,
             folder_len > 0 ? path : ".");
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        (void)fsync(fd);
}

static bool
write_path(const char *path, const struct buf *data)
{
    char temporary[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int folder_len = slash ? (int)(slash - path) + 1 : 0;
    ks_auto(closep) int fd = -1;
    mode_t mask = umask(0);
    struct stat st;
    int failed;

    umask(mask);
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return write_in_place(path, data);
    if ((size_t)snprintf(temporary, sizeof(temporary), "%.*s.%s.XXXXXX", folder_len, path,
                         path + folder_len) >= sizeof(temporary)) {
        errno = ENAMETOOLONG;
        return false;
    }
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return false;
    if (write_all(fd, data->data, data->len) && fchmod(fd, 0666 & ~mask) == 0 && fsync(fd) == 0 &&
        rename(temporary, path) == 0) {
        sync_folder_of(path, folder_len);
        return true;
    }
    failed = errno;
    (void)unlink(temporary);
    errno = failed;
    return false;
}

/* --- reading --- */

ks_err
infile_read(const char *path, struct buf *out, struct fault *why)
{
    ks_auto(closep) int opened = -1;
    int fd = STDIN_FILENO;

    if (strcmp(path, "-") != 0)
        fd = opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    for (;;) {
        /* One byte more than may be: it shows that there is more. */
        size_t left = out->max - out->len, step = left + 1 < READ_STEP ? left + 1 : READ_STEP;
        uint8_t chunk[READ_STEP];
        ssize_t n = fd < 0 ? -1 : read(fd, chunk, step);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            fault_set(why, "%s: %s", path, strerror(errno));
            return KS_ERR_USAGE;
        }
        if (n == 0)
            return KS_OK;
        if ((size_t)n > left) {
            fault_set(why, "%s: more than %zu bytes", path, out->max);
            return KS_ERR_TOO_LARGE;
        }
        buf_append(out, chunk, (size_t)n);
        if (out->failed) {
            fault_set(why, "%s: no memory to read it", path);
            return KS_ERR_INTERNAL;
        }
    }
}
