/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "token/csr.h"

#include "software_key.h"

#define OPENSSL_REQ "openssl req -inform DER -noout -verify 2>&1 | grep -q 'verify OK'"

static struct job_alternative ALTERNATIVES[] = {
    {CERTNAME_DNS, "shop.example"},
    {CERTNAME_DNS, "*.shop.example"},
    {CERTNAME_IP, "10.1.2.3"},
    {CERTNAME_IP, "2001:db8::7"},
    {CERTNAME_EMAIL, "admin@shop.example"},
    {CERTNAME_URI, "https://shop.example/a"},
};

static const char *const NAMES[] = {
    "shop.example",  ".shop.example",       "*.shop.example",           "10.0.0.0/8",
    "2001:db8::/32", "email:@shop.example", "uri:https://shop.example/"};

static const struct config_class CLASS = {
    .glob = "web/**",
    .purpose = KS_PURPOSE_TLS_SERVER,
    .names = {(char **)(uintptr_t)NAMES, ARRAY_LEN(NAMES)},
};

static const struct job_csr JOB = {
    .common_name = "shop.example",
    .organization = "Köhler & Söhne",
    .organization_unit = "Verkauf",
    .country = "DE",
    .state = "Bayern",
    .locality = "Nürnberg",
    .email = "admin@shop.example",
    .alternatives = ALTERNATIVES,
    .n_alternatives = ARRAY_LEN(ALTERNATIVES),
};

static const struct job_csr EMPTY = {
    .common_name = "",
    .organization = "",
    .organization_unit = "",
    .country = "",
    .state = "",
    .locality = "",
    .email = "",
};

/* The token: a software key behind prepare, C_Sign and finish, as the handler does it. */
struct token {
    EVP_PKEY *key;
    enum ks_key_type type;
    enum ks_algorithm algorithm;
    ks_err fails;
    int n_calls;
};

static ks_err
token_sign(void *context, const uint8_t *data, size_t len, uint8_t out[static KS_SIGNATURE_MAX_LEN],
           size_t *out_len, struct fault *why)
{
    struct token *token = context;
    struct signature_input input;
    uint8_t raw[KS_SIGNATURE_MAX_LEN];
    size_t raw_len;
    ks_err err;

    token->n_calls++;
    if (token->fails) {
        fault_set(why, "C_Sign failed");
        return token->fails;
    }
    err = signature_prepare(token->algorithm, KS_HASH_NONE, data, len, &input, why);
    if (err)
        return err;
    raw_len = software_key_sign(token->key, token->algorithm, &input, raw);
    return signature_finish(token->algorithm, token->type, raw, raw_len, out, out_len, why);
}

static struct token
token_new(enum ks_key_type type)
{
    struct token token = {software_key_new(type), type,
                          ks_algorithm_for(type, KS_ALGORITHM_DEFAULT), KS_OK, 0};

    return token;
}

static ks_err
build(struct token *token, const struct job_csr *job, const struct config_class *class,
      X509_REQ **out, struct fault *why)
{
    struct spki spki = software_key_spki(token->type, token->key);
    uint8_t *der = NULL;
    const uint8_t *at;
    size_t len = 0;
    ks_err err = csr_build(job, class, &spki, token->algorithm, token_sign, token, &der, &len, why);

    *out = NULL;
    cr_assert_eq(err == KS_OK, der != NULL);
    if (err)
        return err;
    at = der;
    *out = d2i_X509_REQ(NULL, &at, (long)len);
    cr_assert_not_null(*out);
    cr_assert_eq(at, der + len);
    OPENSSL_free(der);
    return KS_OK;
}

static X509_REQ *
build_p256(const struct job_csr *job, const struct config_class *class)
{
    struct token token = token_new(KS_KEY_TYPE_EC_P256);
    struct fault why = FAULT_INIT;
    X509_REQ *req;

    cr_assert_eq(build(&token, job, class, &req, &why), KS_OK, "%s", why.text);
    cr_assert_eq(X509_REQ_verify(req, token.key), 1);
    EVP_PKEY_free(token.key);
    return req;
}

