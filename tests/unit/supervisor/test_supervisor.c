/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_supervisor - the whole supervisor with children that follow a script
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "stage.h"

static struct stage stage;

static void
open_one(void)
{
    stage_open(&stage, 1);
}

static void
open_two(void)
{
    stage_open(&stage, 2);
}

static void
close_it(void)
{
    stage_close(&stage);
}

TestSuite(supervisor, .timeout = 60);
TestSuite(supervisor_two, .timeout = 60);

Test(supervisor_two, starts_the_second_worker_when_the_first_is_ready_and_wires_both,
     .init = open_two, .fini = close_it)
{
    stage_start(&stage);
    stage_expect(&stage, "main-1 front fds=1", 1);
    stage_expect(&stage, "main-2 front fds=1", 1);
    stage_expect(&stage, "front worker main-1 fds=1", 1);
    stage_expect(&stage, "front worker main-2 fds=1", 1);
    stage_expect(&stage, "front state main-0 ready", 1);
    cr_assert(stage_in_order(&stage, "main-1 login-go", "main-2 began"));
    cr_assert_eq(stage_count(&stage, "main-1 setup generation=1 override=0 fds=2"), 1);
    cr_assert_eq(stage_count(&stage, "front setup generation=1 override=0 fds=2"), 1);
    cr_assert(stage_exists(&stage, "audit/main-2.log") && stage_exists(&stage, "audit/front.log"));
    cr_assert_eq(stage_stop(&stage), 0);
    cr_assert(stage_in_order(&stage, "front stop", "main-1 stop"));
    cr_assert_not(stage_exists(&stage, "s"));
}

Test(supervisor, tells_the_front_that_a_token_is_ready_after_it_has_a_worker_of_it,
     .init = open_one, .fini = close_it)
{
    stage_start(&stage);
    stage_expect(&stage, "front state main-0 ready", 1);
    cr_assert(stage_in_order(&stage, "front worker main-1", "front state main-0 ready"));
    kill(stage_pid(&stage, "main-1"), SIGKILL);
    stage_expect(&stage, "front state main-0 ready", 2);
    cr_assert_eq(stage_count(&stage, "front worker main-1"), 2);
    cr_assert_eq(stage_stop(&stage), 0);
}

Test(supervisor_two, gives_a_new_front_sockets_to_all_workers_without_a_login, .init = open_two,
     .fini = close_it)
{
    stage_start(&stage);
    stage_expect(&stage, "front worker main-2", 1);
    kill(stage_pid(&stage, "front"), SIGKILL);
    stage_expect(&stage, "front began", 2);
    stage_expect(&stage, "front worker main-1", 2);
    stage_expect(&stage, "front worker main-2", 2);
    stage_expect(&stage, "main-1 front", 2);
    stage_expect(&stage, "main-2 front", 2);
    cr_assert_eq(stage_count(&stage, "began"), 4);
    cr_assert_eq(stage_count(&stage, "login-go"), 2);
    cr_assert_eq(stage_stop(&stage), 0);
}

Test(supervisor_two, replaces_a_killed_worker_and_leaves_the_others_alone, .init = open_two,
     .fini = close_it)
{
    stage_start(&stage);
    stage_expect(&stage, "front worker main-2", 1);
    kill(stage_pid(&stage, "main-1"), SIGKILL);
    stage_expect(&stage, "front worker main-1", 2);
    cr_assert_gt(stage_count(&stage, "front restarts main-1 1"), 0);
    cr_assert_eq(stage_count(&stage, "restarts main-1 2"), 0);
    cr_assert_eq(stage_count(&stage, "restarts main-2"), 0);
    cr_assert_eq(stage_count(&stage, "main-1 began"), 2);
    cr_assert_eq(stage_count(&stage, "main-2 began"), 1);
    cr_assert_eq(stage_count(&stage, "front began"), 1);
    cr_assert_eq(stage_stop(&stage), 0);
}

