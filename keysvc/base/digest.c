/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest - one fetched SHA-256 and one context, used again and again
 */
#include "base/digest.h"

#include <openssl/evp.h>

struct digest {
    EVP_MD *md;
    EVP_MD_CTX *ctx;
};

ks_err
digest_new(struct digest **out)
{
    ks_auto(digest_freep) struct digest *digest = calloc(1, sizeof(*digest));

    if (!digest)
        return KS_ERR_INTERNAL;
    digest->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    digest->ctx = EVP_MD_CTX_new();
    if (!digest->md || !digest->ctx)
        return KS_ERR_INTERNAL;
    *out = ks_steal(&digest);
    return KS_OK;
}

struct digest *
digest_free(struct digest *digest)
{
    if (!digest)
        return NULL;
    EVP_MD_CTX_free(digest->ctx);
    EVP_MD_free(digest->md);
    free(digest);
    return NULL;
}

void
digest_freep(struct digest **digest)
{
    *digest = digest_free(*digest);
}

bool
digest_sum(struct digest *digest, const void *data, size_t len, uint8_t out[static KS_SHA256_LEN])
{
    if (EVP_DigestInit_ex2(digest->ctx, digest->md, NULL) == 1 &&
        EVP_DigestUpdate(digest->ctx, data, len) == 1 &&
        EVP_DigestFinal_ex(digest->ctx, out, NULL) == 1)
        return true;
    memset(out, 0, KS_SHA256_LEN);
    return false;
}
