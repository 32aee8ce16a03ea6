/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <sys/mman.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include "provider_rig.h"

static struct rig rig;
static uint8_t sig[KS_SIGNATURE_MAX_LEN];

/* One message through all that a program can do with it. */
static void
expect_whole(EVP_PKEY *key, const char *padding)
{
    static uint8_t message[100000];
    size_t len;

    memset(message, 7, sizeof(message));
    len = rig_sign(&rig, key, rig.hash, padding, message, sizeof(message), 0, sig);
    cr_assert(rig_verifies(&rig, message, sizeof(message), sig, len), "at once");
    cr_assert_eq(rig.len, sizeof(message));
    cr_assert_eq(rig.prehashed, 0);
    rig.len = 0;
    if (rig.type != KS_KEY_TYPE_ED25519) {
        len = rig_sign(&rig, key, rig.hash, padding, message, sizeof(message), 999, sig);
        cr_assert(rig_verifies(&rig, message, sizeof(message), sig, len), "in pieces");
        cr_assert_eq(rig.len, sizeof(message));
        cr_assert_eq(rig.prehashed, 0);
    }
    sig[len - 1] ^= 1;
    cr_assert_not(rig_verifies(&rig, message, sizeof(message), sig, len));
}

static void
whole(enum ks_key_type type, const char *hash)
{
    EVP_PKEY *key;

    rig_start(&rig, type, "");
    rig.hash = hash;
    key = rig_key(&rig);
    expect_whole(key, NULL);
    EVP_PKEY_free(key);
    rig_stop(&rig);
}

Test(signature, ecdsa_messages_travel_whole)
{
    whole(KS_KEY_TYPE_EC_P256, "SHA256");
}

Test(signature, ecdsa_takes_the_larger_curves_and_hashes)
{
    whole(KS_KEY_TYPE_EC_P384, "SHA384");
    whole(KS_KEY_TYPE_EC_P521, "SHA512");
}

Test(signature, ed25519_messages_travel_whole)
{
    whole(KS_KEY_TYPE_ED25519, NULL);
}

Test(signature, rsa_messages_travel_whole_for_both_paddings)
{
    EVP_PKEY *key;

    rig_start(&rig, KS_KEY_TYPE_RSA_2048, "");
    key = rig_key(&rig);
    expect_whole(key, "pkcs1");
    rig.padding = RSA_PKCS1_PSS_PADDING;
    expect_whole(key, "pss");
    cr_assert_eq(rig_sign(&rig, key, "SHA256", "none", "x", 1, 0, sig), 0);
    cr_assert(rig_said("no other padding"));
    EVP_PKEY_free(key);
    rig_stop(&rig);
}

static void
start(void)
{
    rig_start(&rig, KS_KEY_TYPE_EC_P256, "timeout = 5s");
}

static void
stop(void)
{
    rig_stop(&rig);
}

TestSuite(ec, .init = start, .fini = stop);

/* Beyond KS_SIGN_MAX_LEN only; whether a digest may be signed the service decides. */
Test(ec, what_no_request_holds_goes_as_a_digest)
{
    static const size_t LEN[] = {KS_SIGN_MAX_LEN, KS_SIGN_MAX_LEN + 1, 3 * KS_SIGN_MAX_LEN};
    uint8_t *message = calloc(3, KS_SIGN_MAX_LEN);
    EVP_PKEY *key = rig_key(&rig);

    for (size_t i = 0; i < 3; i++) {
        for (size_t piece = 0; piece <= 300000; piece += 300000) {
            size_t len = rig_sign(&rig, key, "SHA256", NULL, message, LEN[i], piece, sig);

            cr_assert(rig_verifies(&rig, message, LEN[i], sig, len));
            cr_assert_eq(rig.prehashed, i > 0);
            cr_assert_eq(rig.len, i > 0 ? 32 : KS_SIGN_MAX_LEN);
        }
    }
    free(message);
    EVP_PKEY_free(key);
}

