/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify - signatures checked with the public half, by the default provider
 *
 * Programs verify with the key they sign with, and libcrypto does not look for another provider
 * then. Everything the default provider verifies is verified, whatever keysvcd would sign.
 */
#include "client/provider/fail.h"
#include "client/provider/signature.h"

/* A context whose init was refused is no context: libcrypto crashes on it where it verifies Ed25519. */
static bool
begun(struct signature *signature, bool done)
{
    if (!done)
        verify_end(signature);
    return done;
}

int
verify_init(void *context, void *key, const OSSL_PARAM params[])
{
    struct signature *signature = context;

    if (!signature_take_key(signature, key))
        return 0;
    signature->verify_digest =
        EVP_PKEY_CTX_new_from_pkey(signature->provider->libctx, signature->key->public, NULL);
    return begun(signature, signature->verify_digest &&
                                EVP_PKEY_verify_init_ex(signature->verify_digest, params) == 1);
}

int
verify_run(void *context, const unsigned char *sig, size_t sig_len, const unsigned char *digest,
           size_t digest_len)
{
    struct signature *signature = context;

    return signature->verify_digest &&
           EVP_PKEY_verify(signature->verify_digest, sig, sig_len, digest, digest_len) == 1;
}

int
verify_message_init(void *context, const char *hash, void *key, const OSSL_PARAM params[])
{
    struct signature *signature = context;

    if (!signature_take_key(signature, key))
        return 0;
    signature->verify_message = EVP_MD_CTX_new();
    return begun(signature, signature->verify_message &&
                                EVP_DigestVerifyInit_ex(signature->verify_message, NULL, hash,
                                                        signature->provider->libctx, NULL,
                                                        signature->key->public, params) == 1);
}

int
verify_message_update(void *context, const unsigned char *data, size_t len)
{
    struct signature *signature = context;

    return signature->verify_message &&
           EVP_DigestVerifyUpdate(signature->verify_message, data, len) == 1;
}

int
verify_message_final(void *context, const unsigned char *sig, size_t sig_len)
{
    struct signature *signature = context;

    return signature->verify_message &&
           EVP_DigestVerifyFinal(signature->verify_message, sig, sig_len) == 1;
}

int
verify_message(void *context, const unsigned char *sig, size_t sig_len, const unsigned char *data,
               size_t len)
{
    struct signature *signature = context;

    return signature->verify_message &&
           EVP_DigestVerify(signature->verify_message, sig, sig_len, data, len) == 1;
}

EVP_PKEY_CTX *
verify_context(const struct signature *signature)
{
    if (signature->verify_message)
        return EVP_MD_CTX_get_pkey_ctx(signature->verify_message);
    return signature->verify_digest;
}

void
verify_end(struct signature *signature)
{
    EVP_PKEY_CTX_free(signature->verify_digest);
    signature->verify_digest = NULL;
    EVP_MD_CTX_free(signature->verify_message);
    signature->verify_message = NULL;
}

bool
verify_copy(const struct signature *from, struct signature *to)
{
    to->verify_digest = from->verify_digest ? EVP_PKEY_CTX_dup(from->verify_digest) : NULL;
    to->verify_message = from->verify_message ? EVP_MD_CTX_new() : NULL;
    if (from->verify_digest && !to->verify_digest)
        return false;
    return !from->verify_message ||
           (to->verify_message && EVP_MD_CTX_copy_ex(to->verify_message, from->verify_message));
}
