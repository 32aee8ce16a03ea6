/* SPDX-License-Identifier: Apache-2.0 */
#include "token/identity.h"

#include <criterion/criterion.h>

#include "test_worker.h"

static struct bed *bed;

/* A token with an audit key and a key, both known. */
static void
set_up(void)
{
    bed = bed_new();
    fake_add_pair(WORKER_AUDIT_LABEL, false, true);
    fake_add_pair("web/shop@1", false, true);
    bed_list(bed);
    identity_learn(&bed->worker);
    cr_assert(bed->worker.audit_key.len > 0);
}

static void
tear_down(void)
{
    bed = bed_free(bed);
}

TestSuite(identity, .init = set_up, .fini = tear_down);

static void
exchange(bool with_public)
{
    fake_remove(WORKER_AUDIT_LABEL);
    fake_add_pair(WORKER_AUDIT_LABEL, false, with_public);
    identity_doubt(&bed->worker);
}

Test(identity, knows_the_token_by_its_audit_key_and_asks_once_after_each_doubt)
{
    struct fault why = FAULT_INIT;
    unsigned int before;

    identity_doubt(&bed->worker);
    cr_assert_eq(identity_check_early(&bed->worker, &why), KS_OK);
    before = fake_n_calls(FAKE_FIND_INIT);
    cr_assert_eq(identity_check(&bed->worker, &why), KS_OK);
    cr_assert_eq(fake_n_calls(FAKE_FIND_INIT), before);
    identity_doubt(&bed->worker);
    cr_assert_eq(identity_check(&bed->worker, &why), KS_OK);
    cr_assert_gt(fake_n_calls(FAKE_FIND_INIT), before);
}

Test(identity, refuses_another_one_before_and_after_the_login)
{
    struct fault why = FAULT_INIT;

    text_copy(bed->worker.config->state_dir, sizeof(bed->worker.config->state_dir), "/state");
    exchange(true);
    cr_assert_eq(identity_check_early(&bed->worker, &why), KS_ERR_KEY_CHANGED);
    cr_assert(strstr(why.text, "another token than before (its audit key is another)"), "%s",
              why.text);
    cr_assert(strstr(why.text, "move away /state/main.audit-key.pem"), "%s", why.text);
    cr_assert_eq(identity_check(&bed->worker, &why), KS_ERR_KEY_CHANGED);
    cr_assert_eq(identity_check(&bed->worker, &why), KS_ERR_KEY_CHANGED, "each time");
}

Test(identity, refuses_one_without_an_audit_key_only_when_it_could_have_shown_it)
{
    struct fault why = FAULT_INIT;

    fake_remove(WORKER_AUDIT_LABEL);
    identity_doubt(&bed->worker);
    cr_assert_eq(identity_check_early(&bed->worker, &why), KS_OK);
    cr_assert_eq(identity_check(&bed->worker, &why), KS_ERR_KEY_CHANGED);
    cr_assert(strstr(why.text, "its audit key is not there"), "%s", why.text);
}

