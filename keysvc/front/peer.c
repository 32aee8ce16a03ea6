/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer - asking the kernel who connected, and reading that process's unit
 *
 * Reads nothing but socket options, /proc/PID/cgroup and the account's name.
 */
#include "front/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/keyname.h"
#include "front/accounts.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5; missing in older headers */
#endif

#define FIRST_GIDS 64
#define CGROUP_TEXT_MAX 16384 /* bytes; a dozen lines of at most a path each */
#define SLICE_SUFFIX ".slice"

#define KEPT_USERS 64            /* names of accounts that are remembered, */
#define KEPT_USER_MS (10 * 1000) /* for so long */

/* Asking for a name may go to a directory server, and the one thread of the front waits for it: so
 * what was answered last is remembered, "nobody" and "no answer" too. A new or renamed account is
 * known after that time. */
static struct {
    bool used;
    uint32_t uid;
    uint64_t asked_ms;
    char user[PEER_USER_MAX + 1];
} kept_users[KEPT_USERS]; /* by uid modulo KEPT_USERS */

static bool pidfd_forgotten;

static ks_err read_groups(int fd, struct peer *peer, struct fault *why);
static void read_user(struct peer *peer);
static void ask_user(struct peer *peer);
static void read_unit(int fd, struct peer *peer);

ks_err
peer_read(int fd, struct peer *out, struct fault *why)
{
    ks_auto(peer_deinit) struct peer peer = PEER_INIT;
    ks_err err;

    if (!peer_read_user(fd, &peer)) {
        fault_set(why, "the kernel does not say who connected");
        return KS_ERR_DENIED;
    }
    err = read_groups(fd, &peer, why);
    if (err)
        return err;
    read_user(&peer);
    read_unit(fd, &peer);
    *out = peer;
    peer.gids = NULL;
    return KS_OK;
}

bool
peer_read_user(int fd, struct peer *peer)
{
    struct ucred credentials;
    socklen_t len = sizeof(credentials);
    struct sockaddr_un address;
    socklen_t address_len = sizeof(address);

    /* Other families answer SO_PEERCRED too, with nobody's ids. */
    if (getsockname(fd, (struct sockaddr *)&address, &address_len) < 0 ||
        address.sun_family != AF_UNIX ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) < 0 ||
        len != sizeof(credentials) || credentials.uid == (uid_t)-1 || credentials.gid == (gid_t)-1)
        return false;
    peer->uid = credentials.uid;
    peer->gid = credentials.gid;
    peer->pid = credentials.pid;
    return true;
}

void
peer_deinit(struct peer *peer)
{
    free(peer->gids);
    peer->gids = NULL;
    peer->n_gids = 0;
}

void
peer_forget_pidfd(bool forget)
{
    pidfd_forgotten = forget;
}

/* Groups. */

static ks_err
read_groups(int fd, struct peer *peer, struct fault *why)
{
    size_t cap = FIRST_GIDS;

    for (;;) {
        ks_auto(freep) uint32_t *gids = calloc(cap + 1, sizeof(*gids));
        socklen_t len = (socklen_t)(cap * sizeof(*gids));

        if (!gids) {
            fault_set(why, "no memory for the groups of uid %u", peer->uid);
            return KS_ERR_INTERNAL;
        }
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, gids + 1, &len) == 0) {
            gids[0] = peer->gid;
            peer->n_gids = 1 + len / sizeof(*gids);
            peer->gids = ks_steal(&gids);
            return KS_OK;
        }
        /* ERANGE names the size wanted; anything else would lose groups silently. */
        if (errno != ERANGE || len / sizeof(*gids) <= cap || len / sizeof(*gids) > PEER_MAX_GIDS) {
            fault_set(why, "the groups of uid %u cannot be read: %s", peer->uid, strerror(errno));
            return KS_ERR_DENIED;
        }
        cap = len / sizeof(*gids);
    }
}

/* The account's name. */

static void
read_user(struct peer *peer)
{
    size_t place = peer->uid % KEPT_USERS;
    uint64_t now_ms = clock_mono_ms();

    if (!kept_users[place].used || kept_users[place].uid != peer->uid ||
        now_ms - kept_users[place].asked_ms >= KEPT_USER_MS) {
        ask_user(peer);
        kept_users[place].used = true;
        kept_users[place].uid = peer->uid;
        /* Counted from the answer: what is slow is asked less often. */
        kept_users[place].asked_ms = clock_mono_ms();
        memcpy(kept_users[place].user, peer->user, sizeof(peer->user));
        return;
    }
    memcpy(peer->user, kept_users[place].user, sizeof(peer->user));
}

static void
ask_user(struct peer *peer)
{
    char name[ACCOUNTS_NAME_MAX + 1];

    accounts_name(peer->uid, name);
    /* In a rule's keys {user} is one component of a name: nothing else may be put there. */
    if (strchr(name, '/') || !keyname_valid(name) ||
        !text_copy(peer->user, sizeof(peer->user), name))
        peer->user[0] = '\0';
}

