/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_destroy - removing versions of keys, on a real SoftHSM token
 */
#include <stdio.h>

#include <criterion/criterion.h>

#include "base/verify.h"
#include "tests/fakes/calls.h"
#include "tests/unit/token/make_certificate.h"
#include "token_rig.h"
#include "token_view.h"

#define LABEL "doc/a@1"

static struct rig *rig;

static void
set_up(void)
{
    rig = rig_new();
    view_of(rig);
}

static void
tear_down(void)
{
    rig = rig_free(rig);
}

TestSuite(destroy, .init = set_up, .fini = tear_down, .timeout = 300);

static void
begin(void)
{
    cr_assert(rig_start(rig));
    rig_front(rig);
    cr_assert_eq(rig_generate(rig, "doc/a").err, KS_OK);
}

static void
end(size_t n_open_intents)
{
    struct verify_options options = {0};
    struct verify_result result = {0};
    struct fault why = FAULT_INIT;
    char path[128];
    FILE *file;

    cr_assert_eq(rig_stop(rig), 0);
    rig_path(rig, "main-1.log", path, sizeof(path));
    file = fopen(path, "r");
    cr_assert(file);
    cr_assert_eq(verify_file(file, "main-1", &options, &result, &why), KS_OK, "%s", why.text);
    cr_assert_eq(result.n_open_intents, n_open_intents);
    fclose(file);
}

static ks_err
run(struct job job)
{
    return rig_job(rig, &job).err;
}

static struct job
destroying(void)
{
    return rig_job_for(rig, JOB_DESTROY, "doc/a", 1);
}

/* The same, whatever stands there. */
static struct job
destroying_whatever(void)
{
    struct job job = destroying();

    memset(job.public_key_sha256, 0, sizeof(job.public_key_sha256));
    return job;
}

static ks_err
sign(struct rig *worker)
{
    struct job job = rig_job_for(worker, JOB_SIGN, "doc/a", 1);

    job.sign.data = (const uint8_t *)"a message";
    job.sign.data_len = 9;
    return rig_job(worker, &job).err;
}

static void
put_certificate(void)
{
    struct job job = rig_job_for(rig, JOB_CERTIFICATE_PUT, "doc/a", 1);
    const struct job_key *made = rig_key(rig, "doc/a", 1);
    const unsigned char *at = made->public_key;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)made->public_key_len);
    EVP_PKEY *root_key = make_certificate_key();
    X509 *leaf = make_certificate(&(struct made_certificate){"a", key, "root", root_key});
    X509 *root = make_certificate(&(struct made_certificate){"root", root_key, NULL, root_key});
    uint8_t *first = NULL, *second = NULL;

    job.chain.n_items = 2;
    job.chain.items[0].len = (size_t)i2d_X509(leaf, &first);
    job.chain.items[0].data = first;
    job.chain.items[1].len = (size_t)i2d_X509(root, &second);
    job.chain.items[1].data = second;
    cr_assert_eq(run(job), KS_OK);
    OPENSSL_free(first);
    OPENSSL_free(second);
    X509_free(leaf);
    X509_free(root);
    EVP_PKEY_free(key);
    EVP_PKEY_free(root_key);
}

static void
expect_objects(size_t private_keys, size_t public_keys, size_t certificates)
{
    cr_assert_eq(view_count(CKO_PRIVATE_KEY, LABEL), private_keys);
    cr_assert_eq(view_count(CKO_PUBLIC_KEY, LABEL), public_keys);
    cr_assert_eq(view_count(CKO_CERTIFICATE, LABEL), certificates);
    cr_assert_eq(view_count(CKO_CERTIFICATE, LABEL ":1"), certificates);
}

static void
begin_with_broken_module(void)
{
    rig_break_module(rig, PKCS11_BREAK);
    begin();
    put_certificate();
}

Test(destroy, removes_both_halves_and_the_certificates_and_tells_the_front)
{
    uint8_t old[KS_SHA256_LEN];
    struct job job;
    char *audit;

    begin();
    put_certificate();
    expect_objects(1, 1, 1);
    job = destroying();
    memcpy(old, job.public_key_sha256, sizeof(old));
    cr_assert_eq(run(job), KS_OK);
    cr_assert_eq(rig_key(rig, "doc/a", 1)->state, JOB_KEY_GONE);
    expect_objects(0, 0, 0);
    cr_assert_eq(sign(rig), KS_ERR_NO_KEY);
    cr_assert_eq(run(destroying()), KS_ERR_NO_KEY);

    /* the name is free, and whoever still means the old key does not get the new one */
    cr_assert_eq(rig_generate(rig, "doc/a").err, KS_OK);
    cr_assert_eq(sign(rig), KS_OK);
    job = destroying();
    memcpy(job.public_key_sha256, old, sizeof(old));
    cr_assert_eq(run(job), KS_ERR_KEY_CHANGED);
    cr_assert_eq(sign(rig), KS_OK);
    audit = rig_audit(rig);
    cr_assert(strstr(audit, "\"event\":\"intent\""));
    cr_assert(strstr(audit, "\"operation\":\"destroy\""));
    free(audit);
    end(0);
}