Test(supervisor, tries_a_refused_pin_once_until_its_file_changes, .init = open_one,
     .fini = close_it)
{
    stage_script(&stage, "main-1", "start login login-refused\nstart login login-ok ready serve\n");
    stage_start(&stage);
    stage_expect(&stage, "front state main-0 login-blocked", 1);
    cr_assert(stage_exists(&stage, "state/main.login-tried"));
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(stage_stop(&stage), 0);
        stage_start(&stage);
        stage_expect(&stage, "front state main-0 login-blocked", (size_t)i + 2);
    }
    cr_assert_eq(stage_count(&stage, "main-1 began"), 1);
    stage_write(&stage, "main.pin", "567890\n", 0600);
    stage_expect(&stage, "main-1 login-go pin=7", 1);
    stage_expect(&stage, "front state main-0 ready", 1);
    stage_expect_file(&stage, "state/main.login-tried", false);
}

Test(supervisor, starts_a_blocked_token_again_when_an_administrator_says_so, .init = open_one,
     .fini = close_it)
{
    stage_script(&stage, "main-1", "start login login-refused\nstart login login-ok ready serve\n");
    stage_start(&stage);
    stage_expect(&stage, "front state main-0 login-blocked", 1);
    stage_script(&stage, "front", "ready retry=nobody retry=main serve\n");
    kill(stage_pid(&stage, "front"), SIGKILL);
    stage_expect(&stage, "admin-result BAD_REQUEST cookie=77", 1);
    stage_expect(&stage, "admin-result OK cookie=77", 1);
    stage_expect(&stage, "main-1 setup generation=1 override=1", 1);
    stage_expect(&stage, "front worker main-1", 1);
    cr_assert_not(stage_exists(&stage, "state/main.login-tried"));
}

Test(supervisor, stays_blocked_after_a_crash_inside_the_login, .init = open_one, .fini = close_it)
{
    stage_script(&stage, "main-1", "start login die\n");
    stage_start(&stage);
    stage_expect(&stage, "front state main-0 login-blocked", 1);
    cr_assert_eq(stage_stop(&stage), 0);
    cr_assert_eq(stage_count(&stage, "main-1 began"), 1);
    cr_assert(stage_exists(&stage, "state/main.login-tried"));
}

Test(supervisor, tries_again_after_a_failure_that_is_not_the_pins, .init = open_one,
     .fini = close_it)
{
    stage_script(&stage, "main-1", "start login login-other\nstart login login-ok ready serve\n");
    stage_start(&stage);
    stage_expect(&stage, "front state main-0 absent", 1);
    stage_expect(&stage, "front worker main-1", 1);
    cr_assert_eq(stage_count(&stage, "main-1 login-go"), 2);
}

Test(supervisor, denies_a_login_without_a_pin_file_and_waits_for_it, .init = open_one,
     .fini = close_it)
{
    char path[128];

    stage_path(&stage, "main.pin", path, sizeof(path));
    cr_assert_eq(unlink(path), 0);
    stage_start(&stage);
    stage_expect(&stage, "main-1 denied TOKEN_UNAVAILABLE", 1);
    stage_expect(&stage, "front state main-0 login-blocked", 1);
    stage_write(&stage, "main.pin", "1234\n", 0600);
    stage_expect(&stage, "front worker main-1", 1);
    cr_assert_eq(stage_count(&stage, "main-1 began"), 2);
}

/* However late its process ends. */
Test(supervisor, tries_a_pin_file_that_was_written_while_the_denied_process_ended, .init = open_one,
     .fini = close_it)
{
    char path[128];

    stage_path(&stage, "main.pin", path, sizeof(path));
    cr_assert_eq(unlink(path), 0);
    stage_script(&stage, "main-1",
                 "start denied until=written exit=66\nstart login login-ok ready serve\n");
    stage_start(&stage);
    stage_expect(&stage, "main-1 denied TOKEN_UNAVAILABLE", 1);
    stage_write(&stage, "main.pin", "1234\n", 0600);
    stage_write(&stage, "written", "", 0600);
    stage_expect(&stage, "front worker main-1", 1);
    cr_assert_eq(stage_count(&stage, "main-1 login-go"), 1);
}

Test(supervisor, restarts_a_worker_that_talks_nonsense, .init = open_one, .fini = close_it)
{
    stage_script(&stage, "main-1",
                 "start login login-ok ready noise serve\n"
                 "start login login-ok ready wrong serve\n"
                 "ready login-ok serve\n"
                 "start login login-ok ready serve\n");
    stage_start(&stage);
    stage_expect(&stage, "main-1 began", 4);
    stage_expect(&stage, "front worker main-1", 3);
    cr_assert_eq(stage_stop(&stage), 0);
    cr_assert_eq(stage_count(&stage, "front began"), 1);
}

