/* SPDX-License-Identifier: Apache-2.0 */
#include "token/pkcs8.h"

#include <criterion/criterion.h>
#include <openssl/pem.h>

#include "key_files.h"

static struct fault why;

static ks_err
read_file(const struct keyfile *file, const char *password, struct keybundle *out)
{
    ks_auto(keyfile_deinit) struct keyfile secret = KEYFILE_INIT;
    ks_auto(pbe_close) struct pbe pbe = PBE_INIT;

    why = (struct fault)FAULT_INIT;
    if (password)
        secret = key_files_text(password);
    cr_assert_eq(pbe_open(&pbe, password ? &secret : NULL, PBE_BUDGET, &why), KS_OK);
    return pkcs8_read(file, &pbe, out, &why);
}

static bool
is_key(const struct keybundle *bundle, EVP_PKEY *key)
{
    uint8_t *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    bool same = len > 0 && (size_t)len == bundle->key.spki.len &&
                memcmp(der, bundle->key.spki.der, (size_t)len) == 0;

    OPENSSL_free(der);
    return same;
}

/* What `write` put into a BIO, and text behind it. */
static struct keyfile
take(BIO *out)
{
    char *data;
    long len = BIO_get_mem_data(out, &data);
    struct keyfile file = key_files_of(data, (size_t)len);

    BIO_free(out);
    return file;
}

static struct keyfile
traditional(EVP_PKEY *key, const char *password)
{
    BIO *out = BIO_new(BIO_s_mem());

    cr_assert_eq(PEM_write_bio_PrivateKey_traditional(
                     out, key, password ? EVP_aes_128_cbc() : NULL, (const uint8_t *)password,
                     password ? (int)strlen(password) : 0, NULL, NULL),
                 1);
    return take(out);
}

Test(pkcs8, reads_each_kind_of_key_in_each_form)
{
    static const char *const types[] = {"EC", "EC:P-384", "EC:P-521", "RSA:2048", "ED25519"};

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        EVP_PKEY *key = key_files_key(types[i]);

        for (int n = 0; n < 4; n++) {
            const char *password = n & 1 ? "secret" : NULL;
            ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;
            ks_auto(keyfile_deinit) struct keyfile file = key_files_p8(key, password, n & 2);

            cr_expect_eq(read_file(&file, password, &bundle), KS_OK, "%s %d: %s", types[i], n,
                         why.text);
            cr_expect(is_key(&bundle, key), "%s %d", types[i], n);
        }
        EVP_PKEY_free(key);
    }
}

Test(pkcs8, reads_traditional_pem_only_if_it_is_not_encrypted)
{
    static const char *const types[] = {"EC", "RSA:2048"};

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        EVP_PKEY *key = key_files_key(types[i]);
        ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;
        ks_auto(keybundle_deinit) struct keybundle none = KEYBUNDLE_INIT;
        ks_auto(keyfile_deinit) struct keyfile plain = traditional(key, NULL);
        ks_auto(keyfile_deinit) struct keyfile sealed = traditional(key, "secret");

        cr_expect_eq(read_file(&plain, NULL, &bundle), KS_OK, "%s: %s", types[i], why.text);
        cr_expect(is_key(&bundle, key));
        cr_expect_eq(read_file(&sealed, "secret", &none), KS_ERR_BAD_REQUEST);
        cr_expect(strstr(why.hint, "pkcs8 -topk8"), "%s", why.hint);
        EVP_PKEY_free(key);
    }
}

Test(pkcs8, reads_traditional_der)
{
    static const char *const types[] = {"EC", "EC:P-384", "RSA:2048"};

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        EVP_PKEY *key = key_files_key(types[i]);
        ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;
        ks_auto(keybundle_deinit) struct keybundle none = KEYBUNDLE_INIT;
        unsigned char *der = NULL;
        int len = i2d_PrivateKey(key, &der);
        ks_auto(keyfile_deinit) struct keyfile file = KEYFILE_INIT;
        ks_auto(keyfile_deinit) struct keyfile cut = KEYFILE_INIT;

        cr_assert(len > 0);
        file = key_files_of(der, (size_t)len);
        cut = key_files_of(der, (size_t)len - 1);
        cr_expect_eq(read_file(&file, NULL, &bundle), KS_OK, "%s: %s", types[i], why.text);
        cr_expect(is_key(&bundle, key));
        cr_expect_eq(read_file(&cut, NULL, &none), KS_ERR_BAD_REQUEST);
        OPENSSL_free(der);
        EVP_PKEY_free(key);
    }
}

Test(pkcs8, tells_a_wrong_password_from_none)
{
    EVP_PKEY *key = key_files_key("EC");
    ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;
    ks_auto(keyfile_deinit) struct keyfile file = key_files_p8(key, "secret", true);

    cr_assert_eq(read_file(&file, "another", &bundle), KS_ERR_BAD_REQUEST);
    cr_assert(strstr(why.text, "wrong"), "%s", why.text);
    cr_assert_eq(read_file(&file, NULL, &bundle), KS_ERR_BAD_REQUEST);
    cr_assert(strstr(why.text, "no password was given"), "%s", why.text);
    EVP_PKEY_free(key);
}