/* The unit. */

/* -1: not known; -2: the kernel has no such thing. */
static int
open_pidfd(int fd)
{
    int pidfd = -1;
    socklen_t len = sizeof(pidfd);

    if (pidfd_forgotten)
        return -2;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) < 0)
        return errno == ENOPROTOOPT ? -2 : -1;
    return pidfd;
}

static bool
process_lives(int pidfd)
{
    struct pollfd gone = {.fd = pidfd, .events = POLLIN};

    return poll(&gone, 1, 0) == 0;
}

static bool
read_cgroup(int32_t pid, char *text, size_t cap)
{
    char path[64];
    ks_auto(closep) int fd = -1;
    size_t len = 0;
    ssize_t n;

    snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    while ((n = read(fd, text + len, cap - 1 - len)) > 0)
        len += (size_t)n;
    /* A text that was cut could end in another unit's name. */
    if (n < 0 || len == cap - 1)
        return false;
    text[len] = '\0';
    return true;
}

/*
 * The process that connected may have ended and its number may be another's by now: the pidfd,
 * taken by the kernel at connect(), must still be alive after the file was read.
 */
static void
read_unit(int fd, struct peer *peer)
{
    ks_auto(closep) int pidfd = open_pidfd(fd);
    char text[CGROUP_TEXT_MAX];

    /* Number 0: in a PID namespace that we do not see into. */
    if (pidfd == -1 || peer->pid <= 0 || !read_cgroup(peer->pid, text, sizeof(text)))
        return;
    if (pidfd >= 0 && !process_lives(pidfd))
        return;
    peer_unit_from_cgroup(text, peer->unit);
    peer->unit_proven = pidfd >= 0 && peer->unit[0] != '\0';
}

static bool
ends_with(const char *text, size_t len, const char *suffix)
{
    size_t suffix_len = strlen(suffix);

    return len > suffix_len && memcmp(text + len - suffix_len, suffix, suffix_len) == 0;
}

/* A unit's full name, not a template's: `name.service`, `name@instance.service`. */
static bool
unit_valid(const char *name, size_t len)
{
    static const char *const suffixes[] = {
        ".service", ".scope",     ".socket", ".slice", ".mount", ".swap",
        ".target",  ".automount", ".device", ".timer", ".path",
    };
    const char *at = memchr(name, '@', len);
    bool known = false;

    if (len == 0 || len > JOB_UNIT_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (name[i] == '\0' || !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789:-_.\\@",
                                       name[i]))
            return false;
    for (size_t i = 0; i < ARRAY_LEN(suffixes) && !known; i++)
        known = ends_with(name, len, suffixes[i]);
    return known && at != name && !(at && at + 1 == (const char *)memrchr(name, '.', len));
}

/*
 * As systemd reads a path: slices are passed over, the component after them is the unit or there is
 * none. Whatever is deeper belongs to that unit, which may have named it as it liked; so
 * `docker/x/nginx.service` is nobody's nginx.service.
 */
static bool
unit_from_path(const char *path, size_t len, char unit[static JOB_UNIT_MAX + 1])
{
    const char *end = path + len;

    if (len == 0 || *path != '/')
        return false;
    while (path < end) {
        const char *slash;
        size_t n;

        while (path < end && *path == '/')
            path++;
        slash = memchr(path, '/', (size_t)(end - path));
        n = slash ? (size_t)(slash - path) : (size_t)(end - path);
        /* systemd puts an underscore before names that the kernel's own files could have. */
        if (n > 0 && *path == '_') {
            path++;
            n--;
        }
        if (!unit_valid(path, n))
            return false;
        if (ends_with(path, n, SLICE_SUFFIX)) {
            path += n;
            continue;
        }
        memcpy(unit, path, n);
        unit[n] = '\0';
        return true;
    }
    return false;
}

/* In the line with that controller: `ID:CONTROLLER:PATH`; the unified hierarchy has ID 0 and none.
 */
static bool
unit_from_line(const char *text, const char *controller, char unit[static JOB_UNIT_MAX + 1])
{
    size_t controller_len = strlen(controller);

    while (*text) {
        size_t len = strcspn(text, "\n");
        size_t id_len = strspn(text, "0123456789");
        const char *name = text + id_len + 1;

        if (id_len > 0 && text[id_len] == ':' && strncmp(name, controller, controller_len) == 0 &&
            name[controller_len] == ':' &&
            (controller_len > 0 || (id_len == 1 && text[0] == '0'))) {
            const char *path = name + controller_len + 1;

            return unit_from_path(path, (size_t)(text + len - path), unit);
        }
        text += len + (text[len] == '\n');
    }
    return false;
}

void
peer_unit_from_cgroup(const char *text, char unit[static JOB_UNIT_MAX + 1])
{
    unit[0] = '\0';
    if (!unit_from_line(text, "", unit))
        (void)unit_from_line(text, "name=systemd", unit);
}