Test(supervisor, restarts_a_worker_that_talks_without_end, .init = open_one, .fini = close_it)
{
    stage_script(&stage, "main-1",
                 "start login login-ok ready flood serve\n"
                 "start login login-ok ready serve\n");
    stage_start(&stage);
    stage_expect(&stage, "main-1 login-go", 2);
    cr_assert_eq(stage_stop(&stage), 0);
    cr_assert_eq(stage_count(&stage, "main-1 began"), 2, "what the first said is not the second's");
    cr_assert_eq(stage_count(&stage, "front began"), 1);
}

Test(supervisor, restarts_a_worker_of_which_the_front_says_that_it_talks_nonsense, .init = open_one,
     .fini = close_it)
{
    stage_script(&stage, "front", "ready worker bad=7 bad=1 serve\n");
    stage_script(&stage, "main-1", "start login login-ok ready serve\n");
    stage_start(&stage);
    stage_expect(&stage, "front worker main-1", 2);
    cr_assert_eq(stage_stop(&stage), 0);
    cr_assert_eq(stage_count(&stage, "main-1 began"), 2, "there is no worker 7");
    cr_assert_eq(stage_count(&stage, "front began"), 1);
}

Test(supervisor, restarts_a_front_that_talks_nonsense, .init = open_one, .fini = close_it)
{
    stage_script(&stage, "front", "ready noise serve\nready wrong serve\nready serve\n");
    stage_start(&stage);
    stage_expect(&stage, "front began", 3);
    stage_expect(&stage, "main-1 front", 1);
    cr_assert_eq(stage_stop(&stage), 0);
    cr_assert_eq(stage_count(&stage, "main-1 began"), 1);
}

Test(supervisor, kills_a_worker_whose_call_hangs_and_spares_one_that_logs_in, .init = open_one,
     .fini = close_it)
{
    char sections[1024];

    stage_token(&stage, sections, sizeof(sections), "main",
                "hang-timeout = 200ms\nkill-in-login = false\n", "keysvc");
    stage_config(&stage, sections);
    stage_script(&stage, "main-1", "start login login-ok ready hang=1\nstart login hang=3\n");
    stage_start(&stage);
    stage_expect(&stage, "main-1 hangs", 2);
    stage_expect(&stage, "front state main-1 starting its module hangs in phase login", 1);
    cr_assert_eq(stage_count(&stage, "main-1 began"), 2);
    kill(stage_pid(&stage, "main-1"), SIGKILL);
    cr_assert_eq(stage_stop(&stage), 0);
}

Test(supervisor, keeps_checkpoints_and_the_first_audit_key, .init = open_one, .fini = close_it)
{
    static const char checkpoint[] = "keysvc-audit-checkpoint:1 chain=main-1 seq=1 hash=0000";
    static const char pem[] = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE";
    char text[1024];

    stage_script(&stage, "main-1", "start login login-ok ready checkpoint serve\n");
    stage_start(&stage);
    stage_expect_file(&stage, "state/main-1.checkpoint", true);
    stage_read(&stage, "state/main-1.checkpoint", text, sizeof(text));
    cr_assert_eq(strncmp(text, checkpoint, strlen(checkpoint)), 0, "%s", text);
    stage_read(&stage, "state/main.audit-key.pem", text, sizeof(text));
    cr_assert_eq(strncmp(text, pem, strlen(pem)), 0, "%s", text);
    cr_assert_eq(stage_stop(&stage), 0);
}

Test(supervisor, hands_out_a_new_audit_file_after_a_rename, .init = open_one, .fini = close_it)
{
    char from[128], to[128];

    stage_start(&stage);
    stage_expect(&stage, "main-1 front", 1);
    stage_signal(&stage, SIGUSR1);
    stage_path(&stage, "audit/main-1.log", from, sizeof(from));
    stage_path(&stage, "audit/main-1.log.1", to, sizeof(to));
    cr_assert_eq(rename(from, to), 0);
    stage_signal(&stage, SIGUSR1);
    stage_expect(&stage, "main-1 audit fds=1 len=0", 1);
    cr_assert(stage_exists(&stage, "audit/main-1.log"));
    cr_assert_eq(stage_stop(&stage), 0);
    cr_assert_eq(stage_count(&stage, "audit fds"), 1);
}

