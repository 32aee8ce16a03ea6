/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spki - public keys as tokens show them, made into DER SubjectPublicKeyInfo and into OpenSSL's
 * form, which checks signatures
 */
#pragma once

#include <openssl/evp.h>

#include "base/crypto.h"
#include "base/err.h"
#include "base/fault.h"

#define SPKI_KEY_ID_LEN 20 /* bytes: SHA-1 */

struct spki {
    enum ks_key_type type; /* ANY: none of ours (another curve, another length); then len is 0 */
    size_t len;
    uint8_t der[KS_PUBLIC_KEY_MAX_LEN];
};

/* CKA_EC_PARAMS (DER: named curve, or PrintableString as for Ed25519) and CKA_EC_POINT (DER OCTET
 * STRING, or bare). The point is checked to be on the curve. BAD_REQUEST: not a public key. */
ks_err spki_from_ec(const uint8_t *params, size_t params_len, const uint8_t *point,
                    size_t point_len, struct spki *out, struct fault *why) KS_MUST_CHECK;
/* CKA_MODULUS and CKA_PUBLIC_EXPONENT, big-endian. BAD_REQUEST: no RSA key, or an exponent that is
 * even, below 3 or above 64 bits. */
ks_err spki_from_rsa(const uint8_t *modulus, size_t modulus_len, const uint8_t *exponent,
                     size_t exponent_len, struct spki *out, struct fault *why) KS_MUST_CHECK;

/* The key of a certificate in DER; of no type of ours: ANY. BAD_REQUEST: no certificate, or no key in
 * it. */
ks_err spki_from_certificate(const uint8_t *der, size_t len, struct spki *out,
                             struct fault *why) KS_MUST_CHECK;

/* Is it an RSA key with this modulus, big-endian? */
bool spki_has_modulus(const struct spki *spki, const uint8_t *modulus, size_t len);

void spki_sha256(const struct spki *spki, uint8_t out[static KS_SHA256_LEN]);
/* SHA-1 of the BIT STRING's contents: the certificate's key identifier, for CKA_ID. */
ks_err spki_key_id(const struct spki *spki, uint8_t out[static SPKI_KEY_ID_LEN]) KS_MUST_CHECK;

/* DER for CKA_EC_PARAMS when a key is generated; *len 0 for RSA. `bits` for RSA. False: not a type
 * of ours. */
bool spki_parameters(enum ks_key_type type, const uint8_t **params, size_t *params_len,
                     unsigned long *bits);

/* Is this an uncompressed point of the curve (an OpenSSL NID), and not the one at infinity? */
bool spki_point_on_curve(int nid, const uint8_t *point, size_t len);

/* The public key in OpenSSL's form; EVP_PKEY_free. Takes about 15 us: keep it with the key.
 * BAD_REQUEST: of no type of ours, or not as the functions above make it. */
ks_err spki_pkey(const struct spki *spki, EVP_PKEY **out, struct fault *why) KS_MUST_CHECK;
