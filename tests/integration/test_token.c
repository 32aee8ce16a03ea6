/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_token - one keysvc-token process on a real SoftHSM token, from setup to stop
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "base/verify.h"
#include "token_rig.h"

static struct rig *rig;

static void
set_up(void)
{
    rig = rig_new();
}

static void
tear_down(void)
{
    rig = rig_free(rig);
}

TestSuite(token, .init = set_up, .fini = tear_down, .timeout = 300);

static EVP_PKEY *
public_key(const char *name, uint32_t version)
{
    const struct job_key *key = rig_key(rig, name, version);
    const unsigned char *at;
    EVP_PKEY *pkey;

    cr_assert(key, "%s@%u is not in the directory", name, version);
    at = key->public_key;
    pkey = d2i_PUBKEY(NULL, &at, (long)key->public_key_len);
    cr_assert(pkey);
    return pkey;
}

static bool
verifies(const char *name, const EVP_MD *md, bool pss, const void *data, size_t len,
         const struct job_reply *reply)
{
    EVP_PKEY *pkey = public_key(name, 1);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *parameters = NULL;
    bool good;

    cr_assert_eq(EVP_DigestVerifyInit(context, &parameters, md, NULL, pkey), 1);
    if (pss) {
        EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST);
    }
    good = EVP_DigestVerify(context, reply->data, reply->data_len, data, len) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(pkey);
    return good;
}

static struct job_reply
sign(const char *name, enum ks_algorithm algorithm, enum ks_hash prehashed, const void *data,
     size_t len)
{
    struct job job = rig_job_for(rig, JOB_SIGN, name, 1);

    job.sign = (struct job_sign){algorithm, prehashed, data, len};
    return rig_job(rig, &job);
}

static size_t
count(const char *text, const char *word)
{
    size_t n = 0;

    while ((text = strstr(text, word))) {
        n++;
        text += strlen(word);
    }
    return n;
}

/* Sanity of the whole file by its own verifier. */
static void
check_audit(void)
{
    struct verify_options options = {0};
    struct verify_result result = {0};
    struct fault why = FAULT_INIT;
    char path[128];
    FILE *file;

    rig_path(rig, "main-1.log", path, sizeof(path));
    file = fopen(path, "r");
    cr_assert(file);
    cr_assert_eq(verify_file(file, "main-1", &options, &result, &why), KS_OK, "%s", why.text);
    cr_assert_eq(result.n_open_intents, 0);
    fclose(file);
}

Test(token, becomes_ready_and_makes_its_audit_key)
{
    cr_assert(rig_start(rig));
    cr_assert_eq(rig->login_result, KS_OK);
    cr_assert_eq(rig->state.state, TOKEN_STATE_READY);
    cr_assert_str_eq(rig->state.label, "keysvc-test");
    rig_front(rig);
    cr_assert_eq(rig->n_keys, 1);
    cr_assert_eq(rig_key(rig, "keysvc/audit", 1)->type, KS_KEY_TYPE_EC_P256);
    cr_assert_eq(rig_stop(rig), 0);
    cr_assert_eq(rig->n_checkpoints, 2, "one of the start, one of the end");
    check_audit();
}

