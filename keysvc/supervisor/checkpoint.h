/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint - signed checkpoints of the audit chains, kept where their writers cannot reach
 *
 * STATE-DIR/CHAIN.checkpoint holds the last one: TEXT SPACE SIGNATURE-IN-HEX. One of an earlier
 * record, or of another one with the same number, means that the audit file was cut or replaced:
 * it is written to CHAIN.checkpoint.refused instead, and while that file and CHAIN.checkpoint are
 * both there, the latter stays as it is.
 * STATE-DIR/TOKEN.audit-key.pem holds the public key of the token's keysvc/audit as first seen.
 * Each checkpoint whose signature is right is logged too, so that the journal has it.
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"
#include "ipc/control.h"

/*
 * `chain` is the sender's own chain and `token` the sender's own token, NULL for the front, which
 * may name any token but introduce no key. BAD_REQUEST: the message is not what such a sender
 * sends. Not kept are: UNSUPPORTED: of the front, and the key is of a kind that signs no
 * checkpoints (base/audit_key.h); EXISTS: signed by another key than the one kept, or the chain was cut or
 * replaced; KEY_CHANGED: the signature is wrong; NO_KEY: of the front, and no key of that token is
 * kept yet; INTERNAL: not written. A problem that lasts has the same text each time.
 */
ks_err checkpoint_keep(const char *state_dir, const char *chain, const char *token,
                       const struct control_checkpoint *message, struct fault *why) KS_MUST_CHECK;

/* The key kept of this token, for its process to know the token by; audit_key_len 0: none yet.
 * INTERNAL: the file cannot be read, or is none of ours. */
ks_err checkpoint_key(const char *state_dir, const char *token, struct control_setup *setup,
                      struct fault *why) KS_MUST_CHECK;
