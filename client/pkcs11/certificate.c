/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificate - X.509 fields as DER, as attributes want them
 *
 * No X509 is made: libcrypto takes locks for each (of its ex_data, and to decode its key), and a
 * child that was forked while another thread had one of them would wait for ever. The templates
 * below take none. What is inside of a name or an extension is nobody's business here.
 */
#include "client/pkcs11/certificate.h"

#include <stdio.h>

#include <openssl/asn1t.h>

struct validity {
    ASN1_TIME *begins, *ends;
};

ASN1_SEQUENCE(validity) = {
    ASN1_SIMPLE(struct validity, begins, ASN1_TIME),
    ASN1_SIMPLE(struct validity, ends, ASN1_TIME),
} static_ASN1_SEQUENCE_END_name(struct validity, validity);

struct subject_key {
    ASN1_TYPE *algorithm;
    ASN1_BIT_STRING *bits;
};

ASN1_SEQUENCE(subject_key) = {
    ASN1_SIMPLE(struct subject_key, algorithm, ASN1_ANY),
    ASN1_SIMPLE(struct subject_key, bits, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END_name(struct subject_key, subject_key);

struct signed_part {
    ASN1_INTEGER *version, *serial;
    ASN1_TYPE *algorithm, *issuer;
    struct validity *validity;
    ASN1_TYPE *subject;
    struct subject_key *key;
    ASN1_BIT_STRING *issuer_id, *subject_id;
    ASN1_TYPE *extensions;
};

ASN1_SEQUENCE(signed_part) = {
    ASN1_EXP_OPT(struct signed_part, version, ASN1_INTEGER, 0),
    ASN1_SIMPLE(struct signed_part, serial, ASN1_INTEGER),
    ASN1_SIMPLE(struct signed_part, algorithm, ASN1_ANY),
    ASN1_SIMPLE(struct signed_part, issuer, ASN1_ANY),
    ASN1_SIMPLE(struct signed_part, validity, validity),
    ASN1_SIMPLE(struct signed_part, subject, ASN1_ANY),
    ASN1_SIMPLE(struct signed_part, key, subject_key),
    ASN1_IMP_OPT(struct signed_part, issuer_id, ASN1_BIT_STRING, 1),
    ASN1_IMP_OPT(struct signed_part, subject_id, ASN1_BIT_STRING, 2),
    ASN1_EXP_OPT(struct signed_part, extensions, ASN1_ANY, 3),
} static_ASN1_SEQUENCE_END_name(struct signed_part, signed_part);

struct whole {
    struct signed_part *body;
    ASN1_TYPE *algorithm;
    ASN1_BIT_STRING *signature;
};

ASN1_SEQUENCE(whole) = {
    ASN1_SIMPLE(struct whole, body, signed_part),
    ASN1_SIMPLE(struct whole, algorithm, ASN1_ANY),
    ASN1_SIMPLE(struct whole, signature, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END_name(struct whole, whole);

static bool read_fields(const struct hashes *hashes, const struct signed_part *body,
                        struct certificate *out);

struct certificate *
certificate_new(const struct hashes *hashes, const struct ks_blob *der,
                const uint8_t sha256[static KS_SHA256_LEN])
{
    struct certificate *certificate = calloc(1, sizeof(*certificate));
    const unsigned char *at = der->data;
    struct whole *whole = NULL;
    bool good = false;

    if (certificate && der->len <= KS_CERTIFICATE_MAX_LEN)
        whole = (struct whole *)ASN1_item_d2i(NULL, &at, (long)der->len, ASN1_ITEM_rptr(whole));
    if (whole && at == der->data + der->len)
        certificate->der.data = malloc(der->len);
    if (whole && certificate->der.data) {
        memcpy(certificate->der.data, der->data, der->len);
        certificate->der.len = der->len;
        memcpy(certificate->sha256, sha256, KS_SHA256_LEN);
        good = read_fields(hashes, whole->body, certificate);
    }
    ASN1_item_free((ASN1_VALUE *)whole, ASN1_ITEM_rptr(whole));
    return good ? certificate : certificate_free(certificate);
}

struct certificate *
certificate_free(struct certificate *certificate)
{
    if (!certificate)
        return NULL;
    free(certificate->der.data);
    OPENSSL_free(certificate->subject.data);
    OPENSSL_free(certificate->issuer.data);
    OPENSSL_free(certificate->serial.data);
    OPENSSL_free(certificate->public_key.data);
    free(certificate);
    return NULL;
}

/* `len` and the data are what an i2d function gave. */
static bool
take_der(struct ks_blob *out, int len)
{
    out->len = len > 0 ? (size_t)len : 0;
    return len > 0;
}

/* As it stands in the certificate. */
static bool
take_name(struct ks_blob *out, const ASN1_TYPE *name)
{
    return name->type == V_ASN1_SEQUENCE && take_der(out, i2d_ASN1_TYPE(name, &out->data));
}

static CK_DATE
date_of(const ASN1_TIME *time)
{
    CK_DATE date;
    struct tm when;
    char text[16];

    memset(&date, 0, sizeof(date));
    if (!ASN1_TIME_to_tm(time, &when) || strftime(text, sizeof(text), "%Y%m%d", &when) != 8)
        return date;
    memcpy(date.year, text, sizeof(date.year));
    memcpy(date.month, text + 4, sizeof(date.month));
    memcpy(date.day, text + 6, sizeof(date.day));
    return date;
}

static bool
read_hashes(const struct hashes *hashes, const ASN1_BIT_STRING *key, struct certificate *out)
{
    uint8_t sha1[SHA1_LEN];

    if (!hashes_sha1(hashes, out->der.data, out->der.len, sha1))
        return false;
    memcpy(out->check_value, sha1, sizeof(out->check_value));
    return hashes_sha1(hashes, ASN1_STRING_get0_data(key), (size_t)ASN1_STRING_length(key),
                       out->id);
}

static bool
read_fields(const struct hashes *hashes, const struct signed_part *body, struct certificate *out)
{
    if (body->key->algorithm->type != V_ASN1_SEQUENCE ||
        !read_hashes(hashes, body->key->bits, out) || !take_name(&out->subject, body->subject) ||
        !take_name(&out->issuer, body->issuer) ||
        !take_der(&out->serial, i2d_ASN1_INTEGER(body->serial, &out->serial.data)) ||
        !take_der(&out->public_key,
                  ASN1_item_i2d((const ASN1_VALUE *)body->key, &out->public_key.data,
                                ASN1_ITEM_rptr(subject_key))))
        return false;
    out->begins = date_of(body->validity->begins);
    out->ends = date_of(body->validity->ends);
    out->size = sizeof(*out) + out->der.len + out->subject.len + out->issuer.len + out->serial.len +
                out->public_key.len;
    return true;
}
