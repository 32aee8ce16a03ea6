/* SPDX-License-Identifier: Apache-2.0 */
#include "client/pkcs11/report.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"

/* What standard error got since the last look. */
static int stderr_file = -1;

static void
catch_stderr(void)
{
    unsetenv("KEYSVC_PKCS11_LOG");
    stderr_file = memfd_create("stderr", MFD_CLOEXEC);
    cr_assert_geq(dup2(stderr_file, STDERR_FILENO), 0);
    report_began();
}

static size_t
n_lines(void)
{
    char text[8192];
    ssize_t len = pread(stderr_file, text, sizeof(text), 0);
    size_t n = 0;

    for (ssize_t i = 0; i < len; i++)
        n += text[i] == '\n';
    return n;
}

static const struct ks_error DENIED = {KS_ERR_DENIED, "uid 1 may not sign web/shop", "add a rule",
                                       false};

Test(report, every_outcome_has_a_code_and_only_ok_is_ok)
{
    cr_assert_eq(report_code(KS_OK), CKR_OK);
    for (unsigned int err = 1; err < KS_ERR_COUNT; err++) {
        CK_RV rv = report_code((ks_err)err);

        cr_assert_neq(rv, CKR_OK, "%s", ks_err_name((ks_err)err));
        /* Programs would ask for a PIN, or forget their sessions. */
        cr_assert_neq(rv, CKR_USER_NOT_LOGGED_IN);
        cr_assert_neq(rv, CKR_PIN_LOCKED);
        cr_assert_neq(rv, CKR_TOKEN_NOT_PRESENT);
        cr_assert_neq(rv, CKR_DEVICE_REMOVED);
        cr_assert_neq(rv, CKR_SESSION_HANDLE_INVALID);
    }
    cr_assert_eq(report_code((ks_err)99), CKR_GENERAL_ERROR);
    cr_assert_eq(report_code(KS_ERR_DENIED), CKR_FUNCTION_REJECTED);
    cr_assert_eq(report_code(KS_ERR_PURPOSE), CKR_KEY_FUNCTION_NOT_PERMITTED);
    cr_assert_eq(report_code(KS_ERR_KEY_CHANGED), CKR_KEY_CHANGED);
    cr_assert_eq(report_code(KS_ERR_NO_SERVICE), CKR_DEVICE_ERROR);
}

Test(report, a_line_names_the_key_the_reason_and_what_to_do, .init = catch_stderr)
{
    char text[256] = {0};

    cr_assert_eq(report("web/shop@1", KS_ERR_DENIED, &DENIED), CKR_FUNCTION_REJECTED);
    cr_assert_gt(pread(stderr_file, text, sizeof(text) - 1, 0), 0);
    cr_assert_str_eq(text, "keysvc-pkcs11: web/shop@1: uid 1 may not sign web/shop; add a rule\n");
}

Test(report, the_same_line_is_written_once_in_a_while, .init = catch_stderr)
{
    for (int i = 0; i < 5; i++)
        (void)report("web/shop@1", KS_ERR_DENIED, &DENIED);
    cr_assert_eq(n_lines(), 1);
    (void)report("web/shop@2", KS_ERR_DENIED, &DENIED);
    cr_assert_eq(n_lines(), 2, "another key is another line");
    clock_shift((REPORT_QUIET_MS + 1) * 1000, 0);
    (void)report("web/shop@1", KS_ERR_DENIED, &DENIED);
    cr_assert_eq(n_lines(), 3);
}

Test(report, none_is_none, .init = catch_stderr)
{
    setenv("KEYSVC_PKCS11_LOG", "none", 1);
    (void)report("web/shop@1", KS_ERR_DENIED, &DENIED);
    cr_assert_eq(n_lines(), 0);
    setenv("KEYSVC_PKCS11_LOG", "stderr", 1);
    (void)report("web/shop@1", KS_ERR_DENIED, &DENIED);
    cr_assert_eq(n_lines(), 1);
}

/* Of a program that closed its standard error and opened something else. */
Test(report, a_file_at_descriptor_2_is_written_if_it_was_there_or_is_appended_to)
{
    int file = memfd_create("database", MFD_CLOEXEC);

    catch_stderr();
    cr_assert_geq(dup2(file, STDERR_FILENO), 0);
    report_text("a line");
    cr_assert_eq(lseek(file, 0, SEEK_END), 0);
    cr_assert_eq(fcntl(file, F_SETFL, O_APPEND), 0);
    report_text("another line");
    cr_assert_gt(lseek(file, 0, SEEK_END), 0);
    close(STDERR_FILENO);
    report_text("a third line");
}

static void
become_pipe(int ends[2])
{
    unsetenv("KEYSVC_PKCS11_LOG");
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    cr_assert_geq(dup2(ends[1], STDERR_FILENO), 0);
    report_began();
}

Test(report, a_pipe_that_nobody_reads_ends_no_program)
{
    sigset_t pending;
    int ends[2];

    become_pipe(ends);
    signal(SIGPIPE, SIG_DFL);
    close(ends[0]);
    report_text("a line");
    sigpending(&pending);
    cr_assert_not(sigismember(&pending, SIGPIPE));
}

static volatile sig_atomic_t n_pipe;

static void
count_pipe(int number)
{
    (void)number;
    n_pipe++;
}

Test(report, a_full_pipe_is_not_waited_for_and_a_sigpipe_of_the_programs_stays, .timeout = 60)
{
    static const char FILL[4096] = {0};
    sigset_t set;
    int ends[2];

    become_pipe(ends);
    signal(SIGPIPE, count_pipe);
    report_text("there is room");
    cr_assert_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    while (write(ends[1], FILL, sizeof(FILL)) > 0)
        continue;
    cr_assert_eq(fcntl(ends[1], F_SETFL, 0), 0);
    report_text("there is none");
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGPIPE);
    close(ends[0]);
    report_text("there is nobody");
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    cr_assert_eq(n_pipe, 1);
}

Test(report, nothing_that_a_terminal_obeys_is_written, .init = catch_stderr)
{
    char text[256] = {0};

    report_text("a\x1b[2Jb\x7f"
                "c\x9b"
                "d\xc2\x9b"
                "e\nf\tg\rh Br\xc3\xbc"
                "cke \xe2\x82\xac \xe0\x82\x9b \xc3");
    cr_assert_gt(pread(stderr_file, text, sizeof(text) - 1, 0), 0);
    cr_assert_str_eq(text, "keysvc-pkcs11: a?[2Jb?c?d??e f g?h Br\xc3\xbc"
                           "cke \xe2\x82\xac ??? ?\n");
}

Test(report, no_option_is_named_that_programs_have_not, .init = catch_stderr)
{
    static const struct ks_error LATE = {KS_ERR_DEADLINE, "no answer",
                                         "try again with a longer --timeout", true};
    char text[256] = {0};

    cr_assert_eq(report("web/shop@1", KS_ERR_DEADLINE, &LATE), CKR_FUNCTION_CANCELED);
    cr_assert_gt(pread(stderr_file, text, sizeof(text) - 1, 0), 0);
    cr_assert_str_eq(text, "keysvc-pkcs11: web/shop@1: no answer\n");
}
