/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash - fetching digests, and hashing what is there as a whole
 */
#include "client/pkcs11/hash.h"

#include <openssl/evp.h>

bool
hashes_init(struct hashes *hashes, OSSL_LIB_CTX *libcrypto)
{
    bool good;

    memset(hashes, 0, sizeof(*hashes));
    hashes->sha1 = EVP_MD_fetch(libcrypto, "SHA1", NULL);
    good = hashes->sha1;
    for (unsigned int i = KS_HASH_NONE + 1; i < KS_HASH_COUNT; i++) {
        hashes->by_hash[i] = EVP_MD_fetch(libcrypto, ks_hash_name((enum ks_hash)i), NULL);
        good = good && hashes->by_hash[i];
    }
    return good;
}

void
hashes_deinit(struct hashes *hashes)
{
    EVP_MD_free(hashes->sha1);
    for (unsigned int i = 0; i < KS_HASH_COUNT; i++)
        EVP_MD_free(hashes->by_hash[i]);
    memset(hashes, 0, sizeof(*hashes));
}

bool
hashes_sha1(const struct hashes *hashes, const void *data, size_t len, uint8_t out[static SHA1_LEN])
{
    return EVP_Digest(data, len, out, NULL, hashes->sha1, NULL) > 0;
}

bool
hashes_sha256(const struct hashes *hashes, const void *data, size_t len,
              uint8_t out[static KS_SHA256_LEN])
{
    return EVP_Digest(data, len, out, NULL, hashes->by_hash[KS_HASH_SHA256], NULL) > 0;
}
