/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature - the bytes around C_Sign: what goes into it, what comes out, and whether it is right
 *
 * The hash is always made here (not every token has CKM_ECDSA_SHA256 or CKM_SHA256_RSA_PKCS), so
 * that a token sees CKM_ECDSA, CKM_RSA_PKCS, CKM_RSA_PKCS_PSS or CKM_EDDSA.
 */
#pragma once

#include "base/crypto.h"
#include "base/err.h"
#include "base/fault.h"
#include "ipc/job.h"
#include "token/spki.h"

#define SIGNATURE_INPUT_MAX 128 /* bytes: a DigestInfo of SHA-512 has 83 */

/* Filled by signature_prepare(); not to be copied, `data` may point into it. */
struct signature_input {
    const uint8_t *data; /* what C_Sign gets: into `bytes`, or the message itself (Ed25519) */
    size_t len;
    uint8_t bytes[SIGNATURE_INPUT_MAX];
    uint8_t digest[KS_HASH_MAX_LEN]; /* for the audit; Ed25519: SHA-256 of the message */
    size_t digest_len;
};

/* The algorithm fits the key (ks_algorithm_for) and is not DEFAULT. BAD_REQUEST: prehashed is
 * neither NONE nor the algorithm's hash with that length. Ed25519 borrows `data` until the
 * signature is verified. */
ks_err signature_prepare(enum ks_algorithm algorithm, enum ks_hash prehashed, const uint8_t *data,
                         size_t len, struct signature_input *out, struct fault *why) KS_MUST_CHECK;

/* ECDSA with a digest that is longer than the curve's order: only its leftmost bits are signed (FIPS
 * 186-4, 6.4). A strict token refuses the whole one, so what C_Sign gets is cut here; `digest` stays
 * whole. Nothing happens to other keys' input. */
void signature_cut(enum ks_key_type type, struct signature_input *input);

/* From PKCS#11's form to the wire's: ECDSA r || s becomes DER; others are checked for their length
 * and copied. TOKEN_UNAVAILABLE: the token returned something that is no signature. */
ks_err signature_finish(enum ks_algorithm algorithm, enum ks_key_type type, const uint8_t *raw,
                        size_t raw_len, uint8_t out[static KS_SIGNATURE_MAX_LEN], size_t *out_len,
                        struct fault *why) KS_MUST_CHECK;

/* The wire's form of a signature against what was prepared. TOKEN_UNAVAILABLE: it is wrong. */
ks_err signature_verify(enum ks_algorithm algorithm, EVP_PKEY *key,
                        const struct signature_input *input, const uint8_t *signature,
                        size_t signature_len, struct fault *why) KS_MUST_CHECK;
