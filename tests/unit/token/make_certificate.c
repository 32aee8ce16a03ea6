/* SPDX-License-Identifier: Apache-2.0 */
/*
 * make_certificate - see make_certificate.h
 */
#include "tests/unit/token/make_certificate.h"

#include <criterion/criterion.h>
#include <openssl/ec.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#define LIFE_S (30L * 24 * 3600)

static void
set_name(X509_NAME *name, const char *common_name)
{
    cr_assert_eq(X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                            (const uint8_t *)common_name, -1, -1, 0),
                 1);
}

static void
add_ballast(X509 *certificate, size_t len)
{
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    char *bytes = malloc(len);

    cr_assert(text && bytes);
    memset(bytes, 'x', len);
    cr_assert_eq(ASN1_STRING_set(text, bytes, (int)len), 1);
    cr_assert_eq(X509_add1_ext_i2d(certificate, NID_netscape_comment, text, 0, 0), 1);
    ASN1_IA5STRING_free(text);
    free(bytes);
}

X509 *
make_certificate(const struct made_certificate *wanted)
{
    X509 *certificate = X509_new();
    uint8_t serial[8];

    cr_assert(certificate);
    cr_assert_eq(RAND_bytes(serial, sizeof(serial)), 1);
    serial[0] = 0x40;
    cr_assert_eq(X509_set_version(certificate, X509_VERSION_3), 1);
    cr_assert_eq(ASN1_STRING_set(X509_get_serialNumber(certificate), serial, (int)sizeof(serial)),
                 1);
    set_name(X509_get_subject_name(certificate), wanted->subject);
    set_name(X509_get_issuer_name(certificate), wanted->issuer ? wanted->issuer : wanted->subject);
    cr_assert(X509_gmtime_adj(X509_getm_notBefore(certificate), (long)wanted->not_before_s));
    cr_assert(
        X509_gmtime_adj(X509_getm_notAfter(certificate), (long)wanted->not_before_s + LIFE_S));
    cr_assert_eq(X509_set_pubkey(certificate, wanted->key), 1);
    if (wanted->ballast > 0)
        add_ballast(certificate, wanted->ballast);
    cr_assert_gt(X509_sign(certificate, wanted->issuer_key, EVP_sha256()), 0);
    return certificate;
}

EVP_PKEY *
make_certificate_key(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");

    cr_assert_not_null(key);
    return key;
}
