/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash - libcrypto's digests, fetched once
 *
 * From the module's own context: SHA1() and its like use the program's, whose configuration may
 * have no such digest. And once, at C_Initialize, since fetching takes locks of libcrypto that
 * another thread may have held when a child was forked.
 */
#pragma once

#include <openssl/types.h>

#include "base/util.h"
#include "client/lib/keysvc.h"

#define SHA1_LEN 20

struct hashes {
    EVP_MD *sha1;
    EVP_MD *by_hash[KS_HASH_COUNT]; /* NONE: NULL */
};

bool hashes_init(struct hashes *hashes, OSSL_LIB_CTX *libcrypto) KS_MUST_CHECK;
void hashes_deinit(struct hashes *hashes);

bool hashes_sha1(const struct hashes *hashes, const void *data, size_t len,
                 uint8_t out[static SHA1_LEN]) KS_MUST_CHECK;
bool hashes_sha256(const struct hashes *hashes, const void *data, size_t len,
                   uint8_t out[static KS_SHA256_LEN]) KS_MUST_CHECK;
