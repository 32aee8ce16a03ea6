/* SPDX-License-Identifier: Apache-2.0 */
/*
 * folder - making, checking and locking the folders of the state
 */
#include "client/agent/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/clock.h"

#define FOLDER_MODE 0750
#define LOCK_MODE 0600
#define LOCK_STEP_US 20000

static ks_err make_one(int at, const char *path, const char *shown, int *out, struct fault *why);

static ks_err
failed(struct fault *why, const char *what)
{
    int code = errno;

    fault_set(why, "%s: %s", what, strerror(code));
    fault_hint(why, "look at its rights and free space; it belongs to the agent's user");
    return KS_ERR_INTERNAL;
}

ks_err
folder_prepare(const char *state_dir, struct fault *why)
{
    ks_auto(closep) int state = -1, identities = -1;
    char path[PATH_MAX + sizeof("/identities")];
    struct stat st;
    ks_err err = make_one(AT_FDCWD, state_dir, state_dir, &state, why);

    if (err)
        return err;
    if (fstat(state, &st))
        return failed(why, state_dir);
    if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH))) {
        fault_set(why, "%s: belongs to user %u, mode %04o; this is user %u", state_dir, st.st_uid,
                  st.st_mode & 07777u, geteuid());
        fault_hint(why,
                   "the state folder must be the agent's own, and nobody else may write to it: "
                   "chmod go-w, or start as its owner or as root");
        return KS_ERR_USAGE;
    }
    snprintf(path, sizeof(path), "%s/identities", state_dir);
    return make_one(AT_FDCWD, path, path, &identities, why);
}

/* One that is there keeps its rights: the administrator may have chosen them. */
static ks_err
make_one(int at, const char *path, const char *shown, int *out, struct fault *why)
{
    ks_auto(closep) int fd = -1;
    bool is_new = mkdirat(at, path, FOLDER_MODE) == 0;

    if (!is_new && errno != EEXIST)
        return failed(why, shown);
    fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || (is_new && fchmod(fd, FOLDER_MODE)))
        return failed(why, shown);
    *out = ks_steal_fd(&fd);
    return KS_OK;
}

ks_err
folder_identity(const char *state_dir, const char *name, bool create, int *out, struct fault *why)
{
    char path[PATH_MAX + sizeof("/identities/") + IDENTITY_NAME_MAX];

    snprintf(path, sizeof(path), "%s/identities/%s", state_dir, name);
    if (create)
        return make_one(AT_FDCWD, path, path, out, why);
    *out = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*out < 0 && errno == ENOENT) {
        fault_set(why, "there is no identity %s", name);
        fault_hint(why, "keysvc-agent identity-list shows those that are there");
        return KS_ERR_NOT_FOUND;
    }
    return *out < 0 ? failed(why, path) : KS_OK;
}

ks_err
folder_lock(int folder, unsigned int wait_s, int *out, struct fault *why)
{
    ks_auto(closep) int fd =
        openat(folder, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, LOCK_MODE);
    uint64_t end = clock_mono_ms() + wait_s * (uint64_t)1000;

    if (fd < 0)
        return failed(why, "lock");
    /* No blocking lock: it would wait for as long as whoever holds it likes. */
    while (flock(fd, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return failed(why, "lock");
        if (clock_mono_ms() >= end) {
            fault_set(why, "another process is working on this identity");
            return KS_ERR_BUSY;
        }
        usleep(LOCK_STEP_US);
    }
    *out = ks_steal_fd(&fd);
    return KS_OK;
}
