/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csr_rig - the values, and a software key behind the steps that a handler takes
 */
#include "csr_rig.h"

#include <criterion/criterion.h>
#include <openssl/x509v3.h>

#include "software_key.h"

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

const struct config_class CSR_CLASS = {
    .glob = "web/**",
    .purpose = KS_PURPOSE_TLS_SERVER,
    .names = {(char **)(uintptr_t)NAMES, ARRAY_LEN(NAMES)},
};

const struct job_csr CSR_JOB = {
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

const struct job_csr CSR_EMPTY = {
    .common_name = "",
    .organization = "",
    .organization_unit = "",
    .country = "",
    .state = "",
    .locality = "",
    .email = "",
};

ks_err
csr_rig_sign(void *context, const uint8_t *data, size_t len,
             uint8_t out[static KS_SIGNATURE_MAX_LEN], size_t *out_len, struct fault *why)
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

struct token
csr_rig_token(enum ks_key_type type)
{
    struct token token = {software_key_new(type), type,
                          ks_algorithm_for(type, KS_ALGORITHM_DEFAULT), KS_OK, 0};

    return token;
}

ks_err
csr_rig_build(struct token *token, const struct job_csr *job, const struct config_class *class,
              X509_REQ **out, struct fault *why)
{
    struct spki spki = software_key_spki(token->type, token->key);
    uint8_t *der = NULL;
    const uint8_t *at;
    size_t len = 0;
    ks_err err =
        csr_build(job, class, &spki, token->algorithm, csr_rig_sign, token, &der, &len, why);

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

X509_REQ *
csr_rig_build_p256(const struct job_csr *job, const struct config_class *class)
{
    struct token token = csr_rig_token(KS_KEY_TYPE_EC_P256);
    struct fault why = FAULT_INIT;
    X509_REQ *req;

    cr_assert_eq(csr_rig_build(&token, job, class, &req, &why), KS_OK, "%s", why.text);
    cr_assert_eq(X509_REQ_verify(req, token.key), 1);
    EVP_PKEY_free(token.key);
    return req;
}

ks_err
csr_rig_check(const struct job_csr *job)
{
    struct fault why = FAULT_INIT;
    ks_err err = csr_check(job, &CSR_CLASS, &why);

    cr_assert_eq(err == KS_OK, why.text[0] == '\0');
    return err;
}

void *
csr_rig_extension(X509_REQ *req, int nid, int *critical)
{
    STACK_OF(X509_EXTENSION) *list = X509_REQ_get_extensions(req);
    void *value = X509V3_get_d2i(list, nid, critical, NULL);

    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    return value;
}
