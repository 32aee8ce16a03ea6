/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox - what keysvc-token and the module in it may ask of the kernel: the table stands in
 * sandbox.c, the token's profile adds to it
 */
#pragma once

#include "ipc/config.h"
#include "sandbox/sandbox.h"

enum token_sandbox_mode {
    TOKEN_SANDBOX_SERVE,
    TOKEN_SANDBOX_ADMINISTER, /* and the terminal, on which PINs are asked for */
};

/*
 * Once, by the only thread, before the module is loaded. Files are closed to it if the token's
 * section or its profile says which ones it may change (store, write). `state` says
 * what is in force. INTERNAL.
 */
ks_err token_sandbox_enter(const struct config_token *token, enum token_sandbox_mode mode,
                           struct sandbox_state *state, struct fault *why) KS_MUST_CHECK;
