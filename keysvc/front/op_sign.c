/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_sign - one signature
 *
 * What may be signed is decided by the token process, over the whole message.
 */
#include "front/operations.h"

ks_err
op_sign(struct call *call, const struct request *request, struct fault *why)
{
    return op_submit_meant(call, request, JOB_SIGN, why);
}

void
op_signed(struct call *call, const struct job_reply *reply)
{
    struct reply answer = {.bytes = {reply->data, reply->data_len, reply->algorithm}};

    call_answer(call, &answer);
}
