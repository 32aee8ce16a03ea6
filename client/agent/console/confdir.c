/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confdir - the console's folder: files that are replaced whole, and a lock
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/file.h"
#include "client/agent/console/fleet.h"

#define FOLDER_MODE 0700
#define SECRET_MODE 0600
#define LOCK_NAME "lock"

static ks_err
failed(ks_err code, const char *path, struct fault *why)
{
    fault_set(why, "%s: %s", path, strerror(errno));
    return code;
}

/* With those above it, as mkdir -p does. */
static bool
make_all(const char *dir)
{
    char path[PATH_MAX];

    if (!text_copy(path, sizeof(path), dir)) {
        errno = ENAMETOOLONG;
        return false;
    }
    for (char *next = path + 1; *next; next++) {
        if (*next != '/')
            continue;
        *next = '\0';
        if (mkdir(path, FOLDER_MODE) != 0 && errno != EEXIST)
            return false;
        *next = '/';
    }
    return mkdir(path, FOLDER_MODE) == 0 || errno == EEXIST;
}

ks_err
confdir_make(const char *dir, struct fault *why)
{
    struct stat st;

    if (!make_all(dir) || stat(dir, &st) != 0)
        return failed(KS_ERR_USAGE, dir, why);
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & (S_IRWXG | S_IRWXO))) {
        fault_set(why, "%s: not a folder of yours that is closed to others", dir);
        fault_hint(why, "chmod 0700 %s", dir);
        return KS_ERR_USAGE;
    }
    return KS_OK;
}

ks_err
confdir_read(const char *dir, const char *name, json_t **out, struct fault *why)
{
    char path[PATH_MAX];
    ks_auto(closep) int fd = -1;
    json_error_t error;
    struct stat st;

    *out = NULL;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return KS_OK;
    if (fd < 0 || fstat(fd, &st) != 0)
        return failed(KS_ERR_USAGE, path, why);
    if (!S_ISREG(st.st_mode) || (st.st_mode & (S_IRWXG | S_IRWXO))) {
        fault_set(why, "%s: not a file that is closed to others", path);
        fault_hint(why, "chmod 0600 %s", path);
        return KS_ERR_USAGE;
    }
    if (st.st_size > FLEET_FILE_MAX) {
        fault_set(why, "%s: more than %u bytes", path, FLEET_FILE_MAX);
        return KS_ERR_USAGE;
    }
    *out = json_loadfd(fd, JSON_REJECT_DUPLICATES, &error);
    if (*out)
        return KS_OK;
    fault_set(why, "%s:%d: %s", path, error.line, error.text);
    return KS_ERR_USAGE;
}

ks_err
confdir_write(const char *dir, const char *name, const json_t *json, struct fault *why)
{
    char path[PATH_MAX];
    char *text = json_dumps(json, JSON_INDENT(2) | JSON_SORT_KEYS);
    ks_err err;

    if (!text) {
        fault_set(why, "no memory to write %s", name);
        return KS_ERR_INTERNAL;
    }
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    err = file_replace(path, SECRET_MODE, text, strlen(text), why);
    explicit_bzero(text, strlen(text)); /* tokens */
    free(text);
    return err;
}

ks_err
confdir_lock(const char *dir, int *out, struct fault *why)
{
    char path[PATH_MAX];
    ks_auto(closep) int fd = -1;

    snprintf(path, sizeof(path), "%s/" LOCK_NAME, dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, SECRET_MODE);
    if (fd < 0)
        return failed(KS_ERR_INTERNAL, path, why);
    while (flock(fd, LOCK_EX) != 0) {
        if (errno != EINTR)
            return failed(KS_ERR_INTERNAL, path, why);
    }
    *out = ks_steal_fd(&fd);
    return KS_OK;
}
