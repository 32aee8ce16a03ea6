/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message - numbered texts, and libcrypto
 */
#include "tests/load/message.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>

struct verifier {
    EVP_PKEY *key;
    enum ks_hash hash; /* NONE: Ed25519 has its own inside */
};

void
message_make(struct message *message, enum ks_key_type type, bool prehashed, uint64_t number)
{
    memset(message->data, 'k', sizeof(message->data));
    snprintf((char *)message->data, sizeof(message->data), "load %016llx",
             (unsigned long long)number);
    message->len =
        prehashed ? ks_hash_len(message_hash(type, true)) : strlen((char *)message->data);
}

enum ks_hash
message_hash(enum ks_key_type type, bool prehashed)
{
    if (!prehashed)
        return KS_HASH_NONE;
    return ks_algorithm_hash(ks_algorithm_for(type, KS_ALGORITHM_DEFAULT));
}

struct verifier *
verifier_new(enum ks_key_type type, const uint8_t *spki, size_t len)
{
    struct verifier *verifier = calloc(1, sizeof(*verifier));

    if (!verifier)
        return NULL;
    verifier->hash = message_hash(type, true);
    verifier->key = d2i_PUBKEY(NULL, &spki, (long)len);
    return verifier->key ? verifier : verifier_free(verifier);
}

struct verifier *
verifier_free(struct verifier *verifier)
{
    if (verifier)
        EVP_PKEY_free(verifier->key);
    free(verifier);
    return NULL;
}

static bool
check_digest(const struct verifier *verifier, const struct message *message,
             const uint8_t *signature, size_t len)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(verifier->key, NULL);
    const EVP_MD *hash = EVP_get_digestbyname(ks_hash_name(verifier->hash));
    bool right = context && hash && EVP_PKEY_verify_init(context) > 0 &&
                 EVP_PKEY_CTX_set_signature_md(context, hash) > 0 &&
                 EVP_PKEY_verify(context, signature, len, message->data, message->len) == 1;

    EVP_PKEY_CTX_free(context);
    return right;
}

static bool
check_message(const struct verifier *verifier, const struct message *message,
              const uint8_t *signature, size_t len)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const char *hash = verifier->hash == KS_HASH_NONE ? NULL : ks_hash_name(verifier->hash);
    bool right =
        context &&
        EVP_DigestVerifyInit_ex(context, NULL, hash, NULL, NULL, verifier->key, NULL) > 0 &&
        EVP_DigestVerify(context, signature, len, message->data, message->len) == 1;

    EVP_MD_CTX_free(context);
    return right;
}

bool
verifier_check(const struct verifier *verifier, const struct message *message, bool prehashed,
               const uint8_t *signature, size_t len)
{
    return prehashed ? check_digest(verifier, message, signature, len)
                     : check_message(verifier, message, signature, len);
}
