/* SPDX-License-Identifier: Apache-2.0 */
/*
 * private_key - a private key taken apart into the numbers that a token wants to have
 *
 * The numbers end up in locked memory; what OpenSSL copies on the way is wiped when it is freed
 * (wipe.h). All of them are checked against each other and the public key computed from the private
 * one; that the primes are primes is shown later by a signature that verifies.
 */
#pragma once

#include "base/crypto.h"
#include "token/keyfile.h"
#include "token/spki.h"

enum private_key_part {
    PRIVATE_KEY_SECRET = 0, /* RSA: d; EC: the scalar, as long as the field; Ed25519: the seed */
    PRIVATE_KEY_MODULUS,    /* these for RSA only, big-endian without leading zeros */
    PRIVATE_KEY_EXPONENT,
    PRIVATE_KEY_PRIME_1,
    PRIVATE_KEY_PRIME_2,
    PRIVATE_KEY_EXPONENT_1,
    PRIVATE_KEY_EXPONENT_2,
    PRIVATE_KEY_COEFFICIENT,
    PRIVATE_KEY_PART_COUNT,
};

struct private_key {
    struct spki spki;      /* spki.type is one of ours */
    struct keyfile memory; /* in which the parts are */
    struct {
        const uint8_t *data;
        size_t len;
    } parts[PRIVATE_KEY_PART_COUNT];
};

#define PRIVATE_KEY_INIT                                                                           \
    {                                                                                              \
        .memory = KEYFILE_INIT                                                                     \
    }

/* Wipes it; for ks_auto. */
void private_key_deinit(struct private_key *key);

/*
 * Exactly one structure each, in DER: PrivateKeyInfo (RFC 5208, and RFC 5958's with a public key),
 * RSAPrivateKey (RFC 8017), ECPrivateKey with its curve (RFC 5915). `out` starts as
 * PRIVATE_KEY_INIT. BAD_REQUEST: it is not that, contradicts itself, or is no key of our types.
 */
ks_err private_key_from_pkcs8(const uint8_t *der, size_t len, struct private_key *out,
                              struct fault *why) KS_MUST_CHECK;
ks_err private_key_from_rsa(const uint8_t *der, size_t len, struct private_key *out,
                            struct fault *why) KS_MUST_CHECK;
ks_err private_key_from_ec(const uint8_t *der, size_t len, struct private_key *out,
                           struct fault *why) KS_MUST_CHECK;
