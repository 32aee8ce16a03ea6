/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <openssl/x509v3.h>

#include "token/selfcert.h"

#include "csr_rig.h"
#include "software_key.h"

#define NOW_S 1800000000 /* 2027-01-15T08:00:00Z */

static struct job_alternative ALTERNATIVES[] = {
    {CERTNAME_DNS, "shop.example"},
    {CERTNAME_IP, "2001:db8::7"},
    {CERTNAME_EMAIL, "admin@shop.example"},
    {CERTNAME_URI, "https://shop.example/a"},
};

static const char *const NAMES[] = {"shop.example", ".shop.example", "2001:db8::/32",
                                    "email:@shop.example", "uri:https://shop.example/"};

static const struct config_class CLASS = {
    .glob = "web/**",
    .purpose = KS_PURPOSE_TLS_SERVER,
    .names = {(char **)(uintptr_t)NAMES, ARRAY_LEN(NAMES)},
};

static const struct job_csr JOB = {
    .common_name = "shop.example",
    .organization = "Köhler & Söhne",
    .organization_unit = "",
    .country = "DE",
    .state = "",
    .locality = "",
    .email = "",
    .challenge_password = "",
    .alternatives = ALTERNATIVES,
    .n_alternatives = ARRAY_LEN(ALTERNATIVES),
};

static ks_err
build(struct token *token, const struct job_csr *job, uint32_t days,
      const struct config_class *class, X509 **out, struct fault *why)
{
    struct spki spki = software_key_spki(token->type, token->key);
    uint8_t *der = NULL;
    const uint8_t *at;
    size_t len = 0;
    ks_err err;

    err = selfcert_build(job, days, NOW_S, class, &spki, token->algorithm, csr_rig_sign, token,
                         &der, &len, why);
    *out = NULL;
    cr_assert_eq(err == KS_OK, der != NULL);
    cr_assert_eq(err == KS_OK, why->text[0] == '\0');
    if (err)
        return err;
    at = der;
    *out = d2i_X509(NULL, &at, (long)len);
    cr_assert_not_null(*out);
    cr_assert_eq(at, der + len);
    OPENSSL_free(der);
    return KS_OK;
}

static X509 *
build_p256(const struct job_csr *job, uint32_t days)
{
    struct token token = csr_rig_token(KS_KEY_TYPE_EC_P256);
    struct fault why = FAULT_INIT;
    X509 *certificate;

    cr_assert_eq(build(&token, job, days, &CLASS, &certificate, &why), KS_OK, "%s", why.text);
    cr_assert_eq(X509_verify(certificate, token.key), 1);
    EVP_PKEY_free(token.key);
    return certificate;
}

/* As a client that was given exactly this certificate to trust. */
static int
trusted(X509 *certificate)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    int good;

    X509_STORE_add_cert(store, certificate);
    cr_assert_eq(X509_STORE_CTX_init(context, store, certificate, NULL), 1);
    X509_STORE_CTX_set_time(context, 0, NOW_S + 60);
    X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_SERVER);
    good = X509_verify_cert(context);
    if (good != 1)
        good = -X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return good;
}

struct pair {
    enum ks_key_type type;
    enum ks_algorithm algorithm;
    int nid;
};

ParameterizedTestParameters(selfcert, verifies_with_every_kind_of_key_and_algorithm)
{
    static struct pair pairs[] = {
        {KS_KEY_TYPE_EC_P256, KS_ALGORITHM_ECDSA_SHA256, NID_ecdsa_with_SHA256},
        {KS_KEY_TYPE_EC_P384, KS_ALGORITHM_ECDSA_SHA384, NID_ecdsa_with_SHA384},
        {KS_KEY_TYPE_EC_P521, KS_ALGORITHM_ECDSA_SHA512, NID_ecdsa_with_SHA512},
        {KS_KEY_TYPE_ED25519, KS_ALGORITHM_ED25519, NID_ED25519},
        {KS_KEY_TYPE_RSA_2048, KS_ALGORITHM_RSA_PKCS1_SHA256, NID_sha256WithRSAEncryption},
        {KS_KEY_TYPE_RSA_3072, KS_ALGORITHM_RSA_PKCS1_SHA512, NID_sha512WithRSAEncryption},
        {KS_KEY_TYPE_RSA_2048, KS_ALGORITHM_RSA_PSS_SHA256, NID_rsassaPss},
        {KS_KEY_TYPE_RSA_2048, KS_ALGORITHM_RSA_PSS_SHA384, NID_rsassaPss},
        {KS_KEY_TYPE_RSA_2048, KS_ALGORITHM_RSA_PSS_SHA512, NID_rsassaPss},
    };

    return cr_make_param_array(struct pair, pairs, ARRAY_LEN(pairs));
}

