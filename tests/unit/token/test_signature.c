/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "software_key.h"

static const uint8_t MESSAGE[] = "what is signed";

struct pair {
    enum ks_key_type type;
    enum ks_algorithm algorithm;
};

/* Every type with every algorithm that fits it; RSA keys of one length, for time. */
static struct pair PAIRS[] = {
    {KS_KEY_TYPE_EC_P256, KS_ALGORITHM_ECDSA_SHA256},
    {KS_KEY_TYPE_EC_P256, KS_ALGORITHM_ECDSA_SHA384}, /* cut to the curve's length, */
    {KS_KEY_TYPE_EC_P256, KS_ALGORITHM_ECDSA_SHA512}, /* and this, */
    {KS_KEY_TYPE_EC_P384, KS_ALGORITHM_ECDSA_SHA512}, /* and this */
    {KS_KEY_TYPE_EC_P384, KS_ALGORITHM_ECDSA_SHA384},
    {KS_KEY_TYPE_EC_P384, KS_ALGORITHM_ECDSA_SHA256},
    {KS_KEY_TYPE_EC_P521, KS_ALGORITHM_ECDSA_SHA256},
    {KS_KEY_TYPE_EC_P521, KS_ALGORITHM_ECDSA_SHA384},
    {KS_KEY_TYPE_EC_P521, KS_ALGORITHM_ECDSA_SHA512},
    {KS_KEY_TYPE_ED25519, KS_ALGORITHM_ED25519},
    {KS_KEY_TYPE_RSA_2048, KS_ALGORITHM_RSA_PKCS1_SHA256},
    {KS_KEY_TYPE_RSA_2048, KS_ALGORITHM_RSA_PKCS1_SHA384},
    {KS_KEY_TYPE_RSA_2048, KS_ALGORITHM_RSA_PKCS1_SHA512},
    {KS_KEY_TYPE_RSA_2048, KS_ALGORITHM_RSA_PSS_SHA256},
    {KS_KEY_TYPE_RSA_2048, KS_ALGORITHM_RSA_PSS_SHA384},
    {KS_KEY_TYPE_RSA_2048, KS_ALGORITHM_RSA_PSS_SHA512},
    {KS_KEY_TYPE_RSA_4096, KS_ALGORITHM_RSA_PKCS1_SHA256},
};

/* An independent verification: the whole message through OpenSSL's digest-and-verify. */
static bool
openssl_verifies(EVP_PKEY *key, enum ks_algorithm algorithm, const uint8_t *signature, size_t len)
{
    static const char *const names[] = {NULL, "SHA256", "SHA384", "SHA512"};
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options = NULL;
    bool good;

    cr_assert_eq(EVP_DigestVerifyInit_ex(ctx, &options, names[ks_algorithm_hash(algorithm)], NULL,
                                         NULL, key, NULL),
                 1);
    if (algorithm >= KS_ALGORITHM_RSA_PSS_SHA256 && algorithm <= KS_ALGORITHM_RSA_PSS_SHA512) {
        cr_assert_eq(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING), 1);
        cr_assert_eq(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST), 1);
    }
    good = EVP_DigestVerify(ctx, signature, len, MESSAGE, sizeof(MESSAGE)) == 1;
    EVP_MD_CTX_free(ctx);
    return good;
}

ParameterizedTestParameters(signature, makes_what_openssl_and_we_verify_and_no_flipped_bit_passes)
{
    return cr_make_param_array(struct pair, PAIRS, ARRAY_LEN(PAIRS));
}

