/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store - lock, copy, put back
 *
 * Whatever is written is written to a temporary name, synced and renamed: a kill or a power cut at
 * any moment leaves the file or the copy as it was, or new. All paths are walked by descriptors and
 * without following links.
 */
#include "token/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#define GATE_NAME ".keysvc-gate"
#define COPY_SUFFIX ".keysvc-copy"
#define NEW_SUFFIX ".keysvc-new"
#define GATE_POLL_NS (5 * 1000 * 1000)
#define MAX_FILE_LEN (1024 * 1024) /* bytes; what is longer is no token's state */
#define MAX_DEPTH 8                /* components of a glob */
#define MAX_NAME_LEN (NAME_MAX - sizeof(COPY_SUFFIX))

/* What is done with each file that a glob matches. */
struct visit {
    const struct config_token *token;
    ks_err (*file)(struct visit *visit, int folder, const char *name, struct fault *why);
    bool all; /* keep_file: also what has not changed */
    size_t n_done;
};

static ks_err restore_file(struct visit *visit, int folder, const char *name, struct fault *why);
static ks_err keep_file(struct visit *visit, int folder, const char *name, struct fault *why);
static ks_err walk(struct visit *visit, struct fault *why);
static ks_err walk_folder(struct visit *visit, int folder, const char *glob, unsigned int depth,
                          struct fault *why);
static ks_err walk_step(struct visit *visit, int folder, const char *name, const char *rest,
                        unsigned int depth, struct fault *why);
static ks_err open_store(const struct config_token *token, int *fd, struct fault *why);
static bool open_file(int folder, const char *name, int *fd, struct stat *status);
static ks_err read_file(int fd, const struct stat *status, uint8_t **data);
static ks_err write_file(int folder, const char *name, const uint8_t *data,
                         const struct stat *status);

ks_err
store_lock(const struct config_token *token, int *fd, struct fault *why)
{
    ks_auto(closep) int folder = -1;
    ks_err err;

    *fd = -1;
    if (token->store[0] == '\0')
        return KS_OK;
    err = open_store(token, &folder, why);
    if (err)
        return err;
    if (flock(folder, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK) {
            fault_set(why, "token %s: the store %s is used by another keysvcd", token->name,
                      token->store);
            fault_hint(why, "stop it; this one takes over by itself");
        } else {
            fault_set(why, "token %s: the store %s cannot be locked: %m", token->name,
                      token->store);
        }
        return KS_ERR_TOKEN_UNAVAILABLE;
    }
    *fd = ks_steal_fd(&folder);
    return KS_OK;
}

