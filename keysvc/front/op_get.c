/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_get - one key version with its public half, and which versions there are
 *
 * Answered from the directory, while the token is away too. A key of the service, or in no class,
 * is looked for on every token: only administrators come this far with one (policy.c).
 */
#include "front/front.h"
#include "front/operations.h"
#include "front/route.h"

static ks_err not_there(const struct front *front, const struct request *request,
                        const struct config_class *class, struct fault *why);

ks_err
op_get(struct call *call, const struct request *request, struct fault *why)
{
    const struct front *front = call->front;
    const struct config_class *class = config_class_of(front->config, request->name);
    const struct directory_entry *key = NULL;
    ks_auto(freep) uint32_t *versions = NULL;
    struct reply answer = {0};

    if (class)
        key = directory_find(front->directory, request->name, request->version, class->token);
    else
        key = directory_find(front->directory, request->name, request->version, NULL);
    if (!key)
        return not_there(front, request, class, why);
    answer.key = op_reply_whole_key(front, key, &versions);
    call_answer(call, &answer);
    return KS_OK;
}

static ks_err
not_there(const struct front *front, const struct request *request,
          const struct config_class *class, struct fault *why)
{
    if (class && !directory_knows(front->directory, class->token))
        return route_unknown(front->route, class->token, why);
    if (request->version)
        fault_set(why, "no key %s@%u", request->name, request->version);
    else
        fault_set(why, "no key %s", request->name);
    return KS_ERR_NO_KEY;
}
