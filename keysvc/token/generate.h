/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generate - new keys: the first version of a name, or the next one
 *
 * A change (change.h). A key that is not sensitive and never extractable is destroyed again.
 * OUTCOME_UNKNOWN: the token failed in the middle and does not say whether the key is there.
 */
#pragma once

#include "token/change.h"
#include "token/worker.h"

/* JOB_GENERATE and JOB_ROTATE. */
ks_err generate_run(struct worker *worker, const struct job *job, struct answer *answer,
                    struct fault *why) KS_MUST_CHECK;

/*
 * Which version a job makes: 1 of a new name if job->version is 0 (not ROTATE), else the one behind
 * job->version. EXISTS: the name is taken (also by a `key` section whose key is not there), or
 * job->version is not the newest any more; NO_KEY.
 */
ks_err generate_version(struct worker *worker, const struct job *job, uint32_t *version,
                        struct fault *why) KS_MUST_CHECK;

/*
 * A change_step: one key pair of the change's type with its label, which is free; checked after its
 * creation. The context is where to put the key (const struct key **), or NULL.
 */
ks_err generate_step(struct worker *worker, struct change *change, struct fault *why) KS_MUST_CHECK;

/* EXISTS: an object of the token carries the label. */
ks_err generate_label_free(struct worker *worker, const char *label,
                           struct fault *why) KS_MUST_CHECK;