Test(token, signs_messages_and_digests_that_openssl_verifies)
{
    static const char message[] = "a message";
    uint8_t digest[32];
    struct job_reply reply;

    SHA256((const uint8_t *)message, sizeof(message), digest);
    /* Making an RSA key takes a minute under valgrind; using one is what is to be seen. */
    rig->not_judged = true;
    cr_assert(rig_start(rig));
    rig_front(rig);
    cr_assert_eq(rig_generate(rig, "code/a").err, KS_OK);
    cr_assert_eq(rig_stop(rig), 0);
    rig->not_judged = false;

    cr_assert(rig_start(rig));
    rig_front(rig);
    reply = rig_generate(rig, "doc/a");
    cr_assert_eq(reply.err, KS_OK, "%s", reply.why.text);
    cr_assert_eq(reply.key.version, 1);

    reply = sign("doc/a", KS_ALGORITHM_DEFAULT, KS_HASH_NONE, message, sizeof(message));
    cr_assert_eq(reply.err, KS_OK, "%s", reply.why.text);
    cr_assert_eq(reply.algorithm, KS_ALGORITHM_ECDSA_SHA256);
    cr_assert(verifies("doc/a", EVP_sha256(), false, message, sizeof(message), &reply));
    reply = sign("doc/a", KS_ALGORITHM_ECDSA_SHA256, KS_HASH_SHA256, digest, sizeof(digest));
    cr_assert(verifies("doc/a", EVP_sha256(), false, message, sizeof(message), &reply));
    reply = sign("code/a", KS_ALGORITHM_DEFAULT, KS_HASH_SHA256, digest, sizeof(digest));
    cr_assert_eq(reply.algorithm, KS_ALGORITHM_RSA_PKCS1_SHA256);
    cr_assert(verifies("code/a", EVP_sha256(), false, message, sizeof(message), &reply));
    reply = sign("code/a", KS_ALGORITHM_RSA_PSS_SHA512, KS_HASH_NONE, message, sizeof(message));
    cr_assert(verifies("code/a", EVP_sha512(), true, message, sizeof(message), &reply));

    /* a digest of the wrong length; an algorithm of another kind of key */
    reply = sign("doc/a", KS_ALGORITHM_ECDSA_SHA256, KS_HASH_SHA256, digest, 31);
    cr_assert_eq(reply.err, KS_ERR_BAD_REQUEST);
    reply = sign("doc/a", KS_ALGORITHM_RSA_PSS_SHA256, KS_HASH_NONE, message, sizeof(message));
    cr_assert_eq(reply.err, KS_ERR_UNSUPPORTED);
    cr_assert_eq(rig_stop(rig), 0);
    check_audit();
}

Test(token, refuses_what_the_class_does_not_sign)
{
    static const char message[] = "not a handshake";
    struct job_reply reply;
    struct job job;
    char *audit;

    cr_assert(rig_start(rig));
    rig_front(rig);
    cr_assert_eq(rig_generate(rig, "web/shop").err, KS_OK);
    reply = sign("web/shop", KS_ALGORITHM_DEFAULT, KS_HASH_NONE, message, sizeof(message));
    cr_assert_eq(reply.err, KS_ERR_PURPOSE);
    cr_assert_eq(reply.data_len, 0);
    reply = sign("keysvc/audit", KS_ALGORITHM_DEFAULT, KS_HASH_NONE, message, sizeof(message));
    cr_assert_eq(reply.err, KS_ERR_PURPOSE);
    reply = rig_generate(rig, "other/key");
    cr_assert_eq(reply.err, KS_ERR_DENIED);
    reply = rig_generate(rig, "web/shop");
    cr_assert_eq(reply.err, KS_ERR_EXISTS);
    job = rig_job_for(rig, JOB_SIGN, "web/shop", 1);
    job.generation = 77;
    job.sign.data = (const uint8_t *)message;
    job.sign.data_len = 1;
    cr_assert_eq(rig_job(rig, &job).err, KS_ERR_BUSY);
    job = rig_job_for(rig, JOB_SIGN, "web/shop", 1);
    job.public_key_sha256[0] ^= 1;
    job.sign.data = (const uint8_t *)message;
    job.sign.data_len = 1;
    cr_assert_eq(rig_job(rig, &job).err, KS_ERR_KEY_CHANGED);
    cr_assert_eq(rig_stop(rig), 0);
    audit = rig_audit(rig);
    cr_assert_eq(count(audit, "\"event\":\"refused\""), 5);
    cr_assert_eq(count(audit, "\"event\":\"sign\""), 0);
    free(audit);
}