static ks_err
check(const struct job_csr *job)
{
    struct fault why = FAULT_INIT;
    ks_err err = csr_check(job, &CLASS, &why);

    cr_assert_eq(err == KS_OK, why.text[0] == '\0');
    return err;
}

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
    struct token token = token_new(c->type);
    struct fault why = FAULT_INIT;
    X509_REQ *req;

    token.algorithm = c->algorithm;
    cr_assert_eq(build(&token, &JOB, &CLASS, &req, &why), KS_OK, "%s", why.text);
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
    struct token token = token_new(c->type);
    struct fault why = FAULT_INIT;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options = NULL;
    const X509_ALGOR *ours, *theirs;
    X509_REQ *req, *other = X509_REQ_new();

    token.algorithm = c->algorithm;
    cr_assert_eq(build(&token, &JOB, &CLASS, &req, &why), KS_OK, "%s", why.text);
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
    struct token token = token_new(KS_KEY_TYPE_EC_P256);
    struct fault why = FAULT_INIT;
    X509_REQ *req;

    token.algorithm = KS_ALGORITHM_ED25519;
    cr_assert_eq(build(&token, &JOB, &CLASS, &req, &why), KS_ERR_BAD_REQUEST);
    token.algorithm = KS_ALGORITHM_DEFAULT;
    cr_assert_eq(build(&token, &JOB, &CLASS, &req, &why), KS_ERR_BAD_REQUEST);
    cr_assert_eq(token.n_calls, 0);
    EVP_PKEY_free(token.key);
}

