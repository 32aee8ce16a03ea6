/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signer - signs checkpoints as a token's keysvc/audit does
 */
#pragma once

#include <openssl/types.h>

#include "ipc/control.h"

/* Puts the signature over checkpoint->text, and the key, in; false: libcrypto failed. */
bool signer_sign(EVP_PKEY *key, struct control_checkpoint *checkpoint);
