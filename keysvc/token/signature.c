/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature - hashing before the token, encoding and verifying after it
 *
 * On the path of every signature, so nothing here is fetched or built that the algorithm does not
 * need: a raw verification over DigestInfo costs 16 us for RSA-2048, all of it arithmetic.
 */
#include "token/signature.h"

#include <openssl/err.h>

#include "token/ossl.h"

#define ED25519_SIGNATURE_LEN 64
#define ECDSA_NUMBER_MAX 66 /* bytes of P-521's order */
#define DER_INTEGER 0x02
#define DER_SEQUENCE 0x30
#define DER_HEADER_LEN 2
#define DER_SHORT_MAX 127 /* bytes whose length is one byte */
#define DER_LONG_1 0x81   /* one byte of length follows */

enum scheme { SCHEME_NONE, SCHEME_ECDSA, SCHEME_PKCS1, SCHEME_PSS, SCHEME_ED25519 };

static const enum scheme SCHEME[KS_ALGORITHM_COUNT] = {
    [KS_ALGORITHM_ECDSA_SHA256] = SCHEME_ECDSA,     [KS_ALGORITHM_ECDSA_SHA384] = SCHEME_ECDSA,
    [KS_ALGORITHM_ECDSA_SHA512] = SCHEME_ECDSA,     [KS_ALGORITHM_RSA_PKCS1_SHA256] = SCHEME_PKCS1,
    [KS_ALGORITHM_RSA_PKCS1_SHA384] = SCHEME_PKCS1, [KS_ALGORITHM_RSA_PKCS1_SHA512] = SCHEME_PKCS1,
    [KS_ALGORITHM_RSA_PSS_SHA256] = SCHEME_PSS,     [KS_ALGORITHM_RSA_PSS_SHA384] = SCHEME_PSS,
    [KS_ALGORITHM_RSA_PSS_SHA512] = SCHEME_PSS,     [KS_ALGORITHM_ED25519] = SCHEME_ED25519,
};

/* What stands before the digest in a DigestInfo (RFC 8017, 9.2, note 1). */
static const uint8_t DIGEST_INFO[KS_HASH_COUNT][19] = {
    [KS_HASH_SHA256] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
                        0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20},
    [KS_HASH_SHA384] = {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
                        0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30},
    [KS_HASH_SHA512] = {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
                        0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40},
};

_Static_assert(sizeof(DIGEST_INFO[0]) + KS_HASH_MAX_LEN <= SIGNATURE_INPUT_MAX, "DigestInfo fits");

static size_t token_signature_len(enum ks_key_type type);
static enum scheme scheme_of(enum ks_algorithm algorithm);
static bool digest_message(enum ks_hash hash, const uint8_t *data, size_t len, uint8_t *out);
static ks_err finish_ecdsa(const uint8_t *raw, size_t raw_len,
                           uint8_t out[static KS_SIGNATURE_MAX_LEN], size_t *out_len,
                           struct fault *why);
static int verify_ed25519(EVP_PKEY *key, const struct signature_input *input,
                          const uint8_t *signature, size_t len);
static int verify_digest(enum ks_algorithm algorithm, EVP_PKEY *key,
                         const struct signature_input *input, const uint8_t *signature, size_t len);
static bool set_pss(EVP_PKEY_CTX *ctx, enum ks_hash hash);

