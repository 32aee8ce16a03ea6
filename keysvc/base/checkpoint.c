/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint - the text and the signature of a checkpoint
 */
#include "base/checkpoint.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/digest.h"
#include "base/hex.h"
#include "base/record.h"

#define MIN_RSA_BITS 2048

struct checkpoint_key {
    EVP_PKEY *key;
    uint8_t sha256[KS_SHA256_LEN];
};

struct checkpoint_keys {
    struct checkpoint_key *items;
    size_t n_items;
};

static void
pkey_freep(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static bool
skip(const char **at, const char *literal)
{
    size_t len = strlen(literal);

    if (strncmp(*at, literal, len) != 0)
        return false;
    *at += len;
    return true;
}

static bool
take_number(const char **at, uint64_t *out)
{
    const char *start = *at;
    uint64_t value = 0;

    for (; **at >= '0' && **at <= '9'; ++*at)
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(**at - '0'), &value))
            return false;
    *out = value;
    return *at != start && (*start != '0' || *at == start + 1);
}

bool
checkpoint_parse(const char *text, struct checkpoint *out)
{
    const char *at = text;
    size_t len;

    memset(out, 0, sizeof(*out));
    if (strlen(text) >= CHAIN_CHECKPOINT_MAX || !skip(&at, CHAIN_CHECKPOINT_PREFIX "chain="))
        return false;
    len = strcspn(at, " ");
    if (len == 0 || len > CHAIN_NAME_MAX)
        return false;
    memcpy(out->chain, at, len);
    at += len;
    if (!skip(&at, " seq=") || !take_number(&at, &out->seq) || !skip(&at, " hash="))
        return false;
    if (strnlen(at, CHAIN_HASH_TEXT_LEN) < CHAIN_HASH_TEXT_LEN ||
        !hex_parse(at, out->hash, KS_SHA256_LEN))
        return false;
    at += CHAIN_HASH_TEXT_LEN;
    return skip(&at, " time=") && strlen(at) == RECORD_TIME_LEN &&
           strspn(at, "0123456789-T:.Z") == RECORD_TIME_LEN;
}

/* The kinds that a token makes for its audit; a short RSA key proves nothing. */
static bool
fits(const EVP_PKEY *key)
{
    return EVP_PKEY_is_a(key, "EC") ||
           (EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= MIN_RSA_BITS);
}

ks_err
verify_key_read(FILE *pem, struct verify_key *out, struct fault *why)
{
    ks_auto(pkey_freep) EVP_PKEY *key = PEM_read_PUBKEY(pem, NULL, NULL, NULL);
    unsigned char *at = out->der;
    int len = key && fits(key) ? i2d_PUBKEY(key, NULL) : -1;

    ERR_clear_error();
    if (len <= 0 || (size_t)len > sizeof(out->der)) {
        fault_set(why, "not a public key of an elliptic curve or of RSA in PEM form");
        return KS_ERR_BAD_REQUEST;
    }
    out->der_len = (size_t)i2d_PUBKEY(key, &at);
    return KS_OK;
}

static ks_err
key_load(const struct verify_key *from, struct digest *digest, struct checkpoint_key *out)
{
    const unsigned char *at = from->der;

    out->key = d2i_PUBKEY(NULL, &at, (long)from->der_len);
    ERR_clear_error();
    if (!out->key || at != from->der + from->der_len || !fits(out->key))
        return KS_ERR_BAD_REQUEST;
    return digest_sum(digest, from->der, from->der_len, out->sha256) ? KS_OK : KS_ERR_INTERNAL;
}

ks_err
checkpoint_keys_new(const struct verify_key *keys, size_t n_keys, struct checkpoint_keys **out,
                    struct fault *why)
{
    ks_auto(checkpoint_keys_freep) struct checkpoint_keys *made = calloc(1, sizeof(*made));
    ks_auto(digest_freep) struct digest *digest = NULL;
    ks_err err;

    if (made)
        made->items = calloc(n_keys + 1, sizeof(*made->items));
    if (!made || !made->items || n_keys > VERIFY_MAX_KEYS || digest_new(&digest) != KS_OK) {
        fault_set(why, "no memory for %zu audit keys", n_keys);
        return KS_ERR_INTERNAL;
    }
    for (size_t i = 0; i < n_keys; i++) {
        made->n_items++;
        err = key_load(&keys[i], digest, &made->items[i]);
        if (err) {
            fault_set(why, "audit key %zu is no public key of an elliptic curve or of RSA", i + 1);
            return err;
        }
    }
    *out = ks_steal(&made);
    return KS_OK;
}

struct checkpoint_keys *
checkpoint_keys_free(struct checkpoint_keys *keys)
{
    if (!keys)
        return NULL;
    for (size_t i = 0; i < keys->n_items; i++)
        EVP_PKEY_free(keys->items[i].key);
    free(keys->items);
    free(keys);
    return NULL;
}

void
checkpoint_keys_freep(struct checkpoint_keys **keys)
{
    *keys = checkpoint_keys_free(*keys);
}

static bool
key_is(const struct checkpoint_key *key, const uint8_t *sha256)
{
    return !sha256 || memcmp(key->sha256, sha256, KS_SHA256_LEN) == 0;
}

bool
checkpoint_keys_have(const struct checkpoint_keys *keys, const uint8_t sha256[static KS_SHA256_LEN])
{
    for (size_t i = 0; i < keys->n_items; i++)
        if (key_is(&keys->items[i], sha256))
            return true;
    return false;
}

static bool
signature_right(EVP_PKEY *key, const char *text, const uint8_t *signature, size_t signature_len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool right = ctx && EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", NULL, NULL, key, NULL) == 1 &&
                 EVP_DigestVerify(ctx, signature, signature_len, (const unsigned char *)text,
                                  strlen(text)) == 1;

    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return right;
}

bool
checkpoint_signed(const struct checkpoint_keys *keys, const uint8_t *sha256, const char *text,
                  const char *signature_hex)
{
    size_t len = strlen(signature_hex) / 2;
    uint8_t signature[CHECKPOINT_SIGNATURE_MAX];

    if (len == 0 || len > sizeof(signature) || strlen(signature_hex) % 2 != 0 ||
        !hex_parse(signature_hex, signature, len))
        return false;
    for (size_t i = 0; i < keys->n_items; i++)
        if (key_is(&keys->items[i], sha256) &&
            signature_right(keys->items[i].key, text, signature, len))
            return true;
    return false;
}
