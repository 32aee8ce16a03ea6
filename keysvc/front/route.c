/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route - queues, and who is next
 */
#include "front/route.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "front/connection.h"
#include "front/directory.h"
#include "front/dispatch.h"
#include "front/doubts.h"
#include "front/front.h"
#include "front/turns.h"
#include "front/worker.h"

#define ALONE_AFTER_MS 1000 /* without a call of another's */

struct place {
    struct worker *worker; /* NULL: there is none */
    enum token_state state;
    bool told; /* the supervisor has said its state since the last worker came or went */
    uint64_t n_restarts;
};

/* The last two callers, the last one first, and when they asked last. */
struct recent {
    bool used;
    uint64_t caller;
    uint64_t asked_ms;
};

struct route_token {
    struct front *front;
    char name[CONFIG_TITLE_MAX + 1];
    struct control_state state;                  /* of the whole token, as the supervisor says */
    struct place places[CONFIG_MAX_WORKERS + 1]; /* by worker index, from 1 */
    struct turns any, first;                     /* waiting: for any worker, for the first */
    struct turns slow; /* waiting for the first to have no slow job: the rest overtakes them */
    struct recent recent[2];
    unsigned int n_waiting; /* in the queues, and staged */
};

struct route {
    struct front *front;
    struct route_token **tokens;
    size_t n_tokens;
};

static struct route_token *token_find(const struct route *route, const char *name);
static ks_err token_add(struct route *route, const char *name);
static void token_free(struct route_token *token);
static bool has_worker(const struct route_token *token, bool first);
static ks_err unavailable(const struct route_token *token, struct fault *why);
static struct route_token *pick(const struct route *route, const char *place, uint64_t members,
                                const struct operation *operation, size_t *index);
static ks_err none_available(const struct route *route, const char *place, uint64_t members,
                             struct fault *why);
static bool queue_full(const struct route_token *token, const struct call *call, struct fault *why);
static void enqueue(struct call *call);
static ks_err join_queue(struct call *call);
static void forget(struct call *call);
static void pump(void *context);
static void pump_queue(struct route_token *token, struct turns *queue);
static bool go_elsewhere(struct call *call);
static void note_caller(struct route_token *token, const struct call *call);
static void worker_gone(void *context, struct worker *worker);
static void fail_hopeless(struct route_token *token);

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
        if (!token_find(route, config->tokens[i].name) &&
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
    struct route_token *token = token_find(route, worker->token);
    struct worker_owner owner = {token, pump, go_elsewhere, worker_gone};
    struct place *place;
    ks_err err;

    if (!token || worker->worker_index == 0 || worker->worker_index > CONFIG_MAX_WORKERS) {
        close(fd);
        return KS_ERR_BAD_REQUEST;
    }
    place = &token->places[worker->worker_index];
    place->worker = worker_free(place->worker);
    err = worker_new(route->front, token->name, worker->worker_index, fd, &owner, &place->worker);
    if (err)
        return err;
    if (!place->told)
        place->state = TOKEN_STATE_READY;
    place->told = false;
    log_info("event=worker token=%s worker=%u", token->name, worker->worker_index);
    pump(token);
    return KS_OK;
}

ks_err
route_state(struct route *route, const struct control_state *state)
{
    struct route_token *token = token_find(route, state->token);
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
    fail_hopeless(token);
    pump(token);
    return KS_OK;
}

ks_err
route_submit(struct route *route, struct call *call, const char *place, uint64_t members,
             const struct job *job, struct fault *why)
{
    size_t index;
    struct route_token *token = pick(route, place, members, call->operation, &index);

    if (!token)
        return none_available(route, place, members, why);
    if (queue_full(token, call, why))
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
    token->n_waiting++;
    call_stage(call, enqueue, forget);
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

static bool
takes_jobs(const struct place *place)
{
    return place->worker && place->state == TOKEN_STATE_READY;
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
        .state = token_state_name(token->state.state),
        .text = token->state.text,
        .profile = "",
        .group = "",
        .label = token->state.label,
        .model = token->state.model,
        .serial = token->state.serial,
        .queued = token->n_waiting,
    };
    for (size_t w = 1; w <= CONFIG_MAX_WORKERS; w++) {
        out->ready_workers += takes_jobs(&token->places[w]);
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
        .ready = takes_jobs(place),
        .n_restarts = place->n_restarts,
        .audit = place->worker ? *worker_audit(place->worker) : (struct worker_audit){0},
    };
    return true;
}

bool
route_ready(const struct route *route, const char *token_name)
{
    const struct route_token *token = token_find(route, token_name);

    return token && has_worker(token, false);
}

bool
route_first_ready(const struct route *route, const char *token_name)
{
    const struct route_token *token = token_find(route, token_name);

    return token && has_worker(token, true);
}

const char *
route_token_name(const struct route_token *token)
{
    return token->name;
}

static struct route_token *
token_find(const struct route *route, const char *name)
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
fail_queue(struct route_token *token, struct turns *queue)
{
    struct call *call;

    while ((call = turns_first(queue))) {
        struct fault why = FAULT_INIT;
        ks_err err = unavailable(token, &why);

        forget(call);
        if (!go_elsewhere(call))
            call_fail(call, err, &why);
    }
}

