/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pki - libcrypto's calls, each of which must succeed
 */
#include "pki.h"

#include <criterion/criterion.h>

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#define MAX_WHICH 8

EVP_PKEY *
pki_key(enum pki_type type, unsigned int which)
{
    static EVP_PKEY *keys[PKI_N_TYPES][MAX_WHICH];
    EVP_PKEY **key = &keys[type][which];

    if (*key)
        return *key;
    if (type == PKI_P256)
        *key = EVP_EC_gen("P-256");
    else if (type == PKI_ED25519)
        *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    else
        *key = EVP_RSA_gen(type == PKI_RSA2048 ? 2048 : 1024);
    cr_assert_not_null(*key);
    return *key;
}

static void
add_extension(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension;

    if (!value)
        return;
    extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    cr_assert_not_null(extension, "%s", value);
    cr_assert(X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
}

static void
set_name(X509_NAME *name, const char *text)
{
    cr_assert(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)text, -1,
                                         -1, 0));
}

static const EVP_MD *
digest_for(EVP_PKEY *key, bool sha1)
{
    if (EVP_PKEY_is_a(key, "ED25519"))
        return NULL;
    return sha1 ? EVP_sha1() : EVP_sha256();
}

X509 *
pki_make(const struct pki_certificate *wanted)
{
    X509 *made = X509_new();
    static long serial = 0;

    cr_assert(X509_set_version(made, 2));
    ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial);
    set_name(X509_get_subject_name(made), wanted->subject);
    if (wanted->issuer_name)
        set_name(X509_get_issuer_name(made), wanted->issuer_name);
    else
        X509_set_issuer_name(made, X509_get_subject_name(wanted->issuer ? wanted->issuer : made));
    ASN1_TIME_set(X509_getm_notBefore(made), wanted->from_s ? wanted->from_s : PKI_NOW - PKI_DAY);
    ASN1_TIME_set(X509_getm_notAfter(made), wanted->to_s ? wanted->to_s : PKI_NOW + 30 * PKI_DAY);
    cr_assert(X509_set_pubkey(made, wanted->key));
    add_extension(made, NID_basic_constraints, wanted->constraints);
    add_extension(made, NID_key_usage, wanted->key_usage);
    add_extension(made, NID_ext_key_usage, wanted->usage);
    add_extension(made, NID_subject_alt_name, wanted->names);
    add_extension(made, NID_name_constraints, wanted->permitted);
    cr_assert_gt(X509_sign(made, wanted->issuer_key, digest_for(wanted->issuer_key, wanted->sha1)),
                 0);
    return made;
}

X509_REQ *
pki_request(const char *subject, EVP_PKEY *key, const char *names)
{
    X509_REQ *made = X509_REQ_new();

    set_name(X509_REQ_get_subject_name(made), subject);
    cr_assert(X509_REQ_set_pubkey(made, key));
    if (names) {
        STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);

        cr_assert_not_null(extension, "%s", names);
        sk_X509_EXTENSION_push(extensions, extension);
        cr_assert(X509_REQ_add_extensions(made, extensions));
        sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    }
    cr_assert_gt(X509_REQ_sign(made, key, digest_for(key, false)), 0);
    return made;
}

void
pki_add_pem(struct buf *out, X509 *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data;
    long len;

    cr_assert(PEM_write_bio_X509(bio, certificate));
    len = BIO_get_mem_data(bio, &data);
    buf_append(out, data, (size_t)len);
    BIO_free(bio);
}

void
pki_add_der(struct buf *out, X509 *certificate)
{
    unsigned char *der = NULL;
    int len = i2d_X509(certificate, &der);

    cr_assert_gt(len, 0);
    buf_append(out, der, (size_t)len);
    OPENSSL_free(der);
}
