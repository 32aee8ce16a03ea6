/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert_metrics - what the service has counted, between our structs and the wire's
 *
 * Programs write these names and numbers where machines read them: a list that is too long, a name
 * that does not fit or buckets that do not match their bounds are refused, not cut.
 */
#include "client/lib/convert_wire.h"
#include "client/lib/error.h"

#define MAX_ITEMS 4096u /* in each list: four times what the largest configuration makes */

static ks_err allocate(const Keysvc__V1__Metrics *wire, struct ks_metrics *out,
                       struct ks_error *error);
static ks_err copy_bounds(const Keysvc__V1__Metrics *wire, struct ks_metrics *out,
                          struct ks_error *error);
static ks_err copy_times(const Keysvc__V1__Metrics *wire, struct ks_metrics *out,
                         struct ks_error *error);
static bool copy_counts(const Keysvc__V1__Metrics *wire, struct ks_metrics *out);
static bool copy_states(const Keysvc__V1__Metrics *wire, struct ks_metrics *out);
static bool copy_chains(const Keysvc__V1__Metrics *wire, struct ks_metrics *out);
static void copy_numbers(const Keysvc__V1__Metrics *wire, struct ks_metrics *out);

ks_err
convert_pack_metrics(const struct request *request, pb_request *message, struct buf *out,
                     struct ks_error *error)
{
    Keysvc__V1__MetricsRequest metrics = KEYSVC__V1__METRICS_REQUEST__INIT;

    message->metrics = &metrics;
    return convert_frame(request, message, out, error);
}

static void
metrics_freep(struct ks_metrics **metrics)
{
    *metrics = ks_metrics_free(*metrics);
}

ks_err
response_metrics(const struct response *response, struct ks_metrics **out, struct ks_error *error)
{
    const Keysvc__V1__Metrics *wire = response->message->metrics;
    ks_auto(metrics_freep) struct ks_metrics *metrics = calloc(1, sizeof(*metrics));
    ks_err err;

    if (!metrics)
        return error_set(error, KS_ERR_INTERNAL, "no memory for the metrics");
    err = allocate(wire, metrics, error);
    if (!err)
        err = copy_bounds(wire, metrics, error);
    if (!err)
        err = copy_times(wire, metrics, error);
    if (err)
        return err;
    if (!copy_counts(wire, metrics) || !copy_states(wire, metrics) || !copy_chains(wire, metrics))
        return convert_unexpected(error, "metrics with a name that is longer than one can be");
    copy_numbers(wire, metrics);
    *out = ks_steal(&metrics);
    return KS_OK;
}

static ks_err
allocate(const Keysvc__V1__Metrics *wire, struct ks_metrics *out, struct ks_error *error)
{
    if (wire->n_requests > MAX_ITEMS || wire->n_refusals > MAX_ITEMS || wire->n_times > MAX_ITEMS ||
        wire->n_tokens > MAX_ITEMS || wire->n_workers > MAX_ITEMS || wire->n_chains > MAX_ITEMS)
        return convert_unexpected(error, "metrics of more than %u things of a kind", MAX_ITEMS);
    out->requests = calloc(wire->n_requests + 1, sizeof(*out->requests));
    out->refusals = calloc(wire->n_refusals + 1, sizeof(*out->refusals));
    out->times = calloc(wire->n_times + 1, sizeof(*out->times));
    out->tokens = calloc(wire->n_tokens + 1, sizeof(*out->tokens));
    out->workers = calloc(wire->n_workers + 1, sizeof(*out->workers));
    out->chains = calloc(wire->n_chains + 1, sizeof(*out->chains));
    if (!out->requests || !out->refusals || !out->times || !out->tokens || !out->workers ||
        !out->chains)
        return error_set(error, KS_ERR_INTERNAL, "no memory for the metrics");
    out->n_requests = wire->n_requests;
    out->n_refusals = wire->n_refusals;
    out->n_times = wire->n_times;
    out->n_tokens = wire->n_tokens;
    out->n_workers = wire->n_workers;
    out->n_chains = wire->n_chains;
    return KS_OK;
}

static ks_err
copy_bounds(const Keysvc__V1__Metrics *wire, struct ks_metrics *out, struct ks_error *error)
{
    if (wire->n_bounds_us >= KS_BUCKETS_MAX)
        return convert_unexpected(error, "%zu buckets; at most %u can be", wire->n_bounds_us + 1,
                                  KS_BUCKETS_MAX);
    for (size_t i = 0; i < wire->n_bounds_us; i++) {
        if (i > 0 && wire->bounds_us[i] <= wire->bounds_us[i - 1])
            return convert_unexpected(error, "buckets whose bounds do not ascend");
        out->bounds_us[i] = wire->bounds_us[i];
    }
    out->n_bounds = wire->n_bounds_us;
    return KS_OK;
}

