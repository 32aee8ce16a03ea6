/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route_group - which token of a group does a call, and which one after that token is lost
 */
#include <stdio.h>

#include "base/log.h"
#include "front/dispatch.h"
#include "front/route_private.h"
#include "front/worker.h"

static bool is_less_loaded(const struct route_token *token, const struct route_token *other);

struct route_token *
route_group_pick(const struct route *route, const char *place, uint64_t members,
                 const struct operation *operation, size_t *index)
{
    struct route_token *best = NULL;
    const char *name;

    for (size_t i = 0; (name = config_member(route->front->config, place, i)); i++) {
        struct route_token *token = members & 1ull << i ? route_token_find(route, name) : NULL;

        if (!token || !route_token_has_worker(token, operation->first_worker) ||
            (best && (operation->changes || !is_less_loaded(token, best))))
            continue;
        best = token;
        *index = i;
    }
    return best;
}

/* How long a new job would wait there, against there. */
static bool
is_less_loaded(const struct route_token *token, const struct route_token *other)
{
    const struct route_token *both[2] = {token, other};
    uint64_t load[2], n_ready[2] = {0};

    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        load[i] = both[i]->n_waiting;
        for (size_t w = 1; w <= CONFIG_MAX_WORKERS; w++) {
            if (!route_place_ready(&both[i]->places[w]))
                continue;
            load[i] += worker_load(both[i]->places[w].worker);
            n_ready[i]++;
        }
    }
    return load[0] * n_ready[1] < load[1] * n_ready[0];
}

/* A group's refusal says it for each that could have done it. */
ks_err
route_group_unavailable(const struct route *route, const char *place, uint64_t members,
                        struct fault *why)
{
    const struct config_group *group = config_group_find(route->front->config, place);
    char text[sizeof(why->text)];
    ks_err err = KS_ERR_TOKEN_UNAVAILABLE;
    size_t len, n = 0;

    len = (size_t)snprintf(text, sizeof(text), "group %s: ", place);
    for (size_t i = 0; i < (group ? group->tokens.n_items : 1); i++) {
        const char *name = group ? group->tokens.items[i] : place;
        const struct route_token *token = route_token_find(route, name);

        if (!(members & 1ull << i))
            continue;
        fault_set(why, "token %s is not configured", name);
        err = n == 0 ? KS_ERR_LOGIN_BLOCKED : err;
        if (!token || route_token_unavailable(token, why) != KS_ERR_LOGIN_BLOCKED)
            err = KS_ERR_TOKEN_UNAVAILABLE;
        if (len < sizeof(text))
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", n > 0 ? "; " : "",
                                    why->text);
        n++;
    }
    if (group)
        fault_set(why, "%s", text);
    return err;
}

/* Rules and classes of another generation may not be met by a job that was decided by those before. */
bool
route_group_move(struct call *call)
{
    struct front *front = call->front;
    const struct config_group *group = NULL;
    struct route_token *token = NULL;
    size_t index;

    if (call->others && call->generation == front->config->generation)
        group = config_group_of(front->config, call->token->name);
    if (group)
        token = route_group_pick(front->route, group->name, call->others, call->operation, &index);
    if (!token)
        return false;
    log_debug("request=%llu event=moved from=%s to=%s sent=%d",
              (unsigned long long)call->request_id, call->token->name, token->name, call->sent);
    call->others &= ~(1ull << index);
    if (call->sent)
        front->metrics.n_sent_again++;
    return route_queue_move(call, token) == KS_OK;
}
