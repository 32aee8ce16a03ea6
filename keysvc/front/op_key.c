/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_key - new keys: generate makes version 1 of a name, rotate the next version of one
 *
 * The directory answers early what it can; the token process looks again before it makes anything.
 */
#include "front/front.h"
#include "front/operations.h"
#include "front/route.h"

ks_err
op_generate(struct call *call, const struct request *request, struct fault *why)
{
    const struct config_class *class;
    struct job job;
    ks_err err;

    err = op_class_for(call, request, &class, why);
    if (err)
        return err;
    if (request->type != KS_KEY_TYPE_ANY && request->type != class->type) {
        fault_set(why, "keys of the class \"%s\" are %s, not %s", class->glob,
                  ks_key_type_name(class->type), ks_key_type_name(request->type));
        fault_hint(why, "leave the type out, or change the class in keysvcd.conf");
        return KS_ERR_BAD_REQUEST;
    }
    err = op_check_new(call, request->name, class, why);
    if (err)
        return err;
    op_job_init(&job, call, request, JOB_GENERATE);
    job.type = class->type;
    call_start_deadline(call, request->deadline_ms);
    return route_submit(call->front->route, call, class->token, ROUTE_ANY, &job, why);
}

ks_err
op_rotate(struct call *call, const struct request *request, struct fault *why)
{
    const struct config_class *class;
    struct holders holders;
    struct job job;
    ks_err err;

    err = op_class_for(call, request, &class, why);
    if (!err)
        err = op_check_newest(call, request, class, &holders, why);
    if (err)
        return err;
    op_job_init(&job, call, request, JOB_ROTATE);
    job.type = class->type;
    call_start_deadline(call, request->deadline_ms);
    return route_submit(call->front->route, call, class->token, holders.members, &job, why);
}

/* The next version of what the caller named. */
static bool
is_asked_for(const struct call *call, const struct job_key *made)
{
    char name[KEYNAME_MAX + 1];
    uint32_t version;

    return keyname_split(call->subject, strlen(call->subject), true, name, &version) &&
           strcmp(name, made->name) == 0 && made->version == version + 1;
}

/* The directory may learn of it from the answer or before; either way the answer shows what the
 * directory holds. */
static void
tell_made(struct call *call, const struct job_reply *reply, const struct job_imported *imported)
{
    struct directory *directory = call->front->directory;
    const char *token = route_token_name(call->token);
    const struct directory_entry *key = NULL;
    ks_auto(freep) uint32_t *versions = NULL;
    struct reply answer = {0};

    if (is_asked_for(call, &reply->key) && directory_put(directory, token, &reply->key) == KS_OK)
        key = directory_find(directory, reply->key.name, reply->key.version, token);
    if (!key) {
        struct fault why = FAULT_INIT;

        fault_set(&why, "token %s says that it made a key, and not the one that it was asked for",
                  token);
        call_fail(call, KS_ERR_OUTCOME_UNKNOWN, &why);
        return;
    }
    answer.key = op_reply_whole_key(call->front, key, &versions);
    answer.key.imported = imported;
    call_answer(call, &answer);
}

void
op_key_made(struct call *call, const struct job_reply *reply)
{
    tell_made(call, reply, NULL);
}

bool
op_is_imported(const struct job_reply *reply)
{
    struct job_imported imported;

    return job_imported_unpack(reply->data, reply->data_len, &imported) == KS_OK;
}

void
op_imported(struct call *call, const struct job_reply *reply)
{
    struct job_imported imported;
    ks_err err = job_imported_unpack(reply->data, reply->data_len, &imported);

    /* op_is_imported() has let nothing else in. */
    tell_made(call, reply, err ? NULL : &imported);
}