Test(identity, a_token_that_answers_nobody_yet_is_asked_again_after_the_login)
{
    struct fault why = FAULT_INIT;

    exchange(true);
    fake_fail_next(FAKE_FIND_INIT, CKR_USER_NOT_LOGGED_IN);
    cr_assert_eq(identity_check_early(&bed->worker, &why), KS_OK);
    fake_fail_next(FAKE_FIND_INIT, CKR_DEVICE_REMOVED);
    cr_assert_eq(identity_check(&bed->worker, &why), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(why.rv, CKR_DEVICE_REMOVED);
    cr_assert_eq(identity_check(&bed->worker, &why), KS_ERR_KEY_CHANGED);
}

Test(identity, any_token_is_right_while_no_audit_key_is_known)
{
    struct fault why = FAULT_INIT;
    unsigned int before;

    bed->worker.audit_key.len = 0;
    exchange(true);
    before = fake_n_calls(FAKE_FIND_INIT);
    cr_assert_eq(identity_check_early(&bed->worker, &why), KS_OK);
    cr_assert_eq(identity_check(&bed->worker, &why), KS_OK);
    cr_assert_eq(fake_n_calls(FAKE_FIND_INIT), before);
}

Test(identity, a_known_audit_key_is_not_learned_anew)
{
    const struct spki first = bed->worker.audit_key;

    exchange(true);
    bed_list(bed);
    identity_learn(&bed->worker);
    cr_assert_eq(memcmp(&bed->worker.audit_key, &first, sizeof(first)), 0);
}

static ks_err
find_shop(struct key **key, struct fault *why)
{
    return worker_find_key(&bed->worker, "web/shop@1", NULL, key, why);
}

Test(identity, a_session_on_another_token_ends_the_process_before_it_sees_a_key)
{
    struct fault why = FAULT_INIT;
    struct key *key = NULL;

    fake_remove("web/shop@1");
    fake_add_pair("web/shop@1", false, true);
    exchange(true);
    fake_lose_session();
    keys_forget(keys_known(bed->worker.keys, "web/shop@1"));
    cr_assert_eq(find_shop(&key, &why), KS_ERR_TOKEN_UNAVAILABLE,
                 "retryable: the right one may "
                 "come back");
    cr_assert(strstr(why.text, "another token"), "%s", why.text);
    cr_assert_eq(bed->worker.exit_code, CONTROL_EXIT_TOKEN_LOST);
    cr_assert_null(keys_take_changed(bed->worker.keys));
}

Test(identity, a_session_on_the_same_token_goes_on)
{
    struct fault why = FAULT_INIT;
    struct key *key = NULL;

    fake_lose_session();
    keys_forget(keys_known(bed->worker.keys, "web/shop@1"));
    cr_assert_eq(find_shop(&key, &why), KS_OK, "%s", why.text);
    cr_assert_eq(bed->worker.exit_code, WORKER_GO_ON);
}

Test(identity, a_key_that_is_gone_with_the_audit_key_is_a_token_that_is_gone)
{
    struct fault why = FAULT_INIT;
    struct key *key = NULL;

    fake_remove("web/shop@1");
    fake_remove(WORKER_AUDIT_LABEL);
    keys_forget(keys_known(bed->worker.keys, "web/shop@1"));
    cr_assert_eq(find_shop(&key, &why), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(bed->worker.exit_code, CONTROL_EXIT_TOKEN_LOST);
}

Test(identity, a_key_that_another_process_made_is_no_less_missed)
{
    struct fault why = FAULT_INIT;
    struct key *key = NULL;

    fake_remove(WORKER_AUDIT_LABEL);
    cr_assert_eq(worker_find_key(&bed->worker, "web/theirs@1", NULL, &key, &why),
                 KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(bed->worker.exit_code, CONTROL_EXIT_TOKEN_LOST);
}

Test(identity, a_key_that_was_never_there_is_no_key)
{
    struct fault why = FAULT_INIT;
    struct key *key = NULL;

    cr_assert_eq(worker_find_key(&bed->worker, "web/theirs@1", NULL, &key, &why), KS_ERR_NO_KEY);
    cr_assert_eq(bed->worker.exit_code, WORKER_GO_ON);
}

Test(identity, a_key_that_alone_is_gone_is_no_key)
{
    struct fault why = FAULT_INIT;
    struct key *key = NULL;

    fake_remove("web/shop@1");
    keys_forget(keys_known(bed->worker.keys, "web/shop@1"));
    cr_assert_eq(find_shop(&key, &why), KS_ERR_NO_KEY);
    cr_assert_eq(bed->worker.exit_code, WORKER_GO_ON);
    cr_assert_eq(keys_take_changed(bed->worker.keys), keys_known(bed->worker.keys, "web/shop@1"));
}
