/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csr - encoding a PKCS#10 request and putting the token's signature to it
 *
 * Called by the handler of a CSR; csr_check.c decides what may stand in it, certparts.c makes the
 * parts.
 */
#include "token/csr.h"

#include <openssl/err.h>

#include "token/certparts.h"
#include "token/ossl.h"

static bool add_extensions(X509_REQ *req, const struct job_csr *job,
                           const struct config_class *class, struct fault *why);
static bool add_challenge(X509_REQ *req, const char *password);
static bool set_algorithm(X509_REQ *req, enum ks_algorithm algorithm);
static ks_err put_signature(X509_REQ *req, csr_sign_fn sign, void *context, struct fault *why);
static ks_err encode(X509_REQ *req, uint8_t **der, size_t *der_len, struct fault *why);

ks_err
csr_build(const struct job_csr *job, const struct config_class *class, const struct spki *spki,
          enum ks_algorithm algorithm, csr_sign_fn sign, void *context, uint8_t **der,
          size_t *der_len, struct fault *why)
{
    ks_auto(ossl_req_freep) X509_REQ *req = NULL;
    ks_auto(ossl_name_freep) X509_NAME *subject = NULL;
    ks_auto(ossl_pkey_freep) EVP_PKEY *key = NULL;
    ks_err err;

    *der = NULL;
    *der_len = 0;
    err = csr_check(job, class, why);
    if (err)
        return err;
    if (algorithm == KS_ALGORITHM_DEFAULT || ks_algorithm_for(spki->type, algorithm) != algorithm) {
        fault_set(why, "a key of type %s does not sign with %s", ks_key_type_name(spki->type),
                  ks_algorithm_name(algorithm));
        return KS_ERR_BAD_REQUEST;
    }
    err = spki_pkey(spki, &key, why);
    if (err)
        return err;

    fault_set(why, "the certificate request could not be built");
    req = X509_REQ_new();
    subject = certparts_subject(job);
    if (!req || !subject || X509_REQ_set_version(req, X509_REQ_VERSION_1) != 1 ||
        X509_REQ_set_subject_name(req, subject) != 1 || X509_REQ_set_pubkey(req, key) != 1 ||
        !add_extensions(req, job, class, why) || !add_challenge(req, job->challenge_password) ||
        !set_algorithm(req, algorithm)) {
        ERR_clear_error();
        return KS_ERR_INTERNAL;
    }
    err = put_signature(req, sign, context, why);
    if (err)
        return err;
    return encode(req, der, der_len, why);
}

static bool
add_extensions(X509_REQ *req, const struct job_csr *job, const struct config_class *class,
               struct fault *why)
{
    bool nameless = X509_NAME_entry_count(X509_REQ_get_subject_name(req)) == 0;
    ks_auto(ossl_extensions_freep) STACK_OF(X509_EXTENSION) *list =
        certparts_extensions(job, class, nameless, why);

    return list && X509_REQ_add_extensions(req, list) == 1;
}

/* RFC 2985, 5.4.1: a DirectoryString, preferably a PrintableString. */
static bool
add_challenge(X509_REQ *req, const char *password)
{
    const uint8_t *text = (const uint8_t *)password;
    int len = password ? (int)strlen(password) : 0;
    int type = V_ASN1_UTF8STRING;

    if (len == 0)
        return true;
    if (ASN1_PRINTABLE_type(text, len) == V_ASN1_PRINTABLESTRING)
        type = V_ASN1_PRINTABLESTRING;
    return X509_REQ_add1_attr_by_NID(req, NID_pkcs9_challengePassword, type, text, len) == 1;
}

static bool
set_algorithm(X509_REQ *req, enum ks_algorithm algorithm)
{
    ks_auto(ossl_algor_freep) X509_ALGOR *identifier = certparts_algorithm(algorithm);

    return identifier && X509_REQ_set1_signature_algo(req, identifier) == 1;
}

static ks_err
put_signature(X509_REQ *req, csr_sign_fn sign, void *context, struct fault *why)
{
    ks_auto(ossl_memory_freep) uint8_t *body = NULL;
    uint8_t signature[KS_SIGNATURE_MAX_LEN];
    size_t signature_len = 0;
    ASN1_BIT_STRING *bits;
    int body_len = i2d_re_X509_REQ_tbs(req, &body);
    ks_err err;

    if (body_len <= 0)
        return KS_ERR_INTERNAL;
    if (body_len > JOB_MAX_CSR) {
        fault_set(why, "the certificate request is larger than %d bytes", JOB_MAX_CSR);
        return KS_ERR_TOO_LARGE;
    }
    err = sign(context, body, (size_t)body_len, signature, &signature_len, why);
    if (err)
        return err;
    bits = certparts_signature(signature, signature_len);
    if (!bits)
        return KS_ERR_INTERNAL;
    X509_REQ_set0_signature(req, bits); /* takes them */
    return KS_OK;
}

static ks_err
encode(X509_REQ *req, uint8_t **der, size_t *der_len, struct fault *why)
{
    ks_auto(ossl_memory_freep) uint8_t *out = NULL;
    int len = i2d_X509_REQ(req, &out);

    if (len <= 0) {
        fault_set(why, "the certificate request could not be encoded");
        return KS_ERR_INTERNAL;
    }
    if (len > JOB_MAX_CSR) {
        fault_set(why, "the certificate request is larger than %d bytes", JOB_MAX_CSR);
        return KS_ERR_TOO_LARGE;
    }
    why->text[0] = '\0';
    *der = ks_steal(&out);
    *der_len = (size_t)len;
    return KS_OK;
}
