/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_csr - one certificate signing request, or one certificate that a key signs for itself
 *
 * Which names may stand in it is decided by the token process, from the key's class.
 */
#include "front/operations.h"

ks_err
op_csr(struct call *call, const struct request *request, struct fault *why)
{
    return op_submit_meant(call, request, JOB_CSR, why);
}

ks_err
op_self_sign(struct call *call, const struct request *request, struct fault *why)
{
    return op_submit_meant(call, request, JOB_SELF_SIGN, why);
}

void
op_csr_made(struct call *call, const struct job_reply *reply)
{
    struct reply answer = {.bytes = {reply->data, reply->data_len, reply->algorithm}};

    call_answer(call, &answer);
}
