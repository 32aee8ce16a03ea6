/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest - SHA-256, fetched once and used often
 *
 * OpenSSL's one-shot functions look the algorithm up at every call, which costs more than hashing a
 * short record. Not for several threads at once.
 */
#pragma once

#include "base/crypto.h"
#include "base/err.h"
#include "base/util.h"

struct digest;

/* INTERNAL: no memory, or no SHA-256 in this libcrypto. */
ks_err digest_new(struct digest **out) KS_MUST_CHECK;

/* Takes NULL; returns NULL. */
struct digest *digest_free(struct digest *digest);
void digest_freep(struct digest **digest);

/* False: libcrypto failed, `out` is zeroed. */
bool digest_sum(struct digest *digest, const void *data, size_t len,
                uint8_t out[static KS_SHA256_LEN]) KS_MUST_CHECK;