/* No signal says so: it is looked for. */
Test(supervisor, gives_a_new_file_for_one_that_is_gone_and_says_so_where_none_can_be_made,
     .init = open_one, .fini = close_it)
{
    char front[256], main_1[256];

    stage_start(&stage);
    stage_expect(&stage, "main-1 front", 1);
    stage_path(&stage, "audit/main-1.log", main_1, sizeof(main_1));
    stage_path(&stage, "audit/front.log", front, sizeof(front));
    cr_assert_eq(unlink(main_1), 0);
    stage_expect(&stage, "main-1 audit fds=1 len=0", 1);
    cr_assert(stage_exists(&stage, "audit/main-1.log"));
    cr_assert_eq(unlink(front), 0);
    cr_assert_eq(mkdir(front, 0700), 0);
    stage_expect(&stage, "front audit-gone fds=0 len=0", 1);
    cr_assert_eq(rmdir(front), 0);
    stage_expect(&stage, "front audit fds=1 len=0", 1);
    cr_assert_eq(stage_stop(&stage), 0);
}

Test(supervisor, tells_workers_and_front_of_a_new_generation, .init = open_two, .fini = close_it)
{
    stage_start(&stage);
    stage_expect(&stage, "front worker main-2", 1);
    stage_signal(&stage, SIGHUP);
    stage_expect(&stage, "front config 2", 1);
    stage_expect(&stage, "main-1 config 2", 1);
    stage_expect(&stage, "main-2 config 2", 1);
    cr_assert_eq(stage_count(&stage, "began"), 3);
    cr_assert_eq(stage_stop(&stage), 0);
}

/* Whoever is idle is ended; not who waits at the store's gate, nor who has just come from there: the front
 * waits for neither, and the reload not for longer than for an idle one. */
Test(supervisor, a_reload_ends_an_idle_worker_that_does_not_answer_and_waits_for_none_at_the_gate,
     .init = open_two, .fini = close_it)
{
    stage_script(&stage, "main-1", "start login login-ok ready late serve\n");
    stage_script(&stage, "main-2",
                 "start login login-ok ready wait\nstart login login-ok ready serve\n");
    stage_start(&stage);
    stage_expect(&stage, "front worker main-2", 1);
    stage_signal(&stage, SIGHUP);
    stage_expect(&stage, "main-2 setup generation=2", 1);
    stage_expect(&stage, "main-1 answers late", 1);
    cr_assert(stage_in_order(&stage, "front config 2", "main-2 setup generation=2"));
    cr_assert(stage_in_order(&stage, "tally fronts=0 good=1", "main-1 answers late"));
    stage_signal(&stage, SIGHUP);
    stage_expect(&stage, "tally fronts=0 good=2", 1);
    cr_assert_eq(stage_count(&stage, "main-1 config 3"), 1);
    cr_assert_eq(stage_count(&stage, "main-1 began"), 1);
    cr_assert_eq(stage_stop(&stage), 0);
}

Test(supervisor, answers_an_administrators_reload_of_a_bad_file_and_keeps_running, .init = open_one,
     .fini = close_it)
{
    stage_script(&stage, "front", "ready reload serve\n");
    stage_start(&stage);
    stage_expect(&stage, "admin-result OK cookie=77", 1);
    cr_assert_eq(stage_count(&stage, "tally fronts=0 good=1 bad=0 last=good audit=0"), 1);
    cr_assert(stage_in_order(&stage, "front tally fronts=0 good=1", "admin-result OK"));
    stage_expect(&stage, "main-1 front", 1);
    stage_config(&stage, "nonsense {}\n");
    kill(stage_pid(&stage, "front"), SIGKILL);
    stage_expect(&stage, "admin-result BAD_REQUEST cookie=77", 1);
    cr_assert_eq(stage_count(&stage, "keysvcd.conf:2: "), 1);
    cr_assert_eq(stage_count(&stage, "tally fronts=1 good=1 bad=1 last=bad audit=0"), 1);
    stage_expect(&stage, "main-1 front", 2);
    cr_assert_eq(stage_stop(&stage), 0);
    cr_assert_eq(stage_count(&stage, "main-1 began"), 1);
}