Test(token, builds_a_csr_for_allowed_names_only)
{
    struct job_alternative good = {CERTNAME_DNS, "www.shop.example"};
    struct job_alternative bad = {CERTNAME_DNS, "www.bank.example"};
    struct job job;
    struct job_reply reply;
    const unsigned char *at;
    X509_REQ *csr;

    cr_assert(rig_start(rig));
    rig_front(rig);
    cr_assert_eq(rig_generate(rig, "web/shop").err, KS_OK);
    job = rig_job_for(rig, JOB_CSR, "web/shop", 1);
    job.csr = (struct job_csr){.common_name = "shop.example",
                               .organization = "",
                               .organization_unit = "",
                               .country = "",
                               .state = "",
                               .locality = "",
                               .email = "",
                               .alternatives = &good,
                               .n_alternatives = 1};
    reply = rig_job(rig, &job);
    cr_assert_eq(reply.err, KS_OK, "%s", reply.why.text);
    at = reply.data;
    csr = d2i_X509_REQ(NULL, &at, (long)reply.data_len);
    cr_assert(csr);
    cr_assert_eq(X509_REQ_verify(csr, X509_REQ_get0_pubkey(csr)), 1);
    X509_REQ_free(csr);
    job.csr.alternatives = &bad;
    cr_assert_eq(rig_job(rig, &job).err, KS_ERR_NAME_NOT_ALLOWED);
    cr_assert_eq(rig_stop(rig), 0);
}

Test(token, rotates_from_the_newest_version_only)
{
    struct job job = {.operation = JOB_ROTATE, .version = 1};
    struct job_reply reply;

    cr_assert(rig_start(rig));
    rig_front(rig);
    text_copy(job.name, sizeof(job.name), "doc/a");
    cr_assert_eq(rig_job(rig, &job).err, KS_ERR_NO_KEY);
    cr_assert_eq(rig_generate(rig, "doc/a").err, KS_OK);
    reply = rig_job(rig, &job);
    cr_assert_eq(reply.err, KS_OK, "%s", reply.why.text);
    cr_assert_eq(reply.key.version, 2);
    cr_assert(rig_key(rig, "doc/a", 2));
    cr_assert_eq(rig_job(rig, &job).err, KS_ERR_EXISTS);
    job.version = 7;
    cr_assert_eq(rig_job(rig, &job).err, KS_ERR_BAD_REQUEST);
    cr_assert_eq(rig_stop(rig), 0);
    check_audit();
}

Test(token, finds_its_keys_again_after_a_restart_and_records_their_purpose_once)
{
    static const char message[] = "a message";
    struct job_reply reply;
    char *audit;

    cr_assert(rig_start(rig));
    rig_front(rig);
    cr_assert_eq(rig_generate(rig, "doc/a").err, KS_OK);
    cr_assert_eq(rig_stop(rig), 0);
    cr_assert(rig_start(rig));
    rig_front(rig);
    cr_assert_eq(rig->n_keys, 2);
    reply = sign("doc/a", KS_ALGORITHM_DEFAULT, KS_HASH_NONE, message, sizeof(message));
    cr_assert_eq(reply.err, KS_OK, "%s", reply.why.text);
    cr_assert(verifies("doc/a", EVP_sha256(), false, message, sizeof(message), &reply));
    cr_assert_eq(rig_stop(rig), 0);
    audit = rig_audit(rig);
    cr_assert_eq(count(audit, "\"event\":\"start\""), 2);
    cr_assert_eq(count(audit, "\"event\":\"purpose\""), 2);
    cr_assert_eq(count(audit, "\"event\":\"stop\""), 2);
    free(audit);
    check_audit();
}

Test(token, reports_a_wrong_pin_and_exits_after_one_try)
{
    rig_pin(rig, "9999\n");
    cr_assert_not(rig_start(rig));
    cr_assert_eq(rig->login_result, KS_ERR_LOGIN_BLOCKED);
    cr_assert_eq(rig->n_logins_wanted, 1);
    cr_assert_eq(rig->state.state, TOKEN_STATE_LOGIN_BLOCKED);
    cr_assert_eq(rig_wait(rig), CONTROL_EXIT_LOGIN_BLOCKED);
}

Test(token, does_not_try_an_empty_pin)
{
    rig_pin(rig, "\n");
    cr_assert_not(rig_start(rig));
    cr_assert_eq(rig->login_result, KS_ERR_LOGIN_BLOCKED);
    cr_assert_eq(rig_wait(rig), CONTROL_EXIT_LOGIN_BLOCKED);
}

Test(token, says_that_the_token_is_absent)
{
    text_copy(rig->token.label, sizeof(rig->token.label), "another");
    cr_assert_not(rig_start(rig));
    cr_assert_eq(rig->state.state, TOKEN_STATE_ABSENT);
    cr_assert_eq(rig_wait(rig), CONTROL_EXIT_NO_TOKEN);
}

