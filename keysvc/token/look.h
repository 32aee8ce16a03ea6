/* SPDX-License-Identifier: Apache-2.0 */
/*
 * look - what others have changed on the token: other tools, or another token of its group
 */
#pragma once

#include "token/worker.h"

/* JOB_RESCAN, by worker 1: lists all keys, after C_Initialize where the profile wants that. */
ks_err look_again(struct worker *worker, const struct job *job, struct answer *answer,
                  struct fault *why) KS_MUST_CHECK;

/* JOB_LOOK, by worker 1: one key that another token of the group has made, changed or destroyed.
 * What is seen is told as a change (tell.h); that it is not there is no failure. */
ks_err look_run(struct worker *worker, const struct job *job, struct answer *answer,
                struct fault *why) KS_MUST_CHECK;
