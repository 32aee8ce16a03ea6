/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selfcert - encoding a TBSCertificate and putting the token's signature to it
 *
 * OpenSSL lets nobody set the algorithm inside of an X509 but its own signing, so the two SEQUENCEs
 * of RFC 5280, 4.1 are written down here; what stands in them is OpenSSL's.
 */
#include "token/selfcert.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "token/certparts.h"
#include "token/ossl.h"

#define VERSION_3 2
#define SERIAL_LEN 16     /* bytes; RFC 5280 wants at most 20 */
#define SIGNATURE_ROOM 64 /* bytes around body and signature: two headers, the longest algorithm */

struct body {
    ASN1_INTEGER *version;
    ASN1_INTEGER *serial;
    X509_ALGOR *algorithm;
    X509_NAME *issuer;
    X509_VAL *validity;
    X509_NAME *subject;
    X509_PUBKEY *key;
    STACK_OF(X509_EXTENSION) * extensions;
};

struct certificate {
    struct body *body;
    X509_ALGOR *algorithm;
    ASN1_BIT_STRING *signature;
};

/* clang-format off */
ASN1_SEQUENCE(BODY) = {
    ASN1_EXP(struct body, version, ASN1_INTEGER, 0),
    ASN1_SIMPLE(struct body, serial, ASN1_INTEGER),
    ASN1_SIMPLE(struct body, algorithm, X509_ALGOR),
    ASN1_SIMPLE(struct body, issuer, X509_NAME),
    ASN1_SIMPLE(struct body, validity, X509_VAL),
    ASN1_SIMPLE(struct body, subject, X509_NAME),
    ASN1_SIMPLE(struct body, key, X509_PUBKEY),
    ASN1_EXP_SEQUENCE_OF(struct body, extensions, X509_EXTENSION, 3),
} static_ASN1_SEQUENCE_END_name(struct body, BODY)

