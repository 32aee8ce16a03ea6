/* SPDX-License-Identifier: Apache-2.0 */
/*
 * folder - where things stand in the state folder, and its rights
 *
 *     STATE/                      0750, the agent's user and group
 *     STATE/agent.db              0600, the store, and SQLite's files beside it
 *     STATE/identities/NAME/      0750, fileset.h; its `lock` is 0600
 */
#pragma once

#include "client/agent/agent.h"

/* Makes STATE and what it holds, if it is not there. USAGE: it is somebody else's, or others may write
 * to it. */
ks_err folder_prepare(const char *state_dir, struct fault *why) KS_MUST_CHECK;

/* A descriptor of an identity's folder, made if `create`; NOT_FOUND. */
ks_err folder_identity(const char *state_dir, const char *name, bool create, int *out,
                       struct fault *why) KS_MUST_CHECK;

/* Locks it, waiting at most `wait_s`: *out gives it back when closed. BUSY. */
ks_err folder_lock(int folder, unsigned int wait_s, int *out, struct fault *why) KS_MUST_CHECK;