Test(supervisor, restarts_changed_tokens_only, .init = open_one, .fini = close_it)
{
    char sections[2048];
    size_t len;

    stage_write(&stage, "other.pin", "1234\n", 0600);
    stage_script(&stage, "other-1", "start login login-ok ready serve\n");
    stage_token(&stage, sections, sizeof(sections), "main", "", "keysvc");
    len = strlen(sections);
    stage_token(&stage, sections + len, sizeof(sections) - len, "other", "", "first");
    stage_config(&stage, sections);
    stage_start(&stage);
    stage_expect(&stage, "front worker", 2);
    stage_token(&stage, sections + len, sizeof(sections) - len, "other", "", "second");
    stage_config(&stage, sections);
    stage_signal(&stage, SIGHUP);
    stage_expect(&stage, "front worker other-1", 2);
    stage_expect(&stage, "main-1 config 2", 1);
    cr_assert_eq(stage_count(&stage, "other-1 stop"), 1);
    cr_assert_eq(stage_count(&stage, "other-1 setup generation=2"), 1);
    cr_assert_eq(stage_count(&stage, "main-1 began"), 1);
    sections[len] = '\0';
    stage_config(&stage, sections);
    stage_signal(&stage, SIGHUP);
    stage_expect(&stage, "front config 3", 1);
    stage_expect(&stage, "other-1 stop", 2);
    cr_assert_eq(stage_stop(&stage), 0);
    cr_assert_eq(stage_count(&stage, "other-1 began"), 2);
}

Test(supervisor, refuses_to_move_its_socket_while_it_runs, .init = open_one, .fini = close_it)
{
    char text[4096];
    char *at;

    stage_start(&stage);
    stage_expect(&stage, "main-1 front", 1);
    stage_read(&stage, "keysvcd.conf", text, sizeof(text));
    at = strstr(text, "/s\"");
    cr_assert_not_null(at);
    at[1] = 't';
    stage_write(&stage, "keysvcd.conf", text, 0600);
    stage_script(&stage, "front", "ready reload serve\n");
    kill(stage_pid(&stage, "front"), SIGKILL);
    stage_expect(&stage, "admin-result BAD_REQUEST cookie=77", 1);
    cr_assert_eq(stage_count(&stage, "the option socket in section daemon cannot change"), 1);
}

Test(supervisor, refuses_a_second_one_on_the_same_state_folder, .init = open_one, .fini = close_it)
{
    struct stage second;
    int status;

    stage_start(&stage);
    stage_expect(&stage, "main-1 front", 1);
    second = stage;
    stage_start(&second);
    cr_assert_eq(waitpid(second.supervisor, &status, 0), second.supervisor);
    cr_assert(WIFEXITED(status));
    cr_assert_eq(WEXITSTATUS(status), 11);
    cr_assert(stage_exists(&stage, "s"));
}

Test(supervisor, backs_off_from_an_absent_token_and_takes_it_when_it_comes, .init = open_one,
     .fini = close_it)
{
    stage_script(&stage, "main-1",
                 "start exit=65\nstart exit=65\nstart login login-ok ready serve\n");
    stage_start(&stage);
    stage_expect(&stage, "front state main-0 absent", 1);
    stage_expect(&stage, "front state main-0 ready", 1);
    cr_assert_eq(stage_count(&stage, "restarts"), 0, "absence is no crash");
    cr_assert_eq(stage_count(&stage, "main-1 began"), 3);
    cr_assert_eq(stage_stop(&stage), 0);
}

/* Two tokens, each with its own words in its section. */
static void
two_tokens(const char *main_options, const char *other_options)
{
    char sections[4096];
    size_t len = 0;

    stage_write(&stage, "other.pin", "1234\n", 0600);
    for (int i = 0; i < 2; i++) {
        char *end;

        stage_token(&stage, sections + len, sizeof(sections) - len, i == 0 ? "main" : "other", "",
                    "keysvc");
        end = strrchr(sections, '}');
        snprintf(end, sizeof(sections) - (size_t)(end - sections), "%s }\n",
                 i == 0 ? main_options : other_options);
        len = strlen(sections);
    }
    stage_config(&stage, sections);
}