Test(signature, ed25519_has_no_digest_and_says_so)
{
    uint8_t *message = calloc(1, KS_SIGN_MAX_LEN + 1);
    EVP_PKEY *key;

    rig_start(&rig, KS_KEY_TYPE_ED25519, "");
    key = rig_key(&rig);
    cr_assert_eq(rig_sign(&rig, key, NULL, NULL, message, KS_SIGN_MAX_LEN + 1, 0, sig), 0);
    cr_assert(rig_said(RIG_LABEL ": TOO_LARGE"));
    cr_assert_eq(rig_sign(&rig, key, "SHA256", NULL, message, 1, 0, sig), 0);
    cr_assert(rig_said("takes no hash like SHA256"));
    cr_assert_eq(rig.n_signatures, 0);
    free(message);
    EVP_PKEY_free(key);
    rig_stop(&rig);
}

Test(ec, an_operation_goes_on_after_a_signature)
{
    EVP_PKEY *key = rig_key(&rig);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t len = sizeof(sig);

    cr_assert_eq(EVP_DigestSignInit_ex(context, NULL, "SHA256", rig.libctx, NULL, key, NULL), 1);
    cr_assert_eq(EVP_DigestSignUpdate(context, "ab", 2), 1);
    cr_assert_eq(EVP_DigestSignFinal(context, sig, &len), 1);
    cr_assert(rig_verifies(&rig, "ab", 2, sig, len));
    cr_assert_eq(EVP_DigestSignUpdate(context, "cd", 2), 1);
    len = sizeof(sig);
    cr_assert_eq(EVP_DigestSignFinal(context, sig, &len), 1);
    cr_assert(rig_verifies(&rig, "abcd", 4, sig, len));
    /* Again, with the key it has. */
    cr_assert_eq(EVP_DigestSignInit_ex(context, NULL, "SHA256", rig.libctx, NULL, NULL, NULL), 1);
    len = sizeof(sig);
    cr_assert_eq(EVP_DigestSign(context, sig, &len, (const uint8_t *)"ef", 2), 1);
    cr_assert(rig_verifies(&rig, "ef", 2, sig, len));
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
}

Test(ec, other_hashes_are_refused_by_name)
{
    static const char *const NAMES[] = {"SHA1", "MD5", "SHA224", "SHA3-256", "SHA512-256"};
    EVP_PKEY *key = rig_key(&rig);

    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        cr_assert_eq(rig_sign(&rig, key, NAMES[i], NULL, "x", 1, 0, sig), 0);
        cr_assert(rig_said(NAMES[i]));
    }
    cr_assert_gt(rig_sign(&rig, key, "SHA2-256", NULL, "x", 1, 0, sig), 0);
    cr_assert_eq(rig.n_signatures, 1);
    EVP_PKEY_free(key);
}

/* --- digests --- */

/* EVP_PKEY_sign; `hash` NULL: not named. */
static bool
signs_digest(EVP_PKEY *key, const char *hash, const void *data, size_t len)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, (char *)(uintptr_t)hash, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(rig.libctx, key, NULL);
    size_t sig_len = sizeof(sig);
    bool done = EVP_PKEY_sign_init_ex(context, hash ? params : NULL) == 1 &&
                EVP_PKEY_sign(context, sig, &sig_len, data, len) == 1;

    EVP_PKEY_CTX_free(context);
    return done;
}

Test(ec, a_digest_is_known_by_its_hash_or_its_length)
{
    static const size_t OTHER[] = {0, 1, 20, 28, 31, 33, 47, 49, 63, 65};
    static const uint8_t DIGEST[65];
    EVP_PKEY *key = rig_key(&rig);

    for (int hash = 1; hash <= 3; hash++) {
        size_t len = ks_hash_len((enum ks_hash)hash);

        cr_assert(signs_digest(key, NULL, DIGEST, len));
        cr_assert_eq(rig.prehashed, hash);
        cr_assert_eq(rig.len, len);
    }
    cr_assert(signs_digest(key, "SHA384", DIGEST, 48));
    cr_assert_eq(rig.n_signatures, 4);
    for (size_t i = 0; i < sizeof(OTHER) / sizeof(OTHER[0]); i++) {
        cr_assert_not(signs_digest(key, NULL, DIGEST, OTHER[i]));
        cr_assert(rig_said("are the length of no digest"));
    }
    cr_assert_not(signs_digest(key, "SHA384", DIGEST, 32));
    cr_assert(rig_said("a digest by sha384 has 48 bytes, not 32"));
    cr_assert_not(signs_digest(key, "SHA1", DIGEST, 20));
    cr_assert(rig_said("SHA1"));
    cr_assert_eq(rig.n_signatures, 4);
    EVP_PKEY_free(key);
}

