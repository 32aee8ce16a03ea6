/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_admin - what concerns the service or a token and not a key: reload, retry-login, rescan
 *
 * The supervisor does the first two, a token's first worker the third.
 */
#include "front/control.h"
#include "front/front.h"
#include "front/operations.h"
#include "front/route.h"

ks_err
op_reload(struct call *call, const struct request *request, struct fault *why)
{
    (void)why;
    call_start_deadline(call, request->deadline_ms);
    control_ask(call->front->control, call, CONTROL_ADMIN_RELOAD);
    return KS_OK;
}

ks_err
op_retry_login(struct call *call, const struct request *request, struct fault *why)
{
    ks_err err = op_check_token(call, request, why);

    if (err)
        return err;
    call_start_deadline(call, request->deadline_ms);
    control_ask(call->front->control, call, CONTROL_ADMIN_RETRY_LOGIN);
    return KS_OK;
}

ks_err
op_rescan(struct call *call, const struct request *request, struct fault *why)
{
    struct job job;
    ks_err err = op_check_token(call, request, why);

    if (err)
        return err;
    op_job_init(&job, call, request, JOB_RESCAN);
    call_start_deadline(call, request->deadline_ms);
    return route_submit(call->front->route, call, request->token, ROUTE_ANY, &job, why);
}

ks_err
op_check_token(const struct call *call, const struct request *request, struct fault *why)
{
    if (config_token_find(call->front->config, request->token))
        return KS_OK;
    if (config_group_find(call->front->config, request->token))
        fault_set(why, "%s is a group: name one of its tokens", request->token);
    else
        fault_set(why, "no token %s is configured", request->token);
    fault_hint(why, "see keysvc token list");
    return KS_ERR_BAD_REQUEST;
}
