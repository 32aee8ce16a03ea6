/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint - the audit's signed checkpoints, by the token's key keysvc/audit
 *
 * A checkpoint says how far a chain went at a time; what the supervisor keeps elsewhere shows a cut
 * at the end of the file. Without such a key, or with one of another kind than base/audit_key.h
 * names, there are chains but no checkpoints.
 */
#pragma once

#include "token/worker.h"

/* Worker 1, once it is logged in: makes the key if the token has none. A failure is logged. */
void checkpoint_prepare(struct worker *worker);

/* Of this process's own chain: signed, recorded, sent to the supervisor. A failure is logged. */
void checkpoint_make(struct worker *worker);

/* JOB_CHECKPOINT: the front's. PURPOSE: not a checkpoint of the front's chain, or another version
 * of the key is asked for. UNSUPPORTED: the key is of a kind that signs no checkpoints. */
ks_err checkpoint_run(struct worker *worker, const struct job *job, struct answer *answer,
                      struct fault *why) KS_MUST_CHECK;
