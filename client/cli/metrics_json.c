/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_json - metrics as one object: numbers as the library has them, buckets each by itself
 */
#include "client/cli/metrics_view.h"

static json_t *
numbers(const uint64_t *values, size_t n)
{
    json_t *array = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, json_integer((json_int_t)values[i]));
    return array;
}

static json_t *
requests(const struct ks_metrics *metrics)
{
    json_t *array = json_array();

    for (size_t i = 0; i < metrics->n_requests; i++)
        json_array_append_new(array, json_pack("{s:s, s:s, s:I}", "operation",
                                               metrics->requests[i].operation, "outcome",
                                               metrics->requests[i].outcome, "count",
                                               (json_int_t)metrics->requests[i].count));
    return array;
}

static json_t *
refusals(const struct ks_metrics *metrics)
{
    json_t *object = json_object();

    for (size_t i = 0; i < metrics->n_refusals; i++)
        json_object_set_new(object, metrics->refusals[i].reason,
                            json_integer((json_int_t)metrics->refusals[i].count));
    return object;
}

static json_t *
times(const struct ks_metrics *metrics)
{
    json_t *object = json_object();

    for (size_t i = 0; i < metrics->n_times; i++) {
        const struct ks_job_times *from = &metrics->times[i];

        json_object_set_new(
            object, from->operation_class,
            json_pack("{s:I, s:I, s:o, s:o}", "queue_us", (json_int_t)from->queue_us,
                      "execution_us", (json_int_t)from->execution_us, "queue_counts",
                      numbers(from->queue_counts, metrics->n_bounds + 1), "execution_counts",
                      numbers(from->execution_counts, metrics->n_bounds + 1)));
    }
    return object;
}

static json_t *
tokens(const struct ks_metrics *metrics)
{
    json_t *array = json_array();

    for (size_t i = 0; i < metrics->n_tokens; i++) {
        const struct ks_token_metrics *token = &metrics->tokens[i];

        json_array_append_new(
            array, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "name", token->token, "state",
                             token->state, "workers", (json_int_t)token->workers, "ready_workers",
                             (json_int_t)token->ready_workers, "queued", (json_int_t)token->queued,
                             "keys", (json_int_t)token->keys));
    }
    return array;
}

static json_t *
workers(const struct ks_metrics *metrics)
{
    json_t *array = json_array();

    for (size_t i = 0; i < metrics->n_workers; i++) {
        const struct ks_worker_metrics *worker = &metrics->workers[i];

        json_array_append_new(array,
                              json_pack("{s:s, s:I, s:b, s:I}", "token", worker->token, "worker",
                                        (json_int_t)worker->worker, "ready", worker->ready,
                                        "restarts", (json_int_t)worker->restarts));
    }
    return array;
}

static json_t *
chains(const struct ks_metrics *metrics)
{
    json_t *array = json_array();

    for (size_t i = 0; i < metrics->n_chains; i++) {
        const struct ks_chain_metrics *chain = &metrics->chains[i];

        json_array_append_new(
            array, json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "chain", chain->chain, "records",
                             (json_int_t)chain->records, "unsynced", (json_int_t)chain->unsynced,
                             "unsynced_ms", (json_int_t)chain->unsynced_ms, "syncs",
                             (json_int_t)chain->syncs, "failures", (json_int_t)chain->failures));
    }
    return array;
}

json_t *
metrics_view_json(const struct ks_metrics *metrics)
{
    json_t *object =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
                  "started_us", (json_int_t)metrics->started_us, "keysvcd_started_us",
                  (json_int_t)metrics->keysvcd_started_us, "front_restarts",
                  (json_int_t)metrics->front_restarts, "generation",
                  (json_int_t)metrics->generation, "reloads", (json_int_t)metrics->reloads,
                  "failed_reloads", (json_int_t)metrics->failed_reloads, "last_reload_failed",
                  metrics->last_reload_failed, "configured_us", (json_int_t)metrics->configured_us,
                  "keysvcd_audit_failures", (json_int_t)metrics->keysvcd_audit_failures,
                  "connections", (json_int_t)metrics->connections, "accepted_connections",
                  (json_int_t)metrics->accepted_connections, "open_requests",
                  (json_int_t)metrics->open_requests, "received_bytes",
                  (json_int_t)metrics->received_bytes, "sent_bytes",
                  (json_int_t)metrics->sent_bytes, "sent_again", (json_int_t)metrics->sent_again);

    if (!object)
        return NULL;
    json_object_set_new(object, "requests", requests(metrics));
    json_object_set_new(object, "refusals", refusals(metrics));
    json_object_set_new(object, "bounds_us", numbers(metrics->bounds_us, metrics->n_bounds));
    json_object_set_new(object, "times", times(metrics));
    json_object_set_new(object, "tokens", tokens(metrics));
    json_object_set_new(object, "workers", workers(metrics));
    json_object_set_new(object, "chains", chains(metrics));
    return object;
}