Test(token, says_that_the_module_is_missing)
{
    text_copy(rig->token.profile.module, sizeof(rig->token.profile.module), "/proc/nonexistent.so");
    cr_assert_not(rig_start(rig));
    cr_assert_eq(rig->state.state, TOKEN_STATE_FAILED);
    cr_assert_eq(rig_wait(rig), CONTROL_EXIT_SETUP);
}

Test(token, finds_its_token_by_uri)
{
    rig->token.label[0] = '\0';
    text_copy(rig->token.uri, sizeof(rig->token.uri), "pkcs11:token=keysvc-test");
    cr_assert(rig_start(rig));
    cr_assert_eq(rig_stop(rig), 0);
}

Test(token, drops_a_front_that_talks_nonsense_and_serves_the_next)
{
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    ks_err err;

    cr_assert(rig_start(rig));
    rig_front(rig);
    cr_assert_eq(channel_send(rig->front, 99, NULL, NULL, 0, RIG_TIMEOUT_MS), KS_OK);
    do /* how its audit stood it may have said before */
        err = channel_receive(rig->front, &message, RIG_TIMEOUT_MS);
    while (!err && message.type == JOB_MESSAGE_STATS);
    cr_assert_eq(err, KS_ERR_NO_SERVICE);
    rig_front(rig);
    cr_assert_eq(rig_generate(rig, "doc/a").err, KS_OK);
    cr_assert_eq(rig_stop(rig), 0);
}

Test(token, exits_when_the_supervisor_talks_nonsense_or_is_gone)
{
    cr_assert(rig_start(rig));
    cr_assert_eq(channel_send(rig->control, 99, NULL, NULL, 0, RIG_TIMEOUT_MS), KS_OK);
    cr_assert_eq(rig_wait(rig), CONTROL_EXIT_SETUP);
    rig->control = channel_free(rig->control);
    rig->pulse = NULL;
    cr_assert(rig_start(rig));
    rig->control = channel_free(rig->control);
    cr_assert_eq(rig_wait(rig), CONTROL_EXIT_SETUP);
}

Test(token, answers_every_one_of_many_open_jobs)
{
    enum { N_JOBS = 200 };
    static const char message[] = "a message";
    bool answered[N_JOBS] = {false};
    uint64_t first;
    char *audit;

    cr_assert(rig_start(rig));
    rig_front(rig);
    cr_assert_eq(rig_generate(rig, "doc/a").err, KS_OK);
    first = rig->next_id;
    for (size_t i = 0; i < N_JOBS; i++) {
        struct job job = rig_job_for(rig, JOB_SIGN, "doc/a", 1);

        job.sign.data = (const uint8_t *)message;
        job.sign.data_len = sizeof(message);
        rig_send(rig, &job);
    }
    for (size_t i = 0; i < N_JOBS; i++) {
        struct job_reply reply = rig_receive(rig);

        cr_assert_eq(reply.err, KS_OK);
        cr_assert(reply.id >= first && reply.id < first + N_JOBS && !answered[reply.id - first]);
        answered[reply.id - first] = true;
    }
    audit = rig_audit(rig); /* the records were there before the answers */
    cr_assert_eq(count(audit, "\"event\":\"sign\""), N_JOBS);
    free(audit);
    cr_assert_eq(rig_stop(rig), 0);
}

Test(token, signs_the_front_s_checkpoint_and_nothing_that_looks_like_one_s_own)
{
    struct job job = {.operation = JOB_CHECKPOINT, .version = 1};
    struct job_reply reply;

    cr_assert(rig_start(rig));
    rig_front(rig);
    job.checkpoint = "keysvc-audit-checkpoint:1 chain=front seq=7 hash=00 time=now";
    reply = rig_job(rig, &job);
    cr_assert_eq(reply.err, KS_OK, "%s", reply.why.text);
    cr_assert(verifies("keysvc/audit", EVP_sha256(), false, job.checkpoint, strlen(job.checkpoint),
                       &reply));
    job.checkpoint = "keysvc-audit-checkpoint:1 chain=main-1 seq=7 hash=00 time=now";
    cr_assert_eq(rig_job(rig, &job).err, KS_ERR_PURPOSE);
    cr_assert_eq(rig_stop(rig), 0);
    check_audit();
}

