/* SPDX-License-Identifier: Apache-2.0 */
/*
 * self_sign - from a job to a self-signed certificate
 *
 * The way of a certificate request (request.c) with another thing built at its end (selfcert.c).
 * Nothing is stored: a client that wants it beside the key puts it there.
 */
#include "token/self_sign.h"

#include <openssl/crypto.h>

#include "base/clock.h"
#include "token/request.h"
#include "token/selfcert.h"

#define US_PER_S 1000000

static ks_err
check(const struct job *job, const struct config_class *class, struct fault *why)
{
    return selfcert_check(&job->csr, job->days, class, why);
}

static ks_err
build(const struct job *job, const struct config_class *class, const struct spki *spki,
      enum ks_algorithm algorithm, csr_sign_fn sign, void *context, struct buf *out,
      struct fault *why)
{
    struct job_chain chain = {.n_items = 1};
    int64_t now_s = (int64_t)(clock_wall_us() / US_PER_S);
    uint8_t *der = NULL;
    ks_err err;

    err = selfcert_build(&job->csr, job->days, now_s, class, spki, algorithm, sign, context, &der,
                         &chain.items[0].len, why);
    if (err)
        return err;
    chain.items[0].data = der;
    job_chain_pack(out, &chain);
    OPENSSL_free(der);
    return out->failed ? KS_ERR_INTERNAL : KS_OK;
}

ks_err
self_sign_run(struct worker *worker, const struct job *job, struct answer *answer,
              struct fault *why)
{
    static const struct request_kind self_sign = {"self_sign", check, build};

    return request_carry_out(worker, job, &self_sign, answer, why);
}
