/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_metrics - what was counted, here and by those who have told us
 *
 * Answered from memory alone: a token that hangs, or none at all, keeps nobody from looking.
 */
#include <stdio.h>

#include "base/clock.h"
#include "front/audit.h"
#include "front/front.h"
#include "front/operations.h"
#include "front/quota.h"
#include "front/route.h"

#define MAX_WORKERS ((size_t)CONFIG_MAX_TOKENS * CONFIG_MAX_WORKERS)

struct gathered {
    struct reply_token tokens[CONFIG_MAX_TOKENS];
    struct reply_worker workers[MAX_WORKERS];
    struct reply_chain chains[MAX_WORKERS + 1];
    size_t n_tokens, n_workers, n_chains;
};

static void gather_token(const struct front *front, struct gathered *all);
static void gather_worker(const struct route_worker_state *state, struct gathered *all);
static void gather_chain(struct gathered *all, const char *name, const struct job_stats *stats,
                         uint64_t unsynced_since_ms);

ks_err
op_metrics(struct call *call, const struct request *request, struct fault *why)
{
    const struct front *front = call->front;
    ks_auto(freep) struct gathered *all = calloc(1, sizeof(*all));
    uint64_t unsynced_since_ms;
    struct job_stats stats;
    struct reply answer = {0};

    (void)request;
    if (!all) {
        fault_set(why, "no memory for the metrics");
        return KS_ERR_INTERNAL;
    }
    stats = audit_stats(front->audit, &unsynced_since_ms);
    gather_chain(all, "front", &stats, unsynced_since_ms);
    while (all->n_tokens < CONFIG_MAX_TOKENS &&
           route_describe(front->route, all->n_tokens, &all->tokens[all->n_tokens]))
        gather_token(front, all);
    answer.metrics = (struct reply_metrics){
        .counted = &front->metrics,
        .tally = &front->tally,
        .started_us = front->started_wall_us,
        .generation = front->config->generation,
        .connections = quota_n_connections(front->quota),
        .open_requests = (uint32_t)front->n_calls,
        .tokens = all->tokens,
        .n_tokens = all->n_tokens,
        .workers = all->workers,
        .n_workers = all->n_workers,
        .chains = all->chains,
        .n_chains = all->n_chains,
    };
    call_answer(call, &answer);
    return KS_OK;
}

static void
gather_token(const struct front *front, struct gathered *all)
{
    struct reply_token *token = &all->tokens[all->n_tokens];
    const struct config_token *configured = config_token_find(front->config, token->name);
    struct route_worker_state state;

    token->workers = configured ? configured->profile.workers : 0;
    token->keys = (uint32_t)directory_count(front->directory, token->name);
    for (uint32_t w = 1; w <= CONFIG_MAX_WORKERS; w++) {
        if (route_describe_worker(front->route, all->n_tokens, w, &state))
            gather_worker(&state, all);
    }
    all->n_tokens++;
}

static void
gather_worker(const struct route_worker_state *state, struct gathered *all)
{
    char chain[sizeof(all->chains->name)];

    all->workers[all->n_workers++] = (struct reply_worker){
        .token = state->token,
        .worker = state->worker,
        .ready = state->ready,
        .n_restarts = state->n_restarts,
    };
    if (!state->audit.known)
        return;
    snprintf(chain, sizeof(chain), "%s-%u", state->token, state->worker);
    gather_chain(all, chain, &state->audit.stats, state->audit.unsynced_since_ms);
}

static void
gather_chain(struct gathered *all, const char *name, const struct job_stats *stats,
             uint64_t unsynced_since_ms)
{
    struct reply_chain *chain = &all->chains[all->n_chains++];

    text_copy(chain->name, sizeof(chain->name), name);
    chain->stats = *stats;
    if (unsynced_since_ms)
        chain->unsynced_ms = clock_mono_ms() - unsynced_since_ms;
}
