/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>

#include "base/ask.h"

TestSuite(ask, .timeout = 60);

/* Without LeakSanitizer's last look, which in a forked child finds what its parent still holds. */
static void
leave(int code)
{
    syscall(SYS_exit_group, code);
}

/* Asks in a child whose terminal `*terminal` is the other end of; it exits with what it got. */
static pid_t
ask_in_child(int *terminal)
{
    pid_t pid = forkpty(terminal, NULL, NULL, NULL);

    cr_assert_geq(pid, 0);
    if (pid == 0) {
        struct secret *secret = NULL;
        struct fault why = FAULT_INIT;
        ks_err err;

        signal(SIGINT, SIG_DFL); /* a shell's background job has it ignored */
        err = ask_secret("Password", &secret, &why);
        leave(err ? 30 : !secret ? 20 : strcmp(secret->text, "right horse") == 0 ? 10 : 11);
    }
    return pid;
}

/* Reads until the text was seen. */
static void
wait_for_text(int terminal, const char *text, char *seen, size_t cap)
{
    size_t len = 0;

    seen[0] = '\0';
    while (!strstr(seen, text)) {
        struct pollfd wait = {.fd = terminal, .events = POLLIN};
        ssize_t n;

        cr_assert_eq(poll(&wait, 1, 20000), 1, "no \"%s\" but \"%s\"", text, seen);
        n = read(terminal, seen + len, cap - 1 - len);
        cr_assert_gt(n, 0);
        len += (size_t)n;
        seen[len] = '\0';
    }
}

static bool
echoes(int terminal)
{
    struct termios mode;

    cr_assert_eq(tcgetattr(terminal, &mode), 0);
    return mode.c_lflag & ECHO;
}

static int
finish(pid_t pid, int terminal)
{
    int status;

    cr_assert_eq(waitpid(pid, &status, 0), pid);
    close(terminal);
    return status;
}

Test(ask, is_asked_for_without_echo)
{
    char seen[256];
    int terminal, status;
    pid_t pid = ask_in_child(&terminal);

    wait_for_text(terminal, "Password: ", seen, sizeof(seen));
    cr_assert_not(echoes(terminal));
    cr_assert_eq(write(terminal, "right horse\n", 12), 12);
    wait_for_text(terminal, "\n", seen, sizeof(seen));
    cr_assert_null(strstr(seen, "horse"));
    status = finish(pid, terminal);
    cr_assert(WIFEXITED(status));
    cr_assert_eq(WEXITSTATUS(status), 10);
}

Test(ask, nothing_typed_is_none)
{
    char seen[256];
    int terminal, status;
    pid_t pid = ask_in_child(&terminal);

    wait_for_text(terminal, "Password: ", seen, sizeof(seen));
    cr_assert_eq(write(terminal, "\n", 1), 1);
    wait_for_text(terminal, "\n", seen, sizeof(seen));
    status = finish(pid, terminal);
    cr_assert_eq(WEXITSTATUS(status), 20);
}

Test(ask, a_signal_ends_the_program_with_the_echo_back)
{
    char seen[256];
    int terminal, slave, status;
    pid_t pid = ask_in_child(&terminal);

    slave = open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
    cr_assert_geq(slave, 0);
    wait_for_text(terminal, "Password: ", seen, sizeof(seen));
    cr_assert_not(echoes(slave));
    cr_assert_eq(kill(pid, SIGINT), 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFSIGNALED(status), "status 0x%x", status);
    cr_assert_eq(WTERMSIG(status), SIGINT);
    cr_assert(echoes(slave));
    close(slave);
    close(terminal);
}
