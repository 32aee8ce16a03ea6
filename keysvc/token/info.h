/* SPDX-License-Identifier: Apache-2.0 */
/*
 * info - what the token says of itself
 */
#pragma once

#include "token/worker.h"

/* JOB_TOKEN_INFO, by any worker: answer->data is a packed job_token_info. UNSUPPORTED: it lists more
 * mechanisms than can be shown. */
ks_err info_run(struct worker *worker, const struct job *job, struct answer *answer,
                struct fault *why) KS_MUST_CHECK;
