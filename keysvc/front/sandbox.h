/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox - what keysvc-front may ask of the kernel: the table stands in sandbox.c
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"
#include "sandbox/sandbox.h"

/* Once, by the only thread, when all descriptors but those of clients are there. INTERNAL. */
ks_err front_sandbox_enter(struct sandbox_state *state, struct fault *why) KS_MUST_CHECK;
