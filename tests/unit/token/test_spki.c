/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "software_key.h"

static const uint8_t P256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static const uint8_t SECP256K1[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a};

ParameterizedTestParameters(spki, encodes_a_key_as_openssl_does_and_reads_it_back)
{
    static enum ks_key_type types[] = {
        KS_KEY_TYPE_EC_P256,  KS_KEY_TYPE_EC_P384,  KS_KEY_TYPE_EC_P521,  KS_KEY_TYPE_ED25519,
        KS_KEY_TYPE_RSA_2048, KS_KEY_TYPE_RSA_3072, KS_KEY_TYPE_RSA_4096,
    };

    return cr_make_param_array(enum ks_key_type, types, ARRAY_LEN(types));
}

ParameterizedTest(enum ks_key_type *type, spki, encodes_a_key_as_openssl_does_and_reads_it_back)
{
    EVP_PKEY *key = software_key_new(*type), *again = NULL;
    struct spki spki = software_key_spki(*type, key);
    struct fault why = FAULT_INIT;
    uint8_t *der = NULL;
    int len = i2d_PUBKEY(key, &der);

    cr_assert_eq(spki.type, *type);
    cr_assert_eq(spki.len, (size_t)len);
    cr_assert_arr_eq(spki.der, der, spki.len);

    cr_assert_eq(spki_pkey(&spki, &again, &why), KS_OK, "%s", why.text);
    cr_assert_eq(EVP_PKEY_eq(key, again), 1);
    cr_assert_not_null(EVP_PKEY_get0_provider(again), "no legacy key");
    EVP_PKEY_free(again);

    spki.der[spki.len / 2] ^= 1;
    spki.len--;
    cr_assert_eq(spki_pkey(&spki, &again, &why), KS_ERR_BAD_REQUEST);
    cr_assert_null(again);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
}

Test(spki, gives_the_digests_that_openssl_gives)
{
    EVP_PKEY *key = software_key_new(KS_KEY_TYPE_EC_P256);
    struct spki spki = software_key_spki(KS_KEY_TYPE_EC_P256, key), none = {.len = 0};
    uint8_t sha256[KS_SHA256_LEN], expected[KS_SHA256_LEN], id[SPKI_KEY_ID_LEN], expected_id[20];
    unsigned int len = 0;
    X509 *certificate = X509_new();

    spki_sha256(&spki, sha256);
    SHA256(spki.der, spki.len, expected);
    cr_assert_arr_eq(sha256, expected, sizeof(sha256));

    /* X509_pubkey_digest() hashes the BIT STRING, as the subject key identifier does. */
    cr_assert_eq(X509_set_pubkey(certificate, key), 1);
    cr_assert_eq(X509_pubkey_digest(certificate, EVP_sha1(), expected_id, &len), 1);
    cr_assert_eq(spki_key_id(&spki, id), KS_OK);
    cr_assert_arr_eq(id, expected_id, sizeof(id));
    cr_assert_eq(spki_key_id(&none, id), KS_ERR_BAD_REQUEST);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

Test(spki, takes_a_point_bare_or_in_an_octet_string_and_nothing_else)
{
    EVP_PKEY *key = software_key_new(KS_KEY_TYPE_EC_P521);
    struct spki bare = software_key_spki(KS_KEY_TYPE_EC_P521, key), wrapped;
    struct fault why = FAULT_INIT;
    const uint8_t *params;
    size_t params_len, len;
    unsigned long bits;
    uint8_t point[140] = {0x04, 0x81, 0x85};

    cr_assert(spki_parameters(KS_KEY_TYPE_EC_P521, &params, &params_len, &bits));
    len = 3 + software_key_public(key, OSSL_PKEY_PARAM_PUB_KEY, point + 3, sizeof(point) - 3);
    cr_assert_eq(spki_from_ec(params, params_len, point, len, &wrapped, &why), KS_OK);
    cr_assert_eq(wrapped.len, bare.len);
    cr_assert_arr_eq(wrapped.der, bare.der, bare.len);

    for (size_t cut = 0; cut < len; cut++) {
        cr_assert_eq(spki_from_ec(params, params_len, point, cut, &wrapped, &why),
                     KS_ERR_BAD_REQUEST, "%zu", cut);
        cr_assert_eq(wrapped.type, KS_KEY_TYPE_ANY);
        cr_assert_eq(wrapped.len, 0);
    }
    cr_assert_eq(spki_from_ec(params, params_len, point, len + 1, &wrapped, &why),
                 KS_ERR_BAD_REQUEST);
    point[0] = 0x03; /* BIT STRING */
    cr_assert_eq(spki_from_ec(params, params_len, point, len, &wrapped, &why), KS_ERR_BAD_REQUEST);
    EVP_PKEY_free(key);
}

Test(spki, refuses_a_point_that_is_not_on_its_curve)
{
    EVP_PKEY *key = software_key_new(KS_KEY_TYPE_EC_P256);
    struct fault why = FAULT_INIT;
    struct spki spki;
    uint8_t point[65];

    software_key_public(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point));
    cr_assert(spki_point_on_curve(NID_X9_62_prime256v1, point, sizeof(point)));
    cr_assert_not(spki_point_on_curve(NID_secp384r1, point, sizeof(point)));
    cr_assert_not(spki_point_on_curve(NID_undef, point, sizeof(point)));
    point[64] ^= 1;
    cr_assert_eq(spki_from_ec(P256, sizeof(P256), point, sizeof(point), &spki, &why),
                 KS_ERR_BAD_REQUEST);
    cr_assert(strstr(why.text, "not on the curve"), "%s", why.text);
    memset(point, 0, sizeof(point));
    cr_assert_not(spki_point_on_curve(NID_X9_62_prime256v1, point, 1));
    EVP_PKEY_free(key);
}

