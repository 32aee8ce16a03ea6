/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_certificate - certificates beside a key, on a real SoftHSM token
 */
#include <stdio.h>

#include <criterion/criterion.h>

#include "base/verify.h"
#include "tests/unit/token/make_certificate.h"
#include "token_rig.h"
#include "token_view.h"

#define LABEL "web/shop@1"

static struct rig *rig;
static EVP_PKEY *key, *middle_key, *root_key;
static X509 *leaf, *middle, *root;

static void
set_up(void)
{
    rig = rig_new();
    view_of(rig);
}

static void
tear_down(void)
{
    X509_free(leaf);
    X509_free(middle);
    X509_free(root);
    EVP_PKEY_free(key);
    EVP_PKEY_free(middle_key);
    EVP_PKEY_free(root_key);
    rig = rig_free(rig);
}

TestSuite(certificate, .init = set_up, .fini = tear_down, .timeout = 300);

static X509 *
issue(EVP_PKEY *subject_key, int64_t not_before_s)
{
    return make_certificate(
        &(struct made_certificate){"shop", subject_key, "middle", middle_key, not_before_s});
}

/* A process with the key web/shop, and a chain for it. */
static void
begin(void)
{
    const struct job_key *made;
    const unsigned char *at;

    cr_assert(rig_start(rig));
    rig_front(rig);
    cr_assert_eq(rig_generate(rig, "web/shop").err, KS_OK);
    made = rig_key(rig, "web/shop", 1);
    at = made->public_key;
    key = d2i_PUBKEY(NULL, &at, (long)made->public_key_len);
    middle_key = make_certificate_key();
    root_key = make_certificate_key();
    leaf = issue(key, 0);
    middle = make_certificate(&(struct made_certificate){"middle", middle_key, "root", root_key});
    root = make_certificate(&(struct made_certificate){"root", root_key, NULL, root_key});
}

/* Every record is whole, and every intent has its result. */
static void
end(void)
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
    cr_assert_eq(result.n_open_intents, 0);
    fclose(file);
}

/* Puts the certificates of the list, which NULL ends; `lost`: and the session is lost in it. */
static ks_err
put_somehow(X509 *const *list, bool lost)
{
    struct job job = rig_job_for(rig, JOB_CERTIFICATE_PUT, "web/shop", 1);
    uint8_t *der[JOB_MAX_CHAIN] = {NULL};
    ks_err err;

    for (size_t i = 0; list[i]; i++) {
        int len = i2d_X509(list[i], &der[i]);

        job.chain.items[job.chain.n_items++] = (struct job_blob){der[i], (size_t)len};
    }
    err = lost ? rig_job_with_login(rig, job) : rig_job(rig, &job).err;
    for (size_t i = 0; i < job.chain.n_items; i++)
        OPENSSL_free(der[i]);
    return err;
}

static ks_err
put(X509 *const *list)
{
    return put_somehow(list, false);
}

static struct job_reply
ask(struct rig *worker, enum job_operation operation)
{
    struct job job = rig_job_for(worker, operation, "web/shop", 1);

    return rig_job(worker, &job);
}

/* `get` answers exactly these. */
static void
expect(struct rig *worker, X509 *const *list)
{
    struct job_reply reply = ask(worker, JOB_CERTIFICATE_GET);
    struct job_chain chain;
    size_t n = 0;

    cr_assert_eq(reply.err, KS_OK, "%s", reply.why.text);
    cr_assert_eq(job_chain_unpack(reply.data, reply.data_len, &chain), KS_OK);
    for (; list[n]; n++) {
        const unsigned char *at = chain.items[n].data;
        X509 *found;

        cr_assert_lt(n, chain.n_items);
        found = d2i_X509(NULL, &at, (long)chain.items[n].len);
        cr_assert_eq(X509_cmp(found, list[n]), 0, "certificate %zu", n);
        X509_free(found);
    }
    cr_assert_eq(chain.n_items, n);
}

