/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verifier - scrypt by libcrypto's EVP_KDF
 */
#include "client/agent/upload/verifier.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdio.h>

#define PREFIX "$scrypt$ln=15,r=8,p=1$"
#define LOG_N 15
#define SALT_LEN 16
#define SALT_TEXT 24 /* base64 of it, as of the next */
#define HASH_LEN 32
#define HASH_TEXT 44
#define MAX_MEMORY (64ull * 1024 * 1024)

static bool
derive(const char *password, const uint8_t salt[static SALT_LEN], uint8_t out[static HASH_LEN])
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    uint64_t n = 1ull << LOG_N, max_memory = MAX_MEMORY;
    uint32_t r = 8, p = 1;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, (void *)(uintptr_t)password,
                                          strlen(password)),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt, SALT_LEN),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &max_memory),
        OSSL_PARAM_construct_end(),
    };
    bool derived = ctx && EVP_KDF_derive(ctx, out, HASH_LEN, params) == 1;

    EVP_KDF_CTX_free(ctx); /* wipes the password in it */
    EVP_KDF_free(kdf);
    return derived;
}

ks_err
verifier_make(const char *password, char out[static VERIFIER_TEXT_MAX], struct fault *why)
{
    uint8_t salt[SALT_LEN], hash[HASH_LEN];
    unsigned char salt_text[SALT_TEXT + 1], hash_text[HASH_TEXT + 1];

    if (RAND_bytes(salt, sizeof(salt)) != 1 || !derive(password, salt, hash)) {
        fault_set(why, "no verifier of the password can be made");
        return KS_ERR_INTERNAL;
    }
    EVP_EncodeBlock(salt_text, salt, sizeof(salt));
    EVP_EncodeBlock(hash_text, hash, sizeof(hash));
    snprintf(out, VERIFIER_TEXT_MAX, PREFIX "%s$%s", salt_text, hash_text);
    return KS_OK;
}

/* `len` bytes of base64 with their padding. */
static bool
decode(const char *text, size_t text_len, uint8_t *out, size_t len)
{
    unsigned char bytes[HASH_TEXT];
    int n = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)text_len);

    if (n < 0 || (size_t)n < len)
        return false;
    memcpy(out, bytes, len);
    return true;
}

bool
verifier_matches(const char *verifier, const char *password)
{
    uint8_t salt[SALT_LEN], kept[HASH_LEN], hash[HASH_LEN];
    const char *at = verifier + strlen(PREFIX);

    if (strncmp(verifier, PREFIX, strlen(PREFIX)) != 0 || strlen(at) != SALT_TEXT + 1 + HASH_TEXT ||
        at[SALT_TEXT] != '$' || !decode(at, SALT_TEXT, salt, sizeof(salt)) ||
        !decode(at + SALT_TEXT + 1, HASH_TEXT, kept, sizeof(kept)) || !derive(password, salt, hash))
        return false;
    return CRYPTO_memcmp(kept, hash, sizeof(hash)) == 0;
}
