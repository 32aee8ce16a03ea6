/* SPDX-License-Identifier: Apache-2.0 */
#include "token/sandbox.h"

#include <criterion/criterion.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>

#include "sandbox/landlock.h"
#include "unit/sandbox/attempts.h"

static struct config_token token;
static enum token_sandbox_mode mode;
static char world[] = "/tmp/keysvc-token-sandbox-XXXXXX";

static void
path_in_world(char path[static 128], const char *name)
{
    snprintf(path, 128, "%s/%s", world, name);
}

static void
make_file(const char *name)
{
    char path[128];
    int fd;

    path_in_world(path, name);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    cr_assert(fd >= 0);
    close(fd);
}

static void
set_up(void)
{
    static const char *const folders[] = {"store", "other", "more", "conf"};
    char path[128];

    cr_assert_not_null(mkdtemp(world));
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        path_in_world(path, folders[i]);
        cr_assert_eq(mkdir(path, 0700), 0);
    }
    make_file("other/pin");
    make_file("conf/module.conf");
    path_in_world(token.store, "store");
    text_copy(token.profile.module, sizeof(token.profile.module),
              "/usr/lib/softhsm/libsofthsm2.so");
}

static void
tear_down(void)
{
    static const char *const names[] = {"store/new", "store/folder/new", "store/folder", "store",
                                        "other/pin", "other/new",        "other",        "more/new",
                                        "more",      "conf/module.conf", "conf/new",     "conf",
                                        ""};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[128];

        path_in_world(path, names[i]);
        (void)remove(path);
    }
}

TestSuite(token_sandbox, .init = set_up, .fini = tear_down);

static int
enter(void *context)
{
    struct sandbox_state state;
    struct fault why = FAULT_INIT;

    (void)context;
    return token_sandbox_enter(&token, mode, &state, &why) != KS_OK;
}

static int
try_open(const char *name, int flags)
{
    char path[128];
    int fd;

    path_in_world(path, name);
    fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? errno : 0;
}

static int
work_in_the_store(void)
{
    char folder[128], from[128], to[128];

    path_in_world(folder, "store/folder");
    path_in_world(from, "store/new");
    path_in_world(to, "store/folder/new");
    return try_open("store/new", O_RDWR | O_CREAT | O_TRUNC) || mkdir(folder, 0700) < 0 ||
                   rename(from, to) < 0 || unlink(to) < 0 || rmdir(folder) < 0
               ? errno
               : 0;
}

static int
read_anothers_pin(void)
{
    return try_open("other/pin", O_RDONLY);
}

static int
write_elsewhere(void)
{
    return try_open("other/new", O_WRONLY | O_CREAT);
}

static int
write_more(void)
{
    return try_open("more/new", O_WRONLY | O_CREAT);
}

static int
read_the_configuration(void)
{
    return try_open("conf/module.conf", O_RDONLY);
}

static int
write_the_configuration(void)
{
    return try_open("conf/module.conf", O_WRONLY);
}

static int
load_a_library(void)
{
    return dlopen("libanl.so.1", RTLD_NOW) || dlopen("libm.so.6", RTLD_NOW) ? 0 : ENOENT;
}

static int
make_a_unix_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int
make_an_inet_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int
make_a_pair(void)
{
    int ends[2];

    return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0 ? errno : 0;
}

static int
make_a_packet_socket(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0) < 0 ? errno : 0;
}

static int
call_syslog(void)
{
    return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) < 0 ? errno : 0;
}

static int
ask_for_a_policy(void)
{
    return sched_getscheduler(0) < 0 ? errno : 0;
}

static int
raise_a_signal(void)
{
    return pthread_kill(pthread_self(), 0);
}

static int
type_into_the_terminal(void)
{
    char c = 'x';

    return ioctl(STDIN_FILENO, TIOCSTI, &c) < 0 ? errno : 0;
}

static int
ask_for_a_terminal(void)
{
    struct termios settings;

    return tcgetattr(STDIN_FILENO, &settings) < 0 && errno != ENOTTY ? errno : 0;
}

/* Whoever sends it does not change what the process it meets was about to do. */
static int
send_oneself_sigsys(void)
{
    return raise(SIGSYS);
}