ks_err
store_gate(const struct config_token *token, int *fd, struct fault *why)
{
    const struct timespec pause = {.tv_nsec = GATE_POLL_NS};
    uint64_t end_ms = clock_mono_ms() + STORE_GATE_TIMEOUT_MS;
    ks_auto(closep) int folder = -1;
    ks_auto(closep) int gate = -1;
    ks_err err;

    *fd = -1;
    if (token->store[0] == '\0')
        return KS_OK;
    err = open_store(token, &folder, why);
    if (err)
        return err;
    gate = openat(folder, GATE_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (gate < 0) {
        fault_set(why, "token %s: cannot open %s/" GATE_NAME ": %m", token->name, token->store);
        return KS_ERR_TOKEN_UNAVAILABLE;
    }
    while (flock(gate, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK || clock_mono_ms() >= end_ms) {
            fault_set(why, "token %s: another process logs in to the store %s and does not end: %m",
                      token->name, token->store);
            return KS_ERR_TOKEN_UNAVAILABLE;
        }
        nanosleep(&pause, NULL);
    }
    *fd = ks_steal_fd(&gate);
    return KS_OK;
}

ks_err
store_restore(const struct config_token *token, size_t *n_restored, struct fault *why)
{
    struct visit visit = {.token = token, .file = restore_file};
    ks_err err = walk(&visit, why);

    *n_restored = visit.n_done;
    return err ? KS_ERR_TOKEN_UNAVAILABLE : KS_OK;
}

ks_err
store_renew(const struct config_token *token, struct fault *why)
{
    struct visit visit = {.token = token, .file = keep_file, .all = true};

    return walk(&visit, why);
}

ks_err
store_keep(const struct config_token *token, struct fault *why)
{
    struct visit visit = {.token = token, .file = keep_file};

    return walk(&visit, why);
}

static ks_err
failed(const struct visit *visit, const char *what, const char *name, struct fault *why)
{
    fault_set(why, "token %s: %s %s below %s: %m", visit->token->name, what, name,
              visit->token->store);
    return KS_ERR_INTERNAL;
}

static void
name_with(char out[static NAME_MAX + 1], const char *name, const char *suffix)
{
    snprintf(out, NAME_MAX + 1, "%s%s", name, suffix);
}

/* A file that is not empty is never touched: its copy may be older than a change of PIN. */
static ks_err
restore_file(struct visit *visit, int folder, const char *name, struct fault *why)
{
    ks_auto(closep) int fd = -1;
    ks_auto(closep) int copy_fd = -1;
    ks_auto(freep) uint8_t *data = NULL;
    char copy[NAME_MAX + 1];
    struct stat status, copy_status;

    name_with(copy, name, COPY_SUFFIX);
    if (!open_file(folder, name, &fd, &status) || status.st_size > 0 ||
        !open_file(folder, copy, &copy_fd, &copy_status) || copy_status.st_size == 0)
        return KS_OK;
    if (read_file(copy_fd, &copy_status, &data) != KS_OK ||
        write_file(folder, name, data, &copy_status) != KS_OK)
        return failed(visit, "cannot put back the empty file", name, why);
    visit->n_done++;
    log_warning("event=store-restored token=%s store=\"%s\" file=\"%s\" text=\"it was empty: a "
                "process ended in the middle of a login\"",
                visit->token->name, visit->token->store, name);
    return KS_OK;
}

static ks_err
keep_file(struct visit *visit, int folder, const char *name, struct fault *why)
{
    ks_auto(closep) int fd = -1;
    ks_auto(closep) int copy_fd = -1;
    ks_auto(freep) uint8_t *data = NULL;
    ks_auto(freep) uint8_t *kept = NULL;
    char copy[NAME_MAX + 1];
    struct stat status, copy_status;

    name_with(copy, name, COPY_SUFFIX);
    if (!open_file(folder, name, &fd, &status) || status.st_size == 0)
        return KS_OK;
    if (read_file(fd, &status, &data) != KS_OK)
        return failed(visit, "cannot read", name, why);
    if (!visit->all && open_file(folder, copy, &copy_fd, &copy_status) &&
        copy_status.st_size == status.st_size && read_file(copy_fd, &copy_status, &kept) == KS_OK &&
        memcmp(data, kept, (size_t)status.st_size) == 0)
        return KS_OK;
    if (write_file(folder, copy, data, &status) != KS_OK)
        return failed(visit, "cannot write the copy of", name, why);
    visit->n_done++;
    return KS_OK;
}

static ks_err
walk(struct visit *visit, struct fault *why)
{
    const struct strv *globs = &visit->token->profile.copies;
    ks_auto(closep) int store = -1;
    ks_err err = KS_OK;

    if (visit->token->store[0] == '\0' || globs->n_items == 0)
        return KS_OK;
    err = open_store(visit->token, &store, why);
    for (size_t i = 0; !err && i < globs->n_items; i++)
        err = walk_folder(visit, store, globs->items[i], 0, why);
    return err;
}

/* Splits the glob at its first slash. A component without stars is not searched for: a token's
 * folder may hold as many files as the token has keys. */
static ks_err
walk_folder(struct visit *visit, int folder, const char *glob, unsigned int depth,
            struct fault *why)
{
    size_t len = strcspn(glob, "/");
    const char *rest = glob[len] == '/' ? glob + len + 1 : NULL;
    char part[NAME_MAX + 1];
    ks_err err = KS_OK;
    struct dirent *entry;
    DIR *dir;
    int fd;

    if (depth >= MAX_DEPTH || len >= sizeof(part))
        return KS_OK;
    memcpy(part, glob, len);
    part[len] = '\0';
    if (!strpbrk(part, "*?[\\"))
        return walk_step(visit, folder, part, rest, depth, why);
    fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        closep(&fd);
        return failed(visit, "cannot list", glob, why);
    }
    while (!err && (entry = readdir(dir))) {
        if (fnmatch(part, entry->d_name, FNM_PERIOD) == 0)
            err = walk_step(visit, folder, entry->d_name, rest, depth, why);
    }
    closedir(dir);
    return err;
}

