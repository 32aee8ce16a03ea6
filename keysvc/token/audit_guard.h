/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_guard - nobody in this process, not even the PKCS#11 module, rewrites the audit
 *
 * The holder of an append-only descriptor can still truncate the file, clear O_APPEND, map it and
 * write over old records. So the descriptor gets a fixed number, and a system call filter refuses
 * these calls for that number (EPERM); the module needs them for its own files. Nor can a copy with
 * another number be made by dup or fcntl. One sent to itself over a socket is not seen by a
 * filter: the sandbox lets a module make no socket unless its profile wants one. This filter
 * refuses; it does not list what is allowed.
 *
 * audit_guard_off.c takes its place where the build has no filter: it only places.
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"

#define AUDIT_GUARD_FD 100 /* no descriptor of ours or of a module comes so far by itself */

/* Moves *fd to AUDIT_GUARD_FD, close-on-exec, in the place of what is there. */
ks_err audit_guard_place(int *fd, struct fault *why) KS_MUST_CHECK;

/* Once, after no_new_privs and before the module is loaded. */
ks_err audit_guard_install(struct fault *why) KS_MUST_CHECK;
