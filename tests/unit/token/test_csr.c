/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "csr_rig.h"
#include "software_key.h"

#define OPENSSL_REQ "openssl req -inform DER -noout -verify 2>&1 | grep -q 'verify OK'"

static bool
openssl_req_verifies(X509_REQ *req)
{
    FILE *pipe = popen(OPENSSL_REQ, "w");
    uint8_t *der = NULL;
    int len = i2d_X509_REQ(req, &der);

    cr_assert_not_null(pipe);
    cr_assert_eq(fwrite(der, 1, (size_t)len, pipe), (size_t)len);
    OPENSSL_free(der);
    return pclose(pipe) == 0;
}

struct pair {
    enum ks_key_type type;
    enum ks_algorithm algorithm;
    int nid;
};

ParameterizedTestParameters(csr, verifies_with_every_kind_of_key_and_algorithm)
{
    static struct pair pairs[] = {
        {KS_KEY_TYPE_EC_P256, KS_ALGORITHM_ECDSA_SHA256, NID_ecdsa_with_SHA256},
        {KS_KEY_TYPE_EC_P384, KS_ALGORITHM_ECDSA_SHA384, NID_ecdsa_with_SHA384},
        {KS_KEY_TYPE_EC_P521, KS_ALGORITHM_ECDSA_SHA512, NID_ecdsa_with_SHA512},
        {KS_KEY_TYPE_ED25519, KS_ALGORITHM_ED25519, NID_ED25519},
        {KS_KEY_TYPE_RSA_2048, KS_ALGORITHM_RSA_PKCS1_SHA256, NID_sha256WithRSAEncryption},
        {KS_KEY_TYPE_RSA_2048, KS_ALGORITHM_RSA_PKCS1_SHA384, NID_sha384WithRSAEncryption},
        {KS_KEY_TYPE_RSA_3072, KS_ALGORITHM_RSA_PKCS1_SHA512, NID_sha512WithRSAEncryption},
        {KS_KEY_TYPE_RSA_2048, KS_ALGORITHM_RSA_PSS_SHA256, NID_rsassaPss},
        {KS_KEY_TYPE_RSA_2048, KS_ALGORITHM_RSA_PSS_SHA384, NID_rsassaPss},
        {KS_KEY_TYPE_RSA_2048, KS_ALGORITHM_RSA_PSS_SHA512, NID_rsassaPss},
    };

    return cr_make_param_array(struct pair, pairs, ARRAY_LEN(pairs));
}

ParameterizedTest(struct pair *c, csr, verifies_with_every_kind_of_key_and_algorithm)
{
    struct token token = csr_rig_token(c->type);
    struct fault why = FAULT_INIT;
    X509_REQ *req;

    token.algorithm = c->algorithm;
    cr_assert_eq(csr_rig_build(&token, &CSR_JOB, &CSR_CLASS, &req, &why), KS_OK, "%s", why.text);
    cr_assert_eq(token.n_calls, 1);
    cr_assert_eq(X509_REQ_get_signature_nid(req), c->nid);
    cr_assert_eq(X509_REQ_verify(req, X509_REQ_get0_pubkey(req)), 1);
    cr_assert_eq(EVP_PKEY_eq(X509_REQ_get0_pubkey(req), token.key), 1);
    cr_assert_eq(X509_REQ_get_version(req), X509_REQ_VERSION_1);
    cr_assert(openssl_req_verifies(req));
    X509_REQ_free(req);
    EVP_PKEY_free(token.key);
}

/* OpenSSL's own algorithm identifier, made by its own signature, is the one we made. */
ParameterizedTestParameters(csr, names_the_algorithm_as_openssl_does)
{
    static struct pair pairs[] = {
        {KS_KEY_TYPE_EC_P256, KS_ALGORITHM_ECDSA_SHA256, NID_undef},
        {KS_KEY_TYPE_ED25519, KS_ALGORITHM_ED25519, NID_undef},
        {KS_KEY_TYPE_RSA_2048, KS_ALGORITHM_RSA_PKCS1_SHA256, NID_undef},
        {KS_KEY_TYPE_RSA_2048, KS_ALGORITHM_RSA_PSS_SHA256, NID_undef},
        {KS_KEY_TYPE_RSA_2048, KS_ALGORITHM_RSA_PSS_SHA512, NID_undef},
    };

    return cr_make_param_array(struct pair, pairs, ARRAY_LEN(pairs));
}