static const uint8_t INFO[83] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};

Test(signature, rsa_without_a_hash_takes_a_whole_digestinfo)
{
    static const uint8_t SHA1_INFO[35] = {0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e,
                                          0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14};
    uint8_t info[sizeof(INFO)];
    EVP_PKEY *key;

    rig_start(&rig, KS_KEY_TYPE_RSA_2048, "");
    key = rig_key(&rig);
    cr_assert(signs_digest(key, NULL, INFO, 51));
    cr_assert_eq(rig.prehashed, 1);
    cr_assert_eq(rig.len, 32);
    for (size_t len = 0; len <= sizeof(INFO); len++)
        cr_assert(len == 51 || !signs_digest(key, NULL, INFO, len));
    for (size_t i = 0; i < 19; i++) {
        memcpy(info, INFO, sizeof(info));
        info[i] ^= 0x40;
        cr_assert_not(signs_digest(key, NULL, info, 51));
    }
    ERR_clear_error();
    cr_assert_not(signs_digest(key, NULL, SHA1_INFO, sizeof(SHA1_INFO)));
    cr_assert(rig_said("a digest without its hash"));
    cr_assert(signs_digest(key, "SHA512", INFO, 64));
    cr_assert_eq(rig.prehashed, 3);
    cr_assert_eq(rig.n_signatures, 2);
    EVP_PKEY_free(key);
    rig_stop(&rig);
}

/* --- PSS --- */

static bool
signs_pss(EVP_PKEY *key, const OSSL_PARAM *more)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *parameters;
    size_t len = sizeof(sig);
    bool done;

    cr_assert_eq(EVP_DigestSignInit_ex(context, &parameters, "SHA256", rig.libctx, NULL, key, NULL),
                 1);
    cr_assert_eq(EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING), 1);
    done = EVP_PKEY_CTX_set_params(parameters, more) == 1 &&
           EVP_DigestSign(context, sig, &len, (const uint8_t *)"x", 1) == 1;
    EVP_MD_CTX_free(context);
    return done;
}

static bool
signs_with_salt(EVP_PKEY *key, int number, const char *text)
{
    OSSL_PARAM params[2] = {OSSL_PARAM_construct_int(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, &number),
                            OSSL_PARAM_construct_end()};

    if (text)
        params[0] = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN,
                                                     (char *)(uintptr_t)text, 0);
    return signs_pss(key, params);
}

static bool
signs_with_mgf1(EVP_PKEY *key, const char *hash)
{
    OSSL_PARAM params[2] = {OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST,
                                                             (char *)(uintptr_t)hash, 0),
                            OSSL_PARAM_construct_end()};

    return signs_pss(key, params);
}

Test(signature, pss_has_a_salt_as_long_as_the_hash_and_no_other)
{
    static const char *const GOOD[] = {"digest", "auto", "32", "-1", "-2"};
    static const char *const BAD[] = {"max", "-3", "-4", "20", "0", "33", "x", "", "32x"};
    EVP_PKEY *key;

    rig_start(&rig, KS_KEY_TYPE_RSA_2048, "");
    rig.padding = RSA_PKCS1_PSS_PADDING;
    key = rig_key(&rig);
    for (size_t i = 0; i < sizeof(GOOD) / sizeof(GOOD[0]); i++)
        cr_assert(signs_with_salt(key, 0, GOOD[i]), "%s", GOOD[i]);
    cr_assert(signs_with_salt(key, RSA_PSS_SALTLEN_DIGEST, NULL));
    cr_assert(signs_with_salt(key, 32, NULL));
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        cr_assert_not(signs_with_salt(key, 0, BAD[i]), "%s", BAD[i]);
        cr_assert(rig_said(RIG_LABEL));
    }
    cr_assert_not(signs_with_salt(key, RSA_PSS_SALTLEN_MAX, NULL));
    cr_assert_not(signs_with_salt(key, 48, NULL));
    ERR_clear_error();
    cr_assert(signs_with_mgf1(key, "SHA256"));
    cr_assert_not(signs_with_mgf1(key, "SHA384"));
    cr_assert(rig_said("MGF1"));
    cr_assert_not(signs_with_mgf1(key, "SHA1"));
    cr_assert(rig_said("SHA1"));
    EVP_PKEY_free(key);
    rig_stop(&rig);
}

