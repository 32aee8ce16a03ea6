/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_key - new keys: generate makes version 1 of a name, rotate the next version of one
 *
 * The directory answers early what it can; the token process looks again before it makes anything.
 */
#include "front/front.h"
#include "front/operations.h"
#include "front/route.h"

static ks_err class_for(const struct call *call, const struct request *request,
                        const struct config_class **out, struct fault *why);

ks_err
op_generate(struct call *call, const struct request *request, struct fault *why)
{
    const struct config_class *class;
    const struct directory_entry *key;
    struct job job;
    ks_err err;

    err = class_for(call, request, &class, why);
    if (err)
        return err;
    if (request->type != KS_KEY_TYPE_ANY && request->type != class->type) {
        fault_set(why, "keys of the class \"%s\" are %s, not %s", class->glob,
                  ks_key_type_name(class->type), ks_key_type_name(request->type));
        fault_hint(why, "leave the type out, or change the class in keysvcd.conf");
        return KS_ERR_BAD_REQUEST;
    }
    key = directory_find(call->front->directory, request->name, 0, class->token);
    if (key) {
        fault_set(why, "key %s exists on token %s; its newest version is %u", request->name,
                  class->token, key->version);
        return KS_ERR_EXISTS;
    }
    op_job_init(&job, call, request, JOB_GENERATE);
    job.type = class->type;
    call_start_deadline(call, request->deadline_ms);
    return route_submit(call->front->route, call, class->token, &job, why);
}

ks_err
op_rotate(struct call *call, const struct request *request, struct fault *why)
{
    const struct config_class *class;
    const struct directory_entry *newest;
    struct job job;
    ks_err err;

    err = class_for(call, request, &class, why);
    if (!err)
        err = op_find_key(call, request->name, request->version, &newest, why);
    if (err)
        return err;
    newest = directory_find(call->front->directory, request->name, 0, class->token);
    if (newest->version != request->version) {
        fault_set(why, "version %u of key %s is not the newest any more: that is %u",
                  request->version, request->name, newest->version);
        return KS_ERR_EXISTS;
    }
    op_job_init(&job, call, request, JOB_ROTATE);
    job.type = class->type;
    call_start_deadline(call, request->deadline_ms);
    return route_submit(call->front->route, call, class->token, &job, why);
}

/* The directory may learn of it from the answer or before; either way the answer shows what the
 * directory holds. */
void
op_key_made(struct call *call, const struct job_reply *reply)
{
    struct directory *directory = call->front->directory;
    const char *token = route_token_name(call->token);
    const struct directory_entry *key = NULL;
    ks_auto(freep) uint32_t *versions = NULL;
    struct reply answer = {0};

    if (directory_put(directory, token, &reply->key) == KS_OK)
        key = directory_find(directory, reply->key.name, reply->key.version, token);
    if (!key) {
        struct fault why = FAULT_INIT;

        fault_set(&why, "token %s says that it made a key, and not which", token);
        call_fail(call, KS_ERR_OUTCOME_UNKNOWN, &why);
        return;
    }
    answer.key = op_reply_whole_key(call->front, key, &versions);
    call_answer(call, &answer);
}

static ks_err
class_for(const struct call *call, const struct request *request, const struct config_class **out,
          struct fault *why)
{
    *out = config_class_of(call->front->config, request->name);
    if (*out && (*out)->purpose != KS_PURPOSE_AUDIT)
        return KS_OK;
    fault_set(why, *out ? "key %s is the service's own" : "key %s belongs to no class",
              request->name);
    return KS_ERR_PURPOSE;
}