ParameterizedTest(struct pair *c, csr, names_the_algorithm_as_openssl_does)
{
    static const char *const names[] = {NULL, "SHA256", "SHA384", "SHA512"};
    struct token token = csr_rig_token(c->type);
    struct fault why = FAULT_INIT;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options = NULL;
    const X509_ALGOR *ours, *theirs;
    X509_REQ *req, *other = X509_REQ_new();

    token.algorithm = c->algorithm;
    cr_assert_eq(csr_rig_build(&token, &CSR_JOB, &CSR_CLASS, &req, &why), KS_OK, "%s", why.text);
    cr_assert_eq(EVP_DigestSignInit_ex(ctx, &options, names[ks_algorithm_hash(c->algorithm)], NULL,
                                       NULL, token.key, NULL),
                 1);
    if (c->algorithm >= KS_ALGORITHM_RSA_PSS_SHA256 &&
        c->algorithm <= KS_ALGORITHM_RSA_PSS_SHA512) {
        cr_assert_eq(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING), 1);
        cr_assert_eq(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST), 1);
    }
    cr_assert_eq(X509_REQ_set_pubkey(other, token.key), 1);
    cr_assert_gt(X509_REQ_sign_ctx(other, ctx), 0);
    X509_REQ_get0_signature(req, NULL, &ours);
    X509_REQ_get0_signature(other, NULL, &theirs);
    cr_assert_eq(X509_ALGOR_cmp(ours, theirs), 0);
    EVP_MD_CTX_free(ctx);
    X509_REQ_free(other);
    X509_REQ_free(req);
    EVP_PKEY_free(token.key);
}

Test(csr, refuses_an_algorithm_that_does_not_fit_the_key)
{
    struct token token = csr_rig_token(KS_KEY_TYPE_EC_P256);
    struct fault why = FAULT_INIT;
    X509_REQ *req;

    token.algorithm = KS_ALGORITHM_ED25519;
    cr_assert_eq(csr_rig_build(&token, &CSR_JOB, &CSR_CLASS, &req, &why), KS_ERR_BAD_REQUEST);
    token.algorithm = KS_ALGORITHM_DEFAULT;
    cr_assert_eq(csr_rig_build(&token, &CSR_JOB, &CSR_CLASS, &req, &why), KS_ERR_BAD_REQUEST);
    cr_assert_eq(token.n_calls, 0);
    EVP_PKEY_free(token.key);
}