/* How many objects stand in the first positions of the key. */
static void
expect_objects(size_t own, size_t first, size_t second)
{
    cr_assert_eq(view_count(CKO_CERTIFICATE, LABEL), own);
    cr_assert_eq(view_count(CKO_CERTIFICATE, LABEL ":1"), first);
    cr_assert_eq(view_count(CKO_CERTIFICATE, LABEL ":2"), second);
}

static void
begin_with_broken_module(void)
{
    rig_break_module(rig, PKCS11_BREAK);
    begin();
}

Test(certificate, is_put_with_its_chain_got_by_every_worker_and_deleted)
{
    struct rig second;

    begin();
    cr_assert_eq(ask(rig, JOB_CERTIFICATE_GET).err, KS_ERR_NO_KEY);
    cr_assert_eq(ask(rig, JOB_CERTIFICATE_DELETE).err, KS_ERR_NO_KEY);
    cr_assert_eq(put((X509 *[]){leaf, middle, root, NULL}), KS_OK);
    expect(rig, (X509 *[]){leaf, middle, root, NULL});
    expect_objects(1, 1, 1);

    second = *rig;
    second.worker_index = 2;
    second.control = second.front = NULL;
    second.pulse = NULL;
    second.message = (struct message)MESSAGE_INIT;
    cr_assert(rig_start(&second));
    rig_front(&second);
    expect(&second, (X509 *[]){leaf, middle, root, NULL});
    cr_assert_eq(ask(&second, JOB_CERTIFICATE_DELETE).err, KS_ERR_BAD_REQUEST);

    cr_assert_eq(ask(rig, JOB_CERTIFICATE_DELETE).err, KS_OK);
    cr_assert_eq(ask(rig, JOB_CERTIFICATE_GET).err, KS_ERR_NO_KEY);
    cr_assert_eq(ask(&second, JOB_CERTIFICATE_GET).err, KS_ERR_NO_KEY);
    expect_objects(0, 0, 0);
    cr_assert_eq(rig_stop(&second), 0);
    end();
}

Test(certificate, that_is_put_replaces_what_was_there_and_leaves_nothing_of_it)
{
    X509 *next;

    begin();
    cr_assert_eq(put((X509 *[]){leaf, middle, root, NULL}), KS_OK);
    cr_assert_eq(put((X509 *[]){leaf, middle, root, NULL}), KS_OK);
    expect_objects(1, 1, 1);
    next = issue(key, -3600); /* older than the one it replaces */
    cr_assert_eq(put((X509 *[]){next, middle, NULL}), KS_OK);
    expect(rig, (X509 *[]){next, middle, NULL});
    expect_objects(1, 1, 0);
    cr_assert_eq(put((X509 *[]){leaf, NULL}), KS_OK);
    expect(rig, (X509 *[]){leaf, NULL});
    expect_objects(1, 0, 0);
    X509_free(next);
    end();
}

Test(certificate, is_refused_if_it_is_none_or_not_the_key_s_or_out_of_order)
{
    static const uint8_t garbage[] = {0x30, 0x03, 0x02, 0x01, 0x05};
    struct job job;
    X509 *foreign;

    begin();
    cr_assert_eq(put((X509 *[]){leaf, middle, NULL}), KS_OK);
    foreign = issue(root_key, 0);
    cr_assert_eq(put((X509 *[]){foreign, middle, NULL}), KS_ERR_BAD_REQUEST);
    cr_assert_eq(put((X509 *[]){middle, leaf, NULL}), KS_ERR_BAD_REQUEST);
    cr_assert_eq(put((X509 *[]){leaf, root, middle, NULL}), KS_ERR_BAD_REQUEST);
    job = rig_job_for(rig, JOB_CERTIFICATE_PUT, "web/shop", 1);
    job.chain = (struct job_chain){1, {{garbage, sizeof(garbage)}}};
    cr_assert_eq(rig_job(rig, &job).err, KS_ERR_BAD_REQUEST);
    job.public_key_sha256[0] ^= 1;
    cr_assert_eq(rig_job(rig, &job).err, KS_ERR_KEY_CHANGED);
    text_copy(job.name, sizeof(job.name), "other/key");
    cr_assert_eq(rig_job(rig, &job).err, KS_ERR_DENIED);
    expect(rig, (X509 *[]){leaf, middle, NULL});
    expect_objects(1, 1, 0);
    X509_free(foreign);
    end();
}