Test(destroy, of_one_version_leaves_the_others)
{
    struct job job = {.operation = JOB_ROTATE, .version = 1};

    begin();
    text_copy(job.name, sizeof(job.name), "doc/a");
    cr_assert_eq(run(job), KS_OK);
    cr_assert_eq(run(destroying()), KS_OK);
    job = rig_job_for(rig, JOB_SIGN, "doc/a", 2);
    job.sign.data = (const uint8_t *)"a message";
    job.sign.data_len = 9;
    cr_assert_eq(run(job), KS_OK);
    end(0);
}

Test(destroy, is_seen_by_a_worker_that_had_found_the_key_before)
{
    struct rig second;

    begin();
    second = *rig;
    second.worker_index = 2;
    second.control = second.front = NULL;
    second.pulse = NULL;
    second.message = (struct message)MESSAGE_INIT;
    cr_assert(rig_start(&second));
    rig_front(&second);
    cr_assert_eq(sign(&second), KS_OK);
    cr_assert_eq(run(destroying()), KS_OK);
    cr_assert_eq(sign(&second), KS_ERR_NO_KEY);

    /* a key that is made again is another one to it as well */
    cr_assert_eq(rig_generate(rig, "doc/a").err, KS_OK);
    cr_assert_eq(sign(&second), KS_ERR_KEY_CHANGED, "it is asked for the old one");
    cr_assert_eq(rig_stop(&second), 0);
    end(0);
}

Test(destroy, is_refused_where_it_is_not_meant_or_not_allowed)
{
    struct job job;

    begin();
    job = destroying();
    job.public_key_sha256[0] ^= 1;
    cr_assert_eq(run(job), KS_ERR_KEY_CHANGED);
    job = destroying();
    job.version = 0;
    cr_assert_eq(run(job), KS_ERR_BAD_REQUEST);
    job.version = 2;
    cr_assert_eq(run(job), KS_ERR_NO_KEY);
    job = destroying();
    text_copy(job.name, sizeof(job.name), "other/key");
    cr_assert_eq(run(job), KS_ERR_DENIED);
    job = rig_job_for(rig, JOB_DESTROY, KEYNAME_AUDIT, 1);
    cr_assert_eq(run(job), KS_ERR_PURPOSE);
    job = destroying();
    job.generation = 77;
    cr_assert_eq(run(job), KS_ERR_BUSY);
    expect_objects(1, 1, 0);
    cr_assert_eq(sign(rig), KS_OK);
    end(0);
}

Test(destroy, belongs_to_the_first_worker)
{
    rig->worker_index = 2;
    cr_assert(rig_start(rig));
    rig_front(rig);
    cr_assert_eq(run((struct job){.operation = JOB_DESTROY, .version = 1, .name = "doc/a"}),
                 KS_ERR_BAD_REQUEST);
    cr_assert_eq(rig_stop(rig), 0);
}

Test(destroy, leaves_alone_what_another_program_made)
{
    struct config_key adopted = {"doc/a", "pkcs11:object=doc%2Fa%401"};
    struct job_reply reply;
    struct job job;

    begin();
    cr_assert_eq(rig_stop(rig), 0);
    rig->config.keys = &adopted;
    rig->config.n_keys = 1;
    cr_assert(rig_start(rig));
    rig_front(rig);
    job = destroying_whatever();
    reply = rig_job(rig, &job);
    cr_assert_eq(reply.err, KS_ERR_BAD_REQUEST);
    cr_assert(strstr(reply.why.hint, "key doc/a"), "%s", reply.why.hint);
    expect_objects(1, 1, 0);
    cr_assert_eq(rig_stop(rig), 0);
    rig->config.keys = NULL;
    rig->config.n_keys = 0;
}

Test(destroy, of_what_a_crash_left_makes_the_name_free)
{
    begin();
    put_certificate();
    view_destroy(CKO_PRIVATE_KEY, LABEL, 0);
    cr_assert_eq(sign(rig), KS_ERR_NO_KEY);
    cr_assert_eq(rig_generate(rig, "doc/a").err, KS_ERR_EXISTS);
    cr_assert_eq(run(destroying()), KS_OK);
    expect_objects(0, 0, 0);
    cr_assert_eq(rig_generate(rig, "doc/a").err, KS_OK);

    view_destroy(CKO_PRIVATE_KEY, LABEL, 0);
    cr_assert_eq(run(destroying_whatever()), KS_OK);
    expect_objects(0, 0, 0);
    end(0);
}

