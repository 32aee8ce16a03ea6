/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox - a token process calculates, and reads and writes the files of one token
 *
 * It starts no program, makes no socket that its profile does not name, signals nobody but itself,
 * traces nobody, and has no memory that can be written and executed at the same time. Measured with
 * SoftHSM, opencryptoki and tpm2-pkcs11 by tests/tokens.
 *
 * There is one step, not a second one after the login: a module that has to be initialised again
 * (after a loss, for a rescan) loads, opens and connects then all that it did at first.
 */
#include "token/sandbox.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <termios.h>

/* clang-format off */
static const struct sandbox_rule rules[] = {
    /* files; which ones is Landlock's business */
    {"access"}, {"chdir"}, {"chmod"}, {"close"}, {"close_range"}, {"creat"}, {"dup"}, {"dup2"}, {"dup3"},
    {"faccessat"}, {"faccessat2"}, {"fadvise64"}, {"fallocate"}, {"fchdir"}, {"fchmod"}, {"fchmodat"},
    {"fdatasync"}, {"flock"}, {"fstat"}, {"fstatfs"}, {"fsync"}, {"ftruncate"}, {"getcwd"},
    {"getdents64"}, {"lseek"}, {"lstat"}, {"mkdir"}, {"mkdirat"}, {"newfstatat"}, {"open"}, {"openat"},
    {"pread64"}, {"preadv"}, {"pwrite64"}, {"pwritev"}, {"read"}, {"readlink"}, {"readlinkat"}, {"readv"},
    {"rename"}, {"renameat"}, {"renameat2"}, {"rmdir"}, {"stat"}, {"statfs"}, {"statx"}, {"sync_file_range"},
    {"truncate"}, {"umask"}, {"unlink"}, {"unlinkat"}, {"utimensat"}, {"write"}, {"writev"},
    {"memfd_create"}, {"pipe"}, {"pipe2"},
    {"ioctl", 1, SANDBOX_INT, FIONREAD}, {"ioctl", 1, SANDBOX_INT, TCGETS},
    /* the socket to keysvcd, those to fronts, and what a profile lets the module make */
    {"getpeername"}, {"getsockname"}, {"getsockopt"}, {"recvfrom"}, {"recvmmsg"}, {"recvmsg"}, {"sendmmsg"},
    {"sendmsg"}, {"sendto"}, {"setsockopt"}, {"shutdown"},
    /* waiting */
    {"clock_nanosleep"}, {"epoll_create1"}, {"epoll_ctl"}, {"epoll_pwait"}, {"epoll_wait"}, {"eventfd2"},
    {"nanosleep"}, {"poll"}, {"ppoll"}, {"pselect6"}, {"select"}, {"timerfd_create"}, {"timerfd_settime"},
    /* memory: never to be written and executed at once */
    {"brk"}, {"madvise"}, {"mlock"}, {"mlock2"}, {"mremap"}, {"msync"}, {"munlock"}, {"munmap"},
    {"mmap", 2, PROT_EXEC, 0}, {"mmap", 2, PROT_EXEC | PROT_WRITE, PROT_EXEC},
    {"mprotect", 2, PROT_EXEC, 0}, {"mprotect", 2, PROT_EXEC | PROT_WRITE, PROT_EXEC},
    /* threads, no processes */
    {"clone", 0, CLONE_THREAD, CLONE_THREAD},
    {"exit"}, {"futex"}, {"get_robust_list"}, {"gettid"}, {"membarrier"}, {"prctl", 0, SANDBOX_INT, PR_SET_NAME},
    {"rseq"}, {"sched_getaffinity"}, {"sched_yield"}, {"set_robust_list"}, {"set_tid_address"},
    /* time, signals to itself, and who it is */
    {"alarm"}, {"clock_getres"}, {"clock_gettime"}, {"getitimer"}, {"gettimeofday"}, {"setitimer"}, {"time"}, {"times"},
    {"restart_syscall"}, {"rt_sigaction"}, {"rt_sigpending"}, {"rt_sigprocmask"}, {"rt_sigreturn"},
    {"rt_sigtimedwait"}, {"sigaltstack"},
    {"getegid"}, {"geteuid"}, {"getgid"}, {"getgroups"}, {"getpgid"}, {"getpgrp"}, {"getpid"}, {"getppid"},
    {"getresgid"}, {"getresuid"}, {"getrlimit"}, {"getrusage"}, {"getsid"}, {"getuid"}, {"sysinfo"}, {"uname"},
    {"prlimit64", 2, SANDBOX_ADDRESS, 0}, /* reading: no new limit */
    {"arch_prctl"}, {"exit_group"}, {"getrandom"},
};

