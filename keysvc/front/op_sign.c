/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_sign - one signature
 *
 * What may be signed is decided by the token process, over the whole message.
 */
#include "front/front.h"
#include "front/operations.h"
#include "front/route.h"

ks_err
op_sign(struct call *call, const struct request *request, struct fault *why)
{
    const struct directory_entry *key;
    struct job job;
    ks_err err;

    err = op_find_meant_key(call, request, &key, why);
    if (err)
        return err;
    op_job_init(&job, call, request, JOB_SIGN);
    job.sign = request->sign;
    call_start_deadline(call, request->deadline_ms);
    return route_submit(call->front->route, call, key->token, &job, why);
}

void
op_signed(struct call *call, const struct job_reply *reply)
{
    struct reply answer = {.bytes = {reply->data, reply->data_len, reply->algorithm}};

    call_answer(call, &answer);
}
