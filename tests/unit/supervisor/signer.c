/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signer - ECDSA with SHA-256 by a key of the test's own
 */
#include "signer.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

bool
signer_sign(EVP_PKEY *key, struct control_checkpoint *checkpoint)
{
    unsigned char *at = checkpoint->public_key;
    size_t len = sizeof(checkpoint->signature);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int key_len = i2d_PUBKEY(key, NULL);
    bool done =
        ctx && key_len > 0 && (size_t)key_len <= sizeof(checkpoint->public_key) &&
        EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, key, NULL) == 1 &&
        EVP_DigestSign(ctx, checkpoint->signature, &len, (const unsigned char *)checkpoint->text,
                       strlen(checkpoint->text)) == 1 &&
        i2d_PUBKEY(key, &at) == key_len;

    EVP_MD_CTX_free(ctx);
    checkpoint->signature_len = len;
    checkpoint->public_key_len = done ? (size_t)key_len : 0;
    return done;
}