ParameterizedTest(struct pair *c, selfcert, verifies_with_every_kind_of_key_and_algorithm)
{
    struct token token = csr_rig_token(c->type);
    struct fault why = FAULT_INIT;
    X509 *certificate;

    token.algorithm = c->algorithm;
    cr_assert_eq(build(&token, &JOB, 30, &CLASS, &certificate, &why), KS_OK, "%s", why.text);
    cr_assert_eq(token.n_calls, 1);
    cr_assert_eq(X509_get_signature_nid(certificate), c->nid);
    cr_assert_eq(X509_verify(certificate, token.key), 1);
    cr_assert_eq(EVP_PKEY_eq(X509_get0_pubkey(certificate), token.key), 1);
    cr_assert_eq(trusted(certificate), 1);
    X509_free(certificate);
    EVP_PKEY_free(token.key);
}

Test(selfcert, is_its_own_issuer_of_version_3_and_never_an_authority)
{
    X509 *certificate = build_p256(&JOB, 30);
    char text[256];

    cr_assert_eq(X509_get_version(certificate), X509_VERSION_3);
    cr_assert_eq(
        X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)), 0);
    X509_NAME_oneline(X509_get_subject_name(certificate), text, sizeof(text));
    cr_assert(strstr(text, "/C=DE/O=") && strstr(text, "/CN=shop.example"), "%s", text);
    cr_assert_eq(X509_check_ca(certificate), 0);
    cr_assert_eq(X509_get_key_usage(certificate), X509v3_KU_DIGITAL_SIGNATURE);
    cr_assert_eq(X509_get_extended_key_usage(certificate), XKU_SSL_SERVER);
    cr_assert_geq(X509_get_ext_by_critical(certificate, 1, -1), 0);
    cr_assert_eq(X509_check_host(certificate, "shop.example", 0, 0, NULL), 1);
    cr_assert_eq(X509_check_ip_asc(certificate, "2001:db8::7", 0), 1);
    cr_assert_eq(X509_check_email(certificate, "admin@shop.example", 0, 0), 1);
    X509_free(certificate);
}

Test(selfcert, carries_the_key_s_identifier_twice)
{
    struct token token = csr_rig_token(KS_KEY_TYPE_EC_P256);
    struct spki spki = software_key_spki(token.type, token.key);
    struct fault why = FAULT_INIT;
    const ASN1_OCTET_STRING *own, *authority;
    uint8_t id[SPKI_KEY_ID_LEN];
    X509 *certificate;

    cr_assert_eq(build(&token, &JOB, 30, &CLASS, &certificate, &why), KS_OK, "%s", why.text);
    cr_assert_eq(spki_key_id(&spki, id), KS_OK);
    own = X509_get0_subject_key_id(certificate);
    authority = X509_get0_authority_key_id(certificate);
    cr_assert(own && authority);
    cr_assert_eq(ASN1_STRING_length(own), SPKI_KEY_ID_LEN);
    cr_assert_arr_eq(ASN1_STRING_get0_data(own), id, sizeof(id));
    cr_assert_eq(ASN1_STRING_cmp(own, authority), 0);
    X509_free(certificate);
    EVP_PKEY_free(token.key);
}

Test(selfcert, has_a_positive_serial_number_of_its_own)
{
    X509 *first = build_p256(&JOB, 30), *second = build_p256(&JOB, 30);
    const ASN1_INTEGER *serial = X509_get0_serialNumber(first);

    cr_assert_eq(ASN1_STRING_length(serial), 16);
    cr_assert_eq(ASN1_STRING_type(serial), V_ASN1_INTEGER, "not negative");
    cr_assert_eq(i2d_ASN1_INTEGER(serial, NULL), 18, "nor with a zero before it");
    cr_assert_neq(ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(second)), 0);
    X509_free(first);
    X509_free(second);
}

Test(selfcert, is_valid_from_now_for_as_many_days_as_were_asked_for)
{
    X509 *certificate = build_p256(&JOB, JOB_MAX_DAYS);
    int days = 0, seconds = 0;

    cr_assert_eq(ASN1_TIME_cmp_time_t(X509_get0_notBefore(certificate), NOW_S), 0);
    cr_assert_eq(ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(certificate),
                                X509_get0_notAfter(certificate)),
                 1);
    cr_assert_eq(days, JOB_MAX_DAYS);
    cr_assert_eq(seconds, 0);
    cr_assert_eq(ASN1_STRING_type(X509_get0_notAfter(certificate)), V_ASN1_UTCTIME);
    X509_free(certificate);
}

