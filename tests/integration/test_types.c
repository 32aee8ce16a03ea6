/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_types - every key type with every signature, refusals that name the mechanism, foreign keys,
 * token information: one keysvc-token process on a real SoftHSM token
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "token_rig.h"

static const char message[] = "a message of any length";

static struct rig *rig;
static struct config_key sections[2];

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

TestSuite(types, .init = set_up, .fini = tear_down, .timeout = 300);

static EVP_PKEY *
public_key(const char *name)
{
    const struct job_key *key = rig_key(rig, name, 1);
    const unsigned char *at;
    EVP_PKEY *pkey;

    cr_assert(key, "%s@1 is not in the directory", name);
    at = key->public_key;
    pkey = d2i_PUBKEY(NULL, &at, (long)key->public_key_len);
    cr_assert(pkey);
    return pkey;
}

static const EVP_MD *
md_of(enum ks_algorithm algorithm)
{
    switch (ks_algorithm_hash(algorithm)) {
    case KS_HASH_SHA256:
        return EVP_sha256();
    case KS_HASH_SHA384:
        return EVP_sha384();
    case KS_HASH_SHA512:
        return EVP_sha512();
    default:
        return NULL;
    }
}

static bool
is_pss(enum ks_algorithm algorithm)
{
    return algorithm >= KS_ALGORITHM_RSA_PSS_SHA256 && algorithm <= KS_ALGORITHM_RSA_PSS_SHA512;
}

/* OpenSSL hashes and verifies on its own. */
static bool
verifies(EVP_PKEY *pkey, enum ks_algorithm algorithm, const struct job_reply *reply)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options = NULL;
    bool good;

    cr_assert_eq(EVP_DigestVerifyInit(context, &options, md_of(algorithm), NULL, pkey), 1);
    if (is_pss(algorithm)) {
        EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST);
    }
    good = EVP_DigestVerify(context, reply->data, reply->data_len, (const uint8_t *)message,
                            sizeof(message)) == 1;
    EVP_MD_CTX_free(context);
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

static void
try_message(EVP_PKEY *pkey, enum ks_algorithm algorithm)
{
    struct job_reply reply = sign("doc/a", algorithm, KS_HASH_NONE, message, sizeof(message));

    cr_assert_eq(reply.err, KS_OK, "%s: %s", ks_algorithm_name(algorithm), reply.why.text);
    cr_assert_eq(reply.algorithm, algorithm);
    cr_assert(verifies(pkey, algorithm, &reply), "%s", ks_algorithm_name(algorithm));
}

static void
try_digest(EVP_PKEY *pkey, enum ks_algorithm algorithm)
{
    enum ks_hash hash = ks_algorithm_hash(algorithm);
    const EVP_MD *md = md_of(algorithm);
    uint8_t digest[KS_HASH_MAX_LEN] = {0};
    struct job_reply reply;
    unsigned int len = 0;

    if (!md) { /* Ed25519 signs messages only */
        reply = sign("doc/a", algorithm, KS_HASH_SHA512, digest, sizeof(digest));
        cr_assert_eq(reply.err, KS_ERR_BAD_REQUEST);
        return;
    }
    cr_assert_eq(EVP_Digest(message, sizeof(message), digest, &len, md, NULL), 1);
    reply = sign("doc/a", algorithm, hash, digest, len);
    cr_assert_eq(reply.err, KS_OK, "%s: %s", ks_algorithm_name(algorithm), reply.why.text);
    cr_assert(verifies(pkey, algorithm, &reply), "%s, prehashed", ks_algorithm_name(algorithm));
    reply = sign("doc/a", algorithm, hash, digest, len - 1);
    cr_assert_eq(reply.err, KS_ERR_BAD_REQUEST);
}

/* RSA-4096 is among them, once: it takes seconds to make. */
ParameterizedTestParameters(types, sign_with_every_algorithm_that_fits_and_no_other)
{
    static enum ks_key_type types[] = {
        KS_KEY_TYPE_EC_P256,  KS_KEY_TYPE_EC_P384,  KS_KEY_TYPE_EC_P521,  KS_KEY_TYPE_ED25519,
        KS_KEY_TYPE_RSA_2048, KS_KEY_TYPE_RSA_3072, KS_KEY_TYPE_RSA_4096,
    };

    return cr_make_param_array(enum ks_key_type, types, ARRAY_LEN(types));
}

