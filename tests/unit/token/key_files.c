/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_files - keys, certificates, PKCS#12 and PKCS#8
 */
#include "key_files.h"

#include <criterion/criterion.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "base/fault.h"

#define FEW 10 /* iterations */

EVP_PKEY *
key_files_key(const char *type)
{
    EVP_PKEY *key = NULL;

    if (strncmp(type, "RSA:", strlen("RSA:")) == 0)
        key = EVP_RSA_gen((unsigned int)atoi(type + strlen("RSA:")));
    else if (strncmp(type, "EC:", strlen("EC:")) == 0)
        key = EVP_EC_gen(type + strlen("EC:"));
    else if (strcmp(type, "EC") == 0)
        key = EVP_EC_gen("P-256");
    else
        key = EVP_PKEY_Q_keygen(NULL, NULL, type);
    cr_assert(key, "%s", type);
    return key;
}

static void
add_extension(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    cr_assert(extension && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

X509 *
key_files_certificate(EVP_PKEY *key, const char *name, EVP_PKEY *issuer, const char *by)
{
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME *from = X509_NAME_new();
    bool is_ed = EVP_PKEY_is_a(issuer ? issuer : key, "ED25519");

    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1, 0);
    X509_NAME_add_entry_by_txt(from, "CN", MBSTRING_ASC, (const uint8_t *)(by ? by : name), -1, -1,
                               0);
    X509_set_issuer_name(certificate, from);
    X509_NAME_free(from);
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_set_pubkey(certificate, key);
    add_extension(certificate, NID_basic_constraints, "CA:TRUE");
    cr_assert(X509_sign(certificate, issuer ? issuer : key, is_ed ? NULL : EVP_sha256()) > 0);
    return certificate;
}

struct keyfile
key_files_of(const void *data, size_t len)
{
    struct fault why = FAULT_INIT;
    struct keyfile file;

    cr_assert_eq(keyfile_new(len > 0 ? len : 1, &file, &why), KS_OK, "%s", why.text);
    memcpy(file.data, data, len);
    file.len = len;
    return file;
}

struct keyfile
key_files_text(const char *text)
{
    return key_files_of(text, strlen(text));
}

PKCS12 *
key_files_p12(EVP_PKEY *key, X509 *certificate, STACK_OF(X509) * others,
              const struct key_files_p12 *how)
{
    int pbe = how->pbe == 0 ? NID_aes_256_cbc : how->pbe;
    PKCS12 *file = PKCS12_create(how->password, how->name, key, certificate, others, pbe, pbe,
                                 how->iterations ? how->iterations : FEW,
                                 how->mac_iterations ? how->mac_iterations : FEW, 0);

    cr_assert(file);
    return file;
}

struct keyfile
key_files_der(PKCS12 *file)
{
    uint8_t *der = NULL;
    int len = i2d_PKCS12(file, &der);
    struct keyfile out;

    cr_assert(len > 0);
    out = key_files_of(der, (size_t)len);
    OPENSSL_free(der);
    return out;
}

struct keyfile
key_files_usual(const char *password)
{
    const struct key_files_p12 how = {.password = password, .name = "shop"};
    EVP_PKEY *key = key_files_key("EC");
    X509 *certificate = key_files_certificate(key, "shop", NULL, NULL);
    PKCS12 *p12 = key_files_p12(key, certificate, NULL, &how);
    struct keyfile file = key_files_der(p12);

    PKCS12_free(p12);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return file;
}

struct keyfile
key_files_p8(EVP_PKEY *key, const char *password, bool pem)
{
    BIO *out = BIO_new(BIO_s_mem());
    const EVP_CIPHER *cipher = password ? EVP_aes_128_cbc() : NULL;
    int len = password ? (int)strlen(password) : 0;
    struct keyfile file;
    char *data;
    long data_len;
    int rc;

    if (pem)
        rc = PEM_write_bio_PKCS8PrivateKey(out, key, cipher, password, len, NULL, NULL);
    else
        rc = i2d_PKCS8PrivateKey_bio(out, key, cipher, password, len, NULL, NULL);
    cr_assert_eq(rc, 1);
    data_len = BIO_get_mem_data(out, &data);
    file = key_files_of(data, (size_t)data_len);
    BIO_free(out);
    return file;
}
