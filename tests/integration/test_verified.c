/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_verified - requests and self-signed certificates of a token process, as openssl, GnuTLS and
 * Python's cryptography see them (verified.py)
 */
#include <stdio.h>
#include <sys/wait.h>

#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "token_rig.h"

static struct job_alternative FOUR[] = {
    {CERTNAME_DNS, "www.shop.example"},
    {CERTNAME_IP, "10.1.2.3"},
    {CERTNAME_EMAIL, "admin@shop.example"},
    {CERTNAME_URI, "https://shop.example/a"},
};

static const struct job_csr SUBJECT = {
    .common_name = "shop.example",
    .organization = "Köhler & Söhne",
    .organization_unit = "Verkauf",
    .country = "DE",
    .state = "Bayern",
    .locality = "Nürnberg",
    .email = "admin@shop.example",
    .challenge_password = "",
    .alternatives = FOUR,
    .n_alternatives = ARRAY_LEN(FOUR),
};

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

TestSuite(verified, .init = set_up, .fini = tear_down, .timeout = 300);

static void
begin(enum ks_key_type type)
{
    struct strv *names = &rig->classes[0].names;
    struct job_reply reply;

    rig->classes[0].type = type;
    cr_assert_eq(strv_add(names, "10.0.0.0/8"), KS_OK);
    cr_assert_eq(strv_add(names, "email:@shop.example"), KS_OK);
    cr_assert_eq(strv_add(names, "uri:https://shop.example/"), KS_OK);
    cr_assert(rig_start(rig));
    rig_front(rig);
    reply = rig_generate(rig, "web/shop");
    cr_assert_eq(reply.err, KS_OK, "%s", reply.why.text);
}

static void
write_bytes(const char *name, const uint8_t *data, size_t len)
{
    char path[128];
    FILE *file;

    rig_path(rig, name, path, sizeof(path));
    file = fopen(path, "w");
    cr_assert(file && fwrite(data, 1, len, file) == len && fclose(file) == 0);
}

