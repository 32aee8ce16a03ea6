/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_spawn - what a child has, and what it has not
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "ipc/config.h"
#include "supervisor/spawn.h"

#define ID 64323

/* Runs a shell script with descriptor 3 open to us; what it wrote there. */
static int
run_shell(struct spawn *spawn, const char *script, char *out, size_t cap)
{
    struct fault why = FAULT_INIT;
    int ends[2], status;
    size_t len = 0;
    ssize_t n;
    pid_t pid;

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    spawn->path = "/bin/sh";
    spawn->argv[0] = "sh";
    spawn->argv[1] = "-c";
    spawn->argv[2] = script;
    cr_assert_eq(spawn_process(spawn, &ends[1], 1, &pid, &why), KS_OK, "%s", why.text);
    close(ends[1]);
    while ((n = read(ends[0], out + len, cap - 1 - len)) > 0)
        len += (size_t)n;
    out[len] = '\0';
    close(ends[0]);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(spawn, gives_a_clean_environment)
{
    struct strv environment = STRV_INIT;
    struct spawn spawn = {.uid = CONFIG_NO_ID, .gid = CONFIG_NO_ID, .environment = &environment};
    char out[2048];

    setenv("SOFTHSM2_CONF", "ours", 1);
    setenv("LD_PRELOAD_NOT", "ours", 1);
    cr_assert_eq(strv_add(&environment, "TOKEN_CONF=theirs"), KS_OK);
    cr_assert_eq(run_shell(&spawn, "exec /usr/bin/env >&3", out, sizeof(out)), 0);
    cr_assert_not_null(strstr(out, "TOKEN_CONF=theirs\n"));
    cr_assert_not_null(strstr(out, "PATH=/usr"));
    cr_assert_null(strstr(out, "ours"));
    strv_deinit(&environment);
}

Test(spawn, a_variable_that_is_given_takes_the_place_of_our_own)
{
    struct strv environment = STRV_INIT;
    struct spawn spawn = {
        .uid = CONFIG_NO_ID, .gid = CONFIG_NO_ID, .environment = &environment, .debug = true};
    char out[2048];

    cr_assert_eq(strv_add(&environment, "PATH=/opt/vendor/bin:/usr/bin"), KS_OK);
    cr_assert_eq(strv_add(&environment, "PATHS=3"), KS_OK);
    cr_assert_eq(
        run_shell(&spawn, "/usr/bin/tr '\\0' '\\n' </proc/$$/environ >&3", out, sizeof(out)), 0);
    cr_assert_str_eq(out, "PATH=/opt/vendor/bin:/usr/bin\nPATHS=3\nKEYSVC_DEBUG=1\n");
    strv_deinit(&environment);
}

Test(spawn, leaves_no_descriptor_open_but_the_given_ones)
{
    struct spawn spawn = {.uid = CONFIG_NO_ID, .gid = CONFIG_NO_ID};
    int extra = open("/dev/null", O_RDONLY); /* not close-on-exec */
    char out[256];

    cr_assert_eq(dup2(extra, 200), 200);
    /* The shell's own listing has one more, which it opens for reading the folder. */
    cr_assert_eq(run_shell(&spawn,
                           "for f in 4 5 6 7 8 9 64 65 200; do "
                           "[ -e /proc/$$/fd/$f ] && echo open $f >&3; done; "
                           "readlink /proc/$$/fd/0 >&3",
                           out, sizeof(out)),
                 0);
    cr_assert_str_eq(out, "/dev/null\n");
    close(extra);
    close(200);
}

Test(spawn, says_which_step_failed)
{
    struct spawn spawn = {.path = "/proc/nonexistent/program",
                          .argv = {"program"},
                          .uid = CONFIG_NO_ID,
                          .gid = CONFIG_NO_ID};
    struct fault why = FAULT_INIT;
    pid_t pid;

    cr_assert_eq(spawn_process(&spawn, NULL, 0, &pid, &why), KS_ERR_INTERNAL);
    cr_assert_str_eq(why.text,
                     "/proc/nonexistent/program: cannot execute it: No such file or directory");
}

Test(spawn, refuses_a_group_that_does_not_exist)
{
    struct strv groups = STRV_INIT;
    struct spawn spawn = {.path = "/bin/true",
                          .argv = {"true"},
                          .groups = &groups,
                          .switch_user = true,
                          .uid = CONFIG_NO_ID,
                          .gid = CONFIG_NO_ID};
    struct fault why = FAULT_INIT;
    pid_t pid;

    cr_assert_eq(strv_add(&groups, "no-such-group-anywhere"), KS_OK);
    cr_assert_eq(spawn_process(&spawn, NULL, 0, &pid, &why), KS_ERR_INTERNAL);
    cr_assert_not_null(strstr(why.text, "no-such-group-anywhere"));
    strv_deinit(&groups);
}

Test(spawn, becomes_the_user_with_no_groups_and_no_capabilities_left)
{
    struct spawn spawn = {.switch_user = true, .uid = ID, .gid = ID};
    char out[1024];

    if (!spawn_can_switch_users())
        cr_skip_test("not root");
    cr_assert_eq(run_shell(&spawn,
                           "id -u >&3; id -G >&3; "
                           "grep -E '^(Uid|CapPrm|CapEff|CapAmb|NoNewPrivs):' /proc/$$/status "
                           "| tr -s '\\t ' ' ' >&3",
                           out, sizeof(out)),
                 0);
    cr_assert_str_eq(out, "64323\n64323\n"
                          "Uid: 64323 64323 64323 64323\n"
                          "CapPrm: 0000000000000000\nCapEff: 0000000000000000\n"
                          "CapAmb: 0000000000000000\nNoNewPrivs: 1\n");
}

Test(spawn, resets_signals_and_forbids_core_files)
{
    struct spawn spawn = {.uid = CONFIG_NO_ID, .gid = CONFIG_NO_ID};
    unsigned long blocked, ignored;
    sigset_t all;
    char out[512];
    long core;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    signal(SIGPIPE, SIG_IGN);
    cr_assert_eq(run_shell(&spawn,
                           "grep -E '^(SigBlk|SigIgn):' /proc/$$/status | tr -s '\\t ' ' ' >&3; "
                           "ulimit -c >&3",
                           out, sizeof(out)),
                 0);
    cr_assert_eq(sscanf(out, "SigBlk: %lx SigIgn: %lx %ld", &blocked, &ignored, &core), 3, "%s",
                 out);
    cr_assert_eq(blocked, 0);
    cr_assert_eq(core, 0);
    /* 32 and 33 are the C library's own: nobody can reset them, and make ignores them. */
    cr_assert_eq(ignored & ~(3UL << 31), 0);
}

Test(spawn, dies_with_its_parent, .timeout = 30)
{
    int ends[2];
    char byte;
    pid_t middle;

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    middle = fork();
    if (middle == 0) {
        struct spawn spawn = {.path = "/bin/sleep",
                              .argv = {"sleep", "1000"},
                              .uid = CONFIG_NO_ID,
                              .gid = CONFIG_NO_ID,
                              .dies_with_us = true};
        struct fault why = FAULT_INIT;
        pid_t pid;

        if (spawn_process(&spawn, &ends[1], 1, &pid, &why) != KS_OK)
            _exit(1);
        _exit(0);
    }
    close(ends[1]);
    cr_assert_eq(waitpid(middle, NULL, 0), middle);
    /* The end of the file comes when the last holder of the other end is gone. */
    cr_assert_eq(read(ends[0], &byte, 1), 0);
    close(ends[0]);
}