static bool
is_ours(const char *name)
{
    size_t len = strlen(name);

    return len > MAX_NAME_LEN || strcmp(name, GATE_NAME) == 0 ||
           (len > strlen(COPY_SUFFIX) &&
            strcmp(name + len - strlen(COPY_SUFFIX), COPY_SUFFIX) == 0) ||
           (len > strlen(NEW_SUFFIX) && strcmp(name + len - strlen(NEW_SUFFIX), NEW_SUFFIX) == 0);
}

/* What is no folder where one is wanted, or went away, is no match. */
static ks_err
walk_step(struct visit *visit, int folder, const char *name, const char *rest, unsigned int depth,
          struct fault *why)
{
    ks_auto(closep) int below = -1;

    if (!rest)
        return is_ours(name) ? KS_OK : visit->file(visit, folder, name, why);
    below = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return below < 0 ? KS_OK : walk_folder(visit, below, rest, depth + 1, why);
}

static ks_err
open_store(const struct config_token *token, int *fd, struct fault *why)
{
    *fd = open(token->store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd >= 0)
        return KS_OK;
    fault_set(why, "token %s: cannot open its store %s: %m", token->name, token->store);
    fault_hint(why, "check `store` in its section, and whose folder it is");
    return KS_ERR_TOKEN_UNAVAILABLE;
}

static bool
open_file(int folder, const char *name, int *fd, struct stat *status)
{
    *fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return *fd >= 0 && fstat(*fd, status) == 0 && S_ISREG(status->st_mode);
}

/* All of it, as long as fstat() said. */
static ks_err
read_file(int fd, const struct stat *status, uint8_t **data)
{
    size_t len = (size_t)status->st_size, at = 0;

    if (status->st_size > MAX_FILE_LEN) {
        errno = EFBIG;
        return KS_ERR_INTERNAL;
    }
    *data = malloc(len);
    while (*data && at < len) {
        ssize_t n = pread(fd, *data + at, len - at, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = EAGAIN; /* somebody shortens it */
        if (n <= 0)
            return KS_ERR_INTERNAL;
        at += (size_t)n;
    }
    return *data ? KS_OK : KS_ERR_INTERNAL;
}

/* `status` gives length and mode. errno says what failed. */
static ks_err
write_file(int folder, const char *name, const uint8_t *data, const struct stat *status)
{
    ks_auto(closep) int fd = -1;
    char temporary[NAME_MAX + 1];
    int error;

    name_with(temporary, name, NEW_SUFFIX);
    fd = openat(folder, temporary,
                O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd >= 0 && file_write_all(fd, data, (size_t)status->st_size) &&
        fchmod(fd, status->st_mode & 0777) == 0 && fsync(fd) == 0 &&
        renameat(folder, temporary, folder, name) == 0 && fsync(folder) == 0)
        return KS_OK;
    error = errno;
    unlinkat(folder, temporary, 0);
    errno = error;
    return KS_ERR_INTERNAL;
}
