/* SPDX-License-Identifier: Apache-2.0 */
#include "token/keys.h"

#include <stdio.h>
#include <sys/resource.h>

#include <criterion/criterion.h>

#include "token/ckr.h"

#include "test_worker.h"

static struct bed *bed;
static struct keys *keys;

static void
set_up(void)
{
    bed = bed_new();
    keys = bed->worker.keys;
}

static void
tear_down(void)
{
    bed = bed_free(bed);
}

TestSuite(keys, .init = set_up, .fini = tear_down);

Test(keys, lists_labels_that_are_keys_and_nothing_else)
{
    struct fault why = FAULT_INIT;
    struct key *key = NULL;

    fake_add_pair("doc/a@1", false, true);
    fake_add_pair("doc/a@12", false, false); /* its public half is on the private object */
    fake_add_pair("code/a@1", true, true);
    fake_add_pair("somebody's key", false, true);
    bed_list(bed);
    cr_assert_eq(keys_count(keys), 3);
    cr_assert_eq(keys_get(keys, "doc/a@1", &key, &why), KS_OK);
    cr_assert_eq(key->spki.type, KS_KEY_TYPE_EC_P256);
    cr_assert_str_eq(key->name, "doc/a");
    cr_assert_eq(keys_get(keys, "doc/a@12", &key, &why), KS_OK);
    cr_assert_eq(keys_get(keys, "code/a@1", &key, &why), KS_OK);
    cr_assert_eq(key->spki.type, KS_KEY_TYPE_RSA_2048);
    cr_assert_eq(keys_newest(keys, "doc/a"), 12);
    cr_assert_eq(keys_newest(keys, "doc"), 0);
}

Test(keys, asks_the_token_only_for_what_is_not_listed)
{
    struct fault why = FAULT_INIT;
    struct key *key = NULL;
    unsigned int n;

    fake_add_pair("doc/a@1", false, true);
    bed_list(bed);
    n = fake_n_calls(FAKE_FIND_INIT);
    cr_assert_eq(keys_get(keys, "doc/a@1", &key, &why), KS_OK);
    cr_assert_eq(fake_n_calls(FAKE_FIND_INIT), n);
    fake_add_pair("doc/b@1", false, true); /* another worker made it */
    cr_assert_eq(keys_get(keys, "doc/b@1", &key, &why), KS_OK);
    cr_assert_eq(keys_take_changed(keys), key);
    cr_assert_null(keys_take_changed(keys));
    n = fake_n_calls(FAKE_FIND_INIT);
    cr_assert_eq(keys_get(keys, "doc/b@1", &key, &why), KS_OK);
    cr_assert_eq(fake_n_calls(FAKE_FIND_INIT), n);
    cr_assert_eq(keys_get(keys, "doc/c@1", &key, &why), KS_ERR_NO_KEY);
    cr_assert_eq(keys_count(keys), 2, "what is not there is not kept");
}

Test(keys, refuses_a_label_that_two_private_keys_carry)
{
    struct fault why = FAULT_INIT;
    struct key *key = NULL;

    fake_add_pair("doc/a@1", false, true);
    fake_add_pair("doc/a@1", false, true);
    bed_list(bed);
    cr_assert_eq(keys_get(keys, "doc/a@1", &key, &why), KS_ERR_AMBIGUOUS_KEY);
    fake_add_pair("doc/b@1", false, true);
    fake_add_pair("doc/b@1", false, true);
    cr_assert_eq(keys_get(keys, "doc/b@1", &key, &why), KS_ERR_AMBIGUOUS_KEY);
}

Test(keys, finds_keys_again_after_a_loss_and_sees_another_key_under_the_label)
{
    struct fault why = FAULT_INIT;
    uint8_t before[KS_SHA256_LEN];
    struct key *key = NULL;

    fake_add_pair("doc/a@1", false, true);
    bed_list(bed);
    cr_assert_eq(keys_get(keys, "doc/a@1", &key, &why), KS_OK);
    memcpy(before, key->spki_sha256, sizeof(before));
    key->proved = true;
    fake_lose_session();
    cr_assert_eq(slot_recover(bed->worker.slot, CKR_SESSION_CLOSED, &why), KS_OK);
    cr_assert_eq(keys_get(keys, "doc/a@1", &key, &why), KS_OK);
    cr_assert_arr_eq(key->spki_sha256, before, sizeof(before));
    cr_assert_not(key->proved, "its first signature is verified again");
    cr_assert_null(keys_take_changed(keys));

    fake_remove("doc/a@1");
    fake_add_pair("doc/a@1", false, true);
    keys_forget(key);
    cr_assert_eq(keys_get(keys, "doc/a@1", &key, &why), KS_OK);
    cr_assert_neq(memcmp(key->spki_sha256, before, sizeof(before)), 0);
    cr_assert_eq(keys_take_changed(keys), key);
}

