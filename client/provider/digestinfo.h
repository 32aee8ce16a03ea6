/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digestinfo - a digest with its hash named, as PKCS#1 v1.5 signs it (RFC 8017, 9.2)
 *
 * Programs that sign a digest themselves and name no hash to OpenSSL put it into this structure.
 */
#pragma once

#include "base/util.h"
#include "client/lib/keysvc.h"

/* The hash, with *digest inside of `data`, if `data` is exactly the DER of a DigestInfo by SHA-256,
 * SHA-384 or SHA-512; else NONE. */
enum ks_hash digestinfo_read(const uint8_t *data, size_t len, const uint8_t **digest);
