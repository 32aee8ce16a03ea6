/* SPDX-License-Identifier: Apache-2.0 */
/*
 * algorithm_id - RFC 5758 (ECDSA), RFC 8017 appendix A.2 (RSA), RFC 8410 (Ed25519) as bytes
 */
#include "client/provider/algorithm_id.h"

/* SEQUENCE { OID 1.2.840.10045.4.3.n } */
#define ECDSA(n) 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, (n)

/* SEQUENCE { OID 1.2.840.113549.1.1.n, NULL } */
#define RSA_PKCS1(n)                                                                               \
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, (n), 0x05, 0x00

/* SEQUENCE { OID 2.16.840.1.101.3.4.2.n, NULL } */
#define SHA2(n)                                                                                    \
    0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, (n), 0x05, 0x00

/* SEQUENCE { OID rsassaPss, SEQUENCE { [0] hash, [1] SEQUENCE { OID mgf1, hash }, [2] salt } } */
#define RSA_PSS(n, salt)                                                                           \
    0x30, 0x41, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30, 0x34,      \
        0xa0, 0x0f, SHA2(n), 0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7,     \
        0x0d, 0x01, 0x01, 0x08, SHA2(n), 0xa2, 0x03, 0x02, 0x01, (salt)

struct id {
    uint8_t len;
    uint8_t der[67];
};

/* clang-format off */
static const struct id ID[KS_ALGORITHM_COUNT] = {
    [KS_ALGORITHM_ECDSA_SHA256]     = {12, {ECDSA(2)}},
    [KS_ALGORITHM_ECDSA_SHA384]     = {12, {ECDSA(3)}},
    [KS_ALGORITHM_ECDSA_SHA512]     = {12, {ECDSA(4)}},
    [KS_ALGORITHM_RSA_PKCS1_SHA256] = {15, {RSA_PKCS1(11)}},
    [KS_ALGORITHM_RSA_PKCS1_SHA384] = {15, {RSA_PKCS1(12)}},
    [KS_ALGORITHM_RSA_PKCS1_SHA512] = {15, {RSA_PKCS1(13)}},
    [KS_ALGORITHM_RSA_PSS_SHA256]   = {67, {RSA_PSS(1, 32)}},
    [KS_ALGORITHM_RSA_PSS_SHA384]   = {67, {RSA_PSS(2, 48)}},
    [KS_ALGORITHM_RSA_PSS_SHA512]   = {67, {RSA_PSS(3, 64)}},
    [KS_ALGORITHM_ED25519]          = {7, {0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70}},
};
/* clang-format on */

const uint8_t *
algorithm_id(enum ks_algorithm algorithm, size_t *len)
{
    if ((unsigned int)algorithm >= KS_ALGORITHM_COUNT || ID[algorithm].len == 0)
        return NULL;
    *len = ID[algorithm].len;
    return ID[algorithm].der;
}