/* Calls that are staged for it find it gone: they are failed here too. */
static void
token_free(struct route_token *token)
{
    struct call *call = TAILQ_FIRST(&token->front->staged);

    while (call) {
        struct call *next = TAILQ_NEXT(call, queue);
        struct fault why = FAULT_INIT;

        if (call->token == token) {
            fault_set(&why, "token %s is not configured any more", token->name);
            call_fail(call, KS_ERR_TOKEN_UNAVAILABLE, &why);
            call = TAILQ_FIRST(&token->front->staged);
        } else {
            call = next;
        }
    }
    for (size_t w = 1; w <= CONFIG_MAX_WORKERS; w++)
        token->places[w].worker = worker_free(token->places[w].worker);
    fail_queue(token, &token->first);
    fail_queue(token, &token->slow);
    fail_queue(token, &token->any);
    free(token);
}

static bool
has_worker(const struct route_token *token, bool first)
{
    for (size_t w = 1; w <= (first ? 1 : CONFIG_MAX_WORKERS); w++) {
        if (takes_jobs(&token->places[w]))
            return true;
    }
    return false;
}

static ks_err
unavailable(const struct route_token *token, struct fault *why)
{
    const struct control_state *state = &token->state;

    /* The token may be ready and its first worker not: then the state has nothing to say. */
    fault_set(why, "token %s is not ready (%s)%s%s", token->name,
              state->state == TOKEN_STATE_READY ? "a process of it is being restarted"
                                                : token_state_name(state->state),
              state->text[0] ? ": " : "", state->text);
    return state->state == TOKEN_STATE_LOGIN_BLOCKED ? KS_ERR_LOGIN_BLOCKED
                                                     : KS_ERR_TOKEN_UNAVAILABLE;
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
            if (!takes_jobs(&both[i]->places[w]))
                continue;
            load[i] += worker_load(both[i]->places[w].worker);
            n_ready[i]++;
        }
    }
    return load[0] * n_ready[1] < load[1] * n_ready[0];
}

/* NULL: none of them has a worker to do it. */
static struct route_token *
pick(const struct route *route, const char *place, uint64_t members,
     const struct operation *operation, size_t *index)
{
    struct route_token *best = NULL;
    const char *name;

    for (size_t i = 0; (name = config_member(route->front->config, place, i)); i++) {
        struct route_token *token = members & 1ull << i ? token_find(route, name) : NULL;

        if (!token || !has_worker(token, operation->first_worker) ||
            (best && (operation->changes || !is_less_loaded(token, best))))
            continue;
        best = token;
        *index = i;
    }
    return best;
}