Test(token, signs_checkpoints_for_no_other_version_of_the_audit_key)
{
    struct job job = {.operation = JOB_CHECKPOINT, .version = 2};
    struct job_reply reply;

    cr_assert(rig_start(rig));
    rig_front(rig);
    job.checkpoint = "keysvc-audit-checkpoint:1 chain=front seq=7 hash=00 time=now";
    reply = rig_job(rig, &job);
    cr_assert_eq(reply.err, KS_ERR_PURPOSE);
    cr_assert(strstr(reply.why.text, "keysvc/audit@1 signs checkpoints"), "%s", reply.why.text);
    cr_assert_eq(rig_stop(rig), 0);
    check_audit();
}

Test(token, works_on_with_a_new_configuration_and_a_new_audit_file)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    uint16_t type = 0;
    char path[128];
    int fd;

    cr_assert(rig_start(rig));
    rig_front(rig);
    rig->config.generation = 2;
    config_pack(&body, &rig->config);
    cr_assert_eq(channel_send(rig->control, CONTROL_CONFIG, &body, NULL, 0, RIG_TIMEOUT_MS), KS_OK);
    while (type != CONTROL_CONFIG_DONE)
        cr_assert_eq(rig_control(rig, &type), KS_OK);
    rig_path(rig, "main-1.new", path, sizeof(path));
    fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_eq(channel_send(rig->control, CONTROL_AUDIT, NULL, &fd, 1, RIG_TIMEOUT_MS), KS_OK);
    cr_assert_eq(rig_generate(rig, "doc/a").err, KS_OK);
    cr_assert_eq(rig_stop(rig), 0);
    cr_assert(lseek(fd, 0, SEEK_END) > 0);
    close(fd);
}

Test(token, lets_a_second_worker_use_what_the_first_has_made)
{
    static const char message[] = "a message";
    struct job_key key;
    struct job_reply reply;
    struct rig *first;
    struct rig second;

    cr_assert(rig_start(rig));
    rig_front(rig);
    second = *rig;
    second.worker_index = 2;
    second.control = second.front = NULL;
    second.pulse = NULL;
    first = rig;
    rig = &second;
    cr_assert(rig_start(rig));
    rig_front(rig);
    reply = rig_generate(first, "doc/a");
    cr_assert_eq(reply.err, KS_OK);
    key = reply.key;
    second.keys[0] = key;
    second.n_keys = 1;
    reply = sign("doc/a", KS_ALGORITHM_DEFAULT, KS_HASH_NONE, message, sizeof(message));
    cr_assert_eq(reply.err, KS_OK, "%s", reply.why.text);
    cr_assert(verifies("doc/a", EVP_sha256(), false, message, sizeof(message), &reply));
    cr_assert_eq(rig_generate(&second, "doc/b").err, KS_ERR_BAD_REQUEST);
    cr_assert_eq(rig_stop(&second), 0);
    rig = first;
    cr_assert_eq(rig_stop(rig), 0);
}

/* For modules that read their objects when they are initialised. */
Test(token, a_rescan_initialises_the_module_again_where_the_profile_says_so)
{
    struct job job = {.operation = JOB_RESCAN}, sign;

    rig->token.profile.rescan_reinitializes = true;
    cr_assert(rig_start(rig));
    rig_front(rig);
    cr_assert_eq(rig_generate(rig, "doc/a").err, KS_OK);
    for (unsigned int n_logins = 2; n_logins < 12; n_logins++) { /* however often */
        rig_send(rig, &job);
        while (rig->n_logins_wanted < n_logins) {
            uint16_t type;

            cr_assert_eq(rig_control(rig, &type), KS_OK);
        }
        cr_assert_eq(rig_receive(rig).err, KS_OK);
    }
    sign = rig_job_for(rig, JOB_SIGN, "doc/a", 1);
    sign.sign.data = (const uint8_t *)"data";
    sign.sign.data_len = 4;
    cr_assert_eq(rig_job(rig, &sign).err, KS_OK);
    cr_assert_eq(rig_stop(rig), CONTROL_EXIT_OK);
}

