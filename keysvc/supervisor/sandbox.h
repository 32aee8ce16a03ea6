/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox - what keysvcd gives up once its sockets are open
 *
 * Its capabilities but SETUID, SETGID and KILL, also for whatever it executes, and the system calls
 * that neither it nor any module needs. Its children inherit both and add their own: so there is no
 * list of what is allowed here, and no rule on files: a module's files may be anywhere, and a
 * reload may name new ones.
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"
#include "sandbox/sandbox.h"

/* Once, by the only thread, before the first child. INTERNAL. */
ks_err supervisor_sandbox_enter(struct sandbox_state *state, struct fault *why) KS_MUST_CHECK;