Test(spki, reads_ed25519_under_each_of_its_names)
{
    static const struct {
        uint8_t der[16];
        size_t len;
    } names[] = {
        {"\x13\x0c"
         "edwards25519",
         14},
        {"\x06\x03\x2b\x65\x70", 5},
        {"\x06\x09\x2b\x06\x01\x04\x01\xda\x47\x0f\x01", 11},
    };
    EVP_PKEY *key = software_key_new(KS_KEY_TYPE_ED25519);
    struct spki expected = software_key_spki(KS_KEY_TYPE_ED25519, key), spki;
    struct fault why = FAULT_INIT;
    uint8_t point[34] = {0x04, 0x20};

    software_key_public(key, OSSL_PKEY_PARAM_PUB_KEY, point + 2, 32);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        cr_assert_eq(spki_from_ec(names[i].der, names[i].len, point, sizeof(point), &spki, &why),
                     KS_OK);
        cr_assert_eq(spki.type, KS_KEY_TYPE_ED25519);
        cr_assert_arr_eq(spki.der, expected.der, expected.len);
    }
    cr_assert_eq(spki_from_ec(names[0].der, names[0].len, point, 33, &spki, &why),
                 KS_ERR_BAD_REQUEST);
    EVP_PKEY_free(key);
}

Test(spki, knows_no_other_curve_and_no_other_length)
{
    struct fault why = FAULT_INIT;
    uint8_t point[65] = {4}, modulus[129], exponent[] = {1, 0, 1};
    struct spki spki;
    EVP_PKEY *key = NULL;

    cr_assert_eq(spki_from_ec(SECP256K1, sizeof(SECP256K1), point, sizeof(point), &spki, &why),
                 KS_OK);
    cr_assert_eq(spki.type, KS_KEY_TYPE_ANY);
    cr_assert_eq(spki.len, 0);
    cr_assert_eq(spki_from_ec(NULL, 0, NULL, 0, &spki, &why), KS_OK);
    cr_assert_eq(spki.type, KS_KEY_TYPE_ANY);

    memset(modulus, 0xff, sizeof(modulus));
    cr_assert_eq(spki_from_rsa(modulus, 128, exponent, 3, &spki, &why), KS_OK);
    cr_assert_eq(spki.type, KS_KEY_TYPE_ANY);
    cr_assert_eq(spki.len, 0);
    cr_assert_eq(spki_pkey(&spki, &key, &why), KS_ERR_BAD_REQUEST);
}

Test(spki, counts_bits_of_a_modulus_and_not_bytes)
{
    struct fault why = FAULT_INIT;
    uint8_t modulus[257], exponent[] = {1, 0, 1};
    struct spki spki;

    memset(modulus, 0xff, sizeof(modulus));
    modulus[0] = 0; /* as tokens that show a signed number do */
    cr_assert_eq(spki_from_rsa(modulus, 257, exponent, 3, &spki, &why), KS_OK);
    cr_assert_eq(spki.type, KS_KEY_TYPE_RSA_2048);
    modulus[1] = 0x7f;
    cr_assert_eq(spki_from_rsa(modulus, 257, exponent, 3, &spki, &why), KS_OK);
    cr_assert_eq(spki.type, KS_KEY_TYPE_ANY);
}

Test(spki, refuses_numbers_that_are_no_rsa_key)
{
    struct fault why = FAULT_INIT;
    uint8_t modulus[256], long_exponent[9];
    struct spki spki;
    const uint8_t one = 1, even = 4, three = 3, zero = 0;

    memset(modulus, 0xff, sizeof(modulus));
    memset(long_exponent, 0xff, sizeof(long_exponent));
    cr_assert_eq(spki_from_rsa(modulus, 256, &three, 1, &spki, &why), KS_OK);
    cr_assert_eq(spki_from_rsa(modulus, 256, long_exponent, 8, &spki, &why), KS_OK);
    cr_assert_eq(spki_from_rsa(modulus, 256, long_exponent, 9, &spki, &why), KS_ERR_BAD_REQUEST);
    cr_assert_eq(spki_from_rsa(modulus, 256, &one, 1, &spki, &why), KS_ERR_BAD_REQUEST);
    cr_assert_eq(spki_from_rsa(modulus, 256, &zero, 1, &spki, &why), KS_ERR_BAD_REQUEST);
    cr_assert_eq(spki_from_rsa(modulus, 256, &even, 1, &spki, &why), KS_ERR_BAD_REQUEST);
    cr_assert_eq(spki_from_rsa(modulus, 256, &three, 0, &spki, &why), KS_ERR_BAD_REQUEST);
    cr_assert_eq(spki_from_rsa(modulus, 0, &three, 1, &spki, &why), KS_ERR_BAD_REQUEST);
    cr_assert_eq(spki_from_rsa(modulus, 1u << 20, &three, 1, &spki, &why), KS_ERR_BAD_REQUEST);
    modulus[255] = 0xfe;
    cr_assert_eq(spki_from_rsa(modulus, 256, &three, 1, &spki, &why), KS_ERR_BAD_REQUEST);
}

