/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_files - opening and noticing rotation
 */
#include "supervisor/audit_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "supervisor/durable.h"

#define FILE_MODE 0640
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

ks_err
audit_files_open(const char *audit_dir, struct audit_file *file, int *fd, struct fault *why)
{
    ks_auto(closep) int log = -1;
    char path[PATH_LEN];
    struct stat status;

    if (!durable_name_valid(file->chain)) {
        fault_set(why, "\"%s\" cannot be the name of an audit chain", file->chain);
        return KS_ERR_BAD_REQUEST;
    }
    file_path(audit_dir, file, path);
    log = open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
               FILE_MODE);
    if (log < 0 || fstat(log, &status) < 0) {
        fault_set(why, "cannot open the audit file %s: %s", path, strerror(errno));
        return KS_ERR_AUDIT_UNWRITABLE;
    }
    /* With a second name somebody else could keep and change what he has no business with. */
    if (!S_ISREG(status.st_mode) || status.st_nlink != 1) {
        fault_set(why, "the audit file %s is no regular file with one name", path);
        return KS_ERR_AUDIT_UNWRITABLE;
    }
    file->dev = (uint64_t)status.st_dev;
    file->ino = (uint64_t)status.st_ino;
    file->missing = false;
    *fd = ks_steal_fd(&log);
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
    ks_err err;

    *fd = -1;
    if (!known && !audit_files_rotated(audit_dir, file))
        return KS_OK;
    err = audit_files_open(audit_dir, file, fd, why);
    file->missing = err != KS_OK;
    return known ? KS_OK : err;
}