/* A group's refusal says it for each that could have done it. */
static ks_err
none_available(const struct route *route, const char *place, uint64_t members, struct fault *why)
{
    const struct config_group *group = config_group_find(route->front->config, place);
    char text[sizeof(why->text)];
    ks_err err = KS_ERR_TOKEN_UNAVAILABLE;
    size_t len, n = 0;

    len = (size_t)snprintf(text, sizeof(text), "group %s: ", place);
    for (size_t i = 0; i < (group ? group->tokens.n_items : 1); i++) {
        const char *name = group ? group->tokens.items[i] : place;
        const struct route_token *token = token_find(route, name);

        if (!(members & 1ull << i))
            continue;
        fault_set(why, "token %s is not configured", name);
        err = n == 0 ? KS_ERR_LOGIN_BLOCKED : err;
        if (!token || unavailable(token, why) != KS_ERR_LOGIN_BLOCKED)
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

ks_err
route_unknown(const struct route *route, const char *name, struct fault *why)
{
    const struct route_token *token = token_find(route, name);

    if (token && token->state.state != TOKEN_STATE_READY)
        return unavailable(token, why);
    fault_set(why, "token %s has not told its keys yet", name);
    return KS_ERR_TOKEN_UNAVAILABLE;
}

/* What the workers themselves hold does not count as waiting. */
static bool
queue_full(const struct route_token *token, const struct call *call, struct fault *why)
{
    const struct config_limits *limits = &token->front->config->limits;
    unsigned int room = 0;
    uint32_t max = limits->max_queue;

    for (size_t w = 1; w <= CONFIG_MAX_WORKERS; w++) {
        if (takes_jobs(&token->places[w]))
            room += WORKER_WINDOW - worker_n_open(token->places[w].worker);
    }
    if (token->n_waiting < room)
        return false;
    if (token->n_waiting - room < (max > limits->reserved ? max - limits->reserved : 0))
        return false;
    if (token->n_waiting - room < max &&
        (!call->connection || connection_administrator(call->connection)))
        return false;
    metrics_refuse(&token->front->metrics, METRICS_REFUSAL_QUEUE);
    fault_set(why, "token %s: %u jobs are waiting for it already", token->name, token->n_waiting);
    return true;
}

/* All that is slow is the first worker's (dispatch.h). */
static struct turns *
queue_of(const struct call *call)
{
    if (call->operation->slow)
        return &call->token->slow;
    return call->operation->first_worker ? &call->token->first : &call->token->any;
}

static void
enqueue(struct call *call)
{
    struct route_token *token = call->token;

    if (join_queue(call) != KS_OK) {
        call->place = CALL_NOWHERE;
        token->n_waiting--;
        call_fail(call, KS_ERR_INTERNAL, &(struct fault){.text = "no memory for a caller's turn"});
        return;
    }
    fail_hopeless(token);
    pump(token);
}

static ks_err
join_queue(struct call *call)
{
    ks_err err = turns_put(queue_of(call), call);

    if (err)
        return err;
    call->place = CALL_QUEUED;
    note_caller(call->token, call);
    return KS_OK;
}

static void
forget(struct call *call)
{
    struct route_token *token = call->token;

    if (call->place == CALL_SENT) {
        worker_forget(call->worker, call);
        return;
    }
    if (call->place == CALL_STAGED)
        TAILQ_REMOVE(&call->front->staged, call, queue);
    else
        turns_remove(queue_of(call), call);
    token->n_waiting--;
    call->place = CALL_NOWHERE;
}

/* Fills the workers' windows. */
static void
pump(void *context)
{
    struct route_token *token = context;

    pump_queue(token, &token->first);
    pump_queue(token, &token->slow);
    pump_queue(token, &token->any);
}

/* Does nobody but this caller ask the token? */
static bool
is_alone(const struct route_token *token, uint64_t caller, uint64_t now_ms)
{
    for (size_t i = 0; i < ARRAY_LEN(token->recent); i++) {
        const struct recent *recent = &token->recent[i];

        if (recent->used && recent->caller != caller && now_ms - recent->asked_ms < ALONE_AFTER_MS)
            return false;
    }
    return true;
}

static void
note_caller(struct route_token *token, const struct call *call)
{
    uint64_t caller = turns_caller(call);

    if (!token->recent[0].used || token->recent[0].caller != caller)
        token->recent[1] = token->recent[0];
    token->recent[0] = (struct recent){true, caller, clock_mono_ms()};
}

/* A worker has one slow job at a time: a window full of them, that nobody may even wait for any more,
 * would hold up everybody else for minutes. */
static struct worker *
choose(const struct route_token *token, const struct call *call, uint64_t now_ms)
{
    const struct operation *operation = call->operation;
    uint64_t caller = turns_caller(call);
    bool alone = is_alone(token, caller, now_ms);
    struct worker *best = NULL;

    for (size_t w = 1; w <= (operation->first_worker ? 1 : CONFIG_MAX_WORKERS); w++) {
        const struct place *place = &token->places[w];

        if (takes_jobs(place) && worker_has_room(place->worker, caller, alone) &&
            !(operation->slow && worker_has_slow(place->worker)) &&
            (!best || worker_load(place->worker) < worker_load(best)))
            best = place->worker;
    }
    return best;
}

/* Who has no room keeps nobody else from his. */
static void
pump_queue(struct route_token *token, struct turns *queue)
{
    struct call *call = turns_first(queue);
    uint64_t now_ms = call ? clock_mono_ms() : 0;

    while (call) {
        struct worker *worker = choose(token, call, now_ms);

        if (!worker) {
            call = turns_next(call);
            continue;
        }
        forget(call);
        if (call->sent || call->operation->changes)
            call->others = 0;
        if (worker_send(worker, call) != KS_OK)
            call_fail(call, KS_ERR_BUSY, &(struct fault){.text = "the worker does not keep up"});
        call = turns_first(queue);
    }
}

/*
 * The call is in nobody's hands: its token was lost, or does not have what it should. True: another
 * token of the group has it now. Rules and classes of another generation may not be met by a job that
 * was decided by those before.
 */
static bool
go_elsewhere(struct call *call)
{
    struct front *front = call->front;
    const struct config_group *group = NULL;
    struct route_token *token = NULL, *before = call->token;
    size_t index;

    if (call->others && call->generation == front->config->generation)
        group = config_group_of(front->config, call->token->name);
    if (group)
        token = pick(front->route, group->name, call->others, call->operation, &index);
    if (!token)
        return false;
    log_debug("request=%llu event=moved from=%s to=%s sent=%d",
              (unsigned long long)call->request_id, call->token->name, token->name, call->sent);
    call->others &= ~(1ull << index);
    call->token = token;
    if (join_queue(call) != KS_OK) {
        call->token = before;
        return false;
    }
    token->n_waiting++;
    pump(token);
    return true;
}

static void
worker_gone(void *context, struct worker *worker)
{
    struct route_token *token = context;

    for (size_t w = 1; w <= CONFIG_MAX_WORKERS; w++) {
        if (token->places[w].worker != worker)
            continue;
        token->places[w].worker = worker_free(worker);
        token->places[w].told = false;
    }
    fail_hopeless(token);
    pump(token);
}

/* What nobody is there to do. Nothing of it was begun. */
static void
fail_hopeless(struct route_token *token)
{
    if (!has_worker(token, true)) {
        fail_queue(token, &token->first);
        fail_queue(token, &token->slow);
    }
    if (!has_worker(token, false))
        fail_queue(token, &token->any);
}
