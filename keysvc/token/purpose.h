/* SPDX-License-Identifier: Apache-2.0 */
/*
 * purpose - may a key of this purpose sign these bytes?
 *
 * The second of the two decisions (the first, who may ask, was the front's). Pure, strict, over the
 * whole message; fuzzed. What each purpose signs, what that stops and what not: docs/purposes.md.
 */
#pragma once

#include "base/crypto.h"
#include "base/err.h"
#include "base/fault.h"
#include "ipc/config.h"

/*
 * `data` is the message, or its digest by `prehashed`. The algorithm is never DEFAULT here.
 * PURPOSE: refused, `why` says what was expected; BAD_REQUEST: a digest of the wrong length or by
 * another hash than the algorithm's.
 */
ks_err purpose_check(enum ks_purpose purpose, bool tls13_only, enum ks_algorithm algorithm,
                     enum ks_hash prehashed, const uint8_t *data, size_t data_len,
                     struct fault *why) KS_MUST_CHECK;
