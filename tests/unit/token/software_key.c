/* SPDX-License-Identifier: Apache-2.0 */
/*
 * software_key - see software_key.h
 */
#include "software_key.h"

#include <stdio.h>

#include <criterion/criterion.h>
#include <openssl/pem.h>

static EVP_PKEY *
rsa_key(unsigned int bits)
{
    EVP_PKEY *key;
    char path[512];
    FILE *file;

    snprintf(path, sizeof(path), RSA_KEYS, bits);
    file = fopen(path, "r");
    cr_assert(file, "%s", path);
    key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    fclose(file);
    return key;
}

EVP_PKEY *
software_key_new(enum ks_key_type type)
{
    EVP_PKEY *key = NULL;

    switch (type) {
    case KS_KEY_TYPE_EC_P256:
        key = EVP_EC_gen("P-256");
        break;
    case KS_KEY_TYPE_EC_P384:
        key = EVP_EC_gen("P-384");
        break;
    case KS_KEY_TYPE_EC_P521:
        key = EVP_EC_gen("P-521");
        break;
    case KS_KEY_TYPE_ED25519:
        key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        break;
    case KS_KEY_TYPE_RSA_2048:
        key = rsa_key(2048);
        break;
    case KS_KEY_TYPE_RSA_3072:
        key = rsa_key(3072);
        break;
    case KS_KEY_TYPE_RSA_4096:
        key = rsa_key(4096);
        break;
    default:
        break;
    }
    cr_assert_not_null(key);
    return key;
}

size_t
software_key_public(EVP_PKEY *key, const char *parameter, uint8_t *out, size_t cap)
{
    BIGNUM *number = NULL;
    size_t len = 0;

    if (EVP_PKEY_get_octet_string_param(key, parameter, out, cap, &len) == 1)
        return len;
    cr_assert_eq(EVP_PKEY_get_bn_param(key, parameter, &number), 1);
    cr_assert_leq((size_t)BN_num_bytes(number), cap);
    len = (size_t)BN_bn2bin(number, out);
    BN_free(number);
    return len;
}

struct spki
software_key_spki(enum ks_key_type type, EVP_PKEY *key)
{
    struct spki spki;
    struct fault why = FAULT_INIT;
    uint8_t first[600], second[16];
    const uint8_t *params;
    size_t first_len, second_len, params_len;
    unsigned long bits;

    cr_assert(spki_parameters(type, &params, &params_len, &bits));
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA) {
        cr_assert_eq(params_len, 0);
        cr_assert_eq(bits, (unsigned long)EVP_PKEY_get_bits(key));
        first_len = software_key_public(key, OSSL_PKEY_PARAM_RSA_N, first, sizeof(first));
        second_len = software_key_public(key, OSSL_PKEY_PARAM_RSA_E, second, sizeof(second));
        cr_assert_eq(spki_from_rsa(first, first_len, second, second_len, &spki, &why), KS_OK, "%s",
                     why.text);
        return spki;
    }
    cr_assert_eq(bits, 0);
    first_len = software_key_public(key, OSSL_PKEY_PARAM_PUB_KEY, first, sizeof(first));
    cr_assert_eq(spki_from_ec(params, params_len, first, first_len, &spki, &why), KS_OK, "%s",
                 why.text);
    return spki;
}

/* DER back to r || s. */
static size_t
raw_ecdsa(EVP_PKEY *key, const uint8_t *der, size_t der_len, uint8_t *out)
{
    int half = (EVP_PKEY_get_bits(key) + 7) / 8;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)der_len);

    cr_assert_not_null(sig);
    cr_assert_eq(BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, half), half);
    cr_assert_eq(BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + half, half), half);
    ECDSA_SIG_free(sig);
    return 2 * (size_t)half;
}

static const char *
md_name(enum ks_hash hash)
{
    return hash == KS_HASH_SHA256 ? "SHA256" : hash == KS_HASH_SHA384 ? "SHA384" : "SHA512";
}

size_t
software_key_sign(EVP_PKEY *key, enum ks_algorithm algorithm, const struct signature_input *input,
                  uint8_t out[static KS_SIGNATURE_MAX_LEN])
{
    bool pss = algorithm >= KS_ALGORITHM_RSA_PSS_SHA256 && algorithm <= KS_ALGORITHM_RSA_PSS_SHA512;
    bool ecdsa = algorithm <= KS_ALGORITHM_ECDSA_SHA512;
    uint8_t signature[KS_SIGNATURE_MAX_LEN];
    size_t len = sizeof(signature);

    if (algorithm == KS_ALGORITHM_ED25519) {
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();

        cr_assert_eq(EVP_DigestSignInit(ctx, NULL, NULL, NULL, key), 1);
        cr_assert_eq(EVP_DigestSign(ctx, signature, &len, input->data, input->len), 1);
        EVP_MD_CTX_free(ctx);
    } else {
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);

        cr_assert_eq(EVP_PKEY_sign_init(ctx), 1);
        if (pss) {
            const EVP_MD *md = EVP_get_digestbyname(md_name(ks_algorithm_hash(algorithm)));

            cr_assert_eq(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING), 1);
            cr_assert_eq(EVP_PKEY_CTX_set_signature_md(ctx, md), 1);
            cr_assert_eq(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST), 1);
        }
        cr_assert_eq(EVP_PKEY_sign(ctx, signature, &len, input->data, input->len), 1);
        EVP_PKEY_CTX_free(ctx);
    }
    if (ecdsa)
        return raw_ecdsa(key, signature, len, out);
    memcpy(out, signature, len);
    return len;
}