ks_err
signature_prepare(enum ks_algorithm algorithm, enum ks_hash prehashed, const uint8_t *data,
                  size_t len, struct signature_input *out, struct fault *why)
{
    enum ks_hash hash = ks_algorithm_hash(algorithm);
    enum scheme scheme = scheme_of(algorithm);
    size_t prefix_len = scheme == SCHEME_PKCS1 ? sizeof(DIGEST_INFO[0]) : 0;

    if (scheme == SCHEME_NONE ||
        (prehashed != KS_HASH_NONE && (prehashed != hash || len != ks_hash_len(hash)))) {
        fault_set(why, "%s does not sign a digest of %zu bytes by %s", ks_algorithm_name(algorithm),
                  len, ks_hash_name(prehashed));
        return KS_ERR_BAD_REQUEST;
    }
    out->digest_len = ks_hash_len(scheme == SCHEME_ED25519 ? KS_HASH_SHA256 : hash);
    if (prehashed != KS_HASH_NONE) {
        memcpy(out->digest, data, len);
    } else if (!digest_message(scheme == SCHEME_ED25519 ? KS_HASH_SHA256 : hash, data, len,
                               out->digest)) {
        fault_set(why, "the message could not be hashed");
        return KS_ERR_INTERNAL;
    }
    if (scheme == SCHEME_ED25519) {
        out->data = data;
        out->len = len;
        return KS_OK;
    }
    memcpy(out->bytes, DIGEST_INFO[hash], prefix_len);
    memcpy(out->bytes + prefix_len, out->digest, out->digest_len);
    out->data = out->bytes;
    out->len = prefix_len + out->digest_len;
    return KS_OK;
}

void
signature_cut(enum ks_key_type type, struct signature_input *input)
{
    /* Bytes of the order, which for these two has exactly that many; every hash is shorter than
     * P-521's. */
    size_t order_len = 0;

    if (type == KS_KEY_TYPE_EC_P256)
        order_len = 32;
    if (type == KS_KEY_TYPE_EC_P384)
        order_len = 48;
    if (order_len > 0 && input->len > order_len)
        input->len = order_len;
}

static enum scheme
scheme_of(enum ks_algorithm algorithm)
{
    return (unsigned int)algorithm < KS_ALGORITHM_COUNT ? SCHEME[algorithm] : SCHEME_NONE;
}

static bool
digest_message(enum ks_hash hash, const uint8_t *data, size_t len, uint8_t *out)
{
    static const uint8_t nothing[1];
    const EVP_MD *md = ossl_md(hash);

    return md && EVP_Digest(len ? data : nothing, len, out, NULL, md, NULL) == 1;
}

ks_err
signature_finish(enum ks_algorithm algorithm, enum ks_key_type type, const uint8_t *raw,
                 size_t raw_len, uint8_t out[static KS_SIGNATURE_MAX_LEN], size_t *out_len,
                 struct fault *why)
{
    *out_len = 0;
    if (ks_algorithm_for(type, algorithm) != algorithm || scheme_of(algorithm) == SCHEME_NONE) {
        fault_set(why, "a key of type %s does not sign with %s", ks_key_type_name(type),
                  ks_algorithm_name(algorithm));
        return KS_ERR_BAD_REQUEST;
    }
    if (raw_len != token_signature_len(type)) {
        fault_set(why, "the token returned a signature of %zu bytes for a key of type %s, not %zu",
                  raw_len, ks_key_type_name(type), token_signature_len(type));
        return KS_ERR_TOKEN_UNAVAILABLE;
    }
    if (scheme_of(algorithm) == SCHEME_ECDSA)
        return finish_ecdsa(raw, raw_len, out, out_len, why);
    memcpy(out, raw, raw_len);
    *out_len = raw_len;
    return KS_OK;
}

/* As C_Sign gives it. */
static size_t
token_signature_len(enum ks_key_type type)
{
    static const size_t lens[KS_KEY_TYPE_COUNT] = {
        [KS_KEY_TYPE_EC_P256] = 64,   [KS_KEY_TYPE_EC_P384] = 96,
        [KS_KEY_TYPE_EC_P521] = 132,  [KS_KEY_TYPE_ED25519] = ED25519_SIGNATURE_LEN,
        [KS_KEY_TYPE_RSA_2048] = 256, [KS_KEY_TYPE_RSA_3072] = 384,
        [KS_KEY_TYPE_RSA_4096] = 512,
    };

    return (unsigned int)type < KS_KEY_TYPE_COUNT ? lens[type] : 0;
}

