/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digestinfo - a digest with its hash named, as PKCS#1 v1.5 signs it (RFC 8017, 9.2)
 *
 * DER has one form of each, so the bytes before the digest are compared.
 */
#include "base/util.h"
#include "client/lib/keysvc.h"

#define SHA2_PREFIX_LEN 19

/* SEQUENCE { SEQUENCE { OID 2.16.840.1.101.3.4.2.n, NULL }, OCTET STRING (hash_len bytes follow) } */
#define SHA2_PREFIX(n, hash_len)                                                                   \
    {                                                                                              \
        0x30, 0x11 + (hash_len), 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, \
            0x02, (n), 0x05, 0x00, 0x04, (hash_len)                                                \
    }

static const uint8_t PREFIX[KS_HASH_COUNT][SHA2_PREFIX_LEN] = {
    [KS_HASH_SHA256] = SHA2_PREFIX(1, 32),
    [KS_HASH_SHA384] = SHA2_PREFIX(2, 48),
    [KS_HASH_SHA512] = SHA2_PREFIX(3, 64),
};

enum ks_hash
ks_digest_info_read(const void *data, size_t len, const uint8_t **digest)
{
    for (enum ks_hash hash = KS_HASH_SHA256; hash < KS_HASH_COUNT; hash++) {
        if (len == SHA2_PREFIX_LEN + ks_hash_len(hash) &&
            memcmp(data, PREFIX[hash], SHA2_PREFIX_LEN) == 0) {
            *digest = (const uint8_t *)data + SHA2_PREFIX_LEN;
            return hash;
        }
    }
    return KS_HASH_NONE;
}
