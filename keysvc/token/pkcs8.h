/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pkcs8 - one private key out of a PKCS#8 file, and certificates that stand beside it in PEM
 *
 * DER: PrivateKeyInfo or EncryptedPrivateKeyInfo and nothing behind it. PEM: those two, and
 * unencrypted "RSA PRIVATE KEY" and "EC PRIVATE KEY"; text before a block is passed over, text after
 * the last one refused.
 */
#pragma once

#include "token/keybundle.h"
#include "token/pbe.h"

#define PKCS8_MAX_BLOCKS 64 /* of a PEM file */

/* `out` starts as KEYBUNDLE_INIT. BAD_REQUEST: not such a file, several keys, a wrong password. */
ks_err pkcs8_read(const struct keyfile *file, struct pbe *pbe, struct keybundle *out,
                  struct fault *why) KS_MUST_CHECK;