ParameterizedTest(enum ks_key_type *type, types, sign_with_every_algorithm_that_fits_and_no_other)
{
    struct job_reply reply;
    EVP_PKEY *pkey;

    rig->classes[2].type = *type;
    cr_assert(rig_start(rig));
    rig_front(rig);
    reply = rig_generate(rig, "doc/a");
    cr_assert_eq(reply.err, KS_OK, "%s: %s", ks_key_type_name(*type), reply.why.text);
    cr_assert_eq(reply.key.type, *type);
    pkey = public_key("doc/a");
    for (enum ks_algorithm a = KS_ALGORITHM_ECDSA_SHA256; a < KS_ALGORITHM_COUNT; a++) {
        if (ks_algorithm_for(*type, a) == a) {
            try_message(pkey, a);
            try_digest(pkey, a);
            continue;
        }
        reply = sign("doc/a", a, KS_HASH_NONE, message, sizeof(message));
        cr_assert_eq(reply.err, KS_ERR_UNSUPPORTED, "%s", ks_algorithm_name(a));
    }
    reply = sign("doc/a", KS_ALGORITHM_DEFAULT, KS_HASH_NONE, message, sizeof(message));
    cr_assert_eq(reply.err, KS_OK);
    cr_assert_eq(reply.algorithm, ks_algorithm_for(*type, KS_ALGORITHM_DEFAULT));
    EVP_PKEY_free(pkey);
    cr_assert_eq(rig_stop(rig), 0);
}

static void
start_breakable(void)
{
    rig_break_module(rig, PKCS11_BREAK);
    cr_assert(rig_start(rig));
    rig_front(rig);
}

Test(types, are_refused_with_the_names_of_token_and_mechanism)
{
    struct job_reply reply;

    start_breakable();
    cr_assert_eq(rig_generate(rig, "doc/a").err, KS_OK);
    rig_break(rig, "C_SignInit:*:CKR_MECHANISM_INVALID\n");
    reply = sign("doc/a", KS_ALGORITHM_DEFAULT, KS_HASH_NONE, message, sizeof(message));
    cr_assert_eq(reply.err, KS_ERR_UNSUPPORTED);
    cr_assert_str_eq(reply.why.text, "token main does not do CKM_ECDSA: C_SignInit: "
                                     "CKR_MECHANISM_INVALID (0x70)");
    cr_assert(strstr(reply.why.hint, "keysvc token show main"));
    rig_break(rig, "C_GenerateKeyPair:*:CKR_MECHANISM_INVALID\n");
    reply = rig_generate(rig, "code/a");
    cr_assert_eq(reply.err, KS_ERR_UNSUPPORTED);
    cr_assert(strstr(reply.why.text, "token main does not do CKM_RSA_PKCS_KEY_PAIR_GEN"));
    reply = sign("doc/a", KS_ALGORITHM_DEFAULT, KS_HASH_NONE, message, sizeof(message));
    cr_assert_eq(reply.err, KS_OK, "the process goes on");
    cr_assert_eq(rig_stop(rig), 0);
}

Test(types, that_the_profile_lacks_are_refused_without_asking)
{
    struct job_reply reply;
    char *audit;

    rig->classes[0].type = KS_KEY_TYPE_ED25519;
    rig->token.profile.lacks =
        CONFIG_LACKS_TYPE(KS_KEY_TYPE_ED25519) | CONFIG_LACKS_ALGORITHM(KS_ALGORITHM_ECDSA_SHA512);
    cr_assert(rig_start(rig));
    rig_front(rig);
    reply = rig_generate(rig, "web/a");
    cr_assert_eq(reply.err, KS_ERR_UNSUPPORTED);
    cr_assert(strstr(reply.why.text, "token main cannot do ed25519"));
    cr_assert_eq(rig_generate(rig, "doc/a").err, KS_OK);
    reply = sign("doc/a", KS_ALGORITHM_ECDSA_SHA512, KS_HASH_NONE, message, sizeof(message));
    cr_assert_eq(reply.err, KS_ERR_UNSUPPORTED);
    cr_assert(strstr(reply.why.text, "ecdsa-sha512"));
    reply = sign("doc/a", KS_ALGORITHM_ECDSA_SHA384, KS_HASH_NONE, message, sizeof(message));
    cr_assert_eq(reply.err, KS_OK, "%s", reply.why.text);
    cr_assert_eq(rig_stop(rig), 0);
    audit = rig_audit(rig);
    cr_assert(strstr(audit, "\"outcome\":\"UNSUPPORTED\""));
    free(audit);
}

/* A full TPM answers CKR_GENERAL_ERROR; a process that ended for it would take the signatures of
 * everybody else with it. */
