/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route - the tokens and what is known of their workers; the way in for a call
 */
#include "front/route.h"

#include "base/log.h"
#include "front/directory.h"
#include "front/doubts.h"
#include "front/route_private.h"
#include "front/worker.h"

static ks_err token_add(struct route *route, const char *name);
static void token_free(struct route_token *token);
static void worker_room(void *context);
static void worker_listed(void *context);
static void worker_gone(void *context, struct worker *worker);

ks_err
route_new(struct front *front, struct route **out)
{
    struct route *route = calloc(1, sizeof(*route));

    if (!route)
        return KS_ERR_INTERNAL;
    route->front = front;
    *out = route;
    return KS_OK;
}

struct route *
route_free(struct route *route)
{
    if (!route)
        return NULL;
    for (size_t i = 0; i < route->n_tokens; i++)
        token_free(route->tokens[i]);
    free(route->tokens);
    free(route);
    return NULL;
}

ks_err
route_configure(struct route *route, const struct config *config)
{
    char name[CONFIG_TITLE_MAX + 1];

    for (size_t i = 0; i < config->n_tokens; i++) {
        if (!route_token_find(route, config->tokens[i].name) &&
            token_add(route, config->tokens[i].name) != KS_OK)
            return KS_ERR_INTERNAL;
    }
    for (size_t i = route->n_tokens; i > 0; i--) {
        struct route_token *token = route->tokens[i - 1];

        if (config_token_find(config, token->name))
            continue;
        directory_forget(route->front->directory, token->name);
        text_copy(name, sizeof(name), token->name);
        token_free(token);
        doubts_settle(route->front->doubts, name); /* those of its last jobs too */
        route->tokens[i - 1] = route->tokens[--route->n_tokens];
    }
    return KS_OK;
}

ks_err
route_worker(struct route *route, const struct control_worker *worker, int fd)
{
    struct route_token *token = route_token_find(route, worker->token);
    struct worker_owner owner = {token, worker_room, worker_listed, route_group_move, worker_gone};
    struct place *place;
    ks_err err;

    if (!token || worker->worker_index == 0 || worker->worker_index > CONFIG_MAX_WORKERS) {
        close(fd);
        return KS_ERR_BAD_REQUEST;
    }
    place = &token->places[worker->worker_index];
    place->worker = worker_free(place->worker);
    place->listed = false;
    err = worker_new(route->front, token->name, worker->worker_index, fd, &owner, &place->worker);
    if (err)
        return err;
    /* The first may have come back with another token: it says itself what is on it. */
    place->listed = worker->worker_index > 1 && token->places[1].listed;
    if (!place->told)
        place->state = TOKEN_STATE_READY;
    place->told = false;
    log_info("event=worker token=%s worker=%u", token->name, worker->worker_index);
    route_queue_fail_hopeless(token);
    route_queue_pump(token);
    return KS_OK;
}

ks_err
route_state(struct route *route, const struct control_state *state)
{
    struct route_token *token = route_token_find(route, state->token);
    struct place *place;

    if (!token || state->worker_index > CONFIG_MAX_WORKERS)
        return KS_ERR_BAD_REQUEST;
    if (state->worker_index == 0) {
        if (token->state.state != state->state)
            log_info("event=token-state token=%s state=%s text=\"%s\"", token->name,
                     token_state_name(state->state), LOG_TEXT(state->text));
        token->state = *state;
        return KS_OK;
    }
    place = &token->places[state->worker_index];
    place->state = state->state;
    place->told = true;
    place->n_restarts = state->n_restarts;
    route_queue_fail_hopeless(token);
    route_queue_pump(token);
    return KS_OK;
}

ks_err
route_submit(struct route *route, struct call *call, const char *place, uint64_t members,
             const struct job *job, struct fault *why)
{
    size_t index;
    struct route_token *token = route_group_pick(route, place, members, call->operation, &index);

    if (!token)
        return route_group_unavailable(route, place, members, why);
    if (route_queue_full(token, call, why))
        return KS_ERR_BUSY;
    job_pack(&call->job, job);
    if (call->job.failed) {
        fault_set(why, "no memory for a job");
        return KS_ERR_INTERNAL;
    }
    call->token = token;
    call->generation = job->generation;
    if (config_group_find(route->front->config, place))
        call->others = members & ~(1ull << index);
    route_queue_stage(call);
    return KS_OK;
}

void
route_flush(struct route *route)
{
    for (size_t i = 0; i < route->n_tokens; i++) {
        for (size_t w = 1; w <= CONFIG_MAX_WORKERS; w++) {
            if (route->tokens[i]->places[w].worker)
                worker_flush(route->tokens[i]->places[w].worker);
        }
    }
}

bool
route_place_ready(const struct place *place)
{
    return place->worker && place->listed && place->state == TOKEN_STATE_READY;
}

/* A token that nobody has listed is one that is starting, whoever is ready to. */
static enum token_state
known_state(const struct route_token *token)
{
    for (size_t w = 1; w <= CONFIG_MAX_WORKERS; w++) {
        if (token->places[w].listed)
            return token->state.state;
    }
    return token->state.state == TOKEN_STATE_READY ? TOKEN_STATE_STARTING : token->state.state;
}

