/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_info - a SubjectPublicKeyInfo taken apart into the values PKCS#11 has attributes for
 */
#pragma once

#include <p11-kit/pkcs11.h>

#include "client/pkcs11/hash.h"

#define KEY_ID_LEN SHA1_LEN /* of the public key's BIT STRING */

struct key_info {
    uint8_t id[KEY_ID_LEN];
    struct ks_blob der;      /* SubjectPublicKeyInfo */
    struct ks_blob modulus;  /* RSA, big-endian, without a leading zero; as the exponent */
    struct ks_blob exponent; /* RSA */
    struct ks_blob params;   /* EC, Ed25519: DER of the curve's OBJECT IDENTIFIER */
    struct ks_blob point;    /* EC, Ed25519: DER OCTET STRING around the point */
};

/* NULL: not a key of that type, or no memory. key_info_free. */
struct key_info *key_info_new(const struct hashes *hashes, enum ks_key_type type,
                              const uint8_t *der, size_t len);
struct key_info *key_info_free(struct key_info *info);

CK_KEY_TYPE key_info_pkcs11_type(enum ks_key_type type);
CK_ULONG key_info_bits(enum ks_key_type type);

/* Bytes of a signature as PKCS#11 has it: ECDSA is r and s in the curve's length. */
size_t key_info_signature_len(enum ks_key_type type);