/* --- the public half --- */

Test(ec, verifies_with_the_same_key)
{
    static const uint8_t DIGEST[32] = {1, 2, 3};
    EVP_PKEY *key = rig_key(&rig);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *bare = EVP_PKEY_CTX_new_from_pkey(rig.libctx, key, NULL);
    size_t len = rig_sign(&rig, key, "SHA256", NULL, "ab", 2, 0, sig);

    cr_assert_eq(EVP_DigestVerifyInit_ex(context, NULL, "SHA256", rig.libctx, NULL, key, NULL), 1);
    cr_assert_eq(EVP_DigestVerify(context, sig, len, (const uint8_t *)"ab", 2), 1);
    cr_assert_eq(EVP_DigestVerifyInit_ex(context, NULL, "SHA256", rig.libctx, NULL, NULL, NULL), 1);
    cr_assert_eq(EVP_DigestVerifyUpdate(context, "ac", 2), 1);
    cr_assert_neq(EVP_DigestVerifyFinal(context, sig, len), 1);
    cr_assert(signs_digest(key, NULL, DIGEST, sizeof(DIGEST)));
    len = sig[1] + 2u;
    cr_assert_eq(EVP_PKEY_verify_init(bare), 1);
    cr_assert_eq(EVP_PKEY_verify(bare, sig, len, DIGEST, sizeof(DIGEST)), 1);
    cr_assert_neq(EVP_PKEY_verify(bare, sig, len, DIGEST, sizeof(DIGEST) - 1), 1);
    ERR_clear_error();
    EVP_MD_CTX_free(context);
    EVP_PKEY_CTX_free(bare);
    EVP_PKEY_free(key);
}

/* --- programs that go on where they should not --- */

static bool
goes_on(EVP_MD_CTX *context)
{
    size_t len = sizeof(sig);
    bool done = EVP_DigestSign(context, sig, &len, (const uint8_t *)"x", 1) == 1 ||
                EVP_DigestSignUpdate(context, "x", 1) == 1;

    ERR_clear_error();
    return done;
}

Test(ec, signs_nothing_behind_an_init_that_was_refused)
{
    EVP_PKEY *key = rig_key(&rig);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t len = sizeof(sig);

    cr_assert_neq(EVP_DigestSignInit_ex(context, NULL, "SHA1", rig.libctx, NULL, key, NULL), 1);
    cr_assert(rig_said("no signature with SHA1"));
    cr_assert_neq(EVP_DigestSign(context, sig, &len, (const uint8_t *)"x", 1), 1);
    cr_assert_not(goes_on(context));
    cr_assert_eq(EVP_DigestSignInit_ex(context, NULL, "SHA256", rig.libctx, NULL, key, NULL), 1);
    cr_assert_neq(EVP_DigestSignInit_ex(context, NULL, "MD5", rig.libctx, NULL, NULL, NULL), 1);
    ERR_clear_error();
    cr_assert_not(goes_on(context));
    cr_assert_eq(rig.n_signatures, 0);
    cr_assert_eq(EVP_DigestSignInit_ex(context, NULL, "SHA256", rig.libctx, NULL, NULL, NULL), 1);
    len = sizeof(sig);
    cr_assert_eq(EVP_DigestSign(context, sig, &len, (const uint8_t *)"x", 1), 1);
    cr_assert(rig_verifies(&rig, "x", 1, sig, len));
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
}

Test(signature, verifies_nothing_behind_an_init_that_was_refused)
{
    static const enum ks_key_type TYPES[] = {KS_KEY_TYPE_ED25519, KS_KEY_TYPE_EC_P256};

    for (size_t i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]); i++) {
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        EVP_PKEY *key;

        rig_start(&rig, TYPES[i], "");
        key = rig_key(&rig);
        cr_assert_neq(EVP_DigestVerifyInit_ex(context, NULL, i == 0 ? "SHA256" : "none of these",
                                              rig.libctx, NULL, key, NULL),
                      1);
        cr_assert_neq(EVP_DigestVerify(context, sig, 64, (const uint8_t *)"x", 1), 1);
        ERR_clear_error();
        EVP_MD_CTX_free(context);
        EVP_PKEY_free(key);
        rig_stop(&rig);
    }
}

