/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/sandbox.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "sandbox/landlock.h"
#include "unit/sandbox/attempts.h"

static char folder[] = "/tmp/keysvc-sandbox-XXXXXX";
static char open_folder[64], closed_folder[64];

static void
set_up(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(open_folder, sizeof(open_folder), "%s/open", folder);
    snprintf(closed_folder, sizeof(closed_folder), "%s/closed", folder);
    cr_assert_eq(mkdir(open_folder, 0700), 0);
    cr_assert_eq(mkdir(closed_folder, 0700), 0);
}

static void
tear_down(void)
{
    static const char *const files[] = {"open/file", "closed/file", "open", "closed", ""};

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char path[128];

        snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
        (void)remove(path);
    }
}

TestSuite(sandbox, .init = set_up, .fini = tear_down);

static int
make_file(const char *in, int flags)
{
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "%s/file", in);
    fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? errno : 0;
}

static int
write_in_open(void)
{
    return make_file(open_folder, O_WRONLY | O_CREAT);
}

static int
write_in_closed(void)
{
    return make_file(closed_folder, O_WRONLY | O_CREAT);
}

static int
read_in_closed(void)
{
    return make_file(closed_folder, O_RDONLY);
}

static int
list_closed(void)
{
    int fd = open(closed_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? errno : 0;
}

static int
move_out(void)
{
    char from[128], to[128];

    snprintf(from, sizeof(from), "%s/file", open_folder);
    snprintf(to, sizeof(to), "%s/file", closed_folder);
    return rename(from, to) < 0 ? errno : 0;
}

static int
change_owner(void)
{
    return syscall(SYS_getpriority, 0, 0) < 0 ? errno : 0;
}

static int
a_call_without_a_name(void)
{
    return syscall(509) < 0 ? errno : 0;
}

static int
allow_files(void *context)
{
    struct sandbox *sandbox = NULL;
    struct sandbox_state state;
    struct fault why = FAULT_INIT;

    (void)context;
    if (sandbox_new(SANDBOX_FORBIDS, &sandbox) != KS_OK)
        return 1;
    sandbox_path(sandbox, open_folder, SANDBOX_WRITE);
    sandbox_path(sandbox, "/no/such/place", SANDBOX_WRITE);
    if (sandbox_enter(sandbox, &state, &why) != KS_OK)
        return 1;
    return !(state.calls && state.files && state.abi == landlock_abi());
}

Test(sandbox, closes_all_files_but_those_that_are_named)
{
    static const struct attempt attempts[] = {
        {"write what is open", write_in_open, 0},
        {"write what is closed", write_in_closed, EACCES},
        {"read what is closed", read_in_closed, EACCES},
        {"list what is closed", list_closed, EACCES},
        {"move a file out", move_out, EACCES},
    };

    cr_assert_eq(make_file(closed_folder, O_WRONLY | O_CREAT), 0);
    if (landlock_abi() == 0)
        cr_skip_test("this kernel has no Landlock");
    attempts_run(allow_files, NULL, attempts, ARRAY_LEN(attempts));
}

static int
forbid_a_call(void *context)
{
    const struct sandbox_rule rule = {"getpriority"};
    struct sandbox *sandbox = NULL;
    struct sandbox_state state;
    struct fault why = FAULT_INIT;

    (void)context;
    if (sandbox_new(SANDBOX_FORBIDS, &sandbox) != KS_OK)
        return 1;
    sandbox_calls(sandbox, &rule, 1);
    sandbox_call(sandbox, "no_such_call");
    return sandbox_enter(sandbox, &state, &why) != KS_OK || state.files;
}

Test(sandbox, forbids_what_is_listed_and_closes_no_file_then)
{
    static const struct attempt attempts[] = {
        {"a forbidden call", change_owner, EPERM},
        {"the same again", change_owner, EPERM},
        {"another call", write_in_closed, 0},
    };

    attempts_run(forbid_a_call, NULL, attempts, ARRAY_LEN(attempts));
}

static int
allow_little(void *context)
{
    static const struct sandbox_rule rules[] = {
        {"write"}, {"exit_group"}, {"rt_sigreturn"}, {"openat", 2, O_ACCMODE | O_CREAT, O_RDONLY}};
    const struct sandbox_rule expected = {"getuid"};
    struct sandbox *sandbox = NULL;
    struct sandbox_state state;
    struct fault why = FAULT_INIT;
    int *log = context;

    if (log && dup2(*log, STDERR_FILENO) < 0)
        return 1;
    if (sandbox_new(SANDBOX_ALLOWS, &sandbox) != KS_OK)
        return 1;
    sandbox_calls(sandbox, rules, ARRAY_LEN(rules));
    sandbox_expected(sandbox, &expected, ENOTSUP);
    return sandbox_enter(sandbox, &state, &why) != KS_OK;
}

static int
list_closed_only(void)
{
    return open(closed_folder, O_RDONLY | O_DIRECTORY) < 0 ? errno : 0;
}

static int
make_a_file_in_closed(void)
{
    return open(closed_folder, O_WRONLY | O_TMPFILE, 0600) < 0 ? errno : 0;
}

static int
ask_who_we_are(void)
{
    return syscall(SYS_getuid) < 0 ? errno : 0;
}

Test(sandbox, looks_at_arguments_and_lets_the_rest_fail)
{
    static const struct attempt attempts[] = {
        {"open to read", list_closed_only, 0},
        {"open to write", make_a_file_in_closed, EPERM},
        {"a call that is not listed", change_owner, EPERM},
        {"a call without a name, for libc to do without it", a_call_without_a_name, ENOSYS},
        {"a call that is expected to fail", ask_who_we_are, ENOTSUP},
    };

    attempts_run(allow_little, NULL, attempts, ARRAY_LEN(attempts));
}

Test(sandbox, names_a_refused_call_in_the_log_once)
{
    static const struct attempt attempts[] = {
        {"once", change_owner, EPERM},
        {"twice", change_owner, EPERM},
        {"expected", ask_who_we_are, ENOTSUP},
    };
    char text[1024] = "";
    ssize_t len;
    int ends[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    attempts_run(allow_little, &ends[1], attempts, ARRAY_LEN(attempts));
    close(ends[1]);
    len = read(ends[0], text, sizeof(text) - 1);
    cr_assert_gt(len, 0);
    cr_assert_str_eq(strstr(text, "event="), "event=call-refused call=getpriority number=140\n",
                     "%s", text);
}

static void *
try_in_a_thread(void *data)
{
    int *result = data;

    *result = change_owner();
    return NULL;
}

static int
try_with_a_thread(void)
{
    pthread_t thread;
    int result = -1;

    if (pthread_create(&thread, NULL, try_in_a_thread, &result) != 0)
        return -1;
    pthread_join(thread, NULL);
    return result;
}

Test(sandbox, holds_in_threads_that_start_later)
{
    static const struct attempt attempts[] = {{"in a thread", try_with_a_thread, EPERM}};

    attempts_run(forbid_a_call, NULL, attempts, ARRAY_LEN(attempts));
}

Test(sandbox, a_rule_that_cannot_be_is_an_error_that_names_the_call)
{
    const struct sandbox_rule rule = {"write", 9, 1, 1};
    ks_auto(sandbox_freep) struct sandbox *sandbox = NULL;
    struct sandbox_state state;
    struct fault why = FAULT_INIT;

    cr_assert_eq(sandbox_new(SANDBOX_ALLOWS, &sandbox), KS_OK);
    sandbox_calls(sandbox, &rule, 1);
    cr_expect_eq(sandbox_enter(sandbox, &state, &why), KS_ERR_INTERNAL);
    cr_expect_not_null(strstr(why.text, "system call write"), "%s", why.text);
}

Test(sandbox, knows_the_names_of_calls)
{
    cr_expect(sandbox_knows_call("sched_getattr"));
    cr_expect_not(sandbox_knows_call("sched_getatr"));
    cr_expect_not(sandbox_knows_call(""));
}