Test(csr, passes_on_what_the_token_says)
{
    struct token token = csr_rig_token(KS_KEY_TYPE_EC_P256);
    struct fault why = FAULT_INIT;
    X509_REQ *req;

    token.fails = KS_ERR_TOKEN_UNAVAILABLE;
    cr_assert_eq(csr_rig_build(&token, &CSR_JOB, &CSR_CLASS, &req, &why), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_str_eq(why.text, "C_Sign failed");
    EVP_PKEY_free(token.key);
}

Test(csr, asks_the_token_for_nothing_before_the_names_are_checked)
{
    struct token token = csr_rig_token(KS_KEY_TYPE_EC_P256);
    struct job_csr job = CSR_JOB;
    struct fault why = FAULT_INIT;
    X509_REQ *req;

    job.common_name = "bank.example";
    cr_assert_eq(csr_rig_build(&token, &job, &CSR_CLASS, &req, &why), KS_ERR_NAME_NOT_ALLOWED);
    cr_assert_eq(token.n_calls, 0);
    cr_assert(strstr(why.text, "bank.example") && strstr(why.text, "web/**"), "%s", why.text);
    EVP_PKEY_free(token.key);
}

Test(csr, has_the_subject_in_its_order_and_types)
{
    static const struct {
        int nid, type;
        const char *text;
    } expected[] = {
        {NID_countryName, V_ASN1_PRINTABLESTRING, "DE"},
        {NID_stateOrProvinceName, V_ASN1_UTF8STRING, "Bayern"},
        {NID_localityName, V_ASN1_UTF8STRING, "Nürnberg"},
        {NID_organizationName, V_ASN1_UTF8STRING, "Köhler & Söhne"},
        {NID_organizationalUnitName, V_ASN1_UTF8STRING, "Verkauf"},
        {NID_commonName, V_ASN1_UTF8STRING, "shop.example"},
        {NID_pkcs9_emailAddress, V_ASN1_IA5STRING, "admin@shop.example"},
    };
    X509_REQ *req = csr_rig_build_p256(&CSR_JOB, &CSR_CLASS);
    X509_NAME *name = X509_REQ_get_subject_name(req);

    cr_assert_eq((size_t)X509_NAME_entry_count(name), ARRAY_LEN(expected));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, (int)i);
        ASN1_STRING *text = X509_NAME_ENTRY_get_data(entry);

        cr_assert_eq(OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)), expected[i].nid);
        cr_assert_eq(ASN1_STRING_type(text), expected[i].type);
        cr_assert_eq((size_t)ASN1_STRING_length(text), strlen(expected[i].text));
        cr_assert_arr_eq(ASN1_STRING_get0_data(text), expected[i].text, strlen(expected[i].text));
        cr_assert_eq(X509_NAME_ENTRY_set(entry), (int)i);
    }
    X509_REQ_free(req);
}

Test(csr, asks_for_all_alternative_names_and_only_for_those)
{
    X509_REQ *req = csr_rig_build_p256(&CSR_JOB, &CSR_CLASS);
    int critical = -1;
    GENERAL_NAMES *names = csr_rig_extension(req, NID_subject_alt_name, &critical);
    static const uint8_t v4[] = {10, 1, 2, 3};
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 7};
    const ASN1_STRING *value;
    int type;

    cr_assert_eq(critical, 0);
    cr_assert_eq(sk_GENERAL_NAME_num(names), 6);
    value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, 0), &type);
    cr_assert_eq(type, GEN_DNS);
    cr_assert_arr_eq(ASN1_STRING_get0_data(value), "shop.example", 12);
    value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, 2), &type);
    cr_assert_eq(type, GEN_IPADD);
    cr_assert_eq(ASN1_STRING_length(value), (int)sizeof(v4));
    cr_assert_arr_eq(ASN1_STRING_get0_data(value), v4, sizeof(v4));
    value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, 3), &type);
    cr_assert_eq(type, GEN_IPADD);
    cr_assert_eq(ASN1_STRING_length(value), (int)sizeof(v6));
    cr_assert_arr_eq(ASN1_STRING_get0_data(value), v6, sizeof(v6));
    GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, 4), &type);
    cr_assert_eq(type, GEN_EMAIL);
    GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, 5), &type);
    cr_assert_eq(type, GEN_URI);
    GENERAL_NAMES_free(names);
    X509_REQ_free(req);
}

Test(csr, without_a_subject_has_critical_alternative_names)
{
    struct job_csr job = CSR_EMPTY;
    int critical = -1;
    GENERAL_NAMES *names;
    X509_REQ *req;

    job.alternatives = CSR_JOB.alternatives;
    job.n_alternatives = 1;
    req = csr_rig_build_p256(&job, &CSR_CLASS);
    names = csr_rig_extension(req, NID_subject_alt_name, &critical);
    cr_assert_eq(critical, 1);
    GENERAL_NAMES_free(names);
    X509_REQ_free(req);
}

