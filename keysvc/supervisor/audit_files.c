/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_files - opening and noticing rotation
 */
#include "supervisor/audit_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/chain.h"
#include "supervisor/durable.h"

#define FILE_MODE 0640
#define FILE_FLAGS (O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
#define RECORD_MAX CHAIN_RECORD_MAX /* bytes: within so many a file has its first newline */
#define PATH_LEN (CONFIG_PATH_MAX + AUDIT_FILES_CHAIN_MAX + sizeof("/.log"))

static void
file_path(const char *audit_dir, const struct audit_file *file, char out[static PATH_LEN])
{
    snprintf(out, PATH_LEN, "%s/%s.log", audit_dir, file->chain);
}

void
audit_files_chain(char out[static AUDIT_FILES_CHAIN_MAX + 1], const char *token,
                  uint32_t worker_index)
{
    if (!token)
        text_copy(out, AUDIT_FILES_CHAIN_MAX + 1, AUDIT_FILES_FRONT);
    else
        snprintf(out, AUDIT_FILES_CHAIN_MAX + 1, "%s-%u", token, worker_index);
}

void
audit_files_close(struct audit_file *file)
{
    closep(&file->fd);
    closep(&file->before);
}

/* With a second name somebody else could keep and change what he has no business with. */
static bool
is_fit(const struct stat *status)
{
    return S_ISREG(status->st_mode) && status->st_nlink == 1;
}

static ks_err
open_file(const char *audit_dir, const struct audit_file *file, int *fd, struct stat *status,
          struct fault *why)
{
    ks_auto(closep) int log = -1;
    char path[PATH_LEN];

    if (!durable_name_valid(file->chain)) {
        fault_set(why, "\"%s\" cannot be the name of an audit chain", file->chain);
        return KS_ERR_BAD_REQUEST;
    }
    file_path(audit_dir, file, path);
    log = open(path, FILE_FLAGS | O_CREAT, FILE_MODE);
    if (log < 0 || fstat(log, status) < 0) {
        fault_set(why, "cannot open the audit file %s: %s", path, strerror(errno));
        return KS_ERR_AUDIT_UNWRITABLE;
    }
    if (!is_fit(status)) {
        fault_set(why, "the audit file %s is no regular file with one name", path);
        return KS_ERR_AUDIT_UNWRITABLE;
    }
    *fd = ks_steal_fd(&log);
    return KS_OK;
}

/* A whole line stands in it; what that says is for its writer to read. */
static bool
has_record(int fd)
{
    char data[RECORD_MAX];
    ssize_t n = fd >= 0 ? pread(fd, data, sizeof(data), 0) : -1;

    return n > 0 && memchr(data, '\n', (size_t)n);
}

static int
duplicate(int fd)
{
    return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static bool
is_file(int fd, const struct stat *status)
{
    struct stat other;

    return fd >= 0 && fstat(fd, &other) == 0 && other.st_dev == status->st_dev &&
           other.st_ino == status->st_ino;
}

/* What has records and comes from elsewhere is none of the chain's files before its writer has said
 * so, by writing on in it. */
static void
remember(struct audit_file *file, int fd, const struct stat *status)
{
    file->dev = (uint64_t)status->st_dev;
    file->ino = (uint64_t)status->st_ino;
    if (file->fd >= 0 && (is_file(file->fd, status) || has_record(fd)))
        return;
    if (has_record(file->fd)) {
        closep(&file->before);
        file->before = ks_steal_fd(&file->fd);
    }
    closep(&file->fd);
    file->fd = duplicate(fd);
}

/* "main-1.log.1" of "main-1.log"; not "main-1.log.x-1.log", another token's. */
static bool
is_neighbour(const char *name, const struct audit_file *file)
{
    size_t len = strlen(file->chain), name_len = strlen(name);

    return strncmp(name, file->chain, len) == 0 && strncmp(name + len, ".log", 4) == 0 &&
           (name[len + 4] == '.' || name[len + 4] == '-') &&
           strcmp(name + name_len - strlen(".log"), ".log") != 0;
}

static void
dir_freep(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

static bool
is_later(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

/* The one that was written last; renaming does not change that. */
static int
open_neighbour(const char *audit_dir, const struct audit_file *file)
{
    ks_auto(dir_freep) DIR *dir = opendir(audit_dir);
    struct timespec latest = {0};
    const struct dirent *entry;
    int newest = -1;

    while (dir && (entry = readdir(dir))) {
        ks_auto(closep) int fd = -1;
        struct stat status;

        if (!is_neighbour(entry->d_name, file))
            continue;
        fd = openat(dirfd(dir), entry->d_name, FILE_FLAGS);
        if (fd < 0 || fstat(fd, &status) < 0 || !is_fit(&status) || !has_record(fd) ||
            (newest >= 0 && !is_later(&status.st_mtim, &latest)))
            continue;
        closep(&newest);
        newest = ks_steal_fd(&fd);
        latest = status.st_mtim;
    }
    return newest;
}

ks_err
audit_files_open(const char *audit_dir, struct audit_file *file, int *fd, int *before,
                 struct fault *why)
{
    bool is_first = file->fd < 0;
    struct stat status;
    ks_err err;

    *before = -1;
    err = open_file(audit_dir, file, fd, &status, why);
    if (err)
        return err;
    file->missing = false;
    remember(file, *fd, &status);
    if (!has_record(*fd) && is_first)
        file->before = open_neighbour(audit_dir, file);
    /* Behind a record of its own a file needs none before it, unless it is not the one that was
     * written: then its writer has to see whether it is the chain's. */
    if (!has_record(*fd))
        *before = duplicate(file->before);
    else if (!is_file(file->fd, &status))
        *before = duplicate(has_record(file->fd) ? file->fd : file->before);
    return KS_OK;
}

bool
audit_files_rotated(const char *audit_dir, const struct audit_file *file)
{
    char path[PATH_LEN];
    struct stat status;

    file_path(audit_dir, file, path);
    if (lstat(path, &status) < 0)
        return errno == ENOENT;
    return (uint64_t)status.st_dev != file->dev || (uint64_t)status.st_ino != file->ino;
}

ks_err
audit_files_follow(const char *audit_dir, struct audit_file *file, int *fd, struct fault *why)
{
    bool known = file->missing;
    struct stat status;
    ks_err err;

    *fd = -1;
    if (file->before >= 0 && has_record(file->fd))
        closep(&file->before);
    if (!known && !audit_files_rotated(audit_dir, file))
        return KS_OK;
    err = open_file(audit_dir, file, fd, &status, why);
    file->missing = err != KS_OK;
    if (!err)
        remember(file, *fd, &status);
    return known ? KS_OK : err;
}
