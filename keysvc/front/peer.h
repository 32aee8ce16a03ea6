/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer - who is at the other end of a connection, as the kernel says
 *
 * Read once, when the connection is accepted: credentials are those of connect(). The unit is taken
 * from the peer's cgroup while its pidfd (SO_PEERPIDFD, Linux 6.5) proves that the process is still
 * the one that connected; without pidfds `unit_proven` is false and a rule on units must also name
 * a user or group (policy.h). The account's name may be ten seconds old.
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"
#include "ipc/job.h"

#define PEER_MAX_GIDS 1024 /* supplementary groups; more: the connection is refused */
#define PEER_USER_MAX 32   /* bytes of a user name that {user} in a rule may stand for */

struct peer {
    uint32_t uid;
    uint32_t gid;
    int32_t pid;
    char user[PEER_USER_MAX +
              1]; /* empty: no such account, or no name that could stand in a key name */
    char unit[JOB_UNIT_MAX + 1]; /* empty: none or not known */
    bool unit_proven;
    uint32_t *gids; /* primary and supplementary; owned: peer_deinit */
    size_t n_gids;
};

#define PEER_INIT                                                                                  \
    {                                                                                              \
        .uid = UINT32_MAX                                                                          \
    }

/* For a connected Unix socket. DENIED: the kernel does not say who it is. */
ks_err peer_read(int fd, struct peer *out, struct fault *why) KS_MUST_CHECK;
void peer_deinit(struct peer *peer);

/* Only who it is, uid, gid and pid, which costs little; false: the kernel does not say. */
bool peer_read_user(int fd, struct peer *peer);

/* The system unit in the text of /proc/PID/cgroup; empty if there is none. Pure; a user's own units
 * give user@UID.service. */
void peer_unit_from_cgroup(const char *text, char unit[static JOB_UNIT_MAX + 1]);

/* Tests only: pretend that the kernel has no SO_PEERPIDFD. */
void peer_forget_pidfd(bool forget);
