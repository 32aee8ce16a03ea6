/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_destroy - one version of a key goes, with what stands beside it
 *
 * The directory answers early only that another key is meant. What it does not list may still have a
 * public half or certificates on the token, which a destruction or an import that was broken off has
 * left; and of two private keys under one label the token process decides which one is meant. The worker's word on what is gone, or which of two
 * keys is left, comes before its answer on the same stream: the directory has it when the caller
 * hears that it is done.
 */
#include "front/front.h"
#include "front/operations.h"
#include "front/route.h"

static bool hash_given(const uint8_t *sha256);
static ks_err check_meant(const struct call *call, const struct request *request,
                          const struct directory_entry *key, struct fault *why);

ks_err
op_destroy(struct call *call, const struct request *request, struct fault *why)
{
    const struct front *front = call->front;
    const struct config_class *class;
    struct holders holders;
    struct job job;
    ks_err err;

    err = op_class_for(call, request, &class, why);
    if (err)
        return err;
    holders_find(front->config, front->directory, class->token, request->name, request->version,
                 &holders);
    err = op_check_one_key(class, &holders, why);
    if (!err)
        err = check_meant(call, request, holders.key, why);
    if (err)
        return err;
    op_job_init(&job, call, request, JOB_DESTROY);
    call_start_deadline(call, request->deadline_ms);
    return route_submit(front->route, call, class->token, holders.key ? holders.members : ROUTE_ANY,
                        &job, why);
}

static bool
hash_given(const uint8_t *sha256)
{
    static const uint8_t zeros[KS_SHA256_LEN];

    return memcmp(sha256, zeros, sizeof(zeros)) != 0;
}

static ks_err
check_meant(const struct call *call, const struct request *request,
            const struct directory_entry *key, struct fault *why)
{
    if (!key || key->ambiguous || !key->public_key || !hash_given(request->public_key_sha256) ||
        memcmp(key->public_key_sha256, request->public_key_sha256, KS_SHA256_LEN) == 0)
        return KS_OK;
    fault_set(why, "%s on token %s is another key than the one that is meant", call->subject,
              key->token);
    return KS_ERR_KEY_CHANGED;
}
