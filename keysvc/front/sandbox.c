/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox - the front answers clients over descriptors that it is given, and that is all it may do
 *
 * It makes no socket, starts no program, signals nobody, opens files for reading only and those
 * below /proc only (a peer's cgroup), and loads no code. Measured by the project's own tests; names
 * of accounts, which libc may ask of anybody, are asked by a process beside it (accounts.c).
 */
#include "front/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/log.h"
#include "sandbox/sandbox.h"

#define CHANGES (O_ACCMODE | O_CREAT | O_TRUNC)

/* clang-format off */
static const struct sandbox_rule rules[] = {
    /* clients, workers, keysvcd */
    {"accept4"}, {"getsockname"}, {"getsockopt"}, {"setsockopt"}, {"shutdown"},
    {"read"}, {"readv"}, {"recvfrom"}, {"recvmsg"}, {"recvmmsg"},
    {"write"}, {"writev"}, {"sendto"}, {"sendmsg"}, {"sendmmsg"},
    {"close"}, {"fstat"}, {"lseek"},
    {"ioctl", 1, SANDBOX_INT, FIONREAD},
    /* the loop */
    {"epoll_create1"}, {"epoll_ctl"}, {"epoll_wait"}, {"epoll_pwait"}, {"epoll_pwait2"},
    {"eventfd2"}, {"poll"}, {"ppoll"}, {"timerfd_settime"},
    /* the audit */
    {"fdatasync"}, {"pread64"},
    /* /proc/PID/cgroup */
    {"openat", 2, CHANGES, O_RDONLY}, {"newfstatat"},
    /* memory, no code */
    {"brk"}, {"madvise"}, {"mremap"}, {"munmap"},
    {"mmap", 2, PROT_EXEC, 0}, {"mprotect", 2, PROT_EXEC, 0},
    /* threads of its own (discard.c) */
    {"clone", 0, CLONE_THREAD, CLONE_THREAD},
    {"exit"}, {"futex"}, {"gettid"}, {"membarrier"}, {"rseq"}, {"sched_getaffinity"}, {"sched_yield"},
    {"set_robust_list"}, {"sigaltstack"},
    /* and what everybody needs */
    {"clock_gettime"}, {"clock_nanosleep"}, {"exit_group"}, {"getpid"}, {"getrandom"}, {"getrlimit"},
    {"gettimeofday"}, {"restart_syscall"}, {"rt_sigaction"}, {"rt_sigprocmask"}, {"rt_sigreturn"},
    {"prlimit64", 2, SANDBOX_ADDRESS, 0}, /* reading: no new limit */
};
/* clang-format on */

/* Its flags are out of a filter's sight; libc goes back to clone. */
static const struct sandbox_rule clone3 = {"clone3"};

ks_err
front_sandbox_enter(struct sandbox_state *state, struct fault *why)
{
    const struct sandbox_rule abort_ourselves = {"tgkill", 0, SANDBOX_INT, (uint32_t)getpid()};
    ks_auto(sandbox_freep) struct sandbox *sandbox = NULL;
    ks_err err = sandbox_new(SANDBOX_ALLOWS, &sandbox);

    if (err)
        return err;
    sandbox_calls(sandbox, rules, ARRAY_LEN(rules));
    sandbox_calls(sandbox, &abort_ourselves, 1);
    sandbox_fcntl(sandbox);
    sandbox_expected(sandbox, &clone3, ENOSYS);
    sandbox_close_files(sandbox);
    sandbox_path(sandbox, "/proc", SANDBOX_READ);
    sandbox_restrict(sandbox, SANDBOX_NO_TCP | SANDBOX_NO_SIGNALS | SANDBOX_NO_ABSTRACT);
    err = sandbox_enter(sandbox, state, why);
    if (err)
        return err;
    log_info("event=sandbox calls=%s files=%s landlock=%u", state->calls ? "on" : "off",
             state->files ? "on" : "off", state->abi);
    return KS_OK;
}
