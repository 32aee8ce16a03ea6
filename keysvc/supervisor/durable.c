/* SPDX-License-Identifier: Apache-2.0 */
/*
 * durable - write, fsync, rename, fsync
 */
#include "supervisor/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/file.h"

#define NAME_MAX_LEN 128
#define LOCK_NAME "lock"

static ks_err open_folder(const char *path, int *fd, struct fault *why);

bool
durable_name_valid(const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len > NAME_MAX_LEN || name[0] == '.')
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

ks_err
durable_folder(const char *path, unsigned int mode, struct fault *why)
{
    ks_auto(closep) int fd = -1;

    if (mkdir(path, mode) < 0 && errno != EEXIST) {
        fault_set(why, "the folder %s is missing and cannot be made: %s", path, strerror(errno));
        return KS_ERR_INTERNAL;
    }
    return open_folder(path, &fd, why);
}

static ks_err
open_folder(const char *path, int *fd, struct fault *why)
{
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0) {
        fault_set(why, "cannot open the folder %s: %s", path, strerror(errno));
        return KS_ERR_INTERNAL;
    }
    return KS_OK;
}

ks_err
durable_write(const char *folder, const char *name, const void *data, size_t len, struct fault *why)
{
    ks_auto(closep) int folder_fd = -1;
    ks_auto(closep) int fd = -1;
    char temporary[NAME_MAX_LEN + 8];
    ks_err err;

    snprintf(temporary, sizeof(temporary), ".%s.new", name);
    err = open_folder(folder, &folder_fd, why);
    if (err)
        return err;
    fd = openat(folder_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || !file_write_all(fd, data, len) || fsync(fd) < 0 ||
        renameat(folder_fd, temporary, folder_fd, name) < 0 || fsync(folder_fd) < 0) {
        fault_set(why, "cannot write %s/%s: %s", folder, name, strerror(errno));
        unlinkat(folder_fd, temporary, 0);
        return KS_ERR_INTERNAL;
    }
    return KS_OK;
}

ks_err
durable_remove(const char *folder, const char *name, struct fault *why)
{
    ks_auto(closep) int folder_fd = -1;
    ks_err err = open_folder(folder, &folder_fd, why);

    if (err)
        return err;
    if (unlinkat(folder_fd, name, 0) < 0) {
        if (errno == ENOENT)
            return KS_OK;
        fault_set(why, "cannot remove %s/%s: %s", folder, name, strerror(errno));
        return KS_ERR_INTERNAL;
    }
    if (fsync(folder_fd) < 0) {
        fault_set(why, "cannot fsync %s: %s", folder, strerror(errno));
        return KS_ERR_INTERNAL;
    }
    return KS_OK;
}

ks_err
durable_read(const char *folder, const char *name, char *out, size_t cap, bool *exists,
             struct fault *why)
{
    ks_auto(closep) int folder_fd = -1;
    ks_auto(closep) int fd = -1;
    struct stat status;
    ssize_t len;
    ks_err err;

    *exists = false;
    out[0] = '\0';
    err = open_folder(folder, &folder_fd, why);
    if (err)
        return err;
    fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return KS_OK;
    *exists = true;
    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
        fault_set(why, "cannot read %s/%s", folder, name);
        return KS_ERR_BAD_REQUEST;
    }
    len = pread(fd, out, cap, 0);
    if (len < 0 || (size_t)len >= cap || memchr(out, '\0', (size_t)len)) {
        out[0] = '\0';
        fault_set(why, "%s/%s does not hold what was written there", folder, name);
        return KS_ERR_BAD_REQUEST;
    }
    out[len] = '\0';
    return KS_OK;
}

ks_err
durable_sync_folder(const char *folder, struct fault *why)
{
    ks_auto(closep) int fd = -1;
    ks_err err = open_folder(folder, &fd, why);

    if (err)
        return err;
    if (fsync(fd) < 0) {
        fault_set(why, "cannot fsync %s: %s", folder, strerror(errno));
        return KS_ERR_INTERNAL;
    }
    return KS_OK;
}

ks_err
durable_lock(const char *folder, int *fd, struct fault *why)
{
    ks_auto(closep) int folder_fd = -1;
    ks_auto(closep) int lock = -1;
    ks_err err = open_folder(folder, &folder_fd, why);

    if (err)
        return err;
    lock = openat(folder_fd, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (lock < 0) {
        fault_set(why, "cannot open %s/%s: %s", folder, LOCK_NAME, strerror(errno));
        return KS_ERR_INTERNAL;
    }
    if (flock(lock, LOCK_EX | LOCK_NB) < 0) {
        fault_set(why, "another keysvcd works with the state folder %s", folder);
        fault_hint(why, "stop it, or give this one a state-dir of its own");
        return KS_ERR_BUSY;
    }
    *fd = ks_steal_fd(&lock);
    return KS_OK;
}