static bool
copy_name(char *out, size_t cap, const char *name)
{
    if (strlen(name) >= cap)
        return false;
    convert_copy_text(out, cap, name);
    return true;
}

static ks_err
copy_times(const Keysvc__V1__Metrics *wire, struct ks_metrics *out, struct ks_error *error)
{
    size_t n_buckets = wire->n_bounds_us + 1;

    for (size_t i = 0; i < wire->n_times; i++) {
        const Keysvc__V1__JobTimes *from = wire->times[i];
        struct ks_job_times *to = &out->times[i];

        if (from->n_queue_counts != n_buckets || from->n_execution_counts != n_buckets)
            return convert_unexpected(error, "%zu and %zu counts for %zu buckets",
                                      from->n_queue_counts, from->n_execution_counts, n_buckets);
        if (!copy_name(to->operation_class, sizeof(to->operation_class), from->operation_class))
            return convert_unexpected(error, "a class of operations with a name too long");
        to->queue_us = from->queue_us;
        to->execution_us = from->execution_us;
        memcpy(to->queue_counts, from->queue_counts, n_buckets * sizeof(*to->queue_counts));
        memcpy(to->execution_counts, from->execution_counts,
               n_buckets * sizeof(*to->execution_counts));
    }
    return KS_OK;
}

static bool
copy_counts(const Keysvc__V1__Metrics *wire, struct ks_metrics *out)
{
    bool fits = true;

    for (size_t i = 0; i < wire->n_requests; i++) {
        const Keysvc__V1__RequestCount *from = wire->requests[i];
        struct ks_request_count *to = &out->requests[i];

        fits = fits && copy_name(to->operation, sizeof(to->operation), from->operation) &&
               copy_name(to->outcome, sizeof(to->outcome), from->outcome);
        to->count = from->count;
    }
    for (size_t i = 0; i < wire->n_refusals; i++) {
        struct ks_refusal_count *to = &out->refusals[i];

        fits = fits && copy_name(to->reason, sizeof(to->reason), wire->refusals[i]->reason);
        to->count = wire->refusals[i]->count;
    }
    return fits;
}

static bool
copy_states(const Keysvc__V1__Metrics *wire, struct ks_metrics *out)
{
    bool fits = true;

    for (size_t i = 0; i < wire->n_tokens; i++) {
        const Keysvc__V1__TokenMetrics *from = wire->tokens[i];
        struct ks_token_metrics *to = &out->tokens[i];

        fits = fits && copy_name(to->token, sizeof(to->token), from->token) &&
               copy_name(to->state, sizeof(to->state), from->state);
        to->workers = from->workers;
        to->ready_workers = from->ready_workers;
        to->queued = from->queued;
        to->keys = from->keys;
    }
    for (size_t i = 0; i < wire->n_workers; i++) {
        const Keysvc__V1__WorkerMetrics *from = wire->workers[i];
        struct ks_worker_metrics *to = &out->workers[i];

        fits = fits && copy_name(to->token, sizeof(to->token), from->token);
        to->worker = from->worker;
        to->ready = from->ready;
        to->restarts = from->restarts;
    }
    return fits;
}

static bool
copy_chains(const Keysvc__V1__Metrics *wire, struct ks_metrics *out)
{
    bool fits = true;

    for (size_t i = 0; i < wire->n_chains; i++) {
        const Keysvc__V1__ChainMetrics *from = wire->chains[i];
        struct ks_chain_metrics *to = &out->chains[i];

        fits = fits && copy_name(to->chain, sizeof(to->chain), from->chain);
        to->records = from->records;
        to->unsynced = from->unsynced;
        to->unsynced_ms = from->unsynced_ms;
        to->syncs = from->syncs;
        to->failures = from->failures;
    }
    return fits;
}

static void
copy_numbers(const Keysvc__V1__Metrics *wire, struct ks_metrics *out)
{
    out->started_us = wire->started_us;
    out->keysvcd_started_us = wire->keysvcd_started_us;
    out->front_restarts = wire->front_restarts;
    out->reloads = wire->reloads;
    out->failed_reloads = wire->failed_reloads;
    out->last_reload_failed = wire->last_reload_failed;
    out->configured_us = wire->configured_us;
    out->keysvcd_audit_failures = wire->keysvcd_audit_failures;
    out->generation = wire->generation;
    out->connections = wire->connections;
    out->open_requests = wire->open_requests;
    out->accepted_connections = wire->accepted_connections;
    out->received_bytes = wire->received_bytes;
    out->sent_bytes = wire->sent_bytes;
    out->sent_again = wire->sent_again;
}