static const struct sandbox_rule terminal_rules[] = {
    {"ioctl", 1, SANDBOX_INT, TCSETS}, {"ioctl", 1, SANDBOX_INT, TCSETSW}, {"ioctl", 1, SANDBOX_INT, TCSETSF},
};

/* What types into the administrator's terminal as if he did: his shell would run it. Kernels before
 * 6.2 let any process do so at its own terminal. */
static const struct sandbox_rule typing_rules[] = {
    {"ioctl", 1, SANDBOX_INT, TIOCSTI}, {"ioctl", 1, SANDBOX_INT, TIOCLINUX},
};

/* Who can connect to himself can send himself the audit's descriptor under another number
 * (audit_guard.h): not even a socketpair without these. */
static const struct sandbox_rule unix_rules[] = {
    {"socket", 0, SANDBOX_INT, AF_UNIX}, {"socketpair", 0, SANDBOX_INT, AF_UNIX}, {"bind"}, {"connect"},
};

/* Names of hosts are looked up with the help of a netlink socket. */
static const struct sandbox_rule inet_rules[] = {
    {"socket", 0, SANDBOX_INT, AF_INET}, {"socket", 0, SANDBOX_INT, AF_INET6}, {"socket", 0, SANDBOX_INT, AF_NETLINK},
    {"bind"}, {"connect"},
};
/* clang-format on */

/* Refused without a word in the log. */
static const struct expected {
    struct sandbox_rule rule;
    int error;
} expected[] = {
    /* Its flags are out of a filter's sight; libc goes back to clone. */
    {{"clone3"}, ENOSYS},
    /* libc blocks all signals around them, and what cannot be named in the log ends the process. */
    {{"clone", 0, CLONE_THREAD, 0}, EPERM},
    {{"fork"}, EPERM},
    {{"vfork"}, EPERM},
};
/* SoftHSM calls syslog() and says there what nobody needs. */
static const struct sandbox_rule syslog_socket = {"socket", 1, SANDBOX_INT,
                                                  SOCK_DGRAM | SOCK_CLOEXEC};

/* What loading a library and asking libc for accounts, hosts or the time of day reads. Of files that
 * are replaced, not rewritten (passwd, group), a running process keeps seeing the old one, or none. */
static const char *const read_by_all[] = {
    "/bin",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/machine-id",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/pkcs11",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl",
    "/lib",
    "/lib64",
    "/proc",
    "/sys/devices/system/cpu",
    "/usr",
};

static ks_err forbid_typing(struct fault *why);
static void add_calls(struct sandbox *sandbox, const struct config_profile *profile,
                      enum token_sandbox_mode mode);
static void add_files(struct sandbox *sandbox, const struct config_token *token,
                      enum token_sandbox_mode mode);

/* Somebody has said what the module may change; before that nothing can be closed to it. */
static bool
files_are_known(const struct config_token *token)
{
    return token->store[0] != '\0' || token->profile.write.n_items > 0;
}

ks_err
token_sandbox_enter(const struct config_token *token, enum token_sandbox_mode mode,
                    struct sandbox_state *state, struct fault *why)
{
    const struct config_profile *profile = &token->profile;
    ks_auto(sandbox_freep) struct sandbox *sandbox = NULL;
    ks_err err;

    *state = (struct sandbox_state){0};
    if (profile->sandbox == CONFIG_SANDBOX_OFF ||
        (profile->sandbox == CONFIG_SANDBOX_SERVE && mode == TOKEN_SANDBOX_ADMINISTER))
        return mode == TOKEN_SANDBOX_ADMINISTER ? forbid_typing(why) : KS_OK;
    err = sandbox_new(SANDBOX_ALLOWS, &sandbox);
    if (err)
        return err;
    add_calls(sandbox, profile, mode);
    if (files_are_known(token))
        add_files(sandbox, token, mode);
    sandbox_restrict(sandbox, SANDBOX_NO_SIGNALS);
    if (!(profile->sockets & CONFIG_SOCKETS_INET))
        sandbox_restrict(sandbox, SANDBOX_NO_TCP);
    if (!(profile->sockets & CONFIG_SOCKETS_UNIX))
        sandbox_restrict(sandbox, SANDBOX_NO_ABSTRACT);
    return sandbox_enter(sandbox, state, why);
}