Test(types, that_cannot_be_made_do_not_end_the_process)
{
    struct job_reply reply;

    start_breakable();
    cr_assert_eq(rig_generate(rig, "doc/a").err, KS_OK);
    rig_break(rig, "C_GenerateKeyPair:*:CKR_GENERAL_ERROR\n");
    reply = rig_generate(rig, "doc/b");
    cr_assert_eq(reply.err, KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert(strstr(reply.why.hint, "full"));
    reply = sign("doc/a", KS_ALGORITHM_DEFAULT, KS_HASH_NONE, message, sizeof(message));
    cr_assert_eq(reply.err, KS_OK, "%s", reply.why.text);
    rig_break(rig, "C_GenerateKeyPair:*:CKR_GENERAL_ERROR\nC_GenerateRandom:*:CKR_GENERAL_ERROR\n");
    cr_assert_eq(rig_generate(rig, "doc/b").err, KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(rig_wait(rig), CONTROL_EXIT_TOKEN_LOST, "the token does not work at all");
}

Test(types, of_mechanisms_are_shown_with_what_the_token_says_of_itself)
{
    struct job job = {.operation = JOB_TOKEN_INFO};
    struct job_token_info info;
    struct job_reply reply;
    bool has_ecdsa = false;

    cr_assert(rig_start(rig));
    rig_front(rig);
    reply = rig_job(rig, &job);
    cr_assert_eq(reply.err, KS_OK, "%s", reply.why.text);
    cr_assert_eq(job_token_info_unpack(reply.data, reply.data_len, &info), KS_OK);
    cr_assert_str_eq(info.label, "keysvc-test");
    cr_assert_str_eq(info.model, "SoftHSM v2");
    cr_assert_str_eq(info.serial, rig->state.serial);
    cr_assert_eq(info.hardware_version[1], '.');
    cr_assert_eq(info.free_public_memory, JOB_NUMBER_UNKNOWN);
    cr_assert_eq(info.max_sessions, 0, "no limit");
    cr_assert(info.max_pin_len >= info.min_pin_len && info.min_pin_len > 0);
    cr_assert(info.n_mechanisms > 20);
    for (size_t i = 0; i < info.n_mechanisms; i++) {
        cr_expect(i == 0 || info.mechanisms[i].type > info.mechanisms[i - 1].type);
        cr_expect_eq(strncmp(info.mechanisms[i].name, "CKM_", 4), 0, "%s", info.mechanisms[i].name);
        if (strcmp(info.mechanisms[i].name, "CKM_ECDSA") == 0)
            has_ecdsa = info.mechanisms[i].max_size == 521 && info.mechanisms[i].flags;
    }
    cr_assert(has_ecdsa);
    job_token_info_deinit(&info);
    cr_assert_eq(rig_stop(rig), 0);
}

Test(types, of_tokens_that_do_not_answer_say_so)
{
    struct job job = {.operation = JOB_TOKEN_INFO};
    struct job_reply reply;

    start_breakable();
    rig_break(rig, "C_GetMechanismList:*:CKR_TOKEN_NOT_PRESENT\n");
    reply = rig_job(rig, &job);
    cr_assert_eq(reply.err, KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert(strstr(reply.why.text, "C_GetMechanismList: CKR_TOKEN_NOT_PRESENT"));
    cr_assert_eq(rig_wait(rig), CONTROL_EXIT_TOKEN_LOST);
}

/* Another program's key pair. */
static void
foreign_pair(const char *type, const char *label, const char *id)
{
    const char *module = rig->token.profile.module;
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);

        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execlp("pkcs11-tool", "pkcs11-tool", "--module", module, "--token-label", "keysvc-test",
               "--login", "--pin", RIG_PIN, "--keypairgen", "--key-type", type, "--label", label,
               "--id", id, (char *)NULL);
        _exit(127);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0, "pkcs11-tool --keypairgen %s", type);
}

/* keysvcd would take its checkpoints for nonsense, and end the process again and again. */
Test(types, a_token_with_an_audit_key_of_another_kind_serves_its_keys_without_checkpoints)
{
    foreign_pair("rsa:4096", "keysvc/audit@1", "77");
    cr_assert(rig_start(rig));
    rig_front(rig);
    cr_assert_eq(rig_generate(rig, "doc/a").err, KS_OK);
    cr_assert_eq(rig_stop(rig), CONTROL_EXIT_OK);
    cr_assert_eq(rig->n_checkpoints, 0);
}

static void
adopt(size_t i, const char *name, const char *uri)
{
    text_copy(sections[i].name, sizeof(sections[i].name), name);
    text_copy(sections[i].uri, sizeof(sections[i].uri), uri);
    rig->config.keys = sections;
    rig->config.n_keys = i + 1;
}

static void
reload(void)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    uint16_t type = 0;

    rig->config.generation++;
    config_pack(&body, &rig->config);
    cr_assert_eq(channel_send(rig->control, CONTROL_CONFIG, &body, NULL, 0, RIG_TIMEOUT_MS), KS_OK);
    while (type != CONTROL_CONFIG_DONE)
        cr_assert_eq(rig_control(rig, &type), KS_OK);
}

