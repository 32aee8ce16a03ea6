/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint - reading the text that a checkpoint signs, and checking its signature
 *
 * For verify.c, offline, and for who keeps checkpoints; chain.h documents and writes the text.
 */
#pragma once

#include "base/chain.h"
#include "base/verify.h"

#define CHECKPOINT_SIGNATURE_MAX                                                                   \
    KS_SIGNATURE_MAX_LEN /* bytes: tokens without curves sign with RSA */

struct checkpoint {
    char chain[CHAIN_NAME_MAX + 1];
    uint64_t seq;
    uint8_t hash[KS_SHA256_LEN];
};

/* False: not such a text, to the byte. */
bool checkpoint_parse(const char *text, struct checkpoint *out);

/* Public keys, ready to verify. */
struct checkpoint_keys;

/* BAD_REQUEST: one is no key of an elliptic curve or of RSA. */
ks_err checkpoint_keys_new(const struct verify_key *keys, size_t n_keys,
                           struct checkpoint_keys **out, struct fault *why) KS_MUST_CHECK;
struct checkpoint_keys *checkpoint_keys_free(struct checkpoint_keys *keys);
void checkpoint_keys_freep(struct checkpoint_keys **keys);

/* Is the key whose DER has this SHA-256 among them? */
bool checkpoint_keys_have(const struct checkpoint_keys *keys,
                          const uint8_t sha256[static KS_SHA256_LEN]);

/* ECDSA with SHA-256 over the text, by the key with this SHA-256, or by any if that is NULL. */
bool checkpoint_signed(const struct checkpoint_keys *keys, const uint8_t *sha256, const char *text,
                       const char *signature_hex);