/* Not a sandbox, and the state does not say that there is one. */
static ks_err
forbid_typing(struct fault *why)
{
    ks_auto(sandbox_freep) struct sandbox *sandbox = NULL;
    struct sandbox_state ignored;
    ks_err err = sandbox_new(SANDBOX_FORBIDS, &sandbox);

    if (err)
        return err;
    sandbox_calls(sandbox, typing_rules, ARRAY_LEN(typing_rules));
    return sandbox_enter(sandbox, &ignored, why);
}

static void
add_calls(struct sandbox *sandbox, const struct config_profile *profile,
          enum token_sandbox_mode mode)
{
    const struct sandbox_rule abort_itself = {"tgkill", 0, SANDBOX_INT, (uint32_t)getpid()};

    sandbox_calls(sandbox, rules, ARRAY_LEN(rules));
    sandbox_calls(sandbox, &abort_itself, 1);
    sandbox_fcntl(sandbox);
    /* Of two rules for one call the first would count. */
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        if (!strv_contains(&profile->system_calls, expected[i].rule.call))
            sandbox_expected(sandbox, &expected[i].rule, expected[i].error);
    }
    if (mode == TOKEN_SANDBOX_ADMINISTER)
        sandbox_calls(sandbox, terminal_rules, ARRAY_LEN(terminal_rules));
    if (profile->sockets & CONFIG_SOCKETS_UNIX)
        sandbox_calls(sandbox, unix_rules, ARRAY_LEN(unix_rules));
    else if (!strv_contains(&profile->system_calls, syslog_socket.call))
        sandbox_expected(sandbox, &syslog_socket, EACCES);
    if (profile->sockets & CONFIG_SOCKETS_INET)
        sandbox_calls(sandbox, inet_rules, ARRAY_LEN(inet_rules));
    for (size_t i = 0; i < profile->system_calls.n_items; i++)
        sandbox_call(sandbox, profile->system_calls.items[i]);
}

/* The module's folder, in which others of its kind may have their libraries. */
static void
add_module(struct sandbox *sandbox, const char *module)
{
    char path[CONFIG_PATH_MAX + 1];
    char real[PATH_MAX];

    if (text_copy(path, sizeof(path), module))
        sandbox_path(sandbox, dirname(path), SANDBOX_READ);
    if (realpath(module, real))
        sandbox_path(sandbox, dirname(real), SANDBOX_READ);
}

static void
add_files(struct sandbox *sandbox, const struct config_token *token, enum token_sandbox_mode mode)
{
    const struct config_profile *profile = &token->profile;

    for (size_t i = 0; i < ARRAY_LEN(read_by_all); i++)
        sandbox_path(sandbox, read_by_all[i], SANDBOX_READ);
    sandbox_path(sandbox, "/dev/null", SANDBOX_WRITE);
    add_module(sandbox, profile->module);
    for (size_t i = 0; i < profile->read.n_items; i++)
        sandbox_path(sandbox, profile->read.items[i], SANDBOX_READ);
    for (size_t i = 0; i < profile->write.n_items; i++)
        sandbox_path(sandbox, profile->write.items[i], SANDBOX_WRITE);
    /* A variable that leads to a file, of a module's configuration for example, says what is read. */
    for (size_t i = 0; i < profile->environment.n_items; i++) {
        const char *value = strchr(profile->environment.items[i], '=') + 1;

        if (value[0] == '/')
            sandbox_path(sandbox, value, SANDBOX_READ);
    }
    if (token->store[0] != '\0')
        sandbox_path(sandbox, token->store, SANDBOX_WRITE);
    if (mode == TOKEN_SANDBOX_ADMINISTER)
        sandbox_path(sandbox, "/dev/tty", SANDBOX_WRITE);
}
