/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_text - metrics in Prometheus' text exposition form
 *
 * A family's samples stand together behind its HELP and TYPE. Times are seconds, as Prometheus
 * wants them, written from microseconds without rounding. Buckets are cumulative here.
 */
#include <inttypes.h>
#include <stdio.h>

#include "client/cli/metrics_view.h"

#define DECIMAL_LEN 32

struct label {
    const char *name, *value;
};

/* Where a struct of a list has the number of a family. */
struct column {
    const char *name, *type, *help;
    size_t offset;
    bool wide; /* a uint64_t, else a uint32_t */
};

static void write_counts(FILE *out, const struct ks_metrics *metrics);
static void write_times(FILE *out, const struct ks_metrics *metrics);
static void write_tokens(FILE *out, const struct ks_metrics *metrics);
static void write_workers(FILE *out, const struct ks_metrics *metrics);
static void write_chains(FILE *out, const struct ks_metrics *metrics);
static void write_service(FILE *out, const struct ks_metrics *metrics);

char *
metrics_view_text(const struct ks_metrics *metrics)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return NULL;
    write_counts(out, metrics);
    write_times(out, metrics);
    write_tokens(out, metrics);
    write_workers(out, metrics);
    write_chains(out, metrics);
    write_service(out, metrics);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static void
