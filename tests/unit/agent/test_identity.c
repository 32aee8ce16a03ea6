/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_identity - the current set, how it changes, and what stays
 */
#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>
#include <sys/wait.h>

#include "agent_rig.h"
#include "client/agent/folder.h"
#include "client/agent/identity/operations.h"
#include "client/agent/store/store_csr.h"
#include "client/agent/store/store_history.h"
#include "client/agent/store/store_identity.h"
#include "client/agent/store/store_set.h"

static char state[PATH_MAX];
static struct rig rig;

static void
make_agent(void)
{
    rig_make_folder(state, sizeof(state));
    rig_open(&rig, state);
    rig_identity(&rig);
}

static void
remove_agent(void)
{
    rig_close(&rig);
    rig_remove_folder(state);
}

TestSuite(identity, .init = make_agent, .fini = remove_agent, .timeout = 120);

static int64_t
current(void)
{
    return identity_current_number(rig.agent, RIG_IDENTITY);
}

static void
switch_to(enum set_kind kind, uint32_t version)
{
    struct report report = REPORT_INIT;

    cr_assert(rig_switch(&rig, kind, version, &report) == KS_OK, "%s", report.message);
}

static void
break_file(const char *name, const char *command)
{
    char text[2 * PATH_MAX];

    snprintf(text, sizeof(text), "cd '%s/identities/" RIG_IDENTITY "' && %s %s", state, command,
             name);
    cr_assert(system(text) == 0);
}

Test(identity, names_are_one_component_of_a_key_s_name)
{
    char longest[IDENTITY_NAME_MAX + 2];

    cr_assert(identity_name_valid("agent") && identity_name_valid("shop-2_a.b"));
    cr_assert(!identity_name_valid("") && !identity_name_valid("..") &&
              !identity_name_valid("a/b") && !identity_name_valid("a b") &&
              !identity_name_valid("a@1"));
    memset(longest, 'a', sizeof(longest));
    longest[IDENTITY_NAME_MAX + 1] = '\0';
    cr_assert(!identity_name_valid(longest));
    longest[IDENTITY_NAME_MAX] = '\0';
    cr_assert(identity_name_valid(longest));
}

Test(identity, switches_in_files_and_store_and_gives_each_set_a_number_of_its_own)
{
    ks_auto(identity_set_deinit) struct identity_set set = {0}, none;
    struct report report = REPORT_INIT;

    cr_assert(current() == 1 && rig_files(state) == 1);
    switch_to(SET_ISSUED, 2);
    cr_assert(current() == 2 && rig_files(state) == 2);
    cr_assert(identity_current(rig.agent, RIG_IDENTITY, &set, &report) == KS_OK);
    cr_assert(set.kind == SET_ISSUED && set.key.version == 2 && set.chain->n_certificates == 1);
    cr_assert(identity_current_number(rig.agent, "nobody") == 0);
    cr_assert(identity_current(rig.agent, "nobody", &none, &report) == KS_ERR_NOT_FOUND);
    cr_assert(rig_switch(&rig, SET_ISSUED, 3, &report) == KS_OK && current() == 3);
}

Test(identity, keeps_the_current_set_the_previous_and_the_newest_self_signed_one)
{
    int64_t numbers[STORE_SETS_MAX];
    struct fault why = FAULT_INIT;
    size_t n, extra;

    for (uint32_t version = 2; version < 6; version++)
        switch_to(SET_ISSUED, version);
    cr_assert(store_set_numbers(rig.agent->store, RIG_IDENTITY, numbers, &n, &why) == KS_OK);
    cr_assert(n == 3 && numbers[0] == 5 && numbers[1] == 4 && numbers[2] == 1);
    cr_assert(rig_n_sets(state, &extra) == 3 && extra == 0);
    switch_to(SET_SELF_SIGNED, 6);
    cr_assert(store_set_numbers(rig.agent->store, RIG_IDENTITY, numbers, &n, &why) == KS_OK);
    cr_assert(n == 2 && numbers[0] == 6 && numbers[1] == 5);
    cr_assert(rig_n_sets(state, &extra) == 2);
}

