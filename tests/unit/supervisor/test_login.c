/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_login - the marker before each login, and what takes it away
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "stage.h"
#include "supervisor/login.h"

static struct stage stage;
static struct config_token section;
static struct login *under_test;

static void
open_login(void)
{
    struct fault why = FAULT_INIT;

    under_test = login_free(under_test);
    cr_assert_eq(login_new(stage.folder, &section, &under_test, &why), KS_OK);
    login_open(under_test);
}

static void
setup(void)
{
    stage_open(&stage, 1);
    memset(&section, 0, sizeof(section));
    text_copy(section.name, sizeof(section.name), "main");
    stage_path(&stage, "main.pin", section.pin_file, sizeof(section.pin_file));
    open_login();
}

static void
teardown(void)
{
    under_test = login_free(under_test);
    stage_close(&stage);
}

TestSuite(login, .init = setup, .fini = teardown);

static ks_err
begin(void)
{
    ks_auto(closep) int fd = -1;
    struct fault why = FAULT_INIT;

    return login_begin(under_test, &fd, &why);
}

Test(login, a_missing_pin_file_is_named_and_no_login_was_tried)
{
    ks_auto(closep) int fd = -1;
    struct fault why = FAULT_INIT;

    cr_assert_eq(unlink(section.pin_file) == 0 || errno == ENOENT, true);
    cr_assert_eq(login_begin(under_test, &fd, &why), KS_ERR_TOKEN_UNAVAILABLE);
    cr_expect_not_null(strstr(why.text, "no login was tried"), "%s", why.text);
    cr_expect_not_null(strstr(why.text, "does not exist"), "%s", why.text);
    why = (struct fault)FAULT_INIT;
    cr_assert(login_blocked(under_test, &why));
    cr_expect_not_null(strstr(why.text, section.pin_file), "%s", why.text);
    cr_expect_null(strstr(strstr(why.text, section.pin_file) + 1, section.pin_file),
                   "named twice: %s", why.text);
}

static bool
blocked(void)
{
    struct fault why = FAULT_INIT;

    return login_blocked(under_test, &why);
}

static void
end(ks_err outcome)
{
    struct fault said = FAULT_INIT;

    login_end(under_test, outcome, &said);
}

Test(login, writes_the_identity_of_the_pin_file_before_the_attempt)
{
    char marker[256], wanted[64];
    struct stat status;

    cr_assert_eq(begin(), KS_OK);
    stage_read(&stage, "main.login-tried", marker, sizeof(marker));
    cr_assert_eq(stat(section.pin_file, &status), 0);
    snprintf(wanted, sizeof(wanted), " ino=%llu size=5 ", (unsigned long long)status.st_ino);
    cr_assert_not_null(strstr(marker, wanted));
    cr_assert_eq(marker[strlen(marker) - 1], '\n');
}

Test(login, passes_the_pin_file_for_reading)
{
    struct fault why = FAULT_INIT;
    ks_auto(closep) int fd = -1;
    char pin[8] = {0};

    cr_assert_eq(login_begin(under_test, &fd, &why), KS_OK);
    cr_assert_eq(pread(fd, pin, sizeof(pin), 0), 5);
    cr_assert_str_eq(pin, "1234\n");
    cr_assert_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
}

Test(login, removes_the_marker_after_success_and_after_what_was_not_the_pins_fault)
{
    static const ks_err outcomes[] = {KS_OK, KS_ERR_TOKEN_UNAVAILABLE, KS_ERR_INTERNAL};

    for (size_t i = 0; i < ARRAY_LEN(outcomes); i++) {
        cr_assert_eq(begin(), KS_OK);
        end(outcomes[i]);
        cr_assert_not(stage_exists(&stage, "main.login-tried"));
        cr_assert_not(blocked());
    }
}

Test(login, tries_a_refused_pin_once_over_any_number_of_restarts)
{
    cr_assert_eq(begin(), KS_OK);
    end(KS_ERR_LOGIN_BLOCKED);
    for (int i = 0; i < 100; i++) {
        cr_assert(blocked());
        cr_assert_eq(begin(), KS_ERR_LOGIN_BLOCKED);
        open_login();
    }
}

Test(login, goes_on_when_the_pin_file_has_changed)
{
    cr_assert_eq(begin(), KS_OK);
    end(KS_ERR_LOGIN_BLOCKED);
    stage_write(&stage, "main.pin", "5678\n", 0600);
    open_login();
    cr_assert_not(blocked());
    cr_assert(login_take_override(under_test));
    cr_assert_not(login_take_override(under_test));
    cr_assert_eq(begin(), KS_OK);
    end(KS_OK);
    cr_assert_not(stage_exists(&stage, "main.login-tried"));
}

