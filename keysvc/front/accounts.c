/* SPDX-License-Identifier: Apache-2.0 */
/*
 * accounts - a number in, a name of fixed length out, one at a time
 */
#include "front/accounts.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/log.h"

#define ENTRY_MAX (64 * 1024) /* bytes for one passwd entry */
#define FIRST_FD 3

struct answer {
    char name[ACCOUNTS_NAME_MAX + 1];
};

static void ask_libc(uint32_t uid, struct answer *answer);
static void serve(int fd) __attribute__((noreturn));

static int asked = -1; /* the other process; -1: there is none */

ks_err
accounts_start(struct fault *why)
{
    int ends[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
        fault_set(why, "cannot make a socket for the names of accounts: %m");
        return KS_ERR_INTERNAL;
    }
    pid = fork();
    if (pid == 0) {
        /* It keeps nothing of the front's. */
        if (dup2(ends[1], FIRST_FD) < 0 || close_range(FIRST_FD + 1, ~0U, 0) < 0)
            _exit(1);
        serve(FIRST_FD);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        fault_set(why, "cannot start a process for the names of accounts: %m");
        return KS_ERR_INTERNAL;
    }
    asked = ends[0];
    return KS_OK;
}

void
accounts_name(uint32_t uid, char name[static ACCOUNTS_NAME_MAX + 1])
{
    struct answer answer = {""};

    if (asked < 0) {
        ask_libc(uid, &answer);
    } else if (TEMP_FAILURE_RETRY(send(asked, &uid, sizeof(uid), MSG_NOSIGNAL)) < 0 ||
               TEMP_FAILURE_RETRY(recv(asked, &answer, sizeof(answer), 0)) !=
                   (ssize_t)sizeof(answer)) {
        /* We cannot make another one; the front that follows us can. */
        log_error("event=ended reason=\"the process that knows the names of accounts is gone\"");
        _exit(1);
    }
    answer.name[ACCOUNTS_NAME_MAX] = '\0';
    memcpy(name, answer.name, sizeof(answer.name));
}

static void
serve(int fd)
{
    uint32_t uid;

    (void)prctl(PR_SET_NAME, "keysvc-accounts");
    while (TEMP_FAILURE_RETRY(recv(fd, &uid, sizeof(uid), 0)) == (ssize_t)sizeof(uid)) {
        struct answer answer = {""};

        ask_libc(uid, &answer);
        if (TEMP_FAILURE_RETRY(send(fd, &answer, sizeof(answer), MSG_NOSIGNAL)) < 0)
            break;
    }
    _exit(0);
}

static void
ask_libc(uint32_t uid, struct answer *answer)
{
    ks_auto(freep) char *storage = NULL;
    struct passwd account, *found = NULL;
    int error = ERANGE;

    for (size_t cap = 1024; error == ERANGE && cap <= ENTRY_MAX; cap *= 2) {
        char *grown = realloc(storage, cap);

        if (!grown)
            return;
        storage = grown;
        error = getpwuid_r(uid, &account, storage, cap, &found);
    }
    if (!error && found)
        (void)text_copy(answer->name, sizeof(answer->name), account.pw_name);
}