Test(spki, has_no_parameters_for_what_is_no_type)
{
    const uint8_t *params;
    size_t len;
    unsigned long bits;

    cr_assert_not(spki_parameters(KS_KEY_TYPE_ANY, &params, &len, &bits));
    cr_assert_not(spki_parameters(KS_KEY_TYPE_COUNT, &params, &len, &bits));
    cr_assert(spki_parameters(KS_KEY_TYPE_RSA_3072, &params, &len, &bits));
    cr_assert_eq(bits, 3072);
}

static uint8_t *
certificate_for(EVP_PKEY *key, size_t *len)
{
    EVP_PKEY *issuer = software_key_new(KS_KEY_TYPE_EC_P256);
    X509 *certificate = X509_new();
    uint8_t *der = NULL;
    int n;

    cr_assert_eq(X509_set_pubkey(certificate, key), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    cr_assert(X509_sign(certificate, issuer, EVP_sha256()) > 0);
    n = i2d_X509(certificate, &der);
    cr_assert(n > 0);
    *len = (size_t)n;
    X509_free(certificate);
    EVP_PKEY_free(issuer);
    return der;
}

ParameterizedTestParameters(spki, is_the_same_from_a_certificate)
{
    static enum ks_key_type types[] = {KS_KEY_TYPE_EC_P256, KS_KEY_TYPE_EC_P384,
                                       KS_KEY_TYPE_EC_P521, KS_KEY_TYPE_ED25519,
                                       KS_KEY_TYPE_RSA_2048};

    return cr_make_param_array(enum ks_key_type, types, ARRAY_LEN(types));
}

ParameterizedTest(enum ks_key_type *type, spki, is_the_same_from_a_certificate)
{
    EVP_PKEY *key = software_key_new(*type);
    struct spki expected = software_key_spki(*type, key), spki;
    struct fault why = FAULT_INIT;
    size_t len;
    uint8_t *der = certificate_for(key, &len);

    cr_assert_eq(spki_from_certificate(der, len, &spki, &why), KS_OK, "%s", why.text);
    cr_assert_eq(spki.type, *type);
    cr_assert_eq(spki.len, expected.len);
    cr_assert_arr_eq(spki.der, expected.der, spki.len);

    der = OPENSSL_realloc(der, len + 1);
    der[len] = 0;
    cr_assert_eq(spki_from_certificate(der, len + 1, &spki, &why), KS_ERR_BAD_REQUEST);
    for (size_t n = 0; n < len; n++)
        cr_assert_eq(spki_from_certificate(der, n, &spki, &why), KS_ERR_BAD_REQUEST, "%zu", n);
    cr_assert_eq(spki.type, KS_KEY_TYPE_ANY);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
}

Test(spki, takes_no_key_of_a_foreign_kind_from_a_certificate)
{
    EVP_PKEY *key = EVP_EC_gen("secp256k1");
    struct fault why = FAULT_INIT;
    struct spki spki;
    size_t len;
    uint8_t *der = certificate_for(key, &len);

    cr_assert_eq(spki_from_certificate(der, len, &spki, &why), KS_OK);
    cr_assert_eq(spki.type, KS_KEY_TYPE_ANY);
    cr_assert_eq(spki.len, 0);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
}

Test(spki, compares_a_modulus)
{
    EVP_PKEY *key = software_key_new(KS_KEY_TYPE_RSA_2048);
    EVP_PKEY *other = software_key_new(KS_KEY_TYPE_EC_P256);
    struct spki spki = software_key_spki(KS_KEY_TYPE_RSA_2048, key);
    struct spki none = software_key_spki(KS_KEY_TYPE_EC_P256, other);
    BIGNUM *n = NULL;
    uint8_t modulus[257] = {0};

    cr_assert_eq(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n), 1);
    BN_bn2binpad(n, modulus, sizeof(modulus));
    cr_assert(spki_has_modulus(&spki, modulus, sizeof(modulus)), "zeros in front or not");
    cr_assert(spki_has_modulus(&spki, modulus + 1, sizeof(modulus) - 1));
    cr_assert_not(spki_has_modulus(&spki, modulus, sizeof(modulus) - 1));
    modulus[200] ^= 1;
    cr_assert_not(spki_has_modulus(&spki, modulus, sizeof(modulus)));
    cr_assert_not(spki_has_modulus(&none, modulus, sizeof(modulus)));
    BN_free(n);
    EVP_PKEY_free(other);
    EVP_PKEY_free(key);
}
