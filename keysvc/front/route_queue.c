/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route_queue - the calls that wait for a token, and which of its workers is given the next one
 *
 *   route_queue_stage -> enqueue -> route_queue_pump -> choose -> worker_send
 */
#include "base/clock.h"
#include "front/connection.h"
#include "front/dispatch.h"
#include "front/route_private.h"
#include "front/worker.h"

#define ALONE_AFTER_MS 1000 /* without a call of another's */
/* So long after a call of another's a caller leaves one worker to the others: who has little to ask
 * waits neither for a signature that has begun nor, where there are as many workers as processors,
 * for a processor. */
#define SPARING_MS 50

static void enqueue(struct call *call);
static ks_err join_queue(struct call *call);
static struct turns *queue_of(const struct call *call);
static void forget(struct call *call);
static void pump_queue(struct route_token *token, struct turns *queue);
static struct worker *choose(const struct route_token *token, const struct call *call,
                             uint64_t now_ms);
static bool would_take_all(const struct route_token *token, const struct place *place,
                           uint64_t caller, uint64_t now_ms);
static bool is_alone(const struct route_token *token, uint64_t caller, uint64_t now_ms,
                     uint64_t after_ms);
static void note_caller(struct route_token *token, const struct call *call);
static void fail_queue(struct route_token *token, struct turns *queue);

/* What the workers themselves hold does not count as waiting. */
bool
route_queue_full(const struct route_token *token, const struct call *call, struct fault *why)
{
    const struct config_limits *limits = &token->front->config->limits;
    unsigned int room = 0;
    uint32_t max = limits->max_queue;

    for (size_t w = 1; w <= CONFIG_MAX_WORKERS; w++) {
        if (route_place_ready(&token->places[w]))
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

void
route_queue_stage(struct call *call)
{
    call->token->n_waiting++;
    call_stage(call, enqueue, forget);
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
    route_queue_fail_hopeless(token);
    route_queue_pump(token);
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

ks_err
route_queue_move(struct call *call, struct route_token *token)
{
    struct route_token *before = call->token;
    ks_err err;

    call->token = token;
    err = join_queue(call);
    if (err) {
        call->token = before;
        return err;
    }
    token->n_waiting++;
    route_queue_pump(token);
    return KS_OK;
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

void
route_queue_pump(struct route_token *token)
{
    pump_queue(token, &token->first);
    pump_queue(token, &token->slow);
    pump_queue(token, &token->any);
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

/* A worker has one slow job at a time: a window full of them, that nobody may even wait for any more,
 * would hold up everybody else for minutes. */
static struct worker *
choose(const struct route_token *token, const struct call *call, uint64_t now_ms)
{
    const struct operation *operation = call->operation;
    uint64_t caller = turns_caller(call);
    bool alone = is_alone(token, caller, now_ms, ALONE_AFTER_MS);
    bool sparing = !operation->first_worker && !is_alone(token, caller, now_ms, SPARING_MS);
    struct worker *best = NULL;

    for (size_t w = 1; w <= (operation->first_worker ? 1 : CONFIG_MAX_WORKERS); w++) {
        const struct place *place = &token->places[w];

        if (route_place_ready(place) && worker_has_room(place->worker, caller, alone) &&
            !(operation->slow && worker_has_slow(place->worker)) &&
            !(sparing && would_take_all(token, place, caller, now_ms)) &&
            (!best || worker_load(place->worker) < worker_load(best)))
            best = place->worker;
    }
    return best;
}

/* Would there be no worker left that has nothing of this caller's? One that is busy for seconds, or hangs,
 * is none to leave, and none to wait for. */
static bool
would_take_all(const struct route_token *token, const struct place *place, uint64_t caller,
               uint64_t now_ms)
{
    unsigned int n_ready = 0, n_taken = 0;

    if (worker_has_of(place->worker, caller))
        return false;
    for (size_t w = 1; w <= CONFIG_MAX_WORKERS; w++) {
        const struct place *other = &token->places[w];

        if (!route_place_ready(other) || worker_has_slow(other->worker) ||
            worker_is_silent(other->worker, now_ms))
            continue;
        n_ready++;
        n_taken += worker_has_of(other->worker, caller);
    }
    return n_ready > 1 && n_taken + 1 == n_ready;
}

/* Does nobody but this caller ask the token? */
static bool
is_alone(const struct route_token *token, uint64_t caller, uint64_t now_ms, uint64_t after_ms)
{
    for (size_t i = 0; i < ARRAY_LEN(token->recent); i++) {
        const struct recent *recent = &token->recent[i];

        if (recent->used && recent->caller != caller && now_ms < recent->asked_ms + after_ms)
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

void
route_queue_fail_hopeless(struct route_token *token)
{
    if (!route_token_has_worker(token, true)) {
        fail_queue(token, &token->first);
        fail_queue(token, &token->slow);
    }
    if (!route_token_has_worker(token, false))
        fail_queue(token, &token->any);
}

static void
fail_queue(struct route_token *token, struct turns *queue)
{
    struct call *call;

    while ((call = turns_first(queue))) {
        struct fault why = FAULT_INIT;
        ks_err err = route_token_unavailable(token, &why);

        forget(call);
        if (!route_group_move(call))
            call_fail(call, err, &why);
    }
}

void
route_queue_fail_staged(struct route_token *token)
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
}

void
route_queue_fail_all(struct route_token *token)
{
    fail_queue(token, &token->first);
    fail_queue(token, &token->slow);
    fail_queue(token, &token->any);
}
