/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store - the folder of a token that is made of files: its locks, and copies of what a crash can
 * destroy
 *
 * SoftHSM rewrites token.object inside of C_Login, in place: a process that is killed there leaves
 * it empty, and with it the token. So a copy of each file that the profile names (`copies`) is kept
 * beside it as FILE.keysvc-copy, put back when the file is empty, and renewed after each login and
 * each change of PIN. All of it happens in the process that uses the token, while nobody else logs
 * in; keysvcd itself reads no token's file.
 *
 *   the store's lock   on the folder; one keysvcd has it while it runs (CONTROL_STORE_LOCK)
 *   the gate           on the file .keysvc-gate in it; a process has it from before it looks for
 *                      empty files until its login is over and the copies are renewed, or while it
 *                      changes a PIN: an empty file is then nobody's work that is under way
 *
 * keysvcd lets its processes log in one after the other anyhow (supervisor/turn.h); the gate is for
 * `keysvc token init` and `change-pin`, which run beside it, and for processes that a dead keysvcd
 * has left.
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"
#include "ipc/config.h"

/* Locks the store; *fd is to be kept open as long as the lock is wanted; -1: the token has none.
 * TOKEN_UNAVAILABLE: somebody else holds it, or there is no such folder. */
ks_err store_lock(const struct config_token *token, int *fd, struct fault *why) KS_MUST_CHECK;

/* Waits for the gate; *fd, when closed, opens it for others; -1: the token has no store.
 * TOKEN_UNAVAILABLE: somebody else has held it for STORE_GATE_TIMEOUT_MS, or it cannot be made. That
 * is less than keysvcd's HANG_GATE_MS, and than TURN_MAX_MS: who waits here may hold the turn. */
#define STORE_GATE_TIMEOUT_MS 20000
ks_err store_gate(const struct config_token *token, int *fd, struct fault *why) KS_MUST_CHECK;

/* Before C_Initialize, inside of the gate: puts back what is empty and has a copy; *n_restored says
 * how many. TOKEN_UNAVAILABLE: one that should be put back could not be. */
ks_err store_restore(const struct config_token *token, size_t *n_restored,
                     struct fault *why) KS_MUST_CHECK;

/* Before a change of PIN: writes all copies anew, whether or not they differ. An error: the next ones
 * could not be written either. */
ks_err store_renew(const struct config_token *token, struct fault *why) KS_MUST_CHECK;

/* After a login or a change of PIN, inside of the gate: renews the copies of files that are not
 * empty, where they differ. INTERNAL: one could not be; its copy is as it was. */
ks_err store_keep(const struct config_token *token, struct fault *why) KS_MUST_CHECK;
