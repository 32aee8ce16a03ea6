/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_key - which keys may sign the audit's checkpoints
 *
 * Version 1 of keysvc/audit and no other: a token is known by it, and its checkpoints are verified
 * with it for years. What else a token shows under that name was made by other tools. Front, token
 * process and keysvcd ask the same table, so that none of them sends what the next one refuses.
 */
#pragma once

#include "base/util.h"

#define AUDIT_KEY_VERSION 1
#define AUDIT_KEY_KINDS "P-256, P-384, P-521, RSA-2048 or RSA-3072 with the exponent 65537"

/* Is this SubjectPublicKeyInfo (DER) of one of AUDIT_KEY_KINDS? Looks at lengths and the first bytes
 * only: to be asked before any decoder reads what a child sent. */
bool audit_key_known(const uint8_t *der, size_t len);
