/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_csr - one certificate signing request, or one certificate that a key signs for itself
 *
 * Which names may stand in it is decided by the token process, from the key's class.
 */
#include "front/front.h"
#include "front/operations.h"
#include "front/route.h"

static ks_err submit(struct call *call, const struct request *request, enum job_operation operation,
                     struct fault *why);

ks_err
op_csr(struct call *call, const struct request *request, struct fault *why)
{
    return submit(call, request, JOB_CSR, why);
}

ks_err
op_self_sign(struct call *call, const struct request *request, struct fault *why)
{
    return submit(call, request, JOB_SELF_SIGN, why);
}

static ks_err
submit(struct call *call, const struct request *request, enum job_operation operation,
       struct fault *why)
{
    const struct directory_entry *key;
    struct job job;
    ks_err err;

    err = op_find_meant_key(call, request, &key, why);
    if (err)
        return err;
    op_job_init(&job, call, request, operation);
    job.csr = request->csr; /* its list belongs to the request */
    job.days = request->days;
    call_start_deadline(call, request->deadline_ms);
    return route_submit(call->front->route, call, key->token, &job, why);
}

void
op_csr_made(struct call *call, const struct job_reply *reply)
{
    struct reply answer = {.bytes = {reply->data, reply->data_len, reply->algorithm}};

    call_answer(call, &answer);
}