family(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
write_label(FILE *out, const struct label *label)
{
    fprintf(out, "%s=\"", label->name);
    for (const char *c = label->value; *c; c++) {
        if (*c == '\n') {
            fputs("\\n", out);
            continue;
        }
        if (*c == '\\' || *c == '"')
            fputc('\\', out);
        fputc(*c, out);
    }
    fputc('"', out);
}

/* Labels end where one has no name. */
static void
sample(FILE *out, const char *name, const struct label *labels, const char *value)
{
    fputs(name, out);
    for (size_t i = 0; labels && labels[i].name; i++) {
        fputc(i == 0 ? '{' : ',', out);
        write_label(out, &labels[i]);
    }
    fprintf(out, "%s %s\n", labels && labels[0].name ? "}" : "", value);
}

static void
number(FILE *out, const char *name, const struct label *labels, uint64_t value)
{
    char text[DECIMAL_LEN];

    snprintf(text, sizeof(text), "%" PRIu64, value);
    sample(out, name, labels, text);
}

/* "0.00025": seconds, without zeros that say nothing. */
static void
seconds_text(uint64_t us, char text[static DECIMAL_LEN])
{
    size_t len =
        (size_t)snprintf(text, DECIMAL_LEN, "%" PRIu64 ".%06" PRIu64, us / 1000000, us % 1000000);

    while (text[len - 1] == '0')
        len--;
    if (text[len - 1] == '.')
        len--;
    text[len] = '\0';
}

static void
seconds(FILE *out, const char *name, const struct label *labels, uint64_t us)
{
    char text[DECIMAL_LEN];

    seconds_text(us, text);
    sample(out, name, labels, text);
}

static void
single(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
    family(out, name, type, help);
    number(out, name, NULL, value);
}

static void
write_counts(FILE *out, const struct ks_metrics *metrics)
{
    family(out, "keysvc_requests_total", "counter",
           "Requests by operation and outcome; GONE: the client did not wait.");
    for (size_t i = 0; i < metrics->n_requests; i++) {
        const struct ks_request_count *count = &metrics->requests[i];
        const struct label labels[] = {
            {"operation", count->operation}, {"outcome", count->outcome}, {0}};

        number(out, "keysvc_requests_total", labels, count->count);
    }
    family(out, "keysvc_refusals_total", "counter",
           "Requests and connections turned away before a token was asked, by reason.");
    for (size_t i = 0; i < metrics->n_refusals; i++) {
        const struct label labels[] = {{"reason", metrics->refusals[i].reason}, {0}};

        number(out, "keysvc_refusals_total", labels, metrics->refusals[i].count);
    }
    single(out, "keysvc_open_requests", "gauge", "Requests without an answer yet.",
           metrics->open_requests);
    single(out, "keysvc_connections", "gauge", "Connections of clients.", metrics->connections);
    single(out, "keysvc_accepted_connections_total", "counter", "Connections that were let in.",
           metrics->accepted_connections);
    single(out, "keysvc_received_bytes_total", "counter", "Bytes read from clients.",
           metrics->received_bytes);
    single(out, "keysvc_sent_bytes_total", "counter", "Bytes that clients have taken.",
           metrics->sent_bytes);
    single(out, "keysvc_requests_sent_again_total", "counter",
           "Requests that a token of a group did not do and another was asked for.",
           metrics->sent_again);
}

static void
histogram(FILE *out, const struct ks_metrics *metrics, const char *name, const char *class,
          const uint64_t *counts, uint64_t sum_us)
{
    const struct label labels[] = {{"operation_class", class}, {0}};
    char series[64], bound[DECIMAL_LEN];
    uint64_t all = 0;

    snprintf(series, sizeof(series), "%s_bucket", name);
    for (size_t i = 0; i <= metrics->n_bounds; i++) {
        const struct label with_bound[] = {labels[0], {"le", bound}, {0}};

        if (i < metrics->n_bounds)
            seconds_text(metrics->bounds_us[i], bound);
        else
            snprintf(bound, sizeof(bound), "+Inf");
        all += counts[i];
        number(out, series, with_bound, all);
    }
    snprintf(series, sizeof(series), "%s_sum", name);
    seconds(out, series, labels, sum_us);
    snprintf(series, sizeof(series), "%s_count", name);
    number(out, series, labels, all);
}

static void
write_times(FILE *out, const struct ks_metrics *metrics)
{
    family(out, "keysvc_queue_seconds", "histogram",
           "How long jobs waited: in queues, for their audit records and on their way.");
    for (size_t i = 0; i < metrics->n_times; i++)
        histogram(out, metrics, "keysvc_queue_seconds", metrics->times[i].operation_class,
                  metrics->times[i].queue_counts, metrics->times[i].queue_us);
    family(out, "keysvc_execution_seconds", "histogram",
           "How long token processes worked on jobs.");
    for (size_t i = 0; i < metrics->n_times; i++)
        histogram(out, metrics, "keysvc_execution_seconds", metrics->times[i].operation_class,
                  metrics->times[i].execution_counts, metrics->times[i].execution_us);
}

static uint64_t
value_at(const void *item, const struct column *column)
{
    const void *value = (const char *)item + column->offset;

    return column->wide ? *(const uint64_t *)value : *(const uint32_t *)value;
}

/* One line a state, of which one is 1. */
static void
write_state(FILE *out, const struct ks_token_metrics *token)
{
    static const char *const STATE[] = {"starting", "ready", "absent", "login-blocked", "failed"};
    bool known = false;

    for (size_t i = 0; i < ARRAY_LEN(STATE); i++) {
        const struct label labels[] = {{"token", token->token}, {"state", STATE[i]}, {0}};
        bool is = strcmp(token->state, STATE[i]) == 0;

        known = known || is;
        number(out, "keysvc_token_state", labels, is);
    }
    if (!known) { /* of a later service */
        const struct label labels[] = {{"token", token->token}, {"state", token->state}, {0}};

        number(out, "keysvc_token_state", labels, 1);
    }
}

static void
write_tokens(FILE *out, const struct ks_metrics *metrics)
{
    static const struct column COLUMNS[] = {
        {"keysvc_token_workers", "gauge", "Processes configured for a token.",
         offsetof(struct ks_token_metrics, workers), false},
        {"keysvc_token_ready_workers", "gauge",
         "Processes that serve, each logged in with one session.",
         offsetof(struct ks_token_metrics, ready_workers), false},
        {"keysvc_token_queued_jobs", "gauge", "Jobs waiting and running.",
         offsetof(struct ks_token_metrics, queued), false},
        {"keysvc_token_keys", "gauge", "Versions of keys known.",
         offsetof(struct ks_token_metrics, keys), false},
    };

    family(out, "keysvc_token_state", "gauge", "1 for the state that a token is in.");
    for (size_t i = 0; i < metrics->n_tokens; i++)
        write_state(out, &metrics->tokens[i]);
    for (size_t c = 0; c < ARRAY_LEN(COLUMNS); c++) {
        family(out, COLUMNS[c].name, COLUMNS[c].type, COLUMNS[c].help);
        for (size_t i = 0; i < metrics->n_tokens; i++) {
            const struct label labels[] = {{"token", metrics->tokens[i].token}, {0}};

            number(out, COLUMNS[c].name, labels, value_at(&metrics->tokens[i], &COLUMNS[c]));
        }
    }
}

static void
write_workers(FILE *out, const struct ks_metrics *metrics)
{
    for (int family_number = 0; family_number < 2; family_number++) {
        const char *name = family_number ? "keysvc_worker_restarts_total" : "keysvc_worker_ready";

        if (family_number)
            family(out, name, "counter",
                   "Ends of a token's process that nobody asked for; not those of an absent token "
                   "or a blocked login.");
        else
            family(out, name, "gauge", "1 for a token's process that serves.");
        for (size_t i = 0; i < metrics->n_workers; i++) {
            const struct ks_worker_metrics *worker = &metrics->workers[i];
            char index[DECIMAL_LEN];
            const struct label labels[] = {{"token", worker->token}, {"worker", index}, {0}};

            snprintf(index, sizeof(index), "%u", worker->worker);
            number(out, name, labels, family_number ? worker->restarts : worker->ready);
        }
    }
}

static void
write_chains(FILE *out, const struct ks_metrics *metrics)
{
    static const struct column COLUMNS[] = {
        {"keysvc_audit_records_total", "counter",
         "Sequence number of an audit chain's last record, as far as it is known.",
         offsetof(struct ks_chain_metrics, records), true},
        {"keysvc_audit_unsynced_records", "gauge", "Records that are not known to be on the disk.",
         offsetof(struct ks_chain_metrics, unsynced), true},
        {"keysvc_audit_syncs_total", "counter", "Times that all records were made safe on disk.",
         offsetof(struct ks_chain_metrics, syncs), true},
        {"keysvc_audit_failures_total", "counter",
         "Attempts to write or sync an audit chain that failed.",
         offsetof(struct ks_chain_metrics, failures), true},
    };

    for (size_t c = 0; c < ARRAY_LEN(COLUMNS); c++) {
        family(out, COLUMNS[c].name, COLUMNS[c].type, COLUMNS[c].help);
        for (size_t i = 0; i < metrics->n_chains; i++) {
            const struct label labels[] = {{"chain", metrics->chains[i].chain}, {0}};

            number(out, COLUMNS[c].name, labels, value_at(&metrics->chains[i], &COLUMNS[c]));
        }
    }
    family(out, "keysvc_audit_unsynced_seconds", "gauge",
           "How long the oldest record has waited for the disk; 0: all are there.");
    for (size_t i = 0; i < metrics->n_chains; i++) {
        const struct label labels[] = {{"chain", metrics->chains[i].chain}, {0}};

        seconds(out, "keysvc_audit_unsynced_seconds", labels,
                metrics->chains[i].unsynced_ms * 1000);
    }
    single(out, "keysvc_audit_file_failures_total", "counter",
           "Audit files and checkpoints that keysvcd could not open or keep.",
           metrics->keysvcd_audit_failures);
}

static void
write_service(FILE *out, const struct ks_metrics *metrics)
{
    const struct label keysvcd[] = {{"process", "keysvcd"}, {0}};
    const struct label front[] = {{"process", "keysvc-front"}, {0}};
    const struct label good[] = {{"result", "ok"}, {0}};
    const struct label bad[] = {{"result", "failed"}, {0}};

    family(out, "keysvc_process_start_time_seconds", "gauge",
           "When a process began, in seconds since 1970.");
    seconds(out, "keysvc_process_start_time_seconds", keysvcd, metrics->keysvcd_started_us);
    seconds(out, "keysvc_process_start_time_seconds", front, metrics->started_us);
    single(out, "keysvc_front_restarts_total", "counter",
           "Ends of keysvc-front that nobody asked for.", metrics->front_restarts);
    single(out, "keysvc_config_generation", "gauge",
           "Of the running configuration; 1 at the start of keysvcd.", metrics->generation);
    family(out, "keysvc_config_timestamp_seconds", "gauge",
           "When the running configuration was taken, in seconds since 1970.");
    seconds(out, "keysvc_config_timestamp_seconds", NULL, metrics->configured_us);
    family(out, "keysvc_reloads_total", "counter", "Reloads of the configuration by result.");
    number(out, "keysvc_reloads_total", good, metrics->reloads);
    number(out, "keysvc_reloads_total", bad, metrics->failed_reloads);
    single(out, "keysvc_config_last_reload_successful", "gauge",
           "0: the configuration on disk was refused, and the one before it is in force.",
           !metrics->last_reload_failed);
}
