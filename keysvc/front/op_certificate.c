/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_certificate - the certificates beside a key: put, get, delete
 *
 * Whether they are the key's is decided by the token process.
 */
#include "front/operations.h"

ks_err
op_certificate_put(struct call *call, const struct request *request, struct fault *why)
{
    return op_submit_meant(call, request, JOB_CERTIFICATE_PUT, why);
}

ks_err
op_certificate_get(struct call *call, const struct request *request, struct fault *why)
{
    return op_submit_meant(call, request, JOB_CERTIFICATE_GET, why);
}

ks_err
op_certificate_delete(struct call *call, const struct request *request, struct fault *why)
{
    return op_submit_meant(call, request, JOB_CERTIFICATE_DELETE, why);
}

/* A certificate that a key signed for itself stands alone. */
bool
op_is_chain(const struct job_reply *reply)
{
    struct job_chain chain;

    return job_chain_unpack(reply->data, reply->data_len, &chain) == KS_OK;
}

void
op_chain_told(struct call *call, const struct job_reply *reply)
{
    struct reply answer = {0};
    struct job_chain chain;
    ks_err err = job_chain_unpack(reply->data, reply->data_len, &chain);

    if (err) { /* what op_is_chain() has not let in */
        call_fail(call, KS_ERR_INTERNAL, NULL);
        return;
    }
    answer.chain = &chain;
    call_answer(call, &answer);
}