/* As with a key in software. */
Test(ec, signs_what_came_in_pieces_before_with_what_comes_at_once)
{
    static uint8_t big[KS_SIGN_MAX_LEN + 2];
    const uint8_t *rest = (const uint8_t *)"BBB";
    EVP_PKEY *key = rig_key(&rig);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t len = sizeof(sig);

    cr_assert_eq(EVP_DigestSignInit_ex(context, NULL, "SHA256", rig.libctx, NULL, key, NULL), 1);
    cr_assert_eq(EVP_DigestSignUpdate(context, "AAA", 3), 1);
    rig.refuse = KS_ERR_BUSY;
    cr_assert_neq(EVP_DigestSign(context, sig, &len, rest, 3), 1);
    ERR_clear_error();
    rig.refuse = 0;
    len = sizeof(sig);
    cr_assert_eq(EVP_DigestSign(context, sig, &len, rest, 3), 1);
    cr_assert_eq(rig.len, 6);
    cr_assert(rig_verifies(&rig, "AAABBB", 6, sig, len), "also at the second try");

    cr_assert_eq(EVP_DigestSignInit_ex(context, NULL, "SHA256", rig.libctx, NULL, NULL, NULL), 1);
    cr_assert_eq(EVP_DigestSignUpdate(context, big, sizeof(big) - 1), 1);
    len = sizeof(sig);
    cr_assert_eq(EVP_DigestSign(context, sig, &len, big, 1), 1);
    cr_assert_eq(rig.prehashed, 1);
    cr_assert(rig_verifies(&rig, big, sizeof(big), sig, len));
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
}

/* With nothing behind its last byte. */
static OSSL_PARAM
bare_text(const char *name, const char *text)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), len = strlen(text);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    cr_assert_neq((void *)pages, MAP_FAILED);
    cr_assert_eq(mprotect(pages + page, page, PROT_NONE), 0);
    memcpy(pages + page - len, text, len);
    return OSSL_PARAM_construct_utf8_string(name, pages + page - len, len);
}

Test(signature, texts_end_where_the_program_says)
{
    static const char LONG[] = "a-name-of-a-hash-that-no-provider-could-ever-have-meant-seriously";
    static const char *const NAMES[] = {OSSL_SIGNATURE_PARAM_PAD_MODE, OSSL_SIGNATURE_PARAM_DIGEST,
                                        OSSL_SIGNATURE_PARAM_MGF1_DIGEST,
                                        OSSL_SIGNATURE_PARAM_PSS_SALTLEN};
    EVP_PKEY *key;

    rig_start(&rig, KS_KEY_TYPE_RSA_2048, "");
    rig.padding = RSA_PKCS1_PSS_PADDING;
    key = rig_key(&rig);
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        static const char *const TEXTS[] = {"pss", "SHA256", "SHA256", "32"};
        OSSL_PARAM params[2] = {bare_text(NAMES[i], TEXTS[i]), OSSL_PARAM_construct_end()};

        cr_assert(signs_pss(key, params), "%s", NAMES[i]);
        params[0] = bare_text(NAMES[i], LONG);
        cr_assert_not(signs_pss(key, params), "%s", NAMES[i]);
        cr_assert(rig_said("is no text of less than 64 bytes"));
    }
    EVP_PKEY_free(key);
    rig_stop(&rig);
}

Test(ec, takes_no_signature_that_is_longer_than_one_can_be)
{
    EVP_PKEY *key = rig_key(&rig);

    rig.nonsense_len = (size_t)EVP_PKEY_get_size(key);
    cr_assert_eq(rig_sign(&rig, key, "SHA256", NULL, "x", 1, 0, sig), rig.nonsense_len);
    rig.nonsense_len++;
    cr_assert_eq(rig_sign(&rig, key, "SHA256", NULL, "x", 1, 0, sig), 0);
    cr_assert(rig_said(RIG_LABEL ": INTERNAL: keysvcd sent a signature of impossible length"));
    EVP_PKEY_free(key);
}