Test(certificate, is_unsupported_where_the_profile_says_so)
{
    rig->token.profile.lacks = CONFIG_LACKS_CERTIFICATES;
    begin();
    cr_assert_eq(put((X509 *[]){leaf, NULL}), KS_ERR_UNSUPPORTED);
    cr_assert_eq(ask(rig, JOB_CERTIFICATE_GET).err, KS_ERR_UNSUPPORTED);
    cr_assert_eq(ask(rig, JOB_CERTIFICATE_DELETE).err, KS_ERR_UNSUPPORTED);
    expect_objects(0, 0, 0);
    end();
}

/* What is there after a crash, or was put there by somebody who means no good. */
Test(certificate, is_found_among_what_others_left_under_its_label)
{
    static uint8_t large[JOB_MAX_CERTIFICATE + 1] = {0x30, 0x83, 0x00, 0xff, 0xfc};
    uint8_t *der = NULL;
    X509 *newer, *foreign;
    int len;

    begin();
    newer = issue(key, 60);
    foreign = issue(root_key, 120);
    cr_assert_eq(put((X509 *[]){leaf, middle, root, NULL}), KS_OK);
    view_certificate(LABEL, "garbage", 7);
    view_certificate(LABEL, large, sizeof(large));
    len = i2d_X509(foreign, &der);
    view_certificate(LABEL, der, (size_t)len);
    view_certificate(LABEL ":1", der, (size_t)len);
    expect(rig, (X509 *[]){leaf, middle, root, NULL});
    OPENSSL_free(der);
    der = NULL;
    len = i2d_X509(newer, &der);
    view_certificate(LABEL, der, (size_t)len);
    expect(rig, (X509 *[]){newer, middle, root, NULL});
    OPENSSL_free(der);

    /* Too many to look at; a put clears them all away. */
    for (int i = 0; i < 64; i++)
        view_certificate(LABEL, "garbage", 7);
    cr_assert_eq(ask(rig, JOB_CERTIFICATE_GET).err, KS_ERR_TOO_LARGE);
    cr_assert_eq(put((X509 *[]){leaf, NULL}), KS_OK);
    expect(rig, (X509 *[]){leaf, NULL});
    expect_objects(1, 0, 0);
    X509_free(newer);
    X509_free(foreign);
    end();
}

