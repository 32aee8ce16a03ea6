/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <string.h>

#include <openssl/x509.h>

#include "client/lib/keysvc.h"

static const struct {
    enum ks_hash hash;
    int nid;
} HASH[] = {
    {KS_HASH_SHA256, NID_sha256}, {KS_HASH_SHA384, NID_sha384}, {KS_HASH_SHA512, NID_sha512}};

/* As libcrypto writes it; the length. */
static size_t
write_info(int nid, size_t digest_len, uint8_t out[static 128])
{
    static const uint8_t DIGEST[64] = {1, 2, 3};
    X509_SIG *info = X509_SIG_new();
    X509_ALGOR *algorithm;
    ASN1_OCTET_STRING *digest;
    int len;

    X509_SIG_getm(info, &algorithm, &digest);
    cr_assert(X509_ALGOR_set0(algorithm, OBJ_nid2obj(nid), V_ASN1_NULL, NULL));
    cr_assert(ASN1_OCTET_STRING_set(digest, DIGEST, (int)digest_len));
    len = i2d_X509_SIG(info, &out);
    cr_assert_gt(len, 0);
    X509_SIG_free(info);
    return (size_t)len;
}

Test(digestinfo, is_read_where_it_is_whole)
{
    for (size_t i = 0; i < sizeof(HASH) / sizeof(HASH[0]); i++) {
        uint8_t info[128 + 1];
        size_t digest_len = ks_hash_len(HASH[i].hash);
        size_t len = write_info(HASH[i].nid, digest_len, info);
        const uint8_t *digest = NULL;

        cr_assert_eq(ks_digest_info_read(info, len, &digest), HASH[i].hash);
        cr_assert_eq(digest, info + len - digest_len);

        digest = NULL;
        for (size_t other = 0; other <= len + 1; other++)
            cr_assert(other == len || ks_digest_info_read(info, other, &digest) == KS_HASH_NONE);
        for (size_t at = 0; at < len - digest_len; at++) {
            info[at] ^= 0x20;
            cr_assert_eq(ks_digest_info_read(info, len, &digest), KS_HASH_NONE, "byte %zu", at);
            info[at] ^= 0x20;
        }
        cr_assert_null(digest);
    }
}

Test(digestinfo, of_another_hash_or_length_is_none)
{
    uint8_t info[128];
    const uint8_t *digest;
    size_t len = write_info(NID_sha1, 20, info);

    cr_assert_eq(ks_digest_info_read(info, len, &digest), KS_HASH_NONE);
    len = write_info(NID_sha3_256, 32, info);
    cr_assert_eq(ks_digest_info_read(info, len, &digest), KS_HASH_NONE);
    len = write_info(NID_sha256, 48, info);
    cr_assert_eq(ks_digest_info_read(info, len, &digest), KS_HASH_NONE);
    cr_assert_eq(ks_digest_info_read(NULL, 0, &digest), KS_HASH_NONE);
}