Test(identity, that_becomes_what_it_is_adds_nothing_to_the_history)
{
    ks_auto(identity_set_deinit) struct identity_set set = {0};
    ks_auto(freep) struct history_row *rows = NULL;
    struct report report = REPORT_INIT;
    struct fault why = FAULT_INIT;
    size_t n;

    switch_to(SET_ISSUED, 2);
    cr_assert(identity_current(rig.agent, RIG_IDENTITY, &set, &report) == KS_OK);
    cr_assert(identity_switch(rig.agent, RIG_IDENTITY, &set, "apply", NULL, &report) == KS_OK);
    cr_assert(store_history_list(rig.agent->store, RIG_IDENTITY, 9, &rows, &n, &why) == KS_OK);
    cr_assert(n == 1);
    cr_assert_str_eq(rows[0].who, "rig");
    cr_assert_str_eq(rows[0].action, "apply");
    cr_assert_str_eq(rows[0].subject, "CN=shop-2.example");
    cr_assert(strlen(rows[0].sha256) == 64 && rows[0].number == 2 && rows[0].key_version == 2);
}

static ks_err
refuse_along(struct store *store, const void *context, struct fault *why)
{
    int64_t number;

    (void)context;
    fault_set(why, "refused");
    return store_set_self_signed(store, RIG_IDENTITY, &number, why) ? KS_OK : KS_ERR_TOO_LARGE;
}

Test(identity, that_what_is_to_be_changed_with_it_cannot_be_stays_as_it_is)
{
    ks_auto(identity_set_deinit) struct identity_set set = {0};
    const struct identity_also also = {refuse_along, NULL};
    struct report report = REPORT_INIT;
    struct fault why = FAULT_INIT;

    switch_to(SET_ISSUED, 2);
    switch_to(SET_ISSUED, 3);
    cr_assert(store_set_get(rig.agent->store, RIG_IDENTITY, 2, &set, &why) == KS_OK);
    cr_assert(identity_switch(rig.agent, RIG_IDENTITY, &set, "rollback", &also, &report) ==
              KS_ERR_TOO_LARGE);
    cr_assert(current() == 3 && rig_files(state) == 3);
}

Test(identity, goes_back_to_a_set_that_is_kept_under_its_old_number)
{
    ks_auto(identity_set_deinit) struct identity_set set = {0};
    struct report report = REPORT_INIT;
    struct fault why = FAULT_INIT;
    struct identity_row row;

    switch_to(SET_ISSUED, 2);
    switch_to(SET_ISSUED, 3);
    cr_assert(store_set_get(rig.agent->store, RIG_IDENTITY, 2, &set, &why) == KS_OK);
    cr_assert(identity_switch(rig.agent, RIG_IDENTITY, &set, "rollback", NULL, &report) == KS_OK);
    cr_assert(current() == 2 && rig_files(state) == 2);
    cr_assert(store_identity_get(rig.agent->store, RIG_IDENTITY, &row, &why) == KS_OK);
    cr_assert(row.previous == 3 && row.next_number == 4);
}

Test(identity, keeps_what_was_requested_when_it_goes_back)
{
    ks_auto(identity_set_deinit) struct identity_set set = {0};
    struct csr_row row = {.key_name = "rig/" RIG_IDENTITY, .key_version = 2};
    struct csr_row rows[STORE_CSR_MAX];
    struct report report = REPORT_INIT;
    struct fault why = FAULT_INIT;
    size_t n;

    switch_to(SET_ISSUED, 2);
    switch_to(SET_SELF_SIGNED, 3);
    cr_assert(store_csr_add(rig.agent->store, RIG_IDENTITY, &row, "der", 3, &why) == KS_OK);
    cr_assert(store_set_get(rig.agent->store, RIG_IDENTITY, 2, &set, &why) == KS_OK);
    cr_assert(identity_switch(rig.agent, RIG_IDENTITY, &set, "rollback", NULL, &report) == KS_OK);
    cr_assert(store_csr_list(rig.agent->store, RIG_IDENTITY, rows, &n, &why) == KS_OK && n == 1);
}

