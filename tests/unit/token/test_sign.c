/* SPDX-License-Identifier: Apache-2.0 */
#include "token/sign.h"

#include <criterion/criterion.h>

#include "test_worker.h"

static struct bed *bed;
static struct answer answer;
static struct fault why;

static void
set_up(void)
{
    bed = bed_new();
    fake_add_pair("doc/a@1", false, true);
    fake_add_pair("code/a@1", true, true);
    fake_add_pair("web/a@1", false, true);
    bed_list(bed);
}

static void
tear_down(void)
{
    buf_deinit(&answer.data);
    bed = bed_free(bed);
}

TestSuite(sign, .init = set_up, .fini = tear_down);

static ks_err
sign(const char *name)
{
    struct job job = bed_sign_job(bed, name, 1, "a message");

    buf_deinit(&answer.data);
    why = (struct fault)FAULT_INIT;
    return sign_run(&bed->worker, &job, &answer, &why);
}

static void
flush(void)
{
    cr_assert_eq(audit_flush(bed->worker.audit, false, &why), KS_OK, "%s", why.text);
}

Test(sign, answers_a_signature_and_records_it)
{
    cr_assert_eq(sign("doc/a"), KS_OK, "%s", why.text);
    cr_assert(answer.data.len > 60);
    cr_assert_eq(answer.algorithm, KS_ALGORITHM_ECDSA_SHA256);
    cr_assert_eq(sign("code/a"), KS_OK, "%s", why.text);
    cr_assert_eq(answer.data.len, 256);
    flush();
    cr_assert_eq(bed_audit_count(bed, "\"event\":\"sign\""), 2);
    cr_assert_eq(bed_audit_count(bed, "\"digest\":\""), 2);
    cr_assert_eq(bed_audit_count(bed, "\"outcome\":\"OK\""), 2);
}

Test(sign, records_what_it_refuses)
{
    cr_assert_eq(sign("web/a"), KS_ERR_PURPOSE);
    cr_assert_eq(sign("nowhere/a"), KS_ERR_DENIED);
    cr_assert_eq(sign("doc/b"), KS_ERR_NO_KEY);
    cr_assert_eq(answer.data.len, 0);
    flush();
    cr_assert_eq(bed_audit_count(bed, "\"event\":\"refused\""), 3);
    cr_assert_eq(fake_n_calls(FAKE_SIGN), 0);
}

/* web/a has purpose tls-server. */
static void
refuse(const char *message, size_t len, enum ks_hash prehashed)
{
    struct job job = bed_sign_job(bed, "web/a", 1, message);

    job.sign.data_len = len;
    job.sign.prehashed = prehashed;
    why = (struct fault)FAULT_INIT;
    cr_expect_eq(sign_run(&bed->worker, &job, &answer, &why), KS_ERR_PURPOSE);
}

Test(sign, records_the_reason_of_each_refusal_of_a_purpose)
{
    static const char padding[] =
        "                                                                ";
    char client[160];
    int n = snprintf(client, sizeof(client), "%sTLS 1.3, client CertificateVerify", padding);

    memset(client + n + 1, 7, 32);
    refuse("\x30\x03\x02\x01\x00", 5, KS_HASH_NONE);
    refuse(client, (size_t)n + 1 + 32, KS_HASH_NONE);
    refuse("01234567890123456789012345678901", 32, KS_HASH_SHA256);
    refuse("eyJhbGciOiJFUzI1NiJ9.e30", 24, KS_HASH_NONE);
    flush();
    cr_expect_eq(bed_audit_count(bed, "\"outcome\":\"PURPOSE\""), 4);
    cr_expect_eq(bed_audit_count(bed, "the message is an ASN.1 structure"), 1);
    cr_expect_eq(bed_audit_count(bed, "this key is for servers"), 1);
    cr_expect_eq(bed_audit_count(bed, "never a digest"), 1);
    cr_expect_eq(bed_audit_count(bed, "neither a TLS 1.3 CertificateVerify nor a TLS 1.2"), 1);
    cr_expect_eq(fake_n_calls(FAKE_SIGN), 0);
}

Test(sign, refuses_a_key_that_is_not_the_one_meant)
{
    struct job job = bed_sign_job(bed, "doc/a", 1, "a message");

    job.public_key_sha256[31] ^= 1;
    cr_assert_eq(sign_run(&bed->worker, &job, &answer, &why), KS_ERR_KEY_CHANGED);
    cr_assert_eq(fake_n_calls(FAKE_SIGN_INIT), 0);
}

Test(sign, logs_in_again_once_when_login_is_lost)
{
    unsigned int n = bed->n_asked;

    fake_log_out();
    cr_assert_eq(sign("doc/a"), KS_OK, "%s", why.text);
    cr_assert_eq(bed->n_asked, n + 1);
    fake_lose_session();
    cr_assert_eq(sign("doc/a"), KS_OK, "%s", why.text);
    cr_assert_eq(bed->n_asked, n + 2);
    fake_fail_next(FAKE_SIGN, CKR_SESSION_CLOSED);
    cr_assert_eq(sign("doc/a"), KS_OK, "%s", why.text);
}

Test(sign, never_tries_a_refused_pin_again)
{
    unsigned int n = fake_n_calls(FAKE_LOGIN);

    bed->pin = "9999";
    fake_log_out();
    cr_assert_eq(sign("doc/a"), KS_ERR_LOGIN_BLOCKED);
    cr_assert_eq(fake_n_calls(FAKE_LOGIN), n + 1);
    cr_assert_eq(why.rv, CKR_PIN_INCORRECT);
}

