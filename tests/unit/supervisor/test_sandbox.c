/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/sandbox.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "unit/sandbox/attempts.h"

static int
enter(void *context)
{
    struct fault why = FAULT_INIT;
    struct sandbox_state state;

    (void)context;
    return supervisor_sandbox_enter(&state, &why) != KS_OK;
}

static int
result(long rc)
{
    return rc < 0 ? errno : 0;
}

static int
trace_the_parent(void)
{
    return result(ptrace(PTRACE_SEIZE, attempts_parent, NULL, NULL));
}

static int
mount_something(void)
{
    return result(mount("none", "/tmp", "tmpfs", 0, NULL));
}

static int
load_bpf(void)
{
    return result(syscall(SYS_bpf, 0, NULL, 0));
}

static int
use_io_uring(void)
{
    return result(syscall(SYS_io_uring_setup, 1, NULL));
}

static int
read_a_keyring(void)
{
    return result(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
}

/* As a user who may make namespaces has all capabilities in one of his own. */
static int
make_a_process_in_a_namespace(void)
{
    pid_t pid =
        (pid_t)syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD, NULL, NULL, NULL, NULL);

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
change_an_owner(void)
{
    char path[] = "/tmp/keysvc-owner-XXXXXX";
    int fd = mkstemp(path), error;

    error = result(fchown(fd, 64801, 64801));
    unlink(path);
    return error;
}

static int
make_a_socket(void)
{
    return result(socket(AF_UNIX, SOCK_STREAM, 0));
}

/* What a child of ours is: it executes, as somebody else if we may. */
static int
run_a_program(bool as_another)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        if (as_another && (setgid(64801) < 0 || setuid(64801) < 0))
            _exit(1);
        /* No capability may be left to it, whoever it is. */
        execl("/bin/sh", "sh", "-c",
              "grep -q '^CapEff:[[:space:]]*0*$' /proc/self/status && "
              "grep -q '^CapPrm:[[:space:]]*0*$' /proc/self/status",
              NULL);
        _exit(2);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return status;
}

static int
run_a_program_as_we_are(void)
{
    return run_a_program(false);
}

static int
run_a_program_as_another(void)
{
    return run_a_program(true);
}

Test(supervisor_sandbox, refuses_what_changes_the_machine_or_reaches_into_others)
{
    static const struct attempt attempts[] = {
        {"trace the parent", trace_the_parent, EPERM},
        {"mount something", mount_something, EPERM},
        {"load a BPF program", load_bpf, EPERM},
        {"use io_uring", use_io_uring, EPERM},
        {"read a keyring", read_a_keyring, EPERM},
        {"change an owner", change_an_owner, EPERM},
        {"make a process in a namespace", make_a_process_in_a_namespace, EPERM},
        {"make a process by clone3", make_a_process_by_clone3, ENOSYS},
    };

    attempts_run(enter, NULL, attempts, ARRAY_LEN(attempts));
}

Test(supervisor_sandbox, leaves_its_children_what_they_need_and_no_capability)
{
    static const struct attempt attempts[] = {
        {"make a socket", make_a_socket, 0},
        {"run a program", run_a_program_as_we_are, 0},
    };

    attempts_run(enter, NULL, attempts, ARRAY_LEN(attempts));
}

Test(supervisor_sandbox, root_can_still_make_other_users_of_them)
{
    static const struct attempt attempts[] = {
        {"run a program as another", run_a_program_as_another, 0},
        {"run a program as root", run_a_program_as_we_are, 0},
    };

    if (geteuid() != 0)
        cr_skip_test("needs root");
    attempts_run(enter, NULL, attempts, ARRAY_LEN(attempts));
}