Test(identity, rolled_back_without_a_set_before_or_without_keysvcd_stays_what_it_is)
{
    struct report report = REPORT_INIT;

    ks_client_set_timeout(rig.agent->client, 200);
    cr_assert(certificate_rollback(rig.agent, RIG_IDENTITY, &report) == KS_ERR_NOT_FOUND);
    switch_to(SET_ISSUED, 2);
    cr_assert(certificate_rollback(rig.agent, RIG_IDENTITY, &report) == KS_ERR_NO_SERVICE);
    cr_assert(current() == 2 && rig.agent->lock.fd < 0);
    cr_assert(certificate_rollback(rig.agent, "nobody", &report) == KS_ERR_NOT_FOUND);
}

Test(identity, settles_the_requests_for_a_key_with_its_certificate)
{
    struct csr_row row = {.key_name = "rig/" RIG_IDENTITY, .key_version = 1, .subject = "CN=x"};
    struct csr_row rows[STORE_CSR_MAX];
    struct store *store = rig.agent->store;
    struct fault why = FAULT_INIT;
    size_t n;

    for (size_t i = 0; i < STORE_CSR_MAX + 2; i++)
        cr_assert(store_csr_add(store, RIG_IDENTITY, &row, "der", 3, &why) == KS_OK);
    cr_assert(store_csr_list(store, RIG_IDENTITY, rows, &n, &why) == KS_OK && n == STORE_CSR_MAX);
    switch_to(SET_ISSUED, 2);
    cr_assert(store_csr_list(store, RIG_IDENTITY, rows, &n, &why) == KS_OK && n == STORE_CSR_MAX);
    switch_to(SET_ISSUED, 1);
    cr_assert(store_csr_list(store, RIG_IDENTITY, rows, &n, &why) == KS_OK && n == 0);
    /* A request goes when no set has its key any more, not when none has it yet. */
    row.key_version = 2;
    cr_assert(store_csr_add(store, RIG_IDENTITY, &row, "der", 3, &why) == KS_OK);
    row.key_version = 77;
    cr_assert(store_csr_add(store, RIG_IDENTITY, &row, "der", 3, &why) == KS_OK);
    switch_to(SET_ISSUED, 3);
    switch_to(SET_ISSUED, 4);
    cr_assert(store_csr_list(store, RIG_IDENTITY, rows, &n, &why) == KS_OK && n == 1);
    cr_assert(rows[0].key_version == 77);
    cr_assert(store_csr_add(store, "nobody", &row, "der", 3, &why) == KS_ERR_EXISTS);
}

/* Nobody may take a change that is made for one that is not, and undo half of it. */
Test(identity, whose_files_cannot_be_put_into_place_has_changed_all_the_same_and_says_so)
{
    struct report report = REPORT_INIT;
    struct rig again;

    break_file("current", "rm");
    break_file("current", "mkdir");
    cr_assert(rig_switch(&rig, SET_ISSUED, 2, &report) == KS_OK, "%s", report.message);
    cr_assert(current() == 2);
    cr_assert(strstr(report.message, "current is a folder, where a link"), "%s", report.message);
    break_file("current", "rmdir");
    rig_open(&again, state);
    cr_assert(rig_files(state) == 2);
    rig_close(&again);
}

Test(identity, whose_files_cannot_be_written_stays_what_it_is)
{
    struct report report = REPORT_INIT;

    break_file("sets", "mv sets away && touch");
    cr_assert(rig_switch(&rig, SET_ISSUED, 2, &report) == KS_ERR_INTERNAL);
    cr_assert(current() == 1);
    break_file("sets", "rm sets && mv away");
    cr_assert(rig_files(state) == 1);
}

