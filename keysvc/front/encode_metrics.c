/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode_metrics - the one answer that is built of many small messages
 *
 * What is counted by name is told only where it is not 0.
 */
#include "front/dispatch.h"
#include "front/encode_wire.h"

#define MAX_REQUESTS (REQUEST_OPERATION_COUNT * METRICS_OUTCOME_COUNT)

/* The messages of one kind, and the pointers to them that protobuf-c wants. */
#define MESSAGES(type, n)                                                                          \
    struct {                                                                                       \
        type items[n];                                                                             \
        type *pointers[n];                                                                         \
        size_t n_items;                                                                            \
    }

struct encoded {
    MESSAGES(Keysvc__V1__RequestCount, MAX_REQUESTS) requests;
    MESSAGES(Keysvc__V1__RefusalCount, METRICS_REFUSAL_COUNT) refusals;
    MESSAGES(Keysvc__V1__JobTimes, METRICS_CLASS_COUNT) times;
    MESSAGES(Keysvc__V1__TokenMetrics, CONFIG_MAX_TOKENS) tokens;
    Keysvc__V1__WorkerMetrics *workers;
    Keysvc__V1__WorkerMetrics **worker_pointers;
    Keysvc__V1__ChainMetrics *chains;
    Keysvc__V1__ChainMetrics **chain_pointers;
};

static void encoded_freep(struct encoded **encoded);
static struct encoded *encoded_new(const struct reply_metrics *metrics);
static void put_requests(struct encoded *encoded, const struct metrics *counted);
static void put_refusals(struct encoded *encoded, const struct metrics *counted);
static void put_times(struct encoded *encoded, const struct metrics *counted);
static void put_tokens(struct encoded *encoded, const struct reply_metrics *metrics);
static void put_workers(struct encoded *encoded, const struct reply_metrics *metrics);
static void put_chains(struct encoded *encoded, const struct reply_metrics *metrics);
static void fill_numbers(Keysvc__V1__Metrics *out, const struct reply_metrics *metrics);

ks_err
encode_metrics(struct buf *out, Keysvc__V1__Response *response, const struct reply_metrics *metrics)
{
    ks_auto(encoded_freep) struct encoded *encoded = encoded_new(metrics);
    Keysvc__V1__Metrics message = KEYSVC__V1__METRICS__INIT;

    if (!encoded)
        return KS_ERR_INTERNAL;
    put_requests(encoded, metrics->counted);
    put_refusals(encoded, metrics->counted);
    put_times(encoded, metrics->counted);
    put_tokens(encoded, metrics);
    put_workers(encoded, metrics);
    put_chains(encoded, metrics);
    fill_numbers(&message, metrics);
    message.requests = encoded->requests.pointers;
    message.n_requests = encoded->requests.n_items;
    message.refusals = encoded->refusals.pointers;
    message.n_refusals = encoded->refusals.n_items;
    message.times = encoded->times.pointers;
    message.n_times = encoded->times.n_items;
    message.tokens = encoded->tokens.pointers;
    message.n_tokens = encoded->tokens.n_items;
    message.workers = encoded->worker_pointers;
    message.n_workers = metrics->n_workers;
    message.chains = encoded->chain_pointers;
    message.n_chains = metrics->n_chains;
    response->result_case = KEYSVC__V1__RESPONSE__RESULT_METRICS;
    response->metrics = &message;
    return encode_frame(out, response);
}

static void
encoded_freep(struct encoded **encoded)
{
    if (!*encoded)
        return;
    free((*encoded)->workers);
    free((*encoded)->worker_pointers);
    free((*encoded)->chains);
    free((*encoded)->chain_pointers);
    free(*encoded);
}

static struct encoded *
encoded_new(const struct reply_metrics *metrics)
{
    ks_auto(encoded_freep) struct encoded *encoded = calloc(1, sizeof(*encoded));

    if (!encoded || metrics->n_tokens > CONFIG_MAX_TOKENS)
        return NULL;
    encoded->workers = calloc(metrics->n_workers + 1, sizeof(*encoded->workers));
    encoded->worker_pointers = calloc(metrics->n_workers + 1, sizeof(*encoded->worker_pointers));
    encoded->chains = calloc(metrics->n_chains + 1, sizeof(*encoded->chains));
    encoded->chain_pointers = calloc(metrics->n_chains + 1, sizeof(*encoded->chain_pointers));
    if (!encoded->workers || !encoded->worker_pointers || !encoded->chains ||
        !encoded->chain_pointers)
        return NULL;
    return ks_steal(&encoded);
}

