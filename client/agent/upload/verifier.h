/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verifier - what is kept of a password: enough to recognise it, nothing to read it from
 *
 *     $scrypt$ln=15,r=8,p=1$SALT$HASH        16 and 32 bytes in base64
 *
 * Takes about 135 ms and 32 MiB; the caller bounds how many are made at once.
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"

#define VERIFIER_TEXT_MAX 96u

/* INTERNAL: no memory, or no random numbers. */
ks_err verifier_make(const char *password, char out[static VERIFIER_TEXT_MAX],
                     struct fault *why) KS_MUST_CHECK;
/* In constant time. False too for what is no verifier. */
bool verifier_matches(const char *verifier, const char *password);