/* SoftHSM then shows no objects, and no error. */
Test(keys, takes_nothing_for_gone_while_the_process_has_no_descriptor_left)
{
    struct fault why = FAULT_INIT;
    struct key *key = NULL;
    struct rlimit files;

    fake_add_pair("doc/a@1", false, true);
    bed_list(bed);
    cr_assert_eq(keys_get(keys, "doc/a@1", &key, &why), KS_OK);
    fake_remove("doc/a@1");
    keys_forget(key);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){3, files.rlim_max}), 0);
    cr_expect_eq(keys_get(keys, "doc/a@1", &key, &why), KS_ERR_TOKEN_UNAVAILABLE);
    cr_expect_eq(ckr_action(why.rv), CKR_ACTION_RESTART);
    cr_expect_eq(keys_list(keys, &why), KS_ERR_TOKEN_UNAVAILABLE);
    cr_expect_null(keys_take_changed(keys));
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    cr_assert_eq(keys_get(keys, "doc/a@1", &key, &why), KS_ERR_NO_KEY);
}

Test(keys, forgets_nothing_when_a_search_fails)
{
    struct fault why = FAULT_INIT;
    struct key *key = NULL;

    fake_add_pair("doc/a@1", false, true);
    bed_list(bed);
    fake_fail_next(FAKE_FIND_INIT, CKR_DEVICE_ERROR);
    cr_assert_eq(keys_list(keys, &why), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(why.rv, CKR_DEVICE_ERROR);
    cr_assert_eq(keys_get(keys, "doc/a@1", &key, &why), KS_OK);
    fake_remove("doc/a@1");
    keys_forget(key);
    cr_assert_eq(keys_get(keys, "doc/a@1", &key, &why), KS_ERR_NO_KEY);
    cr_assert_eq(keys_take_changed(keys)->state, JOB_KEY_GONE);
    cr_assert_eq(keys_newest(keys, "doc/a"), 0);
}

/* Each read of a listing in turn: no error of reading is an answer of the token's. */
Test(keys, shrinks_nothing_when_an_object_that_was_found_cannot_be_read)
{
    static const CK_RV faults[] = {CKR_OBJECT_HANDLE_INVALID, CKR_DEVICE_ERROR, CKR_DEVICE_REMOVED};
    struct fault why = FAULT_INIT;
    struct key *key = NULL;
    unsigned int n_reads;

    fake_add_pair("doc/a@1", false, true);
    fake_add_pair("doc/b@1", false, false);
    n_reads = fake_n_calls(FAKE_GET_ATTRIBUTES);
    bed_list(bed);
    n_reads = fake_n_calls(FAKE_GET_ATTRIBUTES) - n_reads;
    cr_assert_gt(n_reads, 3);
    for (unsigned int i = 0; i < n_reads * ARRAY_LEN(faults); i++) {
        fake_fail_after(FAKE_GET_ATTRIBUTES, i / ARRAY_LEN(faults), faults[i % ARRAY_LEN(faults)]);
        cr_assert_eq(keys_list(keys, &why), KS_ERR_TOKEN_UNAVAILABLE, "fault %u", i);
        cr_assert_eq(keys_get(keys, "doc/a@1", &key, &why), KS_OK);
        cr_assert_eq(keys_get(keys, "doc/b@1", &key, &why), KS_OK);
    }
    fake_fail_after(FAKE_GET_ATTRIBUTES, 1, CKR_OBJECT_HANDLE_INVALID);
    keys_forget(key);
    cr_assert_eq(keys_get(keys, "doc/b@1", &key, &why), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_null(keys_take_changed(keys));
    /* The second look tells. */
    cr_assert_eq(worker_list_keys(&bed->worker, &why), KS_OK);
    fake_fail_next(FAKE_GET_ATTRIBUTES, CKR_OBJECT_HANDLE_INVALID);
    cr_assert_eq(worker_list_keys(&bed->worker, &why), KS_OK);
    cr_assert_eq(keys_count(keys), 2);
}

Test(keys, keeps_many_keys_apart)
{
    struct fault why = FAULT_INIT;
    char label[32];

    for (int i = 1; i <= 60; i++) {
        snprintf(label, sizeof(label), "doc/a@%d", i);
        fake_add_pair(label, false, false);
    }
    bed_list(bed);
    for (uint32_t i = 1; i <= 60; i++) {
        struct key *key = NULL;

        snprintf(label, sizeof(label), "doc/a@%u", i);
        cr_assert_eq(keys_get(keys, label, &key, &why), KS_OK);
        cr_assert_eq(key->version, i);
    }
}
