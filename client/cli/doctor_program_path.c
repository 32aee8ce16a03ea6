/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_program_path - a path as another process sees it: from its root, with its user's rights
 *
 * The kernel walks the path inside of that root (openat2), so that no link leads out of a jail into
 * our own files. Nothing is opened for reading before it is known to be a regular file: to open a
 * device or a pipe does something.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "base/buf.h"
#include "client/cli/doctor_program.h"

int
program_open(int root_fd, const char *path)
{
    const struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
    int fd = root_fd < 0 ? open(path, O_PATH | O_CLOEXEC)
                         : (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

    return fd < 0 ? -errno : fd;
}

bool
program_read(int path_fd, size_t max, char **out, size_t *len)
{
    ks_auto(closep) int fd = -1;
    struct buf buf = {.max = max + 1};
    char again[64];
    struct stat st;
    ssize_t n = 1;

    if (fstat(path_fd, &st) != 0)
        return false;
    errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
    if (!S_ISREG(st.st_mode) || (size_t)st.st_size > max)
        return false;
    snprintf(again, sizeof(again), "/proc/self/fd/%d", path_fd);
    fd = open(again, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return false;
    while (n > 0 && buf.len < max) {
        uint8_t *room = buf_reserve(&buf, 1);
        size_t left = max - buf.len, free_room = buf.cap - buf.len;

        n = room ? read(fd, room, free_room < left ? free_room : left) : -1;
        buf.len += n > 0 ? (size_t)n : 0;
    }
    *len = buf.len;
    buf_append(&buf, "", 1); /* a text for who wants one */
    if (n < 0 || buf.failed) {
        buf_deinit(&buf);
        return false;
    }
    *out = (char *)buf.data;
    return true;
}

/* One step of the way. */
static bool
may(int root_fd, const struct doctor_user *user, mode_t bits, struct program_stop *out)
{
    ks_auto(closep) int fd = program_open(root_fd, out->path);

    memset(&out->st, 0, sizeof(out->st));
    if (fd < 0) {
        errno = -fd;
        return false;
    }
    if (fstat(fd, &out->st) != 0)
        return false;
    errno = EACCES;
    return !user || doctor_may(&out->st, user, bits);
}

bool
program_reach(int root_fd, const struct doctor_user *user, const char *path, mode_t bits,
              struct program_stop *out)
{
    errno = ENAMETOOLONG;
    if (strlen(path) >= sizeof(out->path))
        return false;
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t len = slash == path ? 1 : (size_t)(slash - path);

        memcpy(out->path, path, len);
        out->path[len] = '\0';
        if (!may(root_fd, user, S_IXOTH, out))
            return false;
    }
    snprintf(out->path, sizeof(out->path), "%s", path);
    return may(root_fd, user, bits, out);
}
