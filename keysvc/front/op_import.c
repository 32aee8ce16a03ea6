/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_import - a private key from a file becomes version 1 of a name, or the next version of one
 *
 * File and password are the descriptors beside the request; they go to the token process unread.
 */
#include "front/files.h"
#include "front/front.h"
#include "front/operations.h"
#include "front/route.h"

ks_err
op_import(struct call *call, const struct request *request, struct fault *why)
{
    struct holders holders = {.members = ROUTE_ANY};
    const struct config_class *class;
    struct job job;
    ks_err err;

    err = files_take(call, request->import.has_password ? 2 : 1, why);
    if (!err)
        err = op_class_for(call, request, &class, why);
    if (err)
        return err;
    err = request->version ? op_check_newest(call, request, class, &holders, why)
                           : op_check_new(call, request->name, class, why);
    if (err)
        return err;
    op_job_init(&job, call, request, JOB_IMPORT);
    job.import = request->import;
    call_start_deadline(call, request->deadline_ms);
    return route_submit(call->front->route, call, class->token, holders.members, &job, why);
}