ParameterizedTest(struct pair *c, signature,
                  makes_what_openssl_and_we_verify_and_no_flipped_bit_passes)
{
    EVP_PKEY *key = software_key_new(c->type), *public_key = NULL;
    struct spki spki = software_key_spki(c->type, key);
    struct fault why = FAULT_INIT;
    struct signature_input input;
    uint8_t raw[KS_SIGNATURE_MAX_LEN], out[KS_SIGNATURE_MAX_LEN];
    size_t raw_len, len;

    cr_assert_eq(spki_pkey(&spki, &public_key, &why), KS_OK);
    cr_assert_eq(
        signature_prepare(c->algorithm, KS_HASH_NONE, MESSAGE, sizeof(MESSAGE), &input, &why),
        KS_OK);
    signature_cut(c->type, &input);
    raw_len = software_key_sign(key, c->algorithm, &input, raw);
    cr_assert_eq(signature_finish(c->algorithm, c->type, raw, raw_len, out, &len, &why), KS_OK,
                 "%s", why.text);
    cr_assert(openssl_verifies(key, c->algorithm, out, len));
    cr_assert_eq(signature_verify(c->algorithm, public_key, &input, out, len, &why), KS_OK);

    out[len / 2] ^= 0x10;
    cr_assert_eq(signature_verify(c->algorithm, public_key, &input, out, len, &why),
                 KS_ERR_TOKEN_UNAVAILABLE);
    out[len / 2] ^= 0x10;
    cr_assert_eq(signature_verify(c->algorithm, public_key, &input, out, len - 1, &why),
                 KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(
        signature_prepare(c->algorithm, KS_HASH_NONE, MESSAGE, sizeof(MESSAGE) - 1, &input, &why),
        KS_OK);
    cr_assert_eq(signature_verify(c->algorithm, public_key, &input, out, len, &why),
                 KS_ERR_TOKEN_UNAVAILABLE);
    EVP_PKEY_free(public_key);
    EVP_PKEY_free(key);
}

Test(signature, refuses_the_signature_of_another_key)
{
    EVP_PKEY *key = software_key_new(KS_KEY_TYPE_RSA_2048);
    EVP_PKEY *other = EVP_RSA_gen(2048);
    struct fault why = FAULT_INIT;
    struct signature_input input;
    uint8_t raw[KS_SIGNATURE_MAX_LEN];
    size_t len;

    cr_assert_eq(signature_prepare(KS_ALGORITHM_RSA_PKCS1_SHA256, KS_HASH_NONE, MESSAGE,
                                   sizeof(MESSAGE), &input, &why),
                 KS_OK);
    len = software_key_sign(key, KS_ALGORITHM_RSA_PKCS1_SHA256, &input, raw);
    cr_assert_eq(signature_verify(KS_ALGORITHM_RSA_PKCS1_SHA256, key, &input, raw, len, &why),
                 KS_OK);
    cr_assert_eq(signature_verify(KS_ALGORITHM_RSA_PKCS1_SHA256, other, &input, raw, len, &why),
                 KS_ERR_TOKEN_UNAVAILABLE);
    EVP_PKEY_free(other);
    EVP_PKEY_free(key);
}

Test(signature, prepares_the_same_from_a_message_and_from_its_digest)
{
    struct fault why = FAULT_INIT;
    struct signature_input message, digest;

    for (enum ks_algorithm a = KS_ALGORITHM_ECDSA_SHA256; a < KS_ALGORITHM_ED25519; a++) {
        enum ks_hash hash = ks_algorithm_hash(a);

        cr_assert_eq(signature_prepare(a, KS_HASH_NONE, MESSAGE, sizeof(MESSAGE), &message, &why),
                     KS_OK);
        cr_assert_eq(message.digest_len, ks_hash_len(hash));
        cr_assert_eq(signature_prepare(a, hash, message.digest, message.digest_len, &digest, &why),
                     KS_OK);
        cr_assert_eq(message.len, digest.len);
        cr_assert_arr_eq(message.data, digest.data, message.len);
        cr_assert_eq(
            signature_prepare(a, hash, message.digest, message.digest_len - 1, &digest, &why),
            KS_ERR_BAD_REQUEST);
        cr_assert_eq(signature_prepare(a, hash == KS_HASH_SHA256 ? KS_HASH_SHA384 : KS_HASH_SHA256,
                                       message.digest, message.digest_len, &digest, &why),
                     KS_ERR_BAD_REQUEST);
    }
}

Test(signature, gives_ed25519_the_message_itself_and_the_audit_its_digest)
{
    struct fault why = FAULT_INIT;
    struct signature_input input;

    cr_assert_eq(signature_prepare(KS_ALGORITHM_ED25519, KS_HASH_NONE, MESSAGE, sizeof(MESSAGE),
                                   &input, &why),
                 KS_OK);
    cr_assert_eq(input.data, MESSAGE);
    cr_assert_eq(input.len, sizeof(MESSAGE));
    cr_assert_eq(input.digest_len, KS_SHA256_LEN);
    cr_assert_eq(signature_prepare(KS_ALGORITHM_ED25519, KS_HASH_SHA512, MESSAGE, 64, &input, &why),
                 KS_ERR_BAD_REQUEST);
}

struct cut_case {
    enum ks_key_type type;
    enum ks_algorithm algorithm;
    size_t len;
};

ParameterizedTestParameters(signature, cuts_a_digest_to_the_curve_s_order_and_nothing_else)
{
    static struct cut_case cases[] = {
        {KS_KEY_TYPE_EC_P256, KS_ALGORITHM_ECDSA_SHA256, 32},
        {KS_KEY_TYPE_EC_P256, KS_ALGORITHM_ECDSA_SHA384, 32},
        {KS_KEY_TYPE_EC_P256, KS_ALGORITHM_ECDSA_SHA512, 32},
        {KS_KEY_TYPE_EC_P384, KS_ALGORITHM_ECDSA_SHA256, 32},
        {KS_KEY_TYPE_EC_P384, KS_ALGORITHM_ECDSA_SHA384, 48},
        {KS_KEY_TYPE_EC_P384, KS_ALGORITHM_ECDSA_SHA512, 48},
        {KS_KEY_TYPE_EC_P521, KS_ALGORITHM_ECDSA_SHA256, 32},
        {KS_KEY_TYPE_EC_P521, KS_ALGORITHM_ECDSA_SHA512, 64},
        {KS_KEY_TYPE_RSA_2048, KS_ALGORITHM_RSA_PKCS1_SHA512, 83},
        {KS_KEY_TYPE_RSA_2048, KS_ALGORITHM_RSA_PSS_SHA512, 64},
        {KS_KEY_TYPE_ED25519, KS_ALGORITHM_ED25519, 100},
    };

    return cr_make_param_array(struct cut_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct cut_case *c, signature,
                  cuts_a_digest_to_the_curve_s_order_and_nothing_else)
{
    struct fault why = FAULT_INIT;
    struct signature_input input;
    uint8_t message[100] = {1};
    size_t digest_len;

    cr_assert_eq(
        signature_prepare(c->algorithm, KS_HASH_NONE, message, sizeof(message), &input, &why),
        KS_OK);
    digest_len = input.digest_len;
    signature_cut(c->type, &input);
    cr_assert_eq(input.len, c->len);
    cr_assert_eq(input.digest_len, digest_len, "the audit keeps the whole one");
    if (c->algorithm <= KS_ALGORITHM_ECDSA_SHA512)
        cr_assert_arr_eq(input.data, input.digest, input.len, "its leftmost bytes");
}

Test(signature, hashes_the_empty_message)
{
    static const uint8_t begin[] = {0xe3, 0xb0, 0xc4, 0x42};
    struct fault why = FAULT_INIT;
    struct signature_input input;

    cr_assert_eq(signature_prepare(KS_ALGORITHM_ECDSA_SHA256, KS_HASH_NONE, NULL, 0, &input, &why),
                 KS_OK);
    cr_assert_arr_eq(input.digest, begin, sizeof(begin));
}

Test(signature, knows_no_default_algorithm)
{
    struct fault why = FAULT_INIT;
    struct signature_input input = {.len = 0};
    uint8_t out[KS_SIGNATURE_MAX_LEN], raw[64] = {1};
    size_t len;

    cr_assert_eq(signature_prepare(KS_ALGORITHM_DEFAULT, KS_HASH_NONE, MESSAGE, 1, &input, &why),
                 KS_ERR_BAD_REQUEST);
    cr_assert_eq(signature_prepare(KS_ALGORITHM_COUNT, KS_HASH_NONE, MESSAGE, 1, &input, &why),
                 KS_ERR_BAD_REQUEST);
    cr_assert_eq(
        signature_finish(KS_ALGORITHM_DEFAULT, KS_KEY_TYPE_EC_P256, raw, 64, out, &len, &why),
        KS_ERR_BAD_REQUEST);
    cr_assert_eq(
        signature_finish(KS_ALGORITHM_ED25519, KS_KEY_TYPE_EC_P256, raw, 64, out, &len, &why),
        KS_ERR_BAD_REQUEST);
    cr_assert_eq(signature_verify(KS_ALGORITHM_DEFAULT, NULL, &input, raw, 64, &why),
                 KS_ERR_BAD_REQUEST);
}

struct len_case {
    enum ks_key_type type;
    enum ks_algorithm algorithm;
    size_t len;
};

ParameterizedTestParameters(signature, takes_one_length_from_the_token_and_no_other)
{
    static struct len_case cases[] = {
        {KS_KEY_TYPE_EC_P256, KS_ALGORITHM_ECDSA_SHA256, 64},
        {KS_KEY_TYPE_EC_P384, KS_ALGORITHM_ECDSA_SHA384, 96},
        {KS_KEY_TYPE_EC_P521, KS_ALGORITHM_ECDSA_SHA512, 132},
        {KS_KEY_TYPE_ED25519, KS_ALGORITHM_ED25519, 64},
        {KS_KEY_TYPE_RSA_2048, KS_ALGORITHM_RSA_PKCS1_SHA256, 256},
        {KS_KEY_TYPE_RSA_3072, KS_ALGORITHM_RSA_PSS_SHA256, 384},
        {KS_KEY_TYPE_RSA_4096, KS_ALGORITHM_RSA_PKCS1_SHA512, 512},
    };

    return cr_make_param_array(struct len_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct len_case *c, signature, takes_one_length_from_the_token_and_no_other)
{
    struct fault why = FAULT_INIT;
    uint8_t raw[600], out[KS_SIGNATURE_MAX_LEN];
    size_t len;

    memset(raw, 1, sizeof(raw));
    for (size_t n = 0; n < sizeof(raw); n++) {
        ks_err err = signature_finish(c->algorithm, c->type, raw, n, out, &len, &why);

        cr_assert_eq(err, n == c->len ? KS_OK : KS_ERR_TOKEN_UNAVAILABLE, "%zu", n);
        cr_assert_eq(len == 0, err != KS_OK);
    }
}

Test(signature, refuses_an_ecdsa_signature_with_a_zero_half)
{
    struct fault why = FAULT_INIT;
    uint8_t raw[64] = {0}, out[KS_SIGNATURE_MAX_LEN];
    size_t len;

    raw[31] = 1;
    cr_assert_eq(
        signature_finish(KS_ALGORITHM_ECDSA_SHA256, KS_KEY_TYPE_EC_P256, raw, 64, out, &len, &why),
        KS_ERR_TOKEN_UNAVAILABLE);
    raw[31] = 0;
    raw[63] = 1;
    cr_assert_eq(
        signature_finish(KS_ALGORITHM_ECDSA_SHA256, KS_KEY_TYPE_EC_P256, raw, 64, out, &len, &why),
        KS_ERR_TOKEN_UNAVAILABLE);
    raw[31] = 1;
    cr_assert_eq(
        signature_finish(KS_ALGORITHM_ECDSA_SHA256, KS_KEY_TYPE_EC_P256, raw, 64, out, &len, &why),
        KS_OK);
    cr_assert_eq(len, 8);
    cr_assert_arr_eq(out, "\x30\x06\x02\x01\x01\x02\x01\x01", 8);
}

/* The encoding is our own; OpenSSL's is the judge. */
static void
check_der(enum ks_key_type type, enum ks_algorithm algorithm, size_t half, size_t zeros,
          uint8_t first)
{
    struct fault why = FAULT_INIT;
    uint8_t raw[132] = {0}, out[KS_SIGNATURE_MAX_LEN], wanted[KS_SIGNATURE_MAX_LEN], *at = wanted;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    size_t len;
    int wanted_len;

    memset(raw + zeros, 0xa5, half - zeros);
    raw[zeros] = first;
    raw[2 * half - 1] = 0x80; /* the other number: a single byte that looks negative */
    cr_assert_eq(ECDSA_SIG_set0(sig, BN_bin2bn(raw, (int)half, NULL),
                                BN_bin2bn(raw + half, (int)half, NULL)),
                 1);
    wanted_len = i2d_ECDSA_SIG(sig, &at);
    ECDSA_SIG_free(sig);
    cr_assert_eq(signature_finish(algorithm, type, raw, 2 * half, out, &len, &why), KS_OK);
    cr_assert_eq(len, (size_t)wanted_len, "%zu zeros, then %02x", zeros, first);
    cr_assert_arr_eq(out, wanted, len, "%zu zeros, then %02x", zeros, first);
}

Test(signature, encodes_numbers_of_every_length_as_openssl_does)
{
    static const uint8_t firsts[] = {0x01, 0x7f, 0x80, 0xff};

    for (size_t i = 0; i < ARRAY_LEN(firsts); i++) {
        for (size_t zeros = 0; zeros < 32; zeros++)
            check_der(KS_KEY_TYPE_EC_P256, KS_ALGORITHM_ECDSA_SHA256, 32, zeros, firsts[i]);
        for (size_t zeros = 0; zeros < 48; zeros++)
            check_der(KS_KEY_TYPE_EC_P384, KS_ALGORITHM_ECDSA_SHA384, 48, zeros, firsts[i]);
        for (size_t zeros = 0; zeros < 66; zeros++)
            check_der(KS_KEY_TYPE_EC_P521, KS_ALGORITHM_ECDSA_SHA512, 66, zeros, firsts[i]);
    }
}

Test(signature, encodes_the_longest_signature_of_p521)
{
    struct fault why = FAULT_INIT;
    uint8_t raw[132], out[KS_SIGNATURE_MAX_LEN];
    const uint8_t *at = out;
    ECDSA_SIG *sig;
    size_t len;

    memset(raw, 0xff, sizeof(raw));
    cr_assert_eq(
        signature_finish(KS_ALGORITHM_ECDSA_SHA512, KS_KEY_TYPE_EC_P521, raw, 132, out, &len, &why),
        KS_OK);
    sig = d2i_ECDSA_SIG(NULL, &at, (long)len);
    cr_assert_not_null(sig);
    cr_assert_eq(at, out + len);
    cr_assert_eq(BN_num_bytes(ECDSA_SIG_get0_r(sig)), 66);
    cr_assert_eq(BN_num_bytes(ECDSA_SIG_get0_s(sig)), 66);
    ECDSA_SIG_free(sig);
}
