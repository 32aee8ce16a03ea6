/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn - starts one of our own programs with nothing of ours but what it is given
 *
 * The new process has: the environment named here, the given descriptors from 3 upwards, /dev/null
 * as 0, our standard error as 1 and 2, no other descriptor, no core file, no capability, no way to
 * gain one, all signals at their defaults and, if `dies_with_us`, a SIGKILL when we are gone.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "base/fault.h"
#include "base/strv.h"

#define SPAWN_MAX_ARGS 8
#define SPAWN_MAX_FDS 4

struct spawn {
    const char *path;                     /* the executable */
    const char *argv[SPAWN_MAX_ARGS + 1]; /* NULL-terminated; never a secret */
    const struct strv *environment;       /* "NAME=value"; PATH is added if it is not there */
    const struct strv *groups;            /* names of supplementary groups; NULL: none */
    bool switch_user;    /* to uid and gid, and only `groups`; else it stays who we are */
    uint32_t uid, gid;   /* CONFIG_NO_ID: as we are */
    bool dies_with_us;   /* false: it must notice the closed control socket itself */
    bool keeps_terminal; /* and standard input and output; false: a session of its own, where no
                            Ctrl-C of ours reaches it */
    bool debug;          /* KEYSVC_DEBUG=1 */
};

/* We are root, or hold CAP_SETUID and CAP_SETGID. */
bool spawn_can_switch_users(void);

/*
 * Returns when the program was executed. INTERNAL: it was not; `why` names the step and the file.
 * The caller keeps its descriptors and reaps the process.
 */
ks_err spawn_process(const struct spawn *spawn, const int *fds, size_t n_fds, pid_t *pid,
                     struct fault *why) KS_MUST_CHECK;
