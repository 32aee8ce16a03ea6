/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <stdio.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "client/cli/certfile.h"
#include "client/cli/certview.h"

static EVP_PKEY *key;

static void
make_key(void)
{
    key = EVP_EC_gen("P-256");
    cr_assert_not_null(key);
}

static void
free_key(void)
{
    EVP_PKEY_free(key);
}

TestSuite(certfile, .init = make_key, .fini = free_key);

/* One key for all: only the names matter here. */
static X509 *
made(const char *subject, const char *issuer)
{
    X509 *certificate = X509_new();

    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                               (const unsigned char *)subject, -1, -1, 0);
    X509_NAME_add_entry_by_txt(X509_get_issuer_name(certificate), "CN", MBSTRING_UTF8,
                               (const unsigned char *)issuer, -1, -1, 0);
    ASN1_TIME_set_string(X509_getm_notBefore(certificate), "20260102030405Z");
    ASN1_TIME_set_string(X509_getm_notAfter(certificate), "20270102030405Z");
    X509_set_pubkey(certificate, key);
    cr_assert_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    return certificate;
}

static void
add_pem(struct buf *out, const char *subject, const char *issuer)
{
    X509 *certificate = made(subject, issuer);
    BIO *bio = BIO_new(BIO_s_mem());
    char *data;
    long len;

    cr_assert(PEM_write_bio_X509(bio, certificate));
    len = BIO_get_mem_data(bio, &data);
    buf_append(out, data, (size_t)len);
    BIO_free(bio);
    X509_free(certificate);
}

static void
add_text(struct buf *out, const char *text)
{
    buf_append(out, text, strlen(text));
}

static void
expect(const struct buf *data, ks_err wanted, const char *text)
{
    ks_auto(certfile_deinit) struct certfile file = {0};
    struct fault why = FAULT_INIT;
    ks_err err = certfile_parse("chain.pem", data, &file, &why);

    cr_assert_eq(err, wanted, "%d: %s", err, why.text);
    cr_assert_not_null(strstr(why.text, "chain.pem"), "%s", why.text);
    cr_assert_not_null(strstr(why.text, text), "%s", why.text);
}

Test(certfile, reads_a_chain_in_its_order)
{
    ks_auto(buf_deinit) struct buf data = BUF_INIT;
    ks_auto(certfile_deinit) struct certfile file = {0};
    struct fault why = FAULT_INIT;

    add_text(&data, "0 s:CN = leaf, as some programs write before it\n");
    add_pem(&data, "leaf", "middle");
    add_pem(&data, "middle", "root");
    add_text(&data, "and behind\n");
    cr_assert_eq(certfile_parse("chain.pem", &data, &file, &why), KS_OK, "%s", why.text);
    cr_assert_eq(file.n_certificates, 2);
}

Test(certfile, refuses_another_order_and_names_the_two)
{
    ks_auto(buf_deinit) struct buf data = BUF_INIT;

    add_pem(&data, "middle", "root");
    add_pem(&data, "leaf", "middle");
    expect(&data, KS_ERR_BAD_REQUEST, "certificate 2 is not the issuer of certificate 1");
}

Test(certfile, reads_one_in_der_and_nothing_behind_it)
{
    ks_auto(buf_deinit) struct buf data = BUF_INIT;
    ks_auto(certfile_deinit) struct certfile file = {0};
    struct fault why = FAULT_INIT;
    X509 *certificate = made("leaf", "root");
    unsigned char *der = NULL;
    int len = i2d_X509(certificate, &der);

    cr_assert_gt(len, 0);
    buf_append(&data, der, (size_t)len);
    cr_assert_eq(certfile_parse("x.der", &data, &file, &why), KS_OK, "%s", why.text);
    cr_assert_eq(file.n_certificates, 1);
    cr_assert_eq(file.certificates[0].len, (size_t)len);
    add_text(&data, "x");
    expect(&data, KS_ERR_BAD_REQUEST, "cannot be read");
    data.len = (size_t)len - 1;
    expect(&data, KS_ERR_BAD_REQUEST, "cannot be read");
    OPENSSL_free(der);
    X509_free(certificate);
}

Test(certfile, refuses_a_private_key_in_the_wrong_file)
{
    ks_auto(buf_deinit) struct buf data = BUF_INIT;
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long len;

    add_pem(&data, "leaf", "root");
    cr_assert(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
    len = BIO_get_mem_data(bio, &text);
    buf_append(&data, text, (size_t)len);
    BIO_free(bio);
    expect(&data, KS_ERR_BAD_REQUEST, "holds a PRIVATE KEY");
}

Test(certfile, refuses_what_is_empty_damaged_or_something_else)
{
    ks_auto(buf_deinit) struct buf data = BUF_INIT;

    expect(&data, KS_ERR_BAD_REQUEST, "holds no certificate");
    add_text(&data, "hello\n");
    expect(&data, KS_ERR_BAD_REQUEST, "holds no certificate");
    data.len = 0;
    add_pem(&data, "leaf", "root");
    data.len -= 40;
    expect(&data, KS_ERR_BAD_REQUEST, "damaged PEM behind certificate 0");
    data.len = 0;
    add_text(&data, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    expect(&data, KS_ERR_BAD_REQUEST, "certificate 1 cannot be read");
}

Test(certfile, counts_up_to_the_limit)
{
    ks_auto(buf_deinit) struct buf data = BUF_INIT;
    ks_auto(certfile_deinit) struct certfile file = {0};
    struct fault why = FAULT_INIT;

    for (unsigned int i = 0; i < KS_CHAIN_MAX; i++)
        add_pem(&data, "same", "same");
    cr_assert_eq(certfile_parse("x", &data, &file, &why), KS_OK, "%s", why.text);
    cr_assert_eq(file.n_certificates, KS_CHAIN_MAX);
    add_pem(&data, "same", "same");
    expect(&data, KS_ERR_TOO_LARGE, "more than 16");
}

/* --- certview --- */

Test(certview, a_certificate_is_an_object_even_if_it_cannot_be_read)
{
    static uint8_t garbage[] = {0x30, 0x01, 0x00};
    X509 *certificate;
    unsigned char *der = NULL;
    struct ks_blob blob;
    json_t *object;

    make_key();
    certificate = made("M\xc3\xbcller, Inc", "root");
    blob.len = (size_t)i2d_X509(certificate, &der);
    blob.data = der;
    object = certview_json(&blob);
    cr_assert_str_eq(json_string_value(json_object_get(object, "subject")),
                     "CN=M\xc3\xbcller\\, Inc");
    cr_assert_str_eq(json_string_value(json_object_get(object, "issuer")), "CN=root");
    cr_assert_str_eq(json_string_value(json_object_get(object, "not_before")),
                     "2026-01-02T03:04:05Z");
    cr_assert_str_eq(json_string_value(json_object_get(object, "not_after")),
                     "2027-01-02T03:04:05Z");
    cr_assert_eq(strlen(json_string_value(json_object_get(object, "sha256"))), 64);
    json_decref(object);
    OPENSSL_free(der);
    X509_free(certificate);
    free_key();

    blob = (struct ks_blob){garbage, sizeof(garbage)};
    object = certview_json(&blob);
    cr_assert_null(json_object_get(object, "subject"));
    cr_assert_not_null(json_object_get(object, "pem"));
    json_decref(object);
}
