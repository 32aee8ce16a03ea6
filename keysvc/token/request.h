/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request - one certificate signing request, built here and signed by the token (csr.h); and what
 * a self-signed certificate has in common with it
 */
#pragma once

#include "token/csr.h"
#include "token/worker.h"

/* JOB_CSR. */
ks_err request_run(struct worker *worker, const struct job *job, struct answer *answer,
                   struct fault *why) KS_MUST_CHECK;

/* What a job is built into. */
struct request_kind {
    const char *event; /* of the audit */
    /* Before the key is looked for: may it be made for this class? */
    ks_err (*check)(const struct job *job, const struct config_class *class, struct fault *why);
    /* The whole answer, with one call of `sign`. */
    ks_err (*build)(const struct job *job, const struct config_class *class,
                    const struct spki *spki, enum ks_algorithm algorithm, csr_sign_fn sign,
                    void *context, struct buf *out, struct fault *why);
};

/* Decision, key, one signature, record: the way of every job that is a `kind`. */
ks_err request_carry_out(struct worker *worker, const struct job *job,
                         const struct request_kind *kind, struct answer *answer,
                         struct fault *why) KS_MUST_CHECK;