Test(csr, passes_on_what_the_token_says)
{
    struct token token = token_new(KS_KEY_TYPE_EC_P256);
    struct fault why = FAULT_INIT;
    X509_REQ *req;

    token.fails = KS_ERR_TOKEN_UNAVAILABLE;
    cr_assert_eq(build(&token, &JOB, &CLASS, &req, &why), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_str_eq(why.text, "C_Sign failed");
    EVP_PKEY_free(token.key);
}

Test(csr, asks_the_token_for_nothing_before_the_names_are_checked)
{
    struct token token = token_new(KS_KEY_TYPE_EC_P256);
    struct job_csr job = JOB;
    struct fault why = FAULT_INIT;
    X509_REQ *req;

    job.common_name = "bank.example";
    cr_assert_eq(build(&token, &job, &CLASS, &req, &why), KS_ERR_NAME_NOT_ALLOWED);
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
    X509_REQ *req = build_p256(&JOB, &CLASS);
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

static void *
extension(X509_REQ *req, int nid, int *critical)
{
    STACK_OF(X509_EXTENSION) *list = X509_REQ_get_extensions(req);
    void *value = X509V3_get_d2i(list, nid, critical, NULL);

    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    return value;
}

Test(csr, asks_for_all_alternative_names_and_only_for_those)
{
    X509_REQ *req = build_p256(&JOB, &CLASS);
    int critical = -1;
    GENERAL_NAMES *names = extension(req, NID_subject_alt_name, &critical);
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
    struct job_csr job = EMPTY;
    int critical = -1;
    GENERAL_NAMES *names;
    X509_REQ *req;

    job.alternatives = ALTERNATIVES;
    job.n_alternatives = 1;
    req = build_p256(&job, &CLASS);
    names = extension(req, NID_subject_alt_name, &critical);
    cr_assert_eq(critical, 1);
    GENERAL_NAMES_free(names);
    X509_REQ_free(req);
}

Test(csr, without_alternative_names_does_not_make_one_of_the_common_name)
{
    struct job_csr job = EMPTY;
    int critical = 0;
    X509_REQ *req;

    job.common_name = "shop.example";
    req = build_p256(&job, &CLASS);
    cr_assert_null(extension(req, NID_subject_alt_name, &critical));
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
    struct config_class class = CLASS;
    char *usage[] = {c->usage[0], c->usage[1]}, text[64];
    int critical = 0, n_expected = (c->expected[0][0] != '\0') + (c->expected[1][0] != '\0');
    EXTENDED_KEY_USAGE *usages;
    BASIC_CONSTRAINTS *constraints;
    ASN1_BIT_STRING *bits;
    X509_REQ *req;

    class.purpose = c->purpose;
    class.usage = (struct strv){usage, c->n_usage};
    req = build_p256(&JOB, &class);

    usages = extension(req, NID_ext_key_usage, &critical);
    cr_assert_eq(usages ? sk_ASN1_OBJECT_num(usages) : 0, n_expected);
    for (int i = 0; i < n_expected; i++) {
        OBJ_obj2txt(text, sizeof(text), sk_ASN1_OBJECT_value(usages, i), 1);
        cr_assert_str_eq(text, c->expected[i]);
    }
    EXTENDED_KEY_USAGE_free(usages);

    bits = extension(req, NID_key_usage, &critical);
    cr_assert_eq(critical, 1);
    cr_assert_eq(ASN1_STRING_length(bits), 1);
    cr_assert_eq(ASN1_STRING_get0_data(bits)[0], KU_DIGITAL_SIGNATURE);
    ASN1_BIT_STRING_free(bits);

    constraints = extension(req, NID_basic_constraints, &critical);
    cr_assert_eq(critical, 1);
    cr_assert_eq(constraints->ca, 0);
    cr_assert_null(constraints->pathlen);
    BASIC_CONSTRAINTS_free(constraints);
    X509_REQ_free(req);
}

Test(csr, says_which_usage_of_the_class_is_not_known)
{
    struct token token = token_new(KS_KEY_TYPE_EC_P256);
    struct config_class class = CLASS;
    char *usage[] = {(char[]){"noSuchUsage"}};
    struct fault why = FAULT_INIT;
    X509_REQ *req;

    class.purpose = KS_PURPOSE_SIGN;
    class.usage = (struct strv){usage, 1};
    cr_assert_eq(build(&token, &JOB, &class, &req, &why), KS_ERR_INTERNAL);
    cr_assert(strstr(why.text, "noSuchUsage"), "%s", why.text);
    EVP_PKEY_free(token.key);
}

ParameterizedTestParameters(csr, is_made_for_four_purposes_only)
{
    static enum ks_purpose purposes[] = {
        KS_PURPOSE_NONE, KS_PURPOSE_TLS_SERVER, KS_PURPOSE_TLS_CLIENT, KS_PURPOSE_TLS,
        KS_PURPOSE_SIGN, KS_PURPOSE_AUDIT,      KS_PURPOSE_COUNT,
    };

    return cr_make_param_array(enum ks_purpose, purposes, ARRAY_LEN(purposes));
}

ParameterizedTest(enum ks_purpose *purpose, csr, is_made_for_four_purposes_only)
{
    bool allowed = *purpose >= KS_PURPOSE_TLS_SERVER && *purpose <= KS_PURPOSE_SIGN;
    struct config_class class = CLASS;
    struct fault why = FAULT_INIT;

    class.purpose = *purpose;
    cr_assert_eq(csr_check(&JOB, &class, &why), allowed ? KS_OK : KS_ERR_PURPOSE);
}

Test(csr, needs_a_class_with_names_and_a_request_with_one)
{
    struct config_class class = CLASS;
    struct job_csr job = EMPTY;
    struct fault why = FAULT_INIT;

    class.names.n_items = 0;
    cr_assert_eq(csr_check(&JOB, &class, &why), KS_ERR_NAME_NOT_ALLOWED);
    job.organization = "Köhler";
    cr_assert_eq(check(&job), KS_ERR_BAD_REQUEST);
    job.email = "admin@shop.example";
    cr_assert_eq(check(&job), KS_OK);
}

struct name_case {
    enum certname_kind kind;
    char name[32];
    ks_err err;
};

ParameterizedTestParameters(csr, checks_every_name_against_the_class)
{
    static struct name_case cases[] = {
        {CERTNAME_DNS, "a.shop.example", KS_OK},
        {CERTNAME_DNS, "shop.example.evil", KS_ERR_NAME_NOT_ALLOWED},
        {CERTNAME_DNS, "bank.example", KS_ERR_NAME_NOT_ALLOWED},
        {CERTNAME_DNS, "*.example", KS_ERR_NAME_NOT_ALLOWED},
        {CERTNAME_DNS, "", KS_ERR_BAD_REQUEST},
        {CERTNAME_DNS, "shop.example\n", KS_ERR_BAD_REQUEST},
        {CERTNAME_IP, "10.255.0.1", KS_OK},
        {CERTNAME_IP, "11.0.0.1", KS_ERR_NAME_NOT_ALLOWED},
        {CERTNAME_IP, "shop.example", KS_ERR_BAD_REQUEST},
        {CERTNAME_EMAIL, "x@shop.example", KS_OK},
        {CERTNAME_EMAIL, "x@evil.example", KS_ERR_NAME_NOT_ALLOWED},
        {CERTNAME_URI, "https://shop.example/x", KS_OK},
        {CERTNAME_URI, "https://evil.example/", KS_ERR_NAME_NOT_ALLOWED},
        {(enum certname_kind)0, "shop.example", KS_ERR_BAD_REQUEST},
        {(enum certname_kind)5, "shop.example", KS_ERR_BAD_REQUEST},
    };

    return cr_make_param_array(struct name_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct name_case *c, csr, checks_every_name_against_the_class)
{
    struct job_alternative alternatives[] = {{CERTNAME_DNS, "shop.example"}, {c->kind, c->name}};
    struct job_csr job = JOB;

    job.alternatives = alternatives;
    job.n_alternatives = 2;
    cr_assert_eq(check(&job), c->err, "%s", c->name);
    if (c->kind < CERTNAME_DNS || c->kind > CERTNAME_EMAIL || !*c->name)
        return;
    job.common_name = c->name;
    job.n_alternatives = 1;
    if (c->kind == certname_kind_of_common_name(c->name))
        cr_assert_eq(check(&job), c->err, "common name %s", c->name);
}

struct text_case {
    char what[24];
    size_t offset;
    size_t max; /* characters */
};

ParameterizedTestParameters(csr, holds_each_field_to_its_upper_bound_in_characters)
{
    static struct text_case cases[] = {
        {"organization", offsetof(struct job_csr, organization), 64},
        {"organization unit", offsetof(struct job_csr, organization_unit), 64},
        {"state", offsetof(struct job_csr, state), 128},
        {"locality", offsetof(struct job_csr, locality), 128},
    };

    return cr_make_param_array(struct text_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct text_case *c, csr, holds_each_field_to_its_upper_bound_in_characters)
{
    static const char *const bad[] = {
        "a\nb",
        "a\x7f",
        "\x01",
        "\xc2\x85",
        "\xff",
        "\xc0\xaf",
        "\xe2\x82",
        "\xed\xa0\x80",
        "\xf4\x90\x80\x80",
        "\xe2\x80\xae",
        "\xef\xbb\xbf",
        "a\xc3",
        "\xf8\x88\x80\x80\x80",
    };
    struct job_csr job = JOB;
    const char **field = (const char **)((char *)&job + c->offset);
    char text[300] = {0};

    for (size_t i = 0; i <= c->max; i++) {
        *field = text;
        cr_assert_eq(check(&job), KS_OK, "%s of %zu", c->what, i);
        strcat(text, "ü");
    }
    cr_assert_eq(check(&job), KS_ERR_BAD_REQUEST, "%s", c->what);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        *field = bad[i];
        cr_assert_eq(check(&job), KS_ERR_BAD_REQUEST, "%s: bad text %zu", c->what, i);
    }
}

Test(csr, holds_the_common_name_to_64_characters)
{
    struct job_csr job = JOB;
    char name[80];

    memset(name, 'a', sizeof(name));
    strcpy(name + 51, ".shop.example");
    cr_assert_eq(strlen(name), 64);
    job.common_name = name;
    name[10] = '.';
    cr_assert_eq(check(&job), KS_OK);
    memset(name, 'a', sizeof(name));
    strcpy(name + 52, ".shop.example");
    name[10] = '.';
    cr_assert_eq(check(&job), KS_ERR_BAD_REQUEST);
}

Test(csr, takes_two_letters_as_a_country)
{
    static const char *const bad[] = {"D", "1", "DEU", "D1", "D ", "Dü", "ü"};
    struct job_csr job = JOB;

    job.country = "fr";
    cr_assert_eq(check(&job), KS_OK);
    job.country = "";
    cr_assert_eq(check(&job), KS_OK);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        job.country = bad[i];
        cr_assert_eq(check(&job), KS_ERR_BAD_REQUEST, "%s", bad[i]);
    }
}

Test(csr, carries_a_thousand_names_and_not_one_more)
{
    static char texts[JOB_MAX_ALTERNATIVES + 1][32];
    static struct job_alternative many[JOB_MAX_ALTERNATIVES + 1];
    struct job_csr job = JOB;
    GENERAL_NAMES *names;
    int critical;
    X509_REQ *req;

    for (size_t i = 0; i < ARRAY_LEN(many); i++) {
        snprintf(texts[i], sizeof(texts[i]), "n%zu.shop.example", i);
        many[i] = (struct job_alternative){CERTNAME_DNS, texts[i]};
    }
    job.alternatives = many;
    job.n_alternatives = JOB_MAX_ALTERNATIVES;
    req = build_p256(&job, &CLASS);
    names = extension(req, NID_subject_alt_name, &critical);
    cr_assert_eq(sk_GENERAL_NAME_num(names), JOB_MAX_ALTERNATIVES);
    GENERAL_NAMES_free(names);
    X509_REQ_free(req);
    job.n_alternatives++;
    cr_assert_eq(check(&job), KS_ERR_BAD_REQUEST);
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
    struct job_csr job = JOB;
    X509_ATTRIBUTE *attribute;
    const ASN1_TYPE *value;
    X509_REQ *req;

    job.challenge_password = c->text;
    req = build_p256(&job, &CLASS);
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
        struct job_csr job = JOB;
        X509_REQ *req;

        job.challenge_password = none[i];
        req = build_p256(&job, &CLASS);
        cr_assert_eq(X509_REQ_get_attr_by_NID(req, NID_pkcs9_challengePassword, -1), -1);
        X509_REQ_free(req);
    }
}

Test(csr, takes_a_challenge_password_of_1_to_255_characters_and_never_repeats_it)
{
    static char text[3 * 256];
    struct job_csr job = JOB;
    struct fault why = FAULT_INIT;

    job.challenge_password = text;
    for (size_t i = 0; i < 255; i++)
        strcat(text, "ü");
    cr_assert_eq(check(&job), KS_OK);
    strcat(text, "ü");
    cr_assert_eq(check(&job), KS_ERR_BAD_REQUEST);
    job.challenge_password = "hidden\nline";
    cr_assert_eq(csr_check(&job, &CLASS, &why), KS_ERR_BAD_REQUEST);
    cr_assert(strstr(why.text, "challenge password") && !strstr(why.text, "hidden"), "%s",
              why.text);
}
