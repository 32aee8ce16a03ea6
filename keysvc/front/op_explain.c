/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_explain - would this be allowed, by which rule, and if not, what is missing
 */
#include "front/connection.h"
#include "front/front.h"
#include "front/operations.h"
#include "front/policy.h"

/* The one who is asked about, as if they were connected; the unit as if it were proven. */
static struct peer
described(const struct request_explain *explain)
{
    struct peer peer = PEER_INIT;

    peer.uid = explain->uid;
    peer.gid = explain->n_gids > 0 ? explain->gids[0] : CONFIG_NO_ID;
    peer.gids = (uint32_t *)explain->gids; /* only read, and not freed */
    peer.n_gids = explain->n_gids;
    memcpy(peer.unit, explain->unit, sizeof(peer.unit));
    memcpy(peer.user, explain->user, sizeof(peer.user));
    peer.unit_proven = true;
    return peer;
}

ks_err
op_explain(struct call *call, const struct request *request, struct fault *why)
{
    const struct config *config = call->front->config;
    const struct request_explain *explain = &request->explain;
    const struct peer other = described(explain);
    const struct peer *caller = connection_peer(call->connection);
    ks_auto(policy_answer_deinit) struct policy_answer said = {0};
    struct reply answer = {0};
    ks_err err;

    if (explain->for_other && !connection_administrator(call->connection)) {
        policy_refusal(config, caller, NULL, OPERATION_ADMINISTER, why);
        return KS_ERR_DENIED;
    }
    err = policy_explain(config, explain->for_other ? &other : caller,
                         request->name[0] ? request->name : NULL, explain->operation, &said);
    if (err) {
        fault_set(why, "no memory for an explanation");
        return err;
    }
    answer.explain = (struct reply_explain){
        .allowed = said.rule != NULL,
        .rule = said.rule ? said.rule->name : "",
        .class = said.class ? said.class->glob : "",
        .missing = said.missing,
        .reasons = &said.reasons,
    };
    call_answer(call, &answer);
    return KS_OK;
}
