/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_get - one key version with its public half, and which versions there are
 *
 * Answered from the directory, while the token is away too, unless what it holds is in doubt. A key of the service, or in no class,
 * is looked for on every token: only administrators come this far with one (policy.c).
 */
#include "front/doubts.h"
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
    struct holders holders = {0};
    ks_auto(freep) uint32_t *versions = NULL;
    const char *doubted = doubts_find(front->doubts, request->name, request->version);
    struct reply answer = {0};

    if (!doubted)
        doubted = route_may_change(front->route, request->name, request->version);
    if (doubted) {
        fault_set(why, "what became of %s is not known before token %s has said so", call->subject,
                  doubted);
        return KS_ERR_TOKEN_UNAVAILABLE;
    }
    if (class)
        holders_find(front->config, front->directory, class->token, request->name, request->version,
                     &holders);
    else
        holders.key = directory_find(front->directory, request->name, request->version, NULL);
    if (!holders.key)
        return not_there(front, request, class, why);
    answer.key = op_reply_whole_key(front, holders.key, &versions);
    call_answer(call, &answer);
    return KS_OK;
}

static ks_err
not_there(const struct front *front, const struct request *request,
          const struct config_class *class, struct fault *why)
{
    const char *unknown =
        class ? holders_unknown(front->config, front->directory, class->token) : NULL;

    if (unknown)
        return route_unknown(front->route, unknown, why);
    if (request->version)
        fault_set(why, "no key %s@%u", request->name, request->version);
    else
        fault_set(why, "no key %s", request->name);
    return KS_ERR_NO_KEY;
}