static void
put_requests(struct encoded *encoded, const struct metrics *counted)
{
    for (unsigned int operation = 0; operation < REQUEST_OPERATION_COUNT; operation++) {
        for (unsigned int outcome = 0; outcome < METRICS_OUTCOME_COUNT; outcome++) {
            size_t i = encoded->requests.n_items;
            Keysvc__V1__RequestCount *count = &encoded->requests.items[i];

            if (counted->requests[operation][outcome] == 0)
                continue;
            keysvc__v1__request_count__init(count);
            count->operation = (char *)dispatch_name((enum request_operation)operation);
            count->outcome = (char *)metrics_outcome_name(outcome);
            count->count = counted->requests[operation][outcome];
            encoded->requests.pointers[encoded->requests.n_items++] = count;
        }
    }
}

/* All of them: an alert on a rate wants to see the 0 before it. */
static void
put_refusals(struct encoded *encoded, const struct metrics *counted)
{
    for (unsigned int reason = 0; reason < METRICS_REFUSAL_COUNT; reason++) {
        Keysvc__V1__RefusalCount *refusal = &encoded->refusals.items[reason];

        keysvc__v1__refusal_count__init(refusal);
        refusal->reason = (char *)metrics_refusal_name((enum metrics_refusal)reason);
        refusal->count = counted->refusals[reason];
        encoded->refusals.pointers[encoded->refusals.n_items++] = refusal;
    }
}

static void
put_times(struct encoded *encoded, const struct metrics *counted)
{
    for (unsigned int class = METRICS_SIGN; class < METRICS_CLASS_COUNT; class ++) {
        Keysvc__V1__JobTimes *times = &encoded->times.items[class];

        keysvc__v1__job_times__init(times);
        times->operation_class = (char *)metrics_class_name((enum metrics_class) class);
        times->queue_us = counted->queue[class].sum_us;
        times->execution_us = counted->execution[class].sum_us;
        times->n_queue_counts = times->n_execution_counts = METRICS_N_BUCKETS;
        times->queue_counts = (uint64_t *)counted->queue[class].counts;
        times->execution_counts = (uint64_t *)counted->execution[class].counts;
        encoded->times.pointers[encoded->times.n_items++] = times;
    }
}

static void
put_tokens(struct encoded *encoded, const struct reply_metrics *metrics)
{
    for (size_t i = 0; i < metrics->n_tokens; i++) {
        const struct reply_token *from = &metrics->tokens[i];
        Keysvc__V1__TokenMetrics *token = &encoded->tokens.items[i];

        keysvc__v1__token_metrics__init(token);
        token->token = (char *)from->name;
        token->state = (char *)from->state;
        token->workers = from->workers;
        token->ready_workers = from->ready_workers;
        token->queued = from->queued;
        token->keys = from->keys;
        encoded->tokens.pointers[encoded->tokens.n_items++] = token;
    }
}

static void
put_workers(struct encoded *encoded, const struct reply_metrics *metrics)
{
    for (size_t i = 0; i < metrics->n_workers; i++) {
        Keysvc__V1__WorkerMetrics *worker = &encoded->workers[i];

        keysvc__v1__worker_metrics__init(worker);
        worker->token = (char *)metrics->workers[i].token;
        worker->worker = metrics->workers[i].worker;
        worker->ready = metrics->workers[i].ready;
        worker->restarts = metrics->workers[i].n_restarts;
        encoded->worker_pointers[i] = worker;
    }
}

static void
put_chains(struct encoded *encoded, const struct reply_metrics *metrics)
{
    for (size_t i = 0; i < metrics->n_chains; i++) {
        const struct reply_chain *from = &metrics->chains[i];
        Keysvc__V1__ChainMetrics *chain = &encoded->chains[i];

        keysvc__v1__chain_metrics__init(chain);
        chain->chain = (char *)from->name;
        chain->records = from->stats.n_records;
        chain->unsynced = from->stats.n_unsynced;
        chain->unsynced_ms = from->unsynced_ms;
        chain->syncs = from->stats.n_syncs;
        chain->failures = from->stats.n_failures;
        encoded->chain_pointers[i] = chain;
    }
}

static void
fill_numbers(Keysvc__V1__Metrics *out, const struct reply_metrics *metrics)
{
    const struct control_tally *tally = metrics->tally;

    out->started_us = metrics->started_us;
    out->keysvcd_started_us = tally->started_us;
    out->front_restarts = tally->n_front_restarts;
    out->generation = metrics->generation;
    out->reloads = tally->n_reloads;
    out->failed_reloads = tally->n_reloads_failed;
    out->last_reload_failed = tally->last_reload_failed;
    out->configured_us = tally->configured_us;
    out->keysvcd_audit_failures = tally->n_audit_failures;
    out->connections = metrics->connections;
    out->accepted_connections = metrics->counted->n_accepted;
    out->open_requests = metrics->open_requests;
    out->received_bytes = metrics->counted->received;
    out->sent_bytes = metrics->counted->sent;
    out->sent_again = metrics->counted->n_sent_again;
    out->bounds_us = (uint64_t *)METRICS_BOUNDS_US;
    out->n_bounds_us = METRICS_N_BOUNDS;
}