Test(types, of_foreign_keys_are_signed_with_when_a_section_adopts_them)
{
    struct job_reply reply;
    struct job job;
    EVP_PKEY *pkey;

    foreign_pair("EC:secp384r1", "somebody's key", "0102");
    foreign_pair("rsa:2048", "another", "0a");
    adopt(0, "doc/a", "pkcs11:token=keysvc-test;object=somebody's%20key;type=private");
    adopt(1, "code/a", "pkcs11:id=%0a");
    cr_assert(rig_start(rig));
    rig_front(rig);
    cr_assert_eq(rig->n_keys, 3, "both and the audit's");
    cr_assert_eq(rig_key(rig, "doc/a", 1)->type, KS_KEY_TYPE_EC_P384);
    pkey = public_key("doc/a");
    try_message(pkey, KS_ALGORITHM_ECDSA_SHA512);
    EVP_PKEY_free(pkey);
    pkey = public_key("code/a");
    reply = sign("code/a", KS_ALGORITHM_RSA_PSS_SHA256, KS_HASH_NONE, message, sizeof(message));
    cr_assert_eq(reply.err, KS_OK, "%s", reply.why.text);
    cr_assert(verifies(pkey, KS_ALGORITHM_RSA_PSS_SHA256, &reply));
    EVP_PKEY_free(pkey);
    cr_assert_eq(rig_generate(rig, "doc/a").err, KS_ERR_EXISTS);
    job = rig_job_for(rig, JOB_ROTATE, "doc/a", 1);
    reply = rig_job(rig, &job);
    cr_assert_eq(reply.err, KS_OK, "%s", reply.why.text);
    cr_assert_eq(reply.key.version, 2);
    cr_assert_eq(reply.key.type, KS_KEY_TYPE_EC_P256, "one of ours, as its class says");
    cr_assert_eq(rig_stop(rig), 0);
}

Test(types, of_foreign_keys_come_and_go_with_their_section)
{
    struct job_reply reply;
    struct job job;

    foreign_pair("EC:prime256v1", "signer", "01");
    cr_assert(rig_start(rig));
    rig_front(rig);
    cr_assert_eq(rig->n_keys, 1);
    adopt(0, "doc/a", "pkcs11:object=signer");
    reload();
    rig_read_directory(rig);
    cr_assert_eq(rig->n_keys, 2);
    job = rig_job_for(rig, JOB_SIGN, "doc/a", 1);
    job.sign = (struct job_sign){.data = (const uint8_t *)message, .data_len = sizeof(message)};
    reply = rig_job(rig, &job);
    cr_assert_eq(reply.err, KS_OK, "%s", reply.why.text);
    rig->config.n_keys = 0;
    reload();
    rig_read_directory(rig);
    cr_assert_eq(rig->n_keys, 1);
    job.generation = 0; /* as the new configuration says */
    cr_assert_eq(rig_job(rig, &job).err, KS_ERR_NO_KEY);
    cr_assert_eq(rig_stop(rig), 0);
}

Test(types, of_foreign_keys_are_refused_when_two_fit_or_the_uri_is_none)
{
    struct job_reply reply;
    struct job job = {.operation = JOB_RESCAN};

    foreign_pair("EC:prime256v1", "signer", "01");
    foreign_pair("EC:prime256v1", "signer", "02");
    adopt(0, "doc/a", "pkcs11:object=signer");
    adopt(1, "doc/b", "not a URI");
    cr_assert(rig_start(rig));
    rig_front(rig);
    cr_assert_eq(rig->n_keys, 2);
    cr_assert_eq(rig_key(rig, "doc/a", 1)->state, JOB_KEY_AMBIGUOUS);
    reply = sign("doc/a", KS_ALGORITHM_DEFAULT, KS_HASH_NONE, message, sizeof(message));
    cr_assert_eq(reply.err, KS_ERR_AMBIGUOUS_KEY);
    reply = sign("doc/b", KS_ALGORITHM_DEFAULT, KS_HASH_NONE, message, sizeof(message));
    cr_assert_eq(reply.err, KS_ERR_NO_KEY);
    cr_assert_eq(rig_job(rig, &job).err, KS_OK);
    cr_assert_eq(rig_key(rig, "doc/a", 1)->state, JOB_KEY_AMBIGUOUS);
    cr_assert_eq(rig_stop(rig), 0);
}
