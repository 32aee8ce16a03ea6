/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refused - the handler of SIGSYS
 *
 * It may interrupt anything, so it takes no lock and no memory: the names of all calls are looked
 * up before.
 */
#include "sandbox/refused.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <ucontext.h>

#include "base/log.h"

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1 /* si_code: not in the headers of Debian 12 */
#endif
#define MAX_CALLS 512 /* beyond the highest number that libseccomp of Debian 12 knows */

static const char *names[MAX_CALLS];
static atomic_bool told[MAX_CALLS];

static void on_refused(int number, siginfo_t *info, void *context);

ks_err
refused_watch(struct fault *why)
{
    struct sigaction action = {.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO | SA_NODEFER};

    /* Kept to the end of the process. */
    for (int i = 0; i < MAX_CALLS; i++)
        names[i] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSYS, &action, NULL) == 0)
        return KS_OK;
    fault_set(why, "cannot watch for refused system calls: %m");
    return KS_ERR_INTERNAL;
}

/* What the interrupted call returns. */
static void
set_result(ucontext_t *context, long result)
{
#if defined(__x86_64__)
    context->uc_mcontext.gregs[REG_RAX] = result;
#elif defined(__aarch64__)
    context->uc_mcontext.regs[0] = (unsigned long long)result;
#elif defined(__riscv)
    context->uc_mcontext.__gregs[REG_A0] = (unsigned long)result;
#else
    /* Where we do not know how to let it fail it is not made all the same: its result is whatever
     * stood there. Better to end. */
    (void)context;
    (void)result;
    _exit(128 + SIGSYS);
#endif
}

static void
on_refused(int number, siginfo_t *info, void *context)
{
    int call = info->si_syscall;
    int saved = errno;
    bool numbered = call >= 0 && call < MAX_CALLS;

    (void)number;
    /* Somebody of our user has sent it: no call was interrupted, whose result we could set. */
    if (info->si_code != SYS_SECCOMP)
        return;
    if (numbered && !atomic_exchange(&told[call], true))
        log_warning("event=call-refused call=%s number=%d", names[call] ? names[call] : "unknown",
                    call);
    set_result(context, numbered && names[call] ? -EPERM : -ENOSYS);
    errno = saved;
}