static int
lock_and_look_at_flags(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    ks_auto(closep) int fd = -1;
    ks_auto(closep) int copy = -1;
    char path[128];

    path_in_world(path, "store/new");
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    if (fd < 0 || copy < 0 || fcntl(fd, F_SETLK, &lock) < 0 || fcntl(fd, F_GETLK, &lock) < 0 ||
        fcntl(fd, F_SETLKW, &lock) < 0 || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL)) < 0 ||
        fcntl(fd, F_SETFD, fcntl(fd, F_GETFD)) < 0)
        return errno;
    return 0;
}

Test(token_sandbox, refuses_what_an_attacker_would_do)
{
    attempts_run(enter, NULL, attempts_of_an_attacker, n_attempts_of_an_attacker);
}

Test(token_sandbox, refuses_it_without_a_store_too)
{
    token.store[0] = '\0';
    attempts_run(enter, NULL, attempts_of_an_attacker, n_attempts_of_an_attacker);
}

Test(token_sandbox, an_administrator_at_his_terminal_gets_no_more)
{
    mode = TOKEN_SANDBOX_ADMINISTER;
    attempts_run(enter, NULL, attempts_of_an_attacker, n_attempts_of_an_attacker);
}

Test(token_sandbox, opens_the_store_and_closes_what_is_beside_it)
{
    static const struct attempt attempts[] = {
        {"work in the store", work_in_the_store, 0},
        {"lock and look at flags", lock_and_look_at_flags, 0},
        {"read another's PIN", read_anothers_pin, EACCES},
        {"write elsewhere", write_elsewhere, EACCES},
        {"read what nobody named", read_the_configuration, EACCES},
        {"load a library", load_a_library, 0},
    };

    if (landlock_abi() == 0)
        cr_skip_test("this kernel has no Landlock");
    attempts_run(enter, NULL, attempts, ARRAY_LEN(attempts));
}

Test(token_sandbox, opens_what_the_profile_and_its_variables_name)
{
    static const struct attempt attempts[] = {
        {"write more", write_more, 0},
        {"read the configuration", read_the_configuration, 0},
        {"write the configuration", write_the_configuration, EACCES},
        {"write elsewhere", write_elsewhere, EACCES},
    };
    char variable[160], more[128];

    if (landlock_abi() == 0)
        cr_skip_test("this kernel has no Landlock");
    snprintf(variable, sizeof(variable), "CONF=%s/conf/module.conf", world);
    path_in_world(more, "more");
    cr_assert_eq(strv_add(&token.profile.environment, "NONE="), KS_OK);
    cr_assert_eq(strv_add(&token.profile.environment, variable), KS_OK);
    cr_assert_eq(strv_add(&token.profile.write, more), KS_OK);
    attempts_run(enter, NULL, attempts, ARRAY_LEN(attempts));
}

Test(token_sandbox, without_a_word_on_files_closes_none)
{
    static const struct attempt attempts[] = {
        {"read what nobody named", read_the_configuration, 0},
        {"write elsewhere", write_elsewhere, 0},
    };

    token.store[0] = '\0';
    attempts_run(enter, NULL, attempts, ARRAY_LEN(attempts));
}

Test(token_sandbox, lets_the_module_make_the_sockets_of_its_profile)
{
    static const struct attempt unix_only[] = {
        {"make a Unix socket", make_a_unix_socket, 0},
        {"make a pair of sockets", make_a_pair, 0},
        {"make an Internet socket", make_an_inet_socket, EPERM},
        {"make a packet socket", make_a_packet_socket, EPERM},
    };
    static const struct attempt inet_only[] = {
        {"make a Unix socket", make_a_unix_socket, EPERM},
        {"make an Internet socket", make_an_inet_socket, 0},
        {"make a packet socket", make_a_packet_socket, EPERM},
        {"make a pair of sockets", make_a_pair, EPERM},
        {"call syslog", call_syslog, EACCES},
    };

    token.profile.sockets = CONFIG_SOCKETS_UNIX;
    attempts_run(enter, NULL, unix_only, ARRAY_LEN(unix_only));
    token.profile.sockets = CONFIG_SOCKETS_INET;
    attempts_run(enter, NULL, inet_only, ARRAY_LEN(inet_only));
}

