/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <stdio.h>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "base/keyname.h"
#include "client/lib/keysvc.h"

static struct ks_key
key_of(EVP_PKEY *pkey, const char *name, uint32_t version)
{
    struct ks_key key = {.version = version};
    unsigned char *end = key.public_key;

    cr_assert_leq((size_t)i2d_PUBKEY(pkey, NULL), sizeof(key.public_key));
    key.public_key_len = (size_t)i2d_PUBKEY(pkey, &end);
    SHA256(key.public_key, key.public_key_len, key.public_key_sha256);
    snprintf(key.name, sizeof(key.name), "%s", name);
    EVP_PKEY_free(pkey);
    return key;
}

static struct ks_key
some_key(void)
{
    return key_of(EVP_EC_gen("P-256"), "web/shop", 2);
}

/* The DER inside; free(). */
static uint8_t *
encoded(const struct ks_key *key, size_t *len)
{
    ks_auto(freep) char *pem = NULL;
    char *name, *header;
    unsigned char *der;
    uint8_t *copy;
    long der_len;
    BIO *in;

    cr_assert_eq(ks_reference_encode(key, &pem, NULL), KS_OK);
    in = BIO_new_mem_buf(pem, -1);
    cr_assert_gt(PEM_read_bio(in, &name, &header, &der, &der_len), 0);
    cr_assert_str_eq(name, KS_REFERENCE_PEM_NAME);
    cr_assert_str_eq(header, "");
    cr_assert_leq(der_len, (long)KS_REFERENCE_MAX_LEN);
    *len = (size_t)der_len;
    copy = malloc(*len);
    memcpy(copy, der, *len);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    BIO_free(in);
    return copy;
}

static void
expect_same(const struct ks_key *key, enum ks_key_type type)
{
    ks_auto(freep) uint8_t *der = NULL;
    struct ks_error error;
    struct ks_key out;
    size_t len;

    der = encoded(key, &len);
    cr_assert_eq(ks_reference_decode(der, len, &out, &error), KS_OK, "%s", error.message);
    cr_expect_str_eq(out.name, key->name);
    cr_expect_eq(out.version, key->version);
    cr_expect_eq(out.type, type);
    cr_expect_eq(out.public_key_len, key->public_key_len);
    cr_expect_arr_eq(out.public_key, key->public_key, key->public_key_len);
    cr_expect_arr_eq(out.public_key_sha256, key->public_key_sha256, KS_SHA256_LEN);
    cr_expect_eq(out.purpose, KS_PURPOSE_NONE);
    cr_expect_eq(out.n_versions, 0);
}

Test(reference, holds_name_version_and_public_key_of_each_type)
{
    static const struct {
        const char *curve;
        enum ks_key_type type;
    } curves[] = {{"P-256", KS_KEY_TYPE_EC_P256},
                  {"P-384", KS_KEY_TYPE_EC_P384},
                  {"P-521", KS_KEY_TYPE_EC_P521}};
    static const struct {
        unsigned int bits;
        enum ks_key_type type;
    } sizes[] = {{2048, KS_KEY_TYPE_RSA_2048}, {3072, KS_KEY_TYPE_RSA_3072}};
    char longest[KEYNAME_MAX + 1];
    struct ks_key key;

    for (size_t i = 0; i < ARRAY_LEN(curves); i++) {
        key = key_of(EVP_EC_gen(curves[i].curve), "web/shop", 1);
        expect_same(&key, curves[i].type);
    }
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        key = key_of(EVP_RSA_gen(sizes[i].bits), "a", KEYNAME_VERSION_MAX);
        expect_same(&key, sizes[i].type);
    }
    memset(longest, 'x', sizeof(longest) - 1);
    longest[KEYNAME_MAX] = '\0';
    key = key_of(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), longest, 7);
    expect_same(&key, KS_KEY_TYPE_ED25519);
}

Test(reference, is_made_of_a_version_with_its_public_half_only)
{
    const struct ks_key good = some_key();
    struct ks_key key = good;
    struct ks_error error;
    char *pem = NULL;

    key.public_key_len = 0;
    cr_expect_eq(ks_reference_encode(&key, &pem, &error), KS_ERR_USAGE);
    cr_expect_not_null(strstr(error.message, "web/shop@2"));
    key.public_key_len = sizeof(key.public_key) + 1;
    cr_expect_eq(ks_reference_encode(&key, &pem, &error), KS_ERR_USAGE);
    key = good;
    key.version = 0;
    cr_expect_eq(ks_reference_encode(&key, &pem, &error), KS_ERR_BAD_REQUEST);
    key.version = KEYNAME_VERSION_MAX + 1;
    cr_expect_eq(ks_reference_encode(&key, &pem, &error), KS_ERR_BAD_REQUEST);
    key = good;
    snprintf(key.name, sizeof(key.name), "web//shop");
    cr_expect_eq(ks_reference_encode(&key, &pem, &error), KS_ERR_BAD_REQUEST);
}

