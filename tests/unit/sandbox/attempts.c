/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/sandbox/attempts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <criterion/criterion.h>

#include "base/util.h"

#ifndef F_SETSIG
#define F_SETSIG 10
#endif
#define NOT_REACHED (-1)
#define NOT_ENTERED (-2)

pid_t attempts_parent;

void
attempts_run(int (*enter)(void *context), void *context, const struct attempt *attempts,
             size_t n_attempts)
{
    int *results = mmap(NULL, n_attempts * sizeof(int), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 0;
    pid_t pid;

    cr_assert_neq(results, MAP_FAILED);
    for (size_t i = 0; i < n_attempts; i++)
        results[i] = NOT_REACHED;
    attempts_parent = getpid();
    pid = fork();
    if (pid == 0) {
        bool entered = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && enter(context) == 0;

        for (size_t i = 0; i < n_attempts; i++)
            results[i] = entered ? attempts[i].attempt() : NOT_ENTERED;
        _exit(0);
    }
    cr_assert(pid > 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect_eq(status, 0, "the child ended with %#x", (unsigned int)status);
    for (size_t i = 0; i < n_attempts; i++)
        cr_expect_eq(results[i], attempts[i].expected, "%s: %d (%s), not %d", attempts[i].name,
                     results[i], strerror(results[i]), attempts[i].expected);
    munmap(results, n_attempts * sizeof(int));
}

static int
result(long rc)
{
    return rc < 0 ? errno : 0;
}

static int
run_a_program(void)
{
    char name[] = "true";
    char *const argv[] = {name, NULL};

    return result(execve("/bin/true", argv, NULL));
}

static int
run_a_descriptor(void)
{
    return result(syscall(SYS_execveat, 0, "", NULL, NULL, AT_EMPTY_PATH));
}

static int
make_a_process(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return result(pid);
}

static int
make_a_process_by_clone3(void)
{
    return result(syscall(SYS_clone3, NULL, 0));
}

static int
make_an_inet_socket(void)
{
    return result(socket(AF_INET, SOCK_STREAM, 0));
}

static int
make_a_unix_socket(void)
{
    return result(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int
make_a_netlink_socket(void)
{
    return result(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int
trace_the_parent(void)
{
    return result(ptrace(PTRACE_SEIZE, attempts_parent, NULL, NULL));
}

static int
read_the_parents_memory(void)
{
    char byte;
    struct iovec local = {&byte, 1}, remote = {&byte, 1};

    return result(process_vm_readv(attempts_parent, &local, 1, &remote, 1, 0));
}

static int
signal_the_parent(void)
{
    return result(kill(attempts_parent, 0));
}

static int
signal_a_thread_of_the_parent(void)
{
    return result(syscall(SYS_tgkill, attempts_parent, attempts_parent, 0));
}

static int
queue_a_signal_to_the_parent(void)
{
    siginfo_t info = {.si_code = SI_QUEUE};

    return result(syscall(SYS_rt_sigqueueinfo, attempts_parent, SIGCONT, &info));
}

static int
take_the_parents_descriptor(void)
{
    return result(syscall(SYS_pidfd_open, attempts_parent, 0));
}

static int
make_code(void)
{
    void *code =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return code == MAP_FAILED ? errno : 0;
}

static int
make_memory_code(void)
{
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return memory == MAP_FAILED
               ? NOT_REACHED
               : result(mprotect(memory, 4096, PROT_READ | PROT_WRITE | PROT_EXEC));
}

static int
use_io_uring(void)
{
    return result(syscall(SYS_io_uring_setup, 1, NULL));
}

static int
load_bpf(void)
{
    return result(syscall(SYS_bpf, 0, NULL, 0));
}

static int
make_a_namespace(void)
{
    return result(unshare(CLONE_NEWUSER));
}

static int
mount_something(void)
{
    return result(mount("none", "/tmp", "tmpfs", 0, NULL));
}

static int
catch_page_faults(void)
{
    return result(syscall(SYS_userfaultfd, 0));
}

static int
read_a_keyring(void)
{
    return result(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
}

static int
become_dumpable(void)
{
    return result(prctl(PR_SET_DUMPABLE, 1));
}

static int
allow_core_files(void)
{
    struct rlimit one = {1, 1};

    return result(setrlimit(RLIMIT_CORE, &one));
}

/* A filter that compares the lower half of an address takes this one for none. */
static int
limit_the_parent(void)
{
    void *at = (void *)(UINT64_C(1) << 32);
    const struct rlimit none = {0, 0};
    void *page = mmap(at, 4096, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    if (page == MAP_FAILED)
        return NOT_REACHED;
    memcpy(page, &none, sizeof(none));
    return result(syscall(SYS_prlimit64, attempts_parent, RLIMIT_CORE, page, NULL));
}

/* What arrives on the descriptor would then be a signal of the sender's choice to the owner. */
static int
own_a_descriptor_for_the_parent(void)
{
    return result(fcntl(STDERR_FILENO, F_SETOWN, attempts_parent));
}

static int
choose_the_owners_signal(void)
{
    return result(fcntl(STDERR_FILENO, F_SETSIG, SIGKILL));
}

static int
become_root(void)
{
    return result(setuid(0));
}

static int
add_a_filter(void)
{
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {1, &allow};

    return result(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}

static int
write_to_a_terminal(void)
{
    char c = 'x';

    return result(syscall(SYS_ioctl, 0, 0x5412 /* TIOCSTI */, &c));
}

static int
open_by_another_call(void)
{
    return result(syscall(SYS_openat2, AT_FDCWD, "/proc/self/stat", NULL, 0));
}

/* clang-format off */
const struct attempt attempts_of_an_attacker[] = {
    {"run a program", run_a_program, EPERM},
    {"run a descriptor", run_a_descriptor, EPERM},
    {"make a process", make_a_process, EPERM},
    {"make a process by clone3", make_a_process_by_clone3, ENOSYS},
    {"make an Internet socket", make_an_inet_socket, EPERM},
    {"make a Unix socket", make_a_unix_socket, EPERM},
    {"make a netlink socket", make_a_netlink_socket, EPERM},
    {"trace the parent", trace_the_parent, EPERM},
    {"read the parent's memory", read_the_parents_memory, EPERM},
    {"signal the parent", signal_the_parent, EPERM},
    {"signal a thread of the parent", signal_a_thread_of_the_parent, EPERM},
    {"queue a signal to the parent", queue_a_signal_to_the_parent, EPERM},
    {"take the parent's descriptor", take_the_parents_descriptor, EPERM},
    {"make memory that is written and executed", make_code, EPERM},
    {"make written memory executable", make_memory_code, EPERM},
    {"use io_uring", use_io_uring, EPERM},
    {"load a BPF program", load_bpf, EPERM},
    {"make a namespace", make_a_namespace, EPERM},
    {"mount something", mount_something, EPERM},
    {"catch page faults", catch_page_faults, EPERM},
    {"read a keyring", read_a_keyring, EPERM},
    {"become dumpable", become_dumpable, EPERM},
    {"allow core files", allow_core_files, EPERM},
    {"limit the parent", limit_the_parent, EPERM},
    {"own a descriptor for the parent", own_a_descriptor_for_the_parent, EPERM},
    {"choose the owner's signal", choose_the_owners_signal, EPERM},
    {"become root", become_root, EPERM},
    {"add a filter", add_a_filter, EPERM},
    {"write to a terminal", write_to_a_terminal, EPERM},
    {"open by another call", open_by_another_call, EPERM},
};
/* clang-format on */
const size_t n_attempts_of_an_attacker = ARRAY_LEN(attempts_of_an_attacker);