Test(sign, finds_a_key_again_whose_handle_is_stale)
{
    fake_fail_next(FAKE_SIGN_INIT, CKR_KEY_HANDLE_INVALID);
    cr_assert_eq(sign("doc/a"), KS_OK, "%s", why.text);
    cr_assert_eq(fake_n_calls(FAKE_SIGN_INIT), 2);
}

Test(sign, does_not_sign_with_another_key_that_took_the_label)
{
    struct job job = bed_sign_job(bed, "doc/a", 1, "a message");

    fake_remove("doc/a@1");
    fake_add_pair("doc/a@1", false, true);
    cr_assert_eq(sign_run(&bed->worker, &job, &answer, &why), KS_ERR_KEY_CHANGED);
    cr_assert_eq(fake_n_calls(FAKE_SIGN), 0);
}

Test(sign, does_not_repeat_what_only_a_new_process_mends)
{
    fake_fail_next(FAKE_SIGN, CKR_DEVICE_REMOVED);
    cr_assert_eq(sign("doc/a"), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(fake_n_calls(FAKE_SIGN), 1);
    cr_assert_eq(why.rv, CKR_DEVICE_REMOVED);
    fake_fail_next(FAKE_SIGN_INIT, CKR_MECHANISM_INVALID);
    cr_assert_eq(sign("doc/a"), KS_ERR_UNSUPPORTED);
}

Test(sign, gives_a_strict_token_no_more_of_a_digest_than_its_curve_takes)
{
    struct job job = bed_sign_job(bed, "doc/a", 1, "a message");
    const struct key *key = keys_known(bed->worker.keys, "doc/a@1");

    for (enum ks_algorithm a = KS_ALGORITHM_ECDSA_SHA256; a <= KS_ALGORITHM_ECDSA_SHA512; a++) {
        job.sign.algorithm = a;
        bed->worker.config->tokens[0].profile.verify_all = true;
        cr_assert_eq(sign_run(&bed->worker, &job, &answer, &why), KS_OK, "%s", why.text);
        cr_assert(key->proved);
        buf_deinit(&answer.data);
    }
    flush();
    /* SHA-512 of "a message", whole */
    cr_assert_eq(bed_audit_count(bed,
                                 "\"digest\":\""
                                 "35d655e1c7ba8419feb0510dffc953c36e87b5c35de6a7d03211897a0d4e3525"
                                 "1562625fb71fba29ead1453bf2865d00ff668f0f980318367b2303f81c3a7a26"
                                 "\""),
                 1);
    cr_assert_eq(bed_audit_count(bed, "\"digest\":\""), 3);
}

Test(sign, asks_no_token_for_what_its_profile_lacks)
{
    struct config_profile *profile = &bed->worker.config->tokens[0].profile;

    profile->lacks = CONFIG_LACKS_ALGORITHM(KS_ALGORITHM_ECDSA_SHA256);
    text_copy(profile->name, sizeof(profile->name), "stone-age");
    cr_assert_eq(sign("doc/a"), KS_ERR_UNSUPPORTED);
    cr_assert(strstr(why.text, "main") && strstr(why.text, "ecdsa-sha256") &&
              strstr(why.text, "stone-age"));
    cr_assert_eq(fake_n_calls(FAKE_SIGN_INIT), 0);
    cr_assert_eq(sign("code/a"), KS_OK, "%s", why.text);
    flush();
    cr_assert_eq(bed_audit_count(bed, "\"outcome\":\"UNSUPPORTED\""), 1);
}

Test(sign, names_token_and_mechanism_that_do_not_go_together)
{
    fake_fail_next(FAKE_SIGN_INIT, CKR_MECHANISM_INVALID);
    cr_assert_eq(sign("doc/a"), KS_ERR_UNSUPPORTED);
    cr_assert_str_eq(why.text, "token main does not do CKM_ECDSA: C_SignInit: "
                               "CKR_MECHANISM_INVALID (0x70)");
    cr_assert(strstr(why.hint, "keysvc token show main"));
    fake_fail_next(FAKE_SIGN, CKR_FUNCTION_NOT_SUPPORTED);
    cr_assert_eq(sign("code/a"), KS_ERR_UNSUPPORTED);
    cr_assert(strstr(why.text, "does not do CKM_RSA_PKCS: C_Sign:"));
    worker_judge(&bed->worker, KS_ERR_UNSUPPORTED, &why);
    cr_assert_eq(bed->worker.exit_code, WORKER_GO_ON);
}

Test(sign, lets_no_wrong_rsa_signature_out_nor_a_key_s_first)
{
    cr_assert_eq(sign("code/a"), KS_OK);
    fake_break_signatures(true);
    cr_assert_eq(sign("code/a"), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(answer.data.len, 0);
    cr_assert_eq(sign("doc/a"), KS_ERR_TOKEN_UNAVAILABLE);
    fake_break_signatures(false);
    cr_assert_eq(sign("doc/a"), KS_OK, "%s", why.text);
}

Test(sign, verifies_every_signature_where_the_profile_says_so)
{
    cr_assert_eq(sign("doc/a"), KS_OK);
    fake_break_signatures(true);
    cr_assert_eq(sign("doc/a"), KS_OK, "not the first any more");
    bed->worker.config->tokens[0].profile.verify_all = true;
    cr_assert_eq(sign("doc/a"), KS_ERR_TOKEN_UNAVAILABLE);
}