Test(pkcs8, refuses_a_file_that_is_cut_off_anywhere_or_goes_on)
{
    EVP_PKEY *key = key_files_key("RSA:2048");

    for (int n = 0; n < 4; n++) {
        const char *password = n & 1 ? "secret" : NULL;
        ks_auto(keyfile_deinit) struct keyfile file = key_files_p8(key, password, n & 2);
        ks_auto(keyfile_deinit) struct keyfile longer = key_files_of(file.data, file.len + 1);
        ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;
        size_t len = file.len - (n & 2 ? 1 : 0); /* PEM's last newline may be missing */

        longer.data[file.len] = 'x';
        cr_expect_eq(read_file(&longer, password, &bundle), KS_ERR_BAD_REQUEST, "form %d", n);
        for (file.len = 0; file.len < len; file.len += 7) {
            ks_auto(keybundle_deinit) struct keybundle none = KEYBUNDLE_INIT;

            cr_assert_eq(read_file(&file, password, &none), KS_ERR_BAD_REQUEST, "form %d, %zu", n,
                         file.len);
        }
    }
    EVP_PKEY_free(key);
}

Test(pkcs8, takes_certificates_beside_the_key_and_one_key_only)
{
    EVP_PKEY *key = key_files_key("EC");
    X509 *certificate = key_files_certificate(key, "shop", NULL, NULL);
    ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;
    ks_auto(keybundle_deinit) struct keybundle none = KEYBUNDLE_INIT;
    ks_auto(keyfile_deinit) struct keyfile file = KEYFILE_INIT;
    ks_auto(keyfile_deinit) struct keyfile two = KEYFILE_INIT;
    BIO *out = BIO_new(BIO_s_mem());

    BIO_puts(out, "Bag Attributes: whatever\n");
    cr_assert_eq(PEM_write_bio_X509(out, certificate), 1);
    cr_assert_eq(PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
    file = take(out);
    cr_assert_eq(read_file(&file, NULL, &bundle), KS_OK, "%s", why.text);
    cr_assert_eq(bundle.n_certificates, 1);
    out = BIO_new(BIO_s_mem());
    BIO_write(out, file.data, (int)file.len);
    BIO_write(out, file.data, (int)file.len);
    two = take(out);
    cr_assert_eq(read_file(&two, NULL, &none), KS_ERR_BAD_REQUEST);
    cr_assert(strstr(why.text, "several"), "%s", why.text);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

Test(pkcs8, refuses_files_without_a_private_key)
{
    static const char *const texts[] = {
        "",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
        "0",
        "\x30",
        "\x30\x80\x02\x01",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----\n"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;
        ks_auto(keyfile_deinit) struct keyfile file = key_files_text(texts[i]);

        cr_expect_eq(read_file(&file, NULL, &bundle), KS_ERR_BAD_REQUEST, "text %zu", i);
        cr_expect(why.text[0], "text %zu", i);
    }
}

/* Whole keys whose numbers do not fit each other. */
Test(pkcs8, refuses_a_key_that_contradicts_itself)
{
    static const char *const types[] = {"EC", "RSA:2048"};

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        EVP_PKEY *key = key_files_key(types[i]);
        ks_auto(keyfile_deinit) struct keyfile file = key_files_p8(key, NULL, false);
        size_t n_same = 0;

        /* behind the heads and OIDs every byte is part of a number or a length */
        for (size_t at = 60; at < file.len; at++) {
            ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;

            file.data[at] ^= 0x04;
            if (read_file(&file, NULL, &bundle) == KS_OK)
                n_same++;
            file.data[at] ^= 0x04;
        }
        cr_expect_eq(n_same, 0, "%s: %zu changed keys were taken", types[i], n_same);
        EVP_PKEY_free(key);
    }
}

/* RFC 5958: a version 2 with the public key behind, as some makers write Ed25519. */
Test(pkcs8, reads_the_form_with_a_public_key)
{
    EVP_PKEY *key = key_files_key("ED25519");
    ks_auto(keyfile_deinit) struct keyfile file = key_files_p8(key, NULL, false);
    ks_auto(keybundle_deinit) struct keybundle bundle = KEYBUNDLE_INIT;
    ks_auto(keyfile_deinit) struct keyfile newer = KEYFILE_INIT;
    uint8_t der[128];
    size_t len = 32;

    memcpy(der, file.data, file.len);
    der[1] = (uint8_t)(der[1] + 35);
    der[4] = 1;
    der[file.len] = 0x81;
    der[file.len + 1] = 33;
    der[file.len + 2] = 0;
    cr_assert_eq(EVP_PKEY_get_raw_public_key(key, der + file.len + 3, &len), 1);
    newer = key_files_of(der, file.len + 35);
    cr_assert_eq(read_file(&newer, NULL, &bundle), KS_OK, "%s", why.text);
    cr_assert(is_key(&bundle, key));
    EVP_PKEY_free(key);
}
