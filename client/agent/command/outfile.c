/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outfile - the process that writes
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
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/file.h"

#define WRITE_MAX (16u * 1024u * 1024u) /* bytes; PEM of any chain fits */

struct outfile {
    int fd;    /* to the writer; -1: standard output */
    pid_t pid; /* the writer */
};

static bool send_all(int fd, const void *data, size_t len);
static void serve(int fd, const char *path) __attribute__((noreturn));
static ks_err write_output(const void *data, size_t len, struct fault *why);

ks_err
outfile_open(const char *path, struct outfile **out, struct fault *why)
{
    bool is_file = path && strcmp(path, "-") != 0;
    ks_err err = is_file ? file_check_replace(path, why) : KS_OK;
    struct outfile *file;
    int pair[2];

    if (err)
        return err;
    file = calloc(1, sizeof(*file));
    if (!file)
        return KS_ERR_INTERNAL;
    file->fd = -1;
    if (!is_file) {
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
    if (!send_all(file->fd, &len, sizeof(len)) || !send_all(file->fd, data, len))
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
    fault_set(why, "standard output: %s", strerror(errno));
    fault_hint(why, "send it to where there is room, or use --out-file");
    return KS_ERR_INTERNAL;
}

static bool
send_all(int fd, const void *data, size_t len)
{
    const uint8_t *next = data;

    while (len > 0) {
        ssize_t n = send(fd, next, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        next += n;
        len -= (size_t)n;
    }
    return true;
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
    struct fault why = FAULT_INIT;

    if (!read_exactly(fd, &len, sizeof(len)))
        _exit(0);
    room = buf_reserve(&data, len > 0 ? len : 1);
    if (!room || !read_exactly(fd, room, len))
        _exit(1);
    data.len = len;
    if (file_replace(path, FILE_MODE_ALL, data.data, data.len, &why) == KS_OK)
        snprintf(why.text, sizeof(why.text), "ok");
    _exit(send_all(fd, why.text, strlen(why.text)) ? 0 : 1);
}