Test(selfcert, writes_years_from_2050_on_with_four_digits)
{
    struct token token = csr_rig_token(KS_KEY_TYPE_EC_P256);
    struct spki spki = software_key_spki(token.type, token.key);
    struct fault why = FAULT_INIT;
    int64_t now_s = 2524000000; /* 2049-12-24 */
    const uint8_t *at;
    X509 *certificate;
    uint8_t *der;
    size_t len;

    cr_assert_eq(selfcert_build(&JOB, 30, now_s, &CLASS, &spki, token.algorithm, csr_rig_sign,
                                &token, &der, &len, &why),
                 KS_OK);
    at = der;
    certificate = d2i_X509(NULL, &at, (long)len);
    cr_assert_eq(ASN1_STRING_type(X509_get0_notBefore(certificate)), V_ASN1_UTCTIME);
    cr_assert_eq(ASN1_STRING_type(X509_get0_notAfter(certificate)), V_ASN1_GENERALIZEDTIME);
    cr_assert_eq(ASN1_TIME_cmp_time_t(X509_get0_notAfter(certificate), now_s + 30 * 86400), 0);
    X509_free(certificate);
    OPENSSL_free(der);
    EVP_PKEY_free(token.key);
}

struct refusal {
    const char *common_name, *challenge;
    uint32_t days;
    ks_err err;
    const char *text;
};

Test(selfcert, refuses_before_it_asks_the_token)
{
    static const struct refusal refusals[] = {
        {"shop.example", "", 1, KS_OK, ""},
        {"shop.example", NULL, JOB_MAX_DAYS, KS_OK, ""},
        {"shop.example", "", 0, KS_ERR_BAD_REQUEST, "1 to 3650 days"},
        {"shop.example", "", JOB_MAX_DAYS + 1, KS_ERR_BAD_REQUEST, "1 to 3650 days"},
        {"shop.example", "secret", 1, KS_ERR_BAD_REQUEST, "challenge password"},
        {"", "", 1, KS_ERR_BAD_REQUEST, "needs a subject"},
        {"bank.example", "", 1, KS_ERR_NAME_NOT_ALLOWED, "bank.example"},
    };
    struct token token = csr_rig_token(KS_KEY_TYPE_EC_P256);

    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        const struct refusal *c = &refusals[i];
        struct job_csr job = JOB;
        struct fault why = FAULT_INIT;
        X509 *certificate;

        job.common_name = c->common_name;
        job.challenge_password = c->challenge;
        job.organization = job.country = "";
        token.n_calls = 0;
        cr_assert_eq(build(&token, &job, c->days, &CLASS, &certificate, &why), c->err, "%zu", i);
        cr_assert_eq(token.n_calls, c->err ? 0 : 1);
        cr_assert(strstr(why.text, c->text), "%s", why.text);
        cr_assert_null(strstr(why.text, "secret"));
        X509_free(certificate);
    }
    EVP_PKEY_free(token.key);
}

Test(selfcert, passes_on_what_the_token_says)
{
    struct token token = csr_rig_token(KS_KEY_TYPE_EC_P256);
    struct fault why = FAULT_INIT;
    X509 *certificate;

    token.fails = KS_ERR_TOKEN_UNAVAILABLE;
    cr_assert_eq(build(&token, &JOB, 1, &CLASS, &certificate, &why), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_str_eq(why.text, "C_Sign failed");
    token.fails = KS_OK;
    token.n_calls = 0;
    token.algorithm = KS_ALGORITHM_ED25519;
    cr_assert_eq(build(&token, &JOB, 1, &CLASS, &certificate, &why), KS_ERR_BAD_REQUEST);
    cr_assert_eq(token.n_calls, 0);
    EVP_PKEY_free(token.key);
}

Test(selfcert, carries_a_thousand_names_unless_they_are_too_long_together)
{
    static char texts[JOB_MAX_ALTERNATIVES][256];
    static struct job_alternative many[JOB_MAX_ALTERNATIVES];
    struct token token = csr_rig_token(KS_KEY_TYPE_EC_P256);
    struct fault why = FAULT_INIT;
    struct job_csr job = JOB;
    GENERAL_NAMES *names;
    X509 *certificate;

    for (size_t i = 0; i < ARRAY_LEN(many); i++) {
        snprintf(texts[i], sizeof(texts[i]), "n%zu.shop.example", i);
        many[i] = (struct job_alternative){CERTNAME_DNS, texts[i]};
    }
    job.alternatives = many;
    job.n_alternatives = ARRAY_LEN(many);
    certificate = build_p256(&job, 30);
    names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    cr_assert_eq(sk_GENERAL_NAME_num(names), JOB_MAX_ALTERNATIVES);
    GENERAL_NAMES_free(names);
    X509_free(certificate);

    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        snprintf(texts[i], sizeof(texts[i]), "%060zu.%060zu.shop.example", i, i);
    cr_assert_eq(build(&token, &job, 30, &CLASS, &certificate, &why), KS_ERR_TOO_LARGE);
    cr_assert_eq(token.n_calls, 0);
    EVP_PKEY_free(token.key);
}
