/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message - what is signed, no two alike, and whether a signature is one of it
 *
 * A signature that was swapped with another request's or given twice does not verify.
 */
#pragma once

#include "base/crypto.h"
#include "base/util.h"

#define MESSAGE_MAX_LEN 64 /* bytes */

struct message {
    uint8_t data[MESSAGE_MAX_LEN]; /* with a hash: a digest by it */
    size_t len;
};

/* For request number `number`, of a key of this type; `prehashed`: 32 to 64 bytes that stand for a
 * digest. */
void message_make(struct message *message, enum ks_key_type type, bool prehashed, uint64_t number);

/* The hash that request names: NONE, or that of the type's own algorithm. */
enum ks_hash message_hash(enum ks_key_type type, bool prehashed);

/* One key's public half, from its DER; NULL: it is none. Used by any number of threads. */
struct verifier;
struct verifier *verifier_new(enum ks_key_type type, const uint8_t *spki, size_t len);
struct verifier *verifier_free(struct verifier *verifier);
bool verifier_check(const struct verifier *verifier, const struct message *message, bool prehashed,
                    const uint8_t *signature, size_t len);
