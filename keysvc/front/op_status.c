/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_status - what the service and its tokens are doing, and who the caller is to it
 *
 * Anybody may ask; what helps to attack a token is shown to administrators only.
 */
#include "base/clock.h"
#include "front/connection.h"
#include "front/front.h"
#include "front/operations.h"
#include "front/quota.h"
#include "front/route.h"

static void
complete(const struct front *front, struct reply_token *token, bool administrator)
{
    const struct config_token *configured = config_token_find(front->config, token->name);
    const struct config_group *group = config_group_of(front->config, token->name);

    if (group)
        token->group = group->name;
    if (configured) {
        token->workers = configured->profile.workers;
        token->profile = configured->profile.name;
    }
    token->keys = (uint32_t)directory_count(front->directory, token->name);
    if (administrator)
        return;
    token->text = token->profile = token->label = token->model = token->serial = token->group = "";
    token->sandbox = "";
    token->keys = 0;
}

static struct reply_group
describe_group(const struct front *front, const struct config_group *group)
{
    struct reply_group described = {
        .group = group,
        .spread = directory_spread(front->directory, &group->tokens),
    };

    for (size_t i = 0; i < group->tokens.n_items; i++)
        described.ready_tokens += route_ready(front->route, group->tokens.items[i]);
    return described;
}

ks_err
op_status(struct call *call, const struct request *request, struct fault *why)
{
    const struct front *front = call->front;
    const struct peer *peer = connection_peer(call->connection);
    bool administrator = connection_administrator(call->connection);
    struct reply_token tokens[CONFIG_MAX_TOKENS];
    struct reply_group groups[CONFIG_MAX_GROUPS];
    struct reply answer = {0};
    size_t n = 0, n_groups = 0;

    (void)request;
    (void)why;
    while (n < CONFIG_MAX_TOKENS && route_describe(front->route, n, &tokens[n])) {
        complete(front, &tokens[n], administrator);
        n++;
    }
    for (; administrator && n_groups < front->config->n_groups; n_groups++)
        groups[n_groups] = describe_group(front, &front->config->groups[n_groups]);
    answer.status = (struct reply_status){
        .generation = front->config->generation,
        .uptime_ms = clock_mono_ms() - front->started_ms,
        .tokens = tokens,
        .n_tokens = n,
        .groups = groups,
        .n_groups = n_groups,
        .connections = quota_n_connections(front->quota),
        .uid = peer->uid,
        .unit = peer->unit,
        .administrator = administrator,
        .configuration_sha256 = front->config->hash,
        .front_sandbox = administrator ? control_sandbox_name(front->sandbox) : "",
        .keysvcd_sandbox = administrator ? control_sandbox_name(front->tally.sandbox) : "",
    };
    call_answer(call, &answer);
    return KS_OK;
}
