/* SPDX-License-Identifier: Apache-2.0 */
/*
 * self_sign - a certificate for a key, signed with the key itself
 */
#pragma once

#include "token/worker.h"

/* JOB_SELF_SIGN. */
ks_err self_sign_run(struct worker *worker, const struct job *job, struct answer *answer,
                     struct fault *why) KS_MUST_CHECK;
