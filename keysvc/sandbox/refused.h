/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refused - what becomes of a system call that the filter does not let through
 *
 * The kernel sends SIGSYS instead of making the call. The handler names the call in the log, once,
 * and lets it fail: so a module that asks for more than it needs goes on, and whoever adds a device
 * reads which calls its profile lacks. A thread that blocks SIGSYS, and a process whose module
 * takes the signal away from us, are killed by it instead.
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"

/* Once, before the filter is loaded. INTERNAL: no memory. */
ks_err refused_watch(struct fault *why) KS_MUST_CHECK;
