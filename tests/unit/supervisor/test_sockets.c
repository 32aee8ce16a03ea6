/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_sockets - listening, stale files, passed descriptors
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "stage.h"
#include "supervisor/sockets.h"

#define PASSED_FD 3
#define STRANGER 64324 /* a user and a group that nobody is */
#define RESTARTS 300

static struct stage stage;
static struct config config;
static struct sockets sockets = SOCKETS_INIT;
static struct sockets others = SOCKETS_INIT;

static void
setup(void)
{
    stage_open(&stage, 1);
    memset(&config, 0, sizeof(config));
    config.socket_gid = CONFIG_NO_ID;
    snprintf(config.socket, sizeof(config.socket), "%s/run/keysvc.sock", stage.folder);
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_PID");
}

static void
teardown(void)
{
    sockets_close(&sockets);
    sockets_close(&others);
    stage_close(&stage);
}

TestSuite(sockets, .init = setup, .fini = teardown);

static bool
answers(void)
{
    ks_auto(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    text_copy(address.sun_path, sizeof(address.sun_path), config.socket);
    return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static mode_t
mode_of(const char *path)
{
    struct stat status;

    cr_assert_eq(stat(path, &status), 0);
    return status.st_mode & 0777;
}

Test(sockets, makes_its_folder_and_a_socket_for_everybody)
{
    struct fault why = FAULT_INIT;

    cr_assert_eq(sockets_open(&config, &sockets, &why), KS_OK, "%s", why.text);
    cr_assert_eq(sockets.n_fds, 1);
    cr_assert(answers());
    cr_assert_eq(mode_of(config.socket), 0666);
    sockets_close(&sockets);
    cr_assert_not(stage_exists(&stage, "run/keysvc.sock"));
}

Test(sockets, gives_it_to_a_group_only)
{
    struct fault why = FAULT_INIT;
    struct stat status;

    config.socket_gid = geteuid() == 0 ? STRANGER : getegid();
    cr_assert_eq(sockets_open(&config, &sockets, &why), KS_OK);
    cr_assert_eq(mode_of(config.socket), 0660);
    cr_assert_eq(stat(config.socket, &status), 0);
    cr_assert_eq(status.st_gid, config.socket_gid);
}

Test(sockets, replaces_what_a_crash_left_behind)
{
    struct fault why = FAULT_INIT;

    cr_assert_eq(sockets_open(&config, &others, &why), KS_OK);
    close(others.fds[0]);
    others.n_fds = 0;
    cr_assert_not(answers());
    cr_assert_eq(sockets_open(&config, &sockets, &why), KS_OK, "%s", why.text);
    cr_assert(answers());
    others.path[0] = '\0';
}

Test(sockets, does_not_remove_what_another_put_in_its_place)
{
    struct fault why = FAULT_INIT;

    cr_assert_eq(sockets_open(&config, &sockets, &why), KS_OK);
    sockets.ino++;
    sockets_close(&sockets);
    cr_assert(stage_exists(&stage, "run/keysvc.sock"));
}

Test(sockets, leaves_a_socket_alone_on_which_somebody_answers)
{
    struct fault why = FAULT_INIT;

    cr_assert_eq(sockets_open(&config, &others, &why), KS_OK);
    cr_assert_eq(sockets_open(&config, &sockets, &why), KS_ERR_BUSY);
    cr_assert(answers());
}

Test(sockets, leaves_a_file_alone_that_is_no_socket)
{
    struct fault why = FAULT_INIT;

    snprintf(config.socket, sizeof(config.socket), "%s/main.pin", stage.folder);
    cr_assert_eq(sockets_open(&config, &sockets, &why), KS_ERR_BAD_REQUEST);
    cr_assert(stage_exists(&stage, "main.pin"));
}

Test(sockets, does_not_make_more_than_one_folder)
{
    struct fault why = FAULT_INIT;

    snprintf(config.socket, sizeof(config.socket), "%s/a/b/s", stage.folder);
    cr_assert_eq(sockets_open(&config, &sockets, &why), KS_ERR_INTERNAL);
}

/* Connects as another user until he is refused, which ends him with 1, or killed. */
static pid_t
start_stranger(void)
{
    pid_t child = fork();

    if (child != 0)
        return child;
    if (setgroups(0, NULL) || setgid(STRANGER) || setuid(STRANGER))
        _exit(2);
    while (answers() || errno != EACCES)
        continue;
    _exit(1);
}

static void
nobody_is_refused_while_it_restarts(void)
{
    struct fault why = FAULT_INIT;
    pid_t stranger;
    int status = 0;

    cr_assert_eq(sockets_open(&config, &sockets, &why), KS_OK);
    stranger = start_stranger();
    cr_assert_gt(stranger, 0);
    for (int i = 0; i < RESTARTS; i++) {
        sockets_close(&sockets);
        cr_assert_eq(sockets_open(&config, &sockets, &why), KS_OK, "%s", why.text);
    }
    kill(stranger, SIGKILL);
    cr_assert_eq(waitpid(stranger, &status, 0), stranger);
    cr_assert(WIFSIGNALED(status), "he was refused (%d)", WEXITSTATUS(status));
}

Test(sockets, never_stands_there_closed_to_those_who_may_connect)
{
    if (geteuid() != 0)
        cr_skip_test("needs root, to become another user");
    nobody_is_refused_while_it_restarts();
}

Test(sockets, never_stands_there_closed_to_its_group)
{
    if (geteuid() != 0)
        cr_skip_test("needs root, to become another user");
    config.socket_gid = STRANGER;
    nobody_is_refused_while_it_restarts();
}

/* As the service manager does it: descriptor 3 and two variables. In a process of its own, where 3
 * is free. */
static ks_err
open_passed(int fd)
{
    struct fault why = FAULT_INIT;
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        char pid[16];
        ks_err err;

        snprintf(pid, sizeof(pid), "%d", (int)getpid());
        setenv("LISTEN_PID", pid, 1);
        setenv("LISTEN_FDS", "1", 1);
        dup2(fd, PASSED_FD);
        err = sockets_open(&config, &sockets, &why);
        if (!err && (sockets.n_fds != 1 || sockets.fds[0] != PASSED_FD))
            err = KS_ERR_COUNT;
        sockets_close(&sockets);
        _exit((int)err);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status));
    return (ks_err)WEXITSTATUS(status);
}

Test(sockets, takes_a_listening_socket_from_the_service_manager_and_leaves_its_file)
{
    struct fault why = FAULT_INIT;

    cr_assert_eq(sockets_open(&config, &others, &why), KS_OK);
    cr_assert_eq(open_passed(others.fds[0]), KS_OK);
    cr_assert(answers());
}

Test(sockets, refuses_a_passed_descriptor_that_is_no_listening_unix_socket)
{
    ks_auto(closep) int silent = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ks_auto(closep) int other = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(open_passed(silent), KS_ERR_BAD_REQUEST);
    cr_assert_eq(open_passed(other), KS_ERR_BAD_REQUEST);
}