/* A number of the token's as a DER INTEGER: without zeros before it, but for one where its first bit
 * would make it negative. 0: the number is zero. */
static size_t
put_integer(const uint8_t *raw, size_t len, uint8_t *out)
{
    size_t pad;

    while (len > 0 && raw[0] == 0) {
        raw++;
        len--;
    }
    if (len == 0)
        return 0;
    pad = raw[0] >> 7;
    out[0] = DER_INTEGER;
    out[1] = (uint8_t)(pad + len);
    out[2] = 0;
    memcpy(out + DER_HEADER_LEN + pad, raw, len);
    return DER_HEADER_LEN + pad + len;
}

/* SEQUENCE { r, s }, as RFC 3279 has it; through OpenSSL's numbers it took as long as the audit's
 * hash. Only P-521's needs a length of two bytes. */
static ks_err
finish_ecdsa(const uint8_t *raw, size_t raw_len, uint8_t out[static KS_SIGNATURE_MAX_LEN],
             size_t *out_len, struct fault *why)
{
    uint8_t body[2 * (DER_HEADER_LEN + 1 + ECDSA_NUMBER_MAX)];
    size_t r_len = put_integer(raw, raw_len / 2, body);
    size_t s_len = put_integer(raw + raw_len / 2, raw_len / 2, body + r_len);
    size_t len = r_len + s_len, at = 0;

    if (r_len == 0 || s_len == 0) {
        fault_set(why, "the token returned an ECDSA signature with a zero in it");
        return KS_ERR_TOKEN_UNAVAILABLE;
    }
    out[at++] = DER_SEQUENCE;
    if (len > DER_SHORT_MAX)
        out[at++] = DER_LONG_1;
    out[at++] = (uint8_t)len;
    memcpy(out + at, body, len);
    *out_len = at + len;
    return KS_OK;
}

ks_err
signature_verify(enum ks_algorithm algorithm, EVP_PKEY *key, const struct signature_input *input,
                 const uint8_t *signature, size_t signature_len, struct fault *why)
{
    int good;

    if (scheme_of(algorithm) == SCHEME_NONE) {
        fault_set(why, "no such signature algorithm");
        return KS_ERR_BAD_REQUEST;
    }
    good = scheme_of(algorithm) == SCHEME_ED25519
               ? verify_ed25519(key, input, signature, signature_len)
               : verify_digest(algorithm, key, input, signature, signature_len);
    if (good == 1)
        return KS_OK;

    /* What OpenSSL found wrong says nothing more, and would stay for whoever looks next. */
    ERR_clear_error();
    fault_set(why, "the token returned a signature that the key's public half does not verify");
    return KS_ERR_TOKEN_UNAVAILABLE;
}

static int
verify_ed25519(EVP_PKEY *key, const struct signature_input *input, const uint8_t *signature,
               size_t len)
{
    ks_auto(ossl_md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (!ctx || EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) != 1)
        return 0;
    return EVP_DigestVerify(ctx, signature, len, input->data, input->len);
}

/*
 * PKCS#1 is compared with the whole DigestInfo that the token was given: padding PKCS#1 without a
 * hash is OpenSSL's default for RSA, so nothing has to be set. ECDSA needs nothing either.
 */
static int
verify_digest(enum ks_algorithm algorithm, EVP_PKEY *key, const struct signature_input *input,
              const uint8_t *signature, size_t len)
{
    ks_auto(ossl_pkey_ctx_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);

    if (!ctx || EVP_PKEY_verify_init(ctx) != 1)
        return 0;
    if (scheme_of(algorithm) == SCHEME_PSS && !set_pss(ctx, ks_algorithm_hash(algorithm)))
        return 0;
    return EVP_PKEY_verify(ctx, signature, len, input->data, input->len);
}

/* MGF1 has the same hash by default. */
static bool
set_pss(EVP_PKEY_CTX *ctx, enum ks_hash hash)
{
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_signature_md(ctx, ossl_md(hash)) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
}