/* Three programs' verdict on a file of the rig; what they say goes to the test's output. */
static void
expect_verified(const char *kind, const char *name, size_t n_names, const char *challenge)
{
    char path[128], number[16], text[64];
    const char *argv[] = {PYTHON, VERIFIED, kind, path, "--names", number, NULL, NULL};
    int status = 0;
    pid_t pid;

    rig_path(rig, name, path, sizeof(path));
    snprintf(number, sizeof(number), "%zu", n_names);
    snprintf(text, sizeof(text), "--challenge=%s", challenge ? challenge : "");
    if (challenge)
        argv[6] = text;
    pid = fork();
    cr_assert(pid >= 0);
    if (pid == 0) {
        unsetenv("LD_PRELOAD");
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: %s", kind, name);
}

static struct job_reply
ask(enum job_operation operation, enum ks_algorithm algorithm, const struct job_csr *csr)
{
    struct job job = rig_job_for(rig, operation, "web/shop", 1);

    job.csr = *csr;
    job.csr.algorithm = algorithm;
    job.days = 30;
    return rig_job(rig, &job);
}

static void
check_request(enum ks_algorithm algorithm, const struct job_csr *csr)
{
    struct job_reply reply = ask(JOB_CSR, algorithm, csr);

    cr_assert_eq(reply.err, KS_OK, "%s", reply.why.text);
    write_bytes("request.der", reply.data, reply.data_len);
    expect_verified("request", "request.der", csr->n_alternatives,
                    *csr->challenge_password ? csr->challenge_password : NULL);
}

static void
check_certificate(enum ks_algorithm algorithm, const struct job_csr *csr)
{
    struct job_reply reply = ask(JOB_SELF_SIGN, algorithm, csr);
    struct job_chain chain;

    cr_assert_eq(reply.err, KS_OK, "%s", reply.why.text);
    cr_assert_eq(job_chain_unpack(reply.data, reply.data_len, &chain), KS_OK);
    cr_assert_eq(chain.n_items, 1);
    write_bytes("certificate.der", chain.items[0].data, chain.items[0].len);
    expect_verified("certificate", "certificate.der", csr->n_alternatives, NULL);
}

struct pair {
    enum ks_key_type type;
    enum ks_algorithm algorithms[3]; /* the default ends the list */
};

ParameterizedTestParameters(verified, by_three_programs_with_every_kind_of_key)
{
    static struct pair pairs[] = {
        {KS_KEY_TYPE_EC_P256, {KS_ALGORITHM_ECDSA_SHA256}},
        {KS_KEY_TYPE_EC_P384, {KS_ALGORITHM_ECDSA_SHA384}},
        {KS_KEY_TYPE_EC_P521, {KS_ALGORITHM_ECDSA_SHA512}},
        {KS_KEY_TYPE_ED25519, {KS_ALGORITHM_ED25519}},
        {KS_KEY_TYPE_RSA_2048, {KS_ALGORITHM_RSA_PKCS1_SHA256, KS_ALGORITHM_RSA_PSS_SHA256}},
        {KS_KEY_TYPE_RSA_3072, {KS_ALGORITHM_RSA_PKCS1_SHA512, KS_ALGORITHM_RSA_PSS_SHA512}},
    };

    return cr_make_param_array(struct pair, pairs, ARRAY_LEN(pairs));
}

ParameterizedTest(struct pair *c, verified, by_three_programs_with_every_kind_of_key)
{
    struct job_csr with_challenge = SUBJECT;

    with_challenge.challenge_password = "Sesam 12";
    begin(c->type);
    for (size_t i = 0; i < ARRAY_LEN(c->algorithms) && c->algorithms[i]; i++) {
        check_request(c->algorithms[i], &with_challenge);
        check_certificate(c->algorithms[i], &SUBJECT);
    }
    cr_assert_eq(rig_stop(rig), 0);
}

Test(verified, with_a_thousand_names)
{
    static char texts[JOB_MAX_ALTERNATIVES][32];
    static struct job_alternative many[JOB_MAX_ALTERNATIVES];
    struct job_csr csr = SUBJECT;

    for (size_t i = 0; i < ARRAY_LEN(many); i++) {
        snprintf(texts[i], sizeof(texts[i]), "n%zu.shop.example", i);
        many[i] = (struct job_alternative){CERTNAME_DNS, texts[i]};
    }
    csr.alternatives = many;
    csr.n_alternatives = ARRAY_LEN(many);
    begin(KS_KEY_TYPE_EC_P256);
    check_request(KS_ALGORITHM_DEFAULT, &csr);
    check_certificate(KS_ALGORITHM_DEFAULT, &csr);
    cr_assert_eq(rig_stop(rig), 0);
}

Test(verified, certificates_are_refused_as_requests_are_and_recorded)
{
    struct job_alternative bad = {CERTNAME_DNS, "www.bank.example"};
    struct job_csr csr = SUBJECT;
    struct job job;
    char *audit;

    begin(KS_KEY_TYPE_EC_P256);
    csr.alternatives = &bad;
    csr.n_alternatives = 1;
    cr_assert_eq(ask(JOB_SELF_SIGN, KS_ALGORITHM_DEFAULT, &csr).err, KS_ERR_NAME_NOT_ALLOWED);
    cr_assert_eq(ask(JOB_SELF_SIGN, KS_ALGORITHM_ED25519, &SUBJECT).err, KS_ERR_UNSUPPORTED);
    job = rig_job_for(rig, JOB_SELF_SIGN, "web/shop", 1);
    job.csr = SUBJECT;
    job.days = 1;
    job.public_key_sha256[0] ^= 1;
    cr_assert_eq(rig_job(rig, &job).err, KS_ERR_KEY_CHANGED);
    audit = rig_audit(rig);
    cr_assert(!strstr(audit, "\"event\":\"self_sign\""));
    free(audit);
    cr_assert_eq(ask(JOB_SELF_SIGN, KS_ALGORITHM_DEFAULT, &SUBJECT).err, KS_OK);
    cr_assert_eq(rig_stop(rig), 0);
    audit = rig_audit(rig);
    cr_assert(strstr(audit, "\"event\":\"self_sign\""));
    cr_assert(strstr(audit, "\"operation\":\"self-sign\""));
    free(audit);
}