Test(reference, with_a_byte_missing_or_too_many_is_none)
{
    const struct ks_key key = some_key();
    ks_auto(freep) uint8_t *der = NULL;
    uint8_t more[KS_REFERENCE_MAX_LEN + 1] = {0};
    struct ks_error error;
    struct ks_key out;
    size_t len;

    der = encoded(&key, &len);
    for (size_t cut = 0; cut < len; cut++)
        cr_expect_eq(ks_reference_decode(der, cut, &out, &error), KS_ERR_BAD_REQUEST, "%zu", cut);
    memcpy(more, der, len);
    cr_expect_eq(ks_reference_decode(more, len + 1, &out, &error), KS_ERR_BAD_REQUEST);
    cr_expect_eq(ks_reference_decode(more, sizeof(more), &out, &error), KS_ERR_BAD_REQUEST);
    cr_expect_not_null(strstr(error.message, "at most"), "%s", error.message);
}

Test(reference, with_any_bit_flipped_is_none_or_says_another_key)
{
    const struct ks_key key = some_key();
    ks_auto(freep) uint8_t *der = NULL;
    struct ks_error error;
    struct ks_key out;
    size_t len;

    der = encoded(&key, &len);
    for (size_t bit = 0; bit < len * 8; bit++) {
        ks_err err;

        der[bit / 8] ^= (uint8_t)(1 << bit % 8);
        err = ks_reference_decode(der, len, &out, &error);
        cr_expect(err == KS_ERR_BAD_REQUEST || err == KS_ERR_UNSUPPORTED ||
                      (err == KS_OK &&
                       (strcmp(out.name, key.name) != 0 || out.version != key.version ||
                        memcmp(out.public_key_sha256, key.public_key_sha256, KS_SHA256_LEN) != 0)),
                  "bit %zu", bit);
        cr_expect_eq(err != KS_OK, error.message[0] != '\0');
        der[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

/* One byte of the text `what` in the DER. */
static ks_err
changed(const char *what, size_t at, char byte, struct ks_error *error)
{
    const struct ks_key key = some_key();
    ks_auto(freep) uint8_t *der = NULL;
    struct ks_key out;
    size_t len;
    uint8_t *place;

    der = encoded(&key, &len);
    place = memmem(der, len, what, strlen(what));
    cr_assert_not_null(place);
    place[at] = (uint8_t)byte;
    return ks_reference_decode(der, len, &out, error);
}

Test(reference, of_a_later_form_is_told_from_what_is_none)
{
    struct ks_error error;

    cr_expect_eq(changed("keysvc-reference-1", 17, '2', &error), KS_ERR_UNSUPPORTED);
    cr_expect_not_null(strstr(error.message, "later form"));
    cr_expect_eq(changed("keysvc-reference-1", 0, 'K', &error), KS_ERR_BAD_REQUEST);
}

Test(reference, names_a_version_and_nothing_else)
{
    struct ks_error error;

    cr_expect_eq(changed("web/shop@2", 9, '0', &error), KS_ERR_BAD_REQUEST);
    cr_expect_eq(changed("web/shop@2", 8, '/', &error), KS_ERR_BAD_REQUEST, "no version");
    cr_expect_eq(changed("web/shop@2", 4, '/', &error), KS_ERR_BAD_REQUEST);
    cr_expect_eq(changed("web/shop@2", 4, '\0', &error), KS_ERR_BAD_REQUEST);
}

Test(reference, to_a_key_of_an_unknown_type_is_told_so)
{
    EVP_PKEY *unknown[] = {
        EVP_EC_gen("secp256k1"),
        EVP_PKEY_Q_keygen(NULL, NULL, "X25519"),
        EVP_PKEY_Q_keygen(NULL, NULL, "ED448"),
        EVP_RSA_gen(1024),
        EVP_RSA_gen(2056),
    };
    struct ks_key none = some_key(), out;
    ks_auto(freep) uint8_t *der = NULL;
    struct ks_error error;
    size_t len;

    for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
        struct ks_key key = key_of(unknown[i], "web/shop", 1);
        ks_auto(freep) uint8_t *one = encoded(&key, &len);

        cr_expect_eq(ks_reference_decode(one, len, &out, &error), KS_ERR_UNSUPPORTED, "%zu", i);
    }
    none.public_key_len = 1;
    der = encoded(&none, &len);
    cr_expect_eq(ks_reference_decode(der, len, &out, &error), KS_ERR_UNSUPPORTED);
}