Test(destroy, of_one_of_two_keys_with_one_label_needs_its_public_key)
{
    struct job job;

    begin();
    view_generate(LABEL, "another");
    cr_assert_eq(rig_stop(rig), 0);
    job = destroying();
    cr_assert(rig_start(rig));
    rig_front(rig);
    cr_assert_eq(rig_key(rig, "doc/a", 1)->state, JOB_KEY_AMBIGUOUS);
    cr_assert_eq(run(destroying_whatever()), KS_ERR_AMBIGUOUS_KEY);
    expect_objects(2, 2, 0);
    cr_assert_eq(run(job), KS_OK);
    expect_objects(1, 1, 0);
    cr_assert_eq(rig_key(rig, "doc/a", 1)->state, JOB_KEY_USABLE);
    cr_assert_eq(sign(rig), KS_OK, "the other one, and its signature is verified with its half");
    cr_assert_eq(run(job), KS_ERR_KEY_CHANGED);
    end(0);
}

Test(destroy, that_fails_at_once_changes_nothing)
{
    begin_with_broken_module();
    rig_break(rig, "C_DestroyObject:*:0x50\n"); /* CKR_FUNCTION_CANCELED */
    cr_assert_eq(run(destroying()), KS_ERR_TOKEN_UNAVAILABLE);
    rig_break(rig, "C_DestroyObject:*:0x1b\n"); /* CKR_ACTION_PROHIBITED */
    cr_assert_eq(run(destroying()), KS_ERR_UNSUPPORTED);
    expect_objects(1, 1, 1);
    cr_assert_eq(sign(rig), KS_OK);
    end(0);
}

Test(destroy, looks_again_for_what_has_another_handle_by_now)
{
    begin_with_broken_module();
    rig_break(rig, "C_DestroyObject:1:CKR_OBJECT_HANDLE_INVALID\n");
    cr_assert_eq(run(destroying()), KS_OK);
    expect_objects(0, 0, 0);
    end(0);
}

Test(destroy, is_not_done_because_no_handle_is_valid)
{
    begin_with_broken_module();
    rig_break(rig, "C_DestroyObject:*:CKR_OBJECT_HANDLE_INVALID\n");
    cr_assert_eq(run(destroying()), KS_ERR_TOKEN_UNAVAILABLE);
    rig_break(rig, "");
    expect_objects(1, 1, 1);
    cr_assert_eq(sign(rig), KS_OK);
    end(0);
}

Test(destroy, that_fails_in_the_middle_says_so_and_can_be_repeated)
{
    begin_with_broken_module();
    rig_break(rig, "C_DestroyObject:2:0x50\n");
    cr_assert_eq(run(destroying()), KS_ERR_OUTCOME_UNKNOWN);
    cr_assert_eq(rig_key(rig, "doc/a", 1)->state, JOB_KEY_GONE);
    rig_read_directory(rig); /* its process lists the token: nobody may log in meanwhile */
    expect_objects(0, 1, 1);
    cr_assert_eq(run(destroying()), KS_OK);
    expect_objects(0, 0, 0);
    end(0);
}

Test(destroy, goes_on_once_when_the_session_is_lost)
{
    begin_with_broken_module();
    rig_break(rig, "C_DestroyObject:1:CKR_SESSION_HANDLE_INVALID\n"
                   "C_DestroyObject:3:after CKR_SESSION_HANDLE_INVALID\n");
    cr_assert_eq(rig_job_with_login(rig, destroying()), KS_ERR_OUTCOME_UNKNOWN, "lost twice");
    cr_assert_neq(rig_wait(rig), 0, "a new process is worth a try");
    expect_objects(0, 0, 1);
}

Test(destroy, is_done_when_the_session_is_lost_after_the_last_object)
{
    begin_with_broken_module();
    rig_break(rig, "C_DestroyObject:4:after CKR_SESSION_HANDLE_INVALID\n");
    cr_assert_eq(rig_job_with_login(rig, destroying()), KS_OK);
    expect_objects(0, 0, 0);
    end(0);
}

/* How often the process has begun to look for objects. */
static unsigned long long
searches(void)
{
    struct calls *calls = calls_open(rig->folder);
    unsigned long long n;

    cr_assert_not_null(calls);
    n = calls_get(calls, FUNCTION_C_FindObjectsInit);
    calls_close(calls);
    return n;
}

Test(destroy, is_told_though_the_token_then_does_not_answer)
{
    unsigned long long before, each;
    char rules[128];

    rig_break_module(rig, PKCS11_BREAK);
    begin();
    before = searches();
    cr_assert_eq(run(destroying()), KS_OK);
    each = searches() - before;
    cr_assert_eq(rig_generate(rig, "doc/a").err, KS_OK);
    cr_assert_eq(rig_key(rig, "doc/a", 1)->state, JOB_KEY_USABLE);
    /* the last one, which is to show that the key is gone */
    snprintf(rules, sizeof(rules), "C_FindObjectsInit:%llu:CKR_DEVICE_ERROR\n", searches() + each);
    rig_break(rig, rules);
    cr_assert_eq(run(destroying()), KS_OK);
    cr_assert_eq(rig_key(rig, "doc/a", 1)->state, JOB_KEY_GONE);
    rig_read_directory(rig); /* told anew, to be sure */
    cr_assert_null(rig_key(rig, "doc/a", 1));
    expect_objects(0, 0, 0);
    end(0);
}