Test(csr, without_alternative_names_does_not_make_one_of_the_common_name)
{
    struct job_csr job = CSR_EMPTY;
    int critical = 0;
    X509_REQ *req;

    job.common_name = "shop.example";
    req = csr_rig_build_p256(&job, &CSR_CLASS);
    cr_assert_null(csr_rig_extension(req, NID_subject_alt_name, &critical));
    cr_assert_eq(critical, -1, "not there");
    X509_REQ_free(req);
}

struct usage_case {
    enum ks_purpose purpose;
    char usage[2][24];
    size_t n_usage;
    char expected[2][24]; /* dotted; in order */
};

ParameterizedTestParameters(csr, asks_for_the_usages_of_the_purpose)
{
    static struct usage_case cases[] = {
        {KS_PURPOSE_TLS_SERVER, {"codeSigning"}, 1, {"1.3.6.1.5.5.7.3.1"}},
        {KS_PURPOSE_TLS_CLIENT, {""}, 0, {"1.3.6.1.5.5.7.3.2"}},
        {KS_PURPOSE_TLS, {""}, 0, {"1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"}},
        {KS_PURPOSE_SIGN, {""}, 0, {""}},
        {KS_PURPOSE_SIGN, {"emailProtection", "1.2.3.4.5"}, 2, {"1.3.6.1.5.5.7.3.4", "1.2.3.4.5"}},
    };

    return cr_make_param_array(struct usage_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct usage_case *c, csr, asks_for_the_usages_of_the_purpose)
{
    struct config_class class = CSR_CLASS;
    char *usage[] = {c->usage[0], c->usage[1]}, text[64];
    int critical = 0, n_expected = (c->expected[0][0] != '\0') + (c->expected[1][0] != '\0');
    EXTENDED_KEY_USAGE *usages;
    BASIC_CONSTRAINTS *constraints;
    ASN1_BIT_STRING *bits;
    X509_REQ *req;

    class.purpose = c->purpose;
    class.usage = (struct strv){usage, c->n_usage};
    req = csr_rig_build_p256(&CSR_JOB, &class);

    usages = csr_rig_extension(req, NID_ext_key_usage, &critical);
    cr_assert_eq(usages ? sk_ASN1_OBJECT_num(usages) : 0, n_expected);
    for (int i = 0; i < n_expected; i++) {
        OBJ_obj2txt(text, sizeof(text), sk_ASN1_OBJECT_value(usages, i), 1);
        cr_assert_str_eq(text, c->expected[i]);
    }
    EXTENDED_KEY_USAGE_free(usages);

    bits = csr_rig_extension(req, NID_key_usage, &critical);
    cr_assert_eq(critical, 1);
    cr_assert_eq(ASN1_STRING_length(bits), 1);
    cr_assert_eq(ASN1_STRING_get0_data(bits)[0], KU_DIGITAL_SIGNATURE);
    ASN1_BIT_STRING_free(bits);

    constraints = csr_rig_extension(req, NID_basic_constraints, &critical);
    cr_assert_eq(critical, 1);
    cr_assert_eq(constraints->ca, 0);
    cr_assert_null(constraints->pathlen);
    BASIC_CONSTRAINTS_free(constraints);
    X509_REQ_free(req);
}

Test(csr, says_which_usage_of_the_class_is_not_known)
{
    struct token token = csr_rig_token(KS_KEY_TYPE_EC_P256);
    struct config_class class = CSR_CLASS;
    char *usage[] = {(char[]){"noSuchUsage"}};
    struct fault why = FAULT_INIT;
    X509_REQ *req;

    class.purpose = KS_PURPOSE_SIGN;
    class.usage = (struct strv){usage, 1};
    cr_assert_eq(csr_rig_build(&token, &CSR_JOB, &class, &req, &why), KS_ERR_INTERNAL);
    cr_assert(strstr(why.text, "noSuchUsage"), "%s", why.text);
    EVP_PKEY_free(token.key);
}

Test(csr, carries_a_thousand_names_and_not_one_more)
{
    static char texts[JOB_MAX_ALTERNATIVES + 1][32];
    static struct job_alternative many[JOB_MAX_ALTERNATIVES + 1];
    struct job_csr job = CSR_JOB;
    GENERAL_NAMES *names;
    int critical;
    X509_REQ *req;

    for (size_t i = 0; i < ARRAY_LEN(many); i++) {
        snprintf(texts[i], sizeof(texts[i]), "n%zu.shop.example", i);
        many[i] = (struct job_alternative){CERTNAME_DNS, texts[i]};
    }
    job.alternatives = many;
    job.n_alternatives = JOB_MAX_ALTERNATIVES;
    req = csr_rig_build_p256(&job, &CSR_CLASS);
    names = csr_rig_extension(req, NID_subject_alt_name, &critical);
    cr_assert_eq(sk_GENERAL_NAME_num(names), JOB_MAX_ALTERNATIVES);
    GENERAL_NAMES_free(names);
    X509_REQ_free(req);
    job.n_alternatives++;
    cr_assert_eq(csr_rig_check(&job), KS_ERR_BAD_REQUEST);
}

struct challenge_case {
    char text[24];
    int type; /* of its encoding */
};

ParameterizedTestParameters(csr, carries_a_challenge_password_in_the_type_that_holds_it)
{
    static struct challenge_case cases[] = {
        {"Sesam 12 (open)?", V_ASN1_PRINTABLESTRING},
        {"user@shop_example*", V_ASN1_UTF8STRING},
        {"Größe", V_ASN1_UTF8STRING},
    };

    return cr_make_param_array(struct challenge_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct challenge_case *c, csr,
                  carries_a_challenge_password_in_the_type_that_holds_it)
{
    struct job_csr job = CSR_JOB;
    X509_ATTRIBUTE *attribute;
    const ASN1_TYPE *value;
    X509_REQ *req;

    job.challenge_password = c->text;
    req = csr_rig_build_p256(&job, &CSR_CLASS);
    attribute =
        X509_REQ_get_attr(req, X509_REQ_get_attr_by_NID(req, NID_pkcs9_challengePassword, -1));
    cr_assert_not_null(attribute);
    cr_assert_eq(X509_ATTRIBUTE_count(attribute), 1);
    value = X509_ATTRIBUTE_get0_type(attribute, 0);
    cr_assert_eq(value->type, c->type);
    cr_assert_eq((size_t)ASN1_STRING_length(value->value.asn1_string), strlen(c->text));
    cr_assert_arr_eq(ASN1_STRING_get0_data(value->value.asn1_string), c->text, strlen(c->text));
    cr_assert(openssl_req_verifies(req));
    X509_REQ_free(req);
}

Test(csr, has_no_challenge_attribute_without_a_password)
{
    static const char *const none[] = {NULL, ""};

    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        struct job_csr job = CSR_JOB;
        X509_REQ *req;

        job.challenge_password = none[i];
        req = csr_rig_build_p256(&job, &CSR_CLASS);
        cr_assert_eq(X509_REQ_get_attr_by_NID(req, NID_pkcs9_challengePassword, -1), -1);
        X509_REQ_free(req);
    }
}

Test(csr, takes_a_challenge_password_of_1_to_255_characters_and_never_repeats_it)
{
    static char text[3 * 256];
    struct job_csr job = CSR_JOB;
    struct fault why = FAULT_INIT;

    job.challenge_password = text;
    for (size_t i = 0; i < 255; i++)
        strcat(text, "ü");
    cr_assert_eq(csr_rig_check(&job), KS_OK);
    strcat(text, "ü");
    cr_assert_eq(csr_rig_check(&job), KS_ERR_BAD_REQUEST);
    job.challenge_password = "hidden\nline";
    cr_assert_eq(csr_check(&job, &CSR_CLASS, &why), KS_ERR_BAD_REQUEST);
    cr_assert(strstr(why.text, "challenge password") && !strstr(why.text, "hidden"), "%s",
              why.text);
}