Test(certificate, of_a_put_that_fails_is_not_there_and_the_old_one_is)
{
    X509 *next;

    begin_with_broken_module();
    cr_assert_eq(put((X509 *[]){leaf, NULL}), KS_OK);
    next = issue(key, 60);

    /* calls 2, 3, 4 of C_CreateObject: two issuers, then the own one */
    rig_break(rig, "C_CreateObject:4:CKR_DEVICE_MEMORY\n");
    cr_assert_eq(put((X509 *[]){next, middle, root, NULL}), KS_ERR_TOKEN_UNAVAILABLE);
    expect(rig, (X509 *[]){leaf, NULL});
    expect_objects(1, 0, 0);

    /* made, though the token says it was not */
    rig_break(rig, "C_CreateObject:*:after 0x50\n"); /* CKR_FUNCTION_CANCELED */
    cr_assert_eq(put((X509 *[]){next, NULL}), KS_ERR_TOKEN_UNAVAILABLE);
    expect(rig, (X509 *[]){leaf, NULL});
    expect_objects(1, 0, 0);

    /* the old one is not to be removed: the first put before made calls 1 to 3 of this */
    rig_break(rig, "C_DestroyObject:4:0x1b\n"); /* CKR_ACTION_PROHIBITED */
    cr_assert_eq(put((X509 *[]){next, middle, NULL}), KS_ERR_UNSUPPORTED);
    expect(rig, (X509 *[]){leaf, NULL});
    expect_objects(1, 0, 0);

    /* nor the new one */
    rig_break(rig, "C_DestroyObject:*:0x1b\n"); /* CKR_ACTION_PROHIBITED */
    cr_assert_eq(put((X509 *[]){next, middle, NULL}), KS_ERR_OUTCOME_UNKNOWN);
    rig_break(rig, "");
    cr_assert_eq(put((X509 *[]){leaf, NULL}), KS_OK);
    expect(rig, (X509 *[]){leaf, NULL});
    expect_objects(1, 0, 0);
    X509_free(next);
    end();
}

Test(certificate, that_went_though_the_token_says_it_did_not_is_not_said_to_be_there)
{
    X509 *next;

    begin_with_broken_module();
    cr_assert_eq(put((X509 *[]){leaf, NULL}), KS_OK);
    next = issue(key, 60);
    /* The old one is gone: the new one must not go, too. */
    rig_break(rig, "C_DestroyObject:1:after 0x50\n"); /* CKR_FUNCTION_CANCELED */
    cr_assert_eq(put((X509 *[]){next, NULL}), KS_ERR_OUTCOME_UNKNOWN);
    expect(rig, (X509 *[]){next, NULL});
    expect_objects(1, 0, 0);
    rig_break(rig, "C_DestroyObject:*:after 0x50\n"); /* CKR_FUNCTION_CANCELED */
    cr_assert_eq(ask(rig, JOB_CERTIFICATE_DELETE).err, KS_ERR_OUTCOME_UNKNOWN);
    rig_break(rig, "");
    expect_objects(0, 0, 0);
    X509_free(next);
    end();
}

Test(certificate, is_put_once_when_the_session_is_lost_in_the_middle)
{
    begin_with_broken_module();
    rig_break(rig, "C_CreateObject:2:CKR_SESSION_HANDLE_INVALID\n");
    cr_assert_eq(put_somehow((X509 *[]){leaf, middle, root, NULL}, true), KS_OK);
    expect_objects(1, 1, 1);
    rig_break(rig, "C_CreateObject:7:after CKR_SESSION_HANDLE_INVALID\n");
    cr_assert_eq(put_somehow((X509 *[]){leaf, middle, NULL}, true), KS_OK);
    expect(rig, (X509 *[]){leaf, middle, NULL});
    expect_objects(1, 1, 0);
    rig_break(rig, "C_DestroyObject:*:CKR_SESSION_HANDLE_INVALID\n");
    cr_assert_eq(rig_job_with_login(rig, rig_job_for(rig, JOB_CERTIFICATE_DELETE, "web/shop", 1)),
                 KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_neq(rig_wait(rig), 0, "a new process is worth a try");
}

Test(certificate, deletion_that_breaks_off_says_so_and_can_be_repeated)
{
    begin_with_broken_module();
    cr_assert_eq(put((X509 *[]){leaf, middle, root, NULL}), KS_OK);
    rig_break(rig, "C_DestroyObject:2:0x50\n"); /* CKR_FUNCTION_CANCELED */
    cr_assert_eq(ask(rig, JOB_CERTIFICATE_DELETE).err, KS_ERR_OUTCOME_UNKNOWN);
    rig_read_directory(rig);
    expect_objects(0, 1, 1);
    cr_assert_eq(ask(rig, JOB_CERTIFICATE_DELETE).err, KS_OK);
    expect_objects(0, 0, 0);
    end();
}