Test(login, says_which_file_and_what_to_do)
{
    struct fault why = FAULT_INIT;

    cr_assert_eq(begin(), KS_OK);
    end(KS_ERR_LOGIN_BLOCKED);
    cr_assert(login_blocked(under_test, &why));
    cr_assert_not_null(strstr(why.text, section.pin_file));
    cr_assert_not_null(strstr(why.hint, "keysvc token retry-login main"));
}

Test(login, blocks_after_a_crash_in_the_first_login)
{
    cr_assert_eq(begin(), KS_OK);
    login_interrupted(under_test);
    cr_assert(blocked());
    open_login();
    cr_assert(blocked());
}

Test(login, forgives_one_crash_of_a_pin_that_has_logged_in_before)
{
    cr_assert_eq(begin(), KS_OK);
    end(KS_OK);
    cr_assert_eq(begin(), KS_OK);
    login_interrupted(under_test);
    cr_assert_not(blocked());
    cr_assert_eq(begin(), KS_OK);
    login_interrupted(under_test);
    cr_assert(blocked());
}

Test(login, obeys_an_administrator_and_hands_out_the_override_once)
{
    struct fault why = FAULT_INIT;

    cr_assert_not(login_take_override(under_test));
    cr_assert_eq(begin(), KS_OK);
    cr_assert_eq(login_retry(under_test, &why), KS_ERR_BUSY);
    end(KS_ERR_LOGIN_BLOCKED);
    cr_assert_eq(login_retry(under_test, &why), KS_OK);
    cr_assert_not(stage_exists(&stage, "main.login-tried"));
    cr_assert_not(blocked());
    cr_assert(login_take_override(under_test));
    cr_assert_not(login_take_override(under_test));
}

Test(login, lets_one_log_in_at_a_time)
{
    cr_assert_eq(begin(), KS_OK);
    cr_assert_eq(begin(), KS_ERR_BUSY);
    end(KS_OK);
    cr_assert_eq(begin(), KS_OK);
}

Test(login, blocks_without_a_marker_when_a_worker_says_so)
{
    struct fault said = FAULT_INIT;

    login_block(under_test, &said);
    cr_assert(blocked());
    stage_write(&stage, "main.pin", "5678\n", 0600);
    cr_assert_not(blocked());
}

