/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file - temporary file, fsync, rename
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_STEP (64 * 1024) /* bytes */

static ks_err write_in_place(const char *path, const void *data, size_t len, struct fault *why);
static ks_err write_beside(const char *pattern, const char *path, mode_t mode, const void *data,
                           size_t len, struct fault *why);

static ks_err
failed(const char *path, struct fault *why)
{
    fault_set(why, "%s: %s", path, strerror(errno));
    fault_hint(why, "look at the folder's rights and free space");
    return KS_ERR_INTERNAL;
}

ks_err
file_replace(const char *path, mode_t mode, const void *data, size_t len, struct fault *why)
{
    char temporary[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int folder_len = slash ? (int)(slash - path) + 1 : 0;
    struct stat st;

    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return write_in_place(path, data, len, why);
    if ((size_t)snprintf(temporary, sizeof(temporary), "%.*s.%s.XXXXXX", folder_len, path,
                         path + folder_len) >= sizeof(temporary)) {
        errno = ENAMETOOLONG;
        return failed(path, why);
    }
    return write_beside(temporary, path, mode, data, len, why);
}

/* With its slash; "." for a name alone. */
static void
folder_of(const char *path, char folder[static PATH_MAX])
{
    const char *slash = strrchr(path, '/');

    snprintf(folder, PATH_MAX, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
}

ks_err
file_check_replace(const char *path, struct fault *why)
{
    char folder[PATH_MAX];
    struct stat st;
    bool is_there = stat(path, &st) == 0;
    bool is_in_place = is_there && !S_ISREG(st.st_mode);

    folder_of(path, folder);
    if (path[0] == '\0' || strlen(path) >= PATH_MAX)
        errno = path[0] ? ENAMETOOLONG : ENOENT;
    else if (is_there && S_ISDIR(st.st_mode))
        errno = EISDIR;
    else if (euidaccess(is_in_place ? path : folder, is_in_place ? W_OK : W_OK | X_OK) == 0)
        return KS_OK;
    fault_set(why, "%s: %s", path, strerror(errno));
    fault_hint(why, "name a file in a folder that is there and that you may write to; nothing was "
                    "done");
    return KS_ERR_USAGE;
}

static ks_err
write_in_place(const char *path, const void *data, size_t len, struct fault *why)
{
    ks_auto(closep) int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

    return fd >= 0 && file_write_all(fd, data, len) ? KS_OK : failed(path, why);
}

static ks_err
write_beside(const char *pattern, const char *path, mode_t mode, const void *data, size_t len,
             struct fault *why)
{
    char temporary[PATH_MAX];
    ks_auto(closep) int fd = -1;
    mode_t mask = umask(0);
    ks_err err;

    umask(mask);
    if (!text_copy(temporary, sizeof(temporary), pattern))
        return KS_ERR_INTERNAL;
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return failed(path, why);
    if (file_write_all(fd, data, len) && fchmod(fd, mode & ~mask) == 0 && fsync(fd) == 0 &&
        rename(temporary, path) == 0) {
        file_sync_folder(path);
        return KS_OK;
    }
    err = failed(path, why);
    (void)unlink(temporary);
    return err;
}

bool
file_write_all(int fd, const void *data, size_t len)
{
    const uint8_t *next = data;

    while (len > 0) {
        ssize_t n = write(fd, next, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        next += n;
        len -= (size_t)n;
    }
    return true;
}

void
file_sync_folder(const char *path)
{
    char folder[PATH_MAX];
    ks_auto(closep) int fd = -1;

    folder_of(path, folder);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        (void)fsync(fd);
}

ks_err
file_read(const char *path, struct buf *out, struct fault *why)
{
    ks_auto(closep) int opened = -1;
    int fd = STDIN_FILENO;
    ssize_t n;

    if (strcmp(path, "-") != 0)
        fd = opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        fault_set(why, "%s: %s", path, strerror(errno));
        return KS_ERR_USAGE;
    }
    for (;;) {
        size_t step = out->max && out->max - out->len < READ_STEP ? out->max - out->len : READ_STEP;
        char one_more;
        uint8_t *room = step > 0 ? buf_reserve(out, step) : (uint8_t *)&one_more;

        if (!room) {
            fault_set(why, "%s: no memory to read it", path);
            return KS_ERR_INTERNAL;
        }
        n = read(fd, room, step > 0 ? step : 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        if (step == 0) {
            fault_set(why, "%s: more than %zu bytes", path, out->max);
            return KS_ERR_TOO_LARGE;
        }
        out->len += (size_t)n;
    }
    if (n < 0) {
        fault_set(why, "%s: %s", path, strerror(errno));
        return KS_ERR_USAGE;
    }
    return KS_OK;
}