Test(token, a_rescan_whose_login_is_refused_ends_the_process)
{
    struct job job = {.operation = JOB_RESCAN};
    uint16_t type;

    rig->token.profile.rescan_reinitializes = true;
    cr_assert(rig_start(rig));
    rig_front(rig);
    rig_pin(rig, "wrong\n");
    rig_send(rig, &job);
    while (rig->n_logins_wanted < 2)
        cr_assert_eq(rig_control(rig, &type), KS_OK);
    cr_assert_eq(rig_receive(rig).err, KS_ERR_LOGIN_BLOCKED);
    while (rig_control(rig, &type) == KS_OK)
        ;
    cr_assert_eq(rig->login_result, KS_ERR_LOGIN_BLOCKED);
    cr_assert_eq(rig_wait(rig), CONTROL_EXIT_LOGIN_BLOCKED);
}

/* A token without elliptic curves. */
Test(token, signs_checkpoints_with_rsa_where_there_are_no_curves)
{
    const struct job_key *key;

    rig->token.profile.lacks =
        CONFIG_LACKS_TYPE(KS_KEY_TYPE_EC_P256) | CONFIG_LACKS_TYPE(KS_KEY_TYPE_EC_P384);
    /* Makes the key; see above. */
    rig->not_judged = true;
    cr_assert(rig_start(rig));
    cr_assert_eq(rig_stop(rig), CONTROL_EXIT_OK);
    rig->not_judged = false;
    rig->n_checkpoints = 0;

    cr_assert(rig_start(rig));
    rig_front(rig);
    key = rig_key(rig, KEYNAME_AUDIT, 1);
    cr_assert_not_null(key);
    cr_assert_eq(key->type, KS_KEY_TYPE_RSA_2048);
    cr_assert_eq(rig_stop(rig), CONTROL_EXIT_OK);
    cr_assert_geq(rig->n_checkpoints, 1);
    cr_assert_eq(rig->checkpoint.signature_len, 256);
}

Test(token, administer_refuses_to_overwrite_a_token_and_changes_the_pin)
{
    static const char *const init[] = {"init", NULL};
    static const char *const force[] = {"init", "--force", NULL};
    static const char *const change[] = {"change-pin", NULL};
    static const char *const nonsense[] = {"destroy", NULL};

    cr_assert_eq(rig_administer(rig, init, RIG_SO_PIN, RIG_PIN), KS_ERR_EXISTS);
    cr_assert_eq(rig_administer(rig, nonsense, RIG_SO_PIN, RIG_PIN), KS_ERR_USAGE);
    cr_assert_eq(rig_administer(rig, change, "9999", "5678"), KS_ERR_LOGIN_BLOCKED);
    cr_assert_eq(rig_administer(rig, change, RIG_PIN, "5678"), KS_OK);
    rig_pin(rig, "5678");
    cr_assert(rig_start(rig));
    cr_assert_eq(rig_stop(rig), 0);
    cr_assert_eq(rig_administer(rig, force, RIG_SO_PIN, RIG_PIN), KS_OK);
    rig_pin(rig, RIG_PIN);
    cr_assert(rig_start(rig));
    cr_assert_eq(rig_stop(rig), 0);
}

Test(token, administer_reads_pins_that_are_not_given_as_lines)
{
    static const char *const change[] = {"change-pin", NULL};
    static const char lines[] = RIG_PIN "\n5678\n";
    int ends[2];

    setsid(); /* no terminal to ask on */
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(write(ends[1], lines, strlen(lines)), (ssize_t)strlen(lines));
    close(ends[1]);
    dup2(ends[0], STDIN_FILENO);
    cr_assert_eq(rig_administer(rig, change, NULL, NULL), KS_OK);
    cr_assert_eq(rig_administer(rig, change, NULL, NULL), KS_ERR_BAD_REQUEST, "no more lines");
    rig_pin(rig, "5678");
    cr_assert(rig_start(rig));
    cr_assert_eq(rig_stop(rig), 0);
}
