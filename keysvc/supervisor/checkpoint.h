/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint - signed checkpoints of the audit chains, kept where their writers cannot reach
 *
 * STATE-DIR/CHAIN.checkpoint holds the last one: TEXT SPACE SIGNATURE-IN-HEX.
 * STATE-DIR/TOKEN.audit-key.pem holds the public key of the token's keysvc/audit as first seen.
 * Each checkpoint is logged too, so that the journal has it.
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"
#include "ipc/control.h"

/*
 * `chain` is the sender's own chain and `token` the sender's own token, NULL for the front, which
 * may name any token but introduce no key. BAD_REQUEST: the message is not what such a sender
 * sends; EXISTS: signed by another key than the one kept, so not kept; INTERNAL: not written.
 */
ks_err checkpoint_keep(const char *state_dir, const char *chain, const char *token,
                       const struct control_checkpoint *checkpoint,
                       struct fault *why) KS_MUST_CHECK;