/* Its process may end a while after it was denied, and what is written in between is not what it had. */
Test(login, tries_a_pin_file_that_was_written_after_one_of_no_use)
{
    cr_assert_eq(unlink(section.pin_file), 0);
    cr_assert_eq(begin(), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert(blocked());
    stage_write(&stage, "main.pin", "", 0600);
    cr_assert_eq(begin(), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert(blocked());
    stage_write(&stage, "main.pin", "5678\n", 0600);
    cr_assert_not(blocked());
    cr_assert_eq(begin(), KS_OK);
}

Test(login, blocks_the_pin_file_that_logged_in_and_no_later_one)
{
    struct fault said = FAULT_INIT;

    cr_assert_eq(begin(), KS_OK);
    end(KS_OK);
    login_block(under_test, &said);
    cr_assert(blocked());
    stage_write(&stage, "main.pin", "5678\n", 0600);
    cr_assert_not(blocked());
    login_block(under_test, &said);
    cr_assert_not(blocked());
}

Test(login, keeps_a_marker_that_nobody_can_read_until_it_is_taken_away)
{
    struct fault why = FAULT_INIT;

    stage_write(&stage, "main.login-tried", "cut in the mid", 0600);
    open_login();
    cr_assert(blocked());
    stage_write(&stage, "main.pin", "5678\n", 0600);
    cr_assert(blocked());
    cr_assert_eq(login_retry(under_test, &why), KS_OK);
    cr_assert_eq(begin(), KS_OK);
}

Test(login, uses_no_pin_file_that_is_a_link_or_empty_or_long_or_missing)
{
    char other[256], long_text[1100];

    memset(long_text, '1', sizeof(long_text));
    long_text[sizeof(long_text) - 1] = '\0';
    stage_write(&stage, "main.pin", "", 0600);
    cr_assert_eq(begin(), KS_ERR_TOKEN_UNAVAILABLE);
    stage_write(&stage, "main.pin", long_text, 0600);
    cr_assert_eq(begin(), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(unlink(section.pin_file), 0);
    cr_assert_eq(begin(), KS_ERR_TOKEN_UNAVAILABLE);
    stage_write(&stage, "other.pin", "1234\n", 0600);
    stage_path(&stage, "other.pin", other, sizeof(other));
    cr_assert_eq(symlink(other, section.pin_file), 0);
    cr_assert_eq(begin(), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(unlink(section.pin_file), 0);
    cr_assert_eq(mkfifo(section.pin_file, 0600), 0);
    cr_assert_eq(begin(), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_not(stage_exists(&stage, "main.login-tried"));
}

Test(login, does_not_log_in_when_the_marker_cannot_be_written)
{
    struct fault why = FAULT_INIT;
    struct login *lost = NULL;

    cr_assert_eq(login_new("/proc/nonexistent/folder", &section, &lost, &why), KS_OK);
    login_free(under_test);
    under_test = lost;
    cr_assert_eq(begin(), KS_ERR_INTERNAL);
}

Test(login, finds_a_credential_in_the_service_managers_folder)
{
    struct fault why = FAULT_INIT;

    section.pin_file[0] = '\0';
    text_copy(section.pin_credential, sizeof(section.pin_credential), "main.pin");
    under_test = login_free(under_test);
    unsetenv("CREDENTIALS_DIRECTORY");
    cr_assert_eq(login_new(stage.folder, &section, &under_test, &why), KS_ERR_BAD_REQUEST);
    setenv("CREDENTIALS_DIRECTORY", stage.folder, 1);
    open_login();
    cr_assert_eq(begin(), KS_OK);
}

static void
remove_pin(void)
{
    char path[256];

    stage_path(&stage, "main.pin", path, sizeof(path));
    cr_assert_eq(unlink(path), 0);
}

static void
use_credential(void)
{
    section.pin_file[0] = '\0';
    text_copy(section.pin_credential, sizeof(section.pin_credential), "main.pin");
    setenv("CREDENTIALS_DIRECTORY", stage.folder, 1);
    open_login();
}

static void
refuse_credential(void)
{
    use_credential();
    cr_assert_eq(begin(), KS_OK);
    end(KS_ERR_LOGIN_BLOCKED);
}

/* The service manager writes it anew at each start, whatever is in it. */
Test(login, tries_a_refused_credential_once_over_any_number_of_restarts)
{
    struct fault why = FAULT_INIT;

    refuse_credential();
    for (int i = 0; i < 10; i++) {
        stage_write(&stage, "main.pin", i % 2 ? "5678\n" : "87654\n", 0600);
        open_login();
        cr_assert(login_blocked(under_test, &why));
        cr_assert_eq(begin(), KS_ERR_LOGIN_BLOCKED);
    }
    cr_assert_not_null(strstr(why.hint, "restart keysvcd, then: keysvc token retry-login main"));
    cr_assert_eq(login_retry(under_test, &why), KS_OK);
    cr_assert(login_take_override(under_test));
    cr_assert_eq(begin(), KS_OK);
    end(KS_OK);
    open_login();
    cr_assert_eq(begin(), KS_OK, "no marker is left");
}

/* Nor does one that is not there tell that the next one is another. */
Test(login, a_refused_credential_stays_refused_when_it_is_missing_for_a_while)
{
    refuse_credential();
    remove_pin();
    open_login();
    cr_assert(blocked());
    cr_assert_eq(begin(), KS_ERR_LOGIN_BLOCKED);
    stage_write(&stage, "main.pin", "5678\n", 0600);
    cr_assert(blocked());
    cr_assert_not(login_take_override(under_test));
    open_login();
    cr_assert(blocked());
}

Test(login, a_missing_credential_is_named_with_what_brings_it)
{
    ks_auto(closep) int fd = -1;
    struct fault why = FAULT_INIT;

    use_credential();
    remove_pin();
    cr_assert_eq(login_begin(under_test, &fd, &why), KS_ERR_TOKEN_UNAVAILABLE);
    cr_expect_not_null(strstr(why.text, "does not exist"), "%s", why.text);
    cr_expect_not_null(strstr(why.hint, "LoadCredential=main.pin:FILE"), "%s", why.hint);
    cr_assert_not(stage_exists(&stage, "main.login-tried"));
    stage_write(&stage, "main.pin", "5678\n", 0600);
    open_login();
    cr_assert_eq(begin(), KS_OK, "no login was tried: the next start does");
}

Test(login, a_refused_credential_does_not_block_a_pin_file)
{
    refuse_credential();
    section.pin_credential[0] = '\0';
    stage_path(&stage, "main.pin", section.pin_file, sizeof(section.pin_file));
    open_login();
    cr_assert_not(blocked());
    cr_assert_eq(begin(), KS_OK);
}

Test(login, refuses_a_name_that_would_leave_the_folder)
{
    struct fault why = FAULT_INIT;
    struct login *none = NULL;

    text_copy(section.name, sizeof(section.name), "../main");
    cr_assert_eq(login_new(stage.folder, &section, &none, &why), KS_ERR_BAD_REQUEST);
}
