/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request - one certificate signing request, built here and signed by the token (csr.h)
 */
#pragma once

#include "token/worker.h"

/* JOB_CSR. */
ks_err request_run(struct worker *worker, const struct job *job, struct answer *answer,
                   struct fault *why) KS_MUST_CHECK;