/* --- mending --- */

Test(identity, has_its_files_mended_when_the_agent_is_opened)
{
    static const struct {
        const char *command, *file;
    } BREAK[] = {
        {"rm", "current"},
        {"rm -r", "sets"},
        {"rm", "sets/2/reference.pem"},
        {"echo x >", "sets/2/certificate.pem"},
        {"ln -sfn sets/1", "current"},
        {"ln -sfn /etc", "current"},
        {"mkdir", "sets/.new"},
        {"ln -s sets/9", ".current.new"},
        {"cp -r sets/2", "sets/77"},
        {"rm -r current sets; :", ""},
    };

    switch_to(SET_ISSUED, 2);
    for (size_t i = 0; i < ARRAY_LEN(BREAK); i++) {
        struct rig again;
        size_t extra;

        break_file(BREAK[i].file, BREAK[i].command);
        rig_open(&again, state);
        cr_assert(rig_files(state) == 2, "%s %s", BREAK[i].command, BREAK[i].file);
        /* Another set that was lost is written again when it becomes current. */
        cr_assert(rig_n_sets(state, &extra) <= 2 && extra == 0, "%s %s", BREAK[i].command,
                  BREAK[i].file);
        rig_close(&again);
    }
}

Test(identity, that_somebody_works_on_is_left_alone)
{
    struct report report = REPORT_INIT;
    struct rig again;
    size_t extra;

    switch_to(SET_ISSUED, 2);
    cr_assert(identity_lock(rig.agent, RIG_IDENTITY, &report) == KS_OK);
    break_file("sets/.new", "mkdir");
    rig_open(&again, state);
    rig_n_sets(state, &extra);
    cr_assert(extra == 1);
    rig_close(&again);
    identity_unlock(rig.agent);
    rig_open(&again, state);
    rig_n_sets(state, &extra);
    cr_assert(extra == 0);
    rig_close(&again);
}

/* --- the lock --- */

Test(identity, lock_is_taken_again_by_its_holder_and_by_nobody_else)
{
    struct report report = REPORT_INIT;
    struct fault why = FAULT_INIT;
    ks_auto(closep) int folder = -1, other = -1;

    cr_assert(identity_lock(rig.agent, "nobody", &report) == KS_ERR_NOT_FOUND);
    cr_assert(identity_lock(rig.agent, RIG_IDENTITY, &report) == KS_OK);
    cr_assert(identity_lock(rig.agent, RIG_IDENTITY, &report) == KS_OK);
    switch_to(SET_ISSUED, 2);
    identity_unlock(rig.agent);
    cr_assert(folder_identity(state, RIG_IDENTITY, false, &folder, &why) == KS_OK);
    cr_assert(folder_lock(folder, 0, &other, &why) == KS_ERR_BUSY);
    identity_unlock(rig.agent);
    cr_assert(folder_lock(folder, 0, &other, &why) == KS_OK);
}

/* Two processes, 20 switches each: none is lost, and the files are of one set at each look. */
Test(identity, is_switched_by_two_processes_at_once_without_a_loss)
{
    ks_auto(freep) struct history_row *rows = NULL;
    struct fault why = FAULT_INIT;
    int status, left = 2;
    size_t n;

    for (int i = 0; i < 2; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            execl(AGENT_SWITCH, AGENT_SWITCH, state, i ? "100" : "200", "20", NULL);
            _exit(127);
        }
    }
    while (left > 0) {
        int64_t number = rig_files(state);

        /* 0: it was pruned while we looked, two switches later. */
        cr_assert(number >= 0 || rig_files(state) >= 0, "a mix");
        if (waitpid(-1, &status, WNOHANG) > 0) {
            cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%d", status);
            left--;
        }
    }
    cr_assert(current() == 41 && rig_files(state) == 41);
    cr_assert(store_history_list(rig.agent->store, RIG_IDENTITY, 99, &rows, &n, &why) == KS_OK);
    cr_assert(n == 40, "%zu", n);
}