Test(token_sandbox, lets_the_module_make_the_calls_of_its_profile)
{
    static const struct attempt before[] = {{"ask for a policy", ask_for_a_policy, EPERM}};
    static const struct attempt after[] = {{"ask for a policy", ask_for_a_policy, 0}};

    attempts_run(enter, NULL, before, ARRAY_LEN(before));
    cr_assert_eq(strv_add(&token.profile.system_calls, "sched_getscheduler"), KS_OK);
    attempts_run(enter, NULL, after, ARRAY_LEN(after));
}

/* libc blocks all signals meanwhile: one that is not taken ends the process. */
static int
call_a_shell(void)
{
    char name[] = "true";
    char *argv[] = {name, NULL};
    pid_t pid;

    return posix_spawn(&pid, "/bin/true", NULL, NULL, argv, NULL);
}

static int
fork_by_number(void)
{
    long pid = syscall(SYS_fork);

    if (pid == 0)
        _exit(0);
    return pid < 0 ? errno : 0;
}

Test(token_sandbox, lets_the_module_make_a_call_that_is_expected_and_refused_without_its_profile)
{
    static const struct attempt before[] = {{"fork", fork_by_number, EPERM}};
    static const struct attempt after[] = {{"fork", fork_by_number, 0}};

    attempts_run(enter, NULL, before, ARRAY_LEN(before));
    cr_assert_eq(strv_add(&token.profile.system_calls, "fork"), KS_OK);
    attempts_run(enter, NULL, after, ARRAY_LEN(after));
}

Test(token_sandbox, a_module_that_starts_a_program_fails_and_lives)
{
    static const struct attempt attempts[] = {{"call a shell", call_a_shell, EPERM},
                                              {"raise a signal", raise_a_signal, 0}};

    attempts_run(enter, NULL, attempts, ARRAY_LEN(attempts));
}

Test(token_sandbox, serve_is_off_for_the_administrator_only)
{
    static const struct attempt on[] = {{"ask for a policy", ask_for_a_policy, EPERM}};
    static const struct attempt off[] = {{"ask for a policy", ask_for_a_policy, 0}};

    token.profile.sandbox = CONFIG_SANDBOX_SERVE;
    attempts_run(enter, NULL, on, ARRAY_LEN(on));
    mode = TOKEN_SANDBOX_ADMINISTER;
    attempts_run(enter, NULL, off, ARRAY_LEN(off));
}

Test(token_sandbox, types_nothing_into_the_administrators_terminal_without_one_neither)
{
    static const struct attempt attempts[] = {
        {"type into the terminal", type_into_the_terminal, EPERM},
        {"ask for a terminal", ask_for_a_terminal, 0},
        {"ask for a policy", ask_for_a_policy, 0},
    };

    mode = TOKEN_SANDBOX_ADMINISTER;
    token.profile.sandbox = CONFIG_SANDBOX_SERVE;
    attempts_run(enter, NULL, attempts, ARRAY_LEN(attempts));
    token.profile.sandbox = CONFIG_SANDBOX_OFF;
    attempts_run(enter, NULL, attempts, ARRAY_LEN(attempts));
}

Test(token_sandbox, a_signal_from_elsewhere_is_no_refused_call)
{
    static const struct attempt attempts[] = {{"send oneself SIGSYS", send_oneself_sigsys, 0},
                                              {"ask for a policy", ask_for_a_policy, EPERM}};

    attempts_run(enter, NULL, attempts, ARRAY_LEN(attempts));
}

Test(token_sandbox, off_is_off_and_what_a_module_does_to_itself_is_its_own_affair)
{
    static const struct attempt itself[] = {{"raise a signal", raise_a_signal, 0}};
    static const struct attempt off[] = {{"ask for a policy", ask_for_a_policy, 0},
                                         {"write elsewhere", write_elsewhere, 0}};

    attempts_run(enter, NULL, itself, ARRAY_LEN(itself));
    token.profile.sandbox = CONFIG_SANDBOX_OFF;
    attempts_run(enter, NULL, off, ARRAY_LEN(off));
}