ASN1_SEQUENCE(CERTIFICATE) = {
    ASN1_SIMPLE(struct certificate, body, BODY),
    ASN1_SIMPLE(struct certificate, algorithm, X509_ALGOR),
    ASN1_SIMPLE(struct certificate, signature, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END_name(struct certificate, CERTIFICATE)
    /* clang-format on */

    static bool make_body(struct body * body, const struct job_csr *job, uint32_t days,
                          int64_t now_s, const struct config_class *class, const struct spki *spki,
                          enum ks_algorithm algorithm, struct fault *why);
static ASN1_INTEGER *random_serial(void);
static X509_VAL *make_validity(int64_t now_s, uint32_t days);
static bool add_key_identifiers(struct stack_st_X509_EXTENSION **list, const struct spki *spki);
static ks_err sign_body(struct body *body, csr_sign_fn sign, void *context, uint8_t **der,
                        size_t *der_len, struct fault *why);

static void
body_deinit(struct body *body)
{
    ASN1_INTEGER_free(body->version);
    ASN1_INTEGER_free(body->serial);
    X509_ALGOR_free(body->algorithm);
    X509_NAME_free(body->subject); /* and issuer */
    X509_VAL_free(body->validity);
    X509_PUBKEY_free(body->key);
    sk_X509_EXTENSION_pop_free(body->extensions, X509_EXTENSION_free);
}

static bool
has_subject(const struct job_csr *job)
{
    return *job->common_name || *job->organization || *job->organization_unit || *job->country ||
           *job->state || *job->locality || *job->email;
}

ks_err
selfcert_check(const struct job_csr *job, uint32_t days, const struct config_class *class,
               struct fault *why)
{
    ks_err err = csr_check(job, class, why);

    if (err)
        return err;
    if (!has_subject(job)) {
        fault_set(why, "a self-signed certificate needs a subject, which is its issuer too");
        fault_hint(why, "give it a common name");
        return KS_ERR_BAD_REQUEST;
    }
    if (job->challenge_password && *job->challenge_password) {
        fault_set(why, "a challenge password stands in certificate requests only");
        return KS_ERR_BAD_REQUEST;
    }
    if (days == 0 || days > JOB_MAX_DAYS) {
        fault_set(why, "a self-signed certificate is valid for 1 to %d days, not %u", JOB_MAX_DAYS,
                  days);
        return KS_ERR_BAD_REQUEST;
    }
    return KS_OK;
}

ks_err
selfcert_build(const struct job_csr *job, uint32_t days, int64_t now_s,
               const struct config_class *class, const struct spki *spki,
               enum ks_algorithm algorithm, csr_sign_fn sign, void *context, uint8_t **der,
               size_t *der_len, struct fault *why)
{
    ks_auto(body_deinit) struct body body = {0};
    ks_err err;

    *der = NULL;
    *der_len = 0;
    err = selfcert_check(job, days, class, why);
    if (err)
        return err;
    if (algorithm == KS_ALGORITHM_DEFAULT || ks_algorithm_for(spki->type, algorithm) != algorithm) {
        fault_set(why, "a key of type %s does not sign with %s", ks_key_type_name(spki->type),
                  ks_algorithm_name(algorithm));
        return KS_ERR_BAD_REQUEST;
    }
    fault_set(why, "the certificate could not be built");
    if (!make_body(&body, job, days, now_s, class, spki, algorithm, why)) {
        ERR_clear_error();
        return KS_ERR_INTERNAL;
    }
    return sign_body(&body, sign, context, der, der_len, why);
}

static bool
make_body(struct body *body, const struct job_csr *job, uint32_t days, int64_t now_s,
          const struct config_class *class, const struct spki *spki, enum ks_algorithm algorithm,
          struct fault *why)
{
    const uint8_t *at = spki->der;

    body->version = ASN1_INTEGER_new();
    body->serial = random_serial();
    body->algorithm = certparts_algorithm(algorithm);
    body->subject = body->issuer = certparts_subject(job);
    body->validity = make_validity(now_s, days);
    body->key = d2i_X509_PUBKEY(NULL, &at, (long)spki->len);
    body->extensions = certparts_extensions(job, class, false, why);
    return body->version && ASN1_INTEGER_set(body->version, VERSION_3) == 1 && body->serial &&
           body->algorithm && body->subject && body->validity && body->key && body->extensions &&
           add_key_identifiers(&body->extensions, spki);
}

/* 126 random bits; the first byte makes it positive and of the same length always. */
static ASN1_INTEGER *
random_serial(void)
{
    ks_auto(ossl_string_freep) ASN1_INTEGER *serial = ASN1_INTEGER_new();
    uint8_t bytes[SERIAL_LEN];

    if (!serial || RAND_bytes(bytes, sizeof(bytes)) != 1)
        return NULL;
    bytes[0] = (uint8_t)((bytes[0] & 0x3f) | 0x40);
    return ASN1_STRING_set(serial, bytes, sizeof(bytes)) == 1 ? ks_steal(&serial) : NULL;
}

static X509_VAL *
make_validity(int64_t now_s, uint32_t days)
{
    X509_VAL *validity = X509_VAL_new();

    if (validity && ASN1_TIME_set(validity->notBefore, (time_t)now_s) &&
        ASN1_TIME_adj(validity->notAfter, (time_t)now_s, (int)days, 0))
        return validity;
    X509_VAL_free(validity);
    return NULL;
}

static bool
add_key_identifiers(struct stack_st_X509_EXTENSION **list, const struct spki *spki)
{
    ks_auto(ossl_string_freep) ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
    ks_auto(ossl_authority_freep) AUTHORITY_KEYID *authority = AUTHORITY_KEYID_new();
    uint8_t bytes[SPKI_KEY_ID_LEN];

    if (!id || !authority || spki_key_id(spki, bytes) != KS_OK ||
        ASN1_OCTET_STRING_set(id, bytes, sizeof(bytes)) != 1)
        return false;
    authority->keyid = ASN1_OCTET_STRING_dup(id);
    return authority->keyid && certparts_add(list, NID_subject_key_identifier, id, false) &&
           certparts_add(list, NID_authority_key_identifier, authority, false);
}

static ks_err
sign_body(struct body *body, csr_sign_fn sign, void *context, uint8_t **der, size_t *der_len,
          struct fault *why)
{
    struct certificate certificate = {body, body->algorithm, NULL};
    ks_auto(ossl_memory_freep) uint8_t *bytes = NULL;
    uint8_t signature[KS_SIGNATURE_MAX_LEN];
    size_t signature_len = 0;
    int len = ASN1_item_i2d((const ASN1_VALUE *)body, &bytes, ASN1_ITEM_rptr(BODY));
    ks_err err;

    if (len <= 0)
        return KS_ERR_INTERNAL;
    if (len > JOB_MAX_CERTIFICATE - KS_SIGNATURE_MAX_LEN - SIGNATURE_ROOM) {
        fault_set(why, "the certificate is larger than %d bytes: fewer or shorter names",
                  JOB_MAX_CERTIFICATE);
        return KS_ERR_TOO_LARGE;
    }
    err = sign(context, bytes, (size_t)len, signature, &signature_len, why);
    if (err)
        return err;
    certificate.signature = certparts_signature(signature, signature_len);
    if (!certificate.signature)
        return KS_ERR_INTERNAL;
    /* The same body is encoded again, to the same bytes: DER has one form. */
    len = ASN1_item_i2d((const ASN1_VALUE *)&certificate, der, ASN1_ITEM_rptr(CERTIFICATE));
    ASN1_BIT_STRING_free(certificate.signature);
    if (len <= 0)
        return KS_ERR_INTERNAL;
    why->text[0] = '\0';
    *der_len = (size_t)len;
    return KS_OK;
}