bool
route_describe(const struct route *route, size_t index, struct reply_token *out)
{
    const struct route_token *token;

    if (index >= route->n_tokens)
        return false;
    token = route->tokens[index];
    *out = (struct reply_token){
        .name = token->name,
        .state = token_state_name(known_state(token)),
        .text = token->state.text,
        .profile = "",
        .group = "",
        .label = token->state.label,
        .model = token->state.model,
        .serial = token->state.serial,
        .sandbox = control_sandbox_name(token->state.sandbox),
        .queued = token->n_waiting,
    };
    for (size_t w = 1; w <= CONFIG_MAX_WORKERS; w++) {
        out->ready_workers += route_place_ready(&token->places[w]);
        if (token->places[w].worker)
            out->queued += worker_n_open(token->places[w].worker);
    }
    return true;
}

bool
route_describe_worker(const struct route *route, size_t index, uint32_t worker,
                      struct route_worker_state *out)
{
    const struct route_token *token = route->tokens[index];
    const struct place *place = &token->places[worker];
    const struct config_token *configured = config_token_find(route->front->config, token->name);

    if (!place->worker && (!configured || worker > configured->profile.workers))
        return false;
    *out = (struct route_worker_state){
        .token = token->name,
        .worker = worker,
        .ready = route_place_ready(place),
        .n_restarts = place->n_restarts,
        .audit = place->worker ? *worker_audit(place->worker) : (struct worker_audit){0},
    };
    return true;
}

bool
route_ready(const struct route *route, const char *token_name)
{
    const struct route_token *token = route_token_find(route, token_name);

    return token && route_token_has_worker(token, false);
}

bool
route_first_ready(const struct route *route, const char *token_name)
{
    const struct route_token *token = route_token_find(route, token_name);

    return token && route_token_has_worker(token, true);
}

/* Changes are the first worker's. */
const char *
route_may_change(const struct route *route, const char *name, uint32_t version)
{
    for (size_t i = 0; i < route->n_tokens; i++) {
        const struct worker *first = route->tokens[i]->places[1].worker;

        if (first && worker_may_change(first, name, version))
            return route->tokens[i]->name;
    }
    return NULL;
}

const char *
route_token_name(const struct route_token *token)
{
    return token->name;
}

struct route_token *
route_token_find(const struct route *route, const char *name)
{
    for (size_t i = 0; i < route->n_tokens; i++) {
        if (strcmp(route->tokens[i]->name, name) == 0)
            return route->tokens[i];
    }
    return NULL;
}

static ks_err
token_add(struct route *route, const char *name)
{
    struct route_token **tokens =
        reallocarray(route->tokens, route->n_tokens + 1, sizeof(struct route_token *));
    struct route_token *token = calloc(1, sizeof(*token));

    if (tokens)
        route->tokens = tokens;
    if (!tokens || !token || !text_copy(token->name, sizeof(token->name), name)) {
        free(token);
        return KS_ERR_INTERNAL;
    }
    token->front = route->front;
    turns_init(&token->any);
    turns_init(&token->first);
    turns_init(&token->slow);
    tokens[route->n_tokens++] = token;
    return KS_OK;
}

static void
token_free(struct route_token *token)
{
    route_queue_fail_staged(token);
    for (size_t w = 1; w <= CONFIG_MAX_WORKERS; w++)
        token->places[w].worker = worker_free(token->places[w].worker);
    route_queue_fail_all(token);
    free(token);
}

bool
route_token_has_worker(const struct route_token *token, bool first)
{
    for (size_t w = 1; w <= (first ? 1 : CONFIG_MAX_WORKERS); w++) {
        if (route_place_ready(&token->places[w]))
            return true;
    }
    return false;
}

ks_err
route_token_unavailable(const struct route_token *token, struct fault *why)
{
    const struct control_state *state = &token->state;
    const struct place *first = &token->places[1];
    const char *how = token_state_name(state->state);

    /* The token may be ready and its first worker not: then the state has nothing to say. */
    if (state->state == TOKEN_STATE_READY)
        how = first->worker && !first->listed ? "it has not told its keys yet"
                                              : "a process of it is being restarted";
    fault_set(why, "token %s is not ready (%s)%s%s", token->name, how, state->text[0] ? ": " : "",
              state->text);
    return state->state == TOKEN_STATE_LOGIN_BLOCKED ? KS_ERR_LOGIN_BLOCKED
                                                     : KS_ERR_TOKEN_UNAVAILABLE;
}

ks_err
route_unknown(const struct route *route, const char *name, struct fault *why)
{
    const struct route_token *token = route_token_find(route, name);

    if (token && token->state.state != TOKEN_STATE_READY)
        return route_token_unavailable(token, why);
    fault_set(why, "token %s has not told its keys yet", name);
    return KS_ERR_TOKEN_UNAVAILABLE;
}

static void
worker_room(void *context)
{
    route_queue_pump(context);
}

/* Its other workers serve the same one. */
static void
worker_listed(void *context)
{
    struct route_token *token = context;

    for (size_t w = 1; w <= CONFIG_MAX_WORKERS; w++)
        token->places[w].listed = token->places[w].worker != NULL;
}

static void
worker_gone(void *context, struct worker *worker)
{
    struct route_token *token = context;

    for (size_t w = 1; w <= CONFIG_MAX_WORKERS; w++) {
        if (token->places[w].worker != worker)
            continue;
        token->places[w].worker = worker_free(worker);
        token->places[w].told = token->places[w].listed = false;
    }
    route_queue_fail_hopeless(token);
    route_queue_pump(token);
}