Test(supervisor, keeps_the_lock_of_a_store_over_the_end_of_the_process_that_took_it,
     .init = open_one, .fini = close_it)
{
    two_tokens("store = \"/tmp\"", "");
    stage_script(&stage, "main-1",
                 "start store login login-ok ready serve\n"
                 "start login login-ok ready serve\n");
    stage_script(&stage, "other-1", "start login login-ok ready serve\n");
    stage_start(&stage);
    stage_expect(&stage, "front worker main-1", 1);
    kill(stage_pid(&stage, "main-1"), SIGKILL);
    stage_expect(&stage, "front worker main-1", 2);
    stage_expect(&stage, "front worker other-1", 1);
    cr_assert_eq(stage_count(&stage, "main-1 start-go store=0"), 1);
    cr_assert_eq(stage_count(&stage, "main-1 start-go store=1"), 1);
    cr_assert_eq(stage_count(&stage, "other-1 start-go store=0"), 1);
    cr_assert_eq(stage_stop(&stage), 0);
}

Test(supervisor, tokens_of_one_store_share_its_lock_until_the_last_is_gone, .init = open_one,
     .fini = close_it)
{
    two_tokens("store = \"/tmp\"", "");
    stage_script(&stage, "main-1",
                 "start store login login-ok ready serve\n"
                 "start login login-ok ready serve\n");
    stage_script(&stage, "other-1", "start login login-ok ready serve\n");
    stage_start(&stage);
    stage_expect(&stage, "front worker", 2);
    cr_assert_eq(stage_count(&stage, "main-1 start-go store=0"), 1);
    two_tokens("store = \"/tmp\"", "store = \"/tmp\"");
    stage_signal(&stage, SIGHUP);
    stage_expect(&stage, "other-1 start-go store=1", 1);
    stage_expect(&stage, "front worker other-1", 2);
    /* A changed token starts anew and finds the lock held; the other keeps it. */
    two_tokens("store = \"/tmp\" workers = 1 module = /other.so", "store = \"/tmp\"");
    stage_signal(&stage, SIGHUP);
    stage_expect(&stage, "main-1 start-go store=1", 1);
    stage_expect(&stage, "front worker main-1", 2);
    /* When nobody has the store any more the lock is gone. */
    two_tokens("", "");
    stage_signal(&stage, SIGHUP);
    stage_expect(&stage, "front worker other-1", 3);
    stage_expect(&stage, "front worker main-1", 3);
    two_tokens("store = \"/tmp\"", "");
    stage_signal(&stage, SIGHUP);
    stage_expect(&stage, "main-1 start-go store=0", 3);
    cr_assert_eq(stage_stop(&stage), 0);
}

Test(supervisor, takes_a_lock_only_where_one_is_wanted_and_only_of_a_folder, .init = open_one,
     .fini = close_it)
{
    two_tokens("store = \"/tmp\"", "");
    stage_script(&stage, "main-1",
                 "start store=/dev/null login\n"
                 "start store store login\n"
                 "start login login-ok ready store serve\n"
                 "start login login-ok ready serve\n");
    stage_script(&stage, "other-1", "start store login\nstart login login-ok ready serve\n");
    stage_start(&stage);
    stage_expect(&stage, "main-1 began", 4);
    stage_expect(&stage, "front worker other-1", 1);
    stage_expect(&stage, "front worker main-1", 2);
    cr_assert_eq(stage_count(&stage, "other-1 began"), 2);
    cr_assert_eq(stage_stop(&stage), 0);
}

Test(supervisor, tells_the_front_of_a_new_token_after_its_configuration, .init = open_one,
     .fini = close_it)
{
    stage_start(&stage);
    stage_expect(&stage, "front worker main-1", 1);
    two_tokens("", "");
    stage_script(&stage, "other-1", "start login login-ok ready serve\n");
    stage_signal(&stage, SIGHUP);
    stage_expect(&stage, "front worker other-1", 1);
    stage_expect(&stage, "front state other-0 ready", 1);
    cr_assert(stage_in_order(&stage, "front config 2", "front state other"));
    cr_assert(stage_in_order(&stage, "front config 2", "front worker other"));
    cr_assert_eq(stage_stop(&stage), 0);
    cr_assert_eq(stage_count(&stage, "front began"), 1);
    cr_assert_eq(stage_count(&stage, "front worker other-1"), 1);
}
