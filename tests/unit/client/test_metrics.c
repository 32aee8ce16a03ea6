/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics as the library takes them, and as the command writes them. */
#include <criterion/criterion.h>

#include "client/cli/metrics_view.h"
#include "fake_server.h"

static struct fake_metrics sent;
static ks_err code;

static struct fake_server *server;
static struct ks_client *client;
static struct ks_error error;
static struct ks_metrics *metrics;

static void
answer(struct fake_server *from, const struct fake_request *request)
{
    (void)from;
    if (code)
        fake_error(request, code, false);
    else
        fake_metrics(request, &sent);
}

static void
start(void)
{
    sent = (struct fake_metrics){.n_items = 1, .n_bounds = 2, .n_counts = 3};
    server = fake_server_start(NULL, answer, NULL);
    cr_assert_eq(ks_client_new(fake_server_path(server), &client, NULL), KS_OK);
}

static void
stop(void)
{
    client = ks_client_free(client);
    fake_server_stop(server, true);
}

TestSuite(metrics, .init = start, .fini = stop);

Test(metrics, all_that_is_counted_comes_whole)
{
    cr_assert_eq(ks_metrics(client, &metrics, &error), KS_OK, "%s", error.message);
    cr_assert_eq(metrics->started_us, 1700000000250000);
    cr_assert_eq(metrics->generation, 4);
    cr_assert_eq(metrics->connections, 5);
    cr_assert_eq(metrics->n_bounds, 2);
    cr_assert_eq(metrics->bounds_us[1], 200);
    cr_assert_eq(metrics->n_requests, 1);
    cr_assert_str_eq(metrics->requests[0].operation, "sign");
    cr_assert_str_eq(metrics->requests[0].outcome, "OK");
    cr_assert_eq(metrics->requests[0].count, 7);
    cr_assert_eq(metrics->n_refusals, 1);
    cr_assert_str_eq(metrics->refusals[0].reason, "rule");
    cr_assert_eq(metrics->n_times, 1);
    cr_assert_eq(metrics->times[0].queue_us, 1500000);
    cr_assert_eq(metrics->times[0].execution_counts[2], 3);
    cr_assert_eq(metrics->n_tokens, 1);
    cr_assert_str_eq(metrics->tokens[0].state, "ready");
    cr_assert_eq(metrics->n_workers, 1);
    cr_assert_eq(metrics->workers[0].restarts, 3);
    cr_assert_eq(metrics->n_chains, 1);
    cr_assert_eq(metrics->chains[0].unsynced_ms, 250);
    cr_assert_null(ks_metrics_free(metrics));
    cr_assert_null(ks_metrics_free(NULL));
}

/* One row an answer: what it holds, and what becomes of it. */
static const struct row {
    const char *name;
    struct fake_metrics sent;
    ks_err wanted;
} ROWS[] = {
    {"nothing", {0}, KS_OK},
    {"no bounds, one bucket", {.n_items = 1, .n_counts = 1}, KS_OK},
    {"the most of everything", {.n_items = 4096, .n_counts = 1}, KS_OK},
    {"more", {.n_items = 4097, .n_counts = 1}, KS_ERR_INTERNAL},
    {"the most buckets", {.n_items = 1, .n_bounds = 63, .n_counts = 64}, KS_OK},
    {"more", {.n_items = 1, .n_bounds = 64, .n_counts = 65}, KS_ERR_INTERNAL},
    {"a bucket without its bound", {.n_items = 1, .n_bounds = 2, .n_counts = 4}, KS_ERR_INTERNAL},
    {"a bound without its bucket", {.n_items = 1, .n_bounds = 2, .n_counts = 2}, KS_ERR_INTERNAL},
    {"bounds that descend", {.n_bounds = 2, .descending = true}, KS_ERR_INTERNAL},
    {"the longest name", {.n_items = 1, .n_counts = 1, .name_len = 31}, KS_OK},
    {"a longer one", {.n_items = 1, .n_counts = 1, .name_len = 32}, KS_ERR_INTERNAL},
};

Test(metrics, what_no_service_can_say_is_refused_and_not_cut)
{
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        ks_err err;

        sent = ROWS[i].sent;
        err = ks_metrics(client, &metrics, &error);
        cr_expect_eq(err, ROWS[i].wanted, "%s: %s (%s)", ROWS[i].name, ks_err_name(err),
                     error.message);
        if (!err)
            ks_metrics_free(metrics);
    }
}

Test(metrics, a_refusal_comes_through)
{
    code = KS_ERR_DENIED;
    cr_assert_eq(ks_metrics(client, &metrics, &error), KS_ERR_DENIED);
}

Test(metrics, prometheus_gets_each_family_with_help_and_type_and_cumulative_buckets)
{
    static const char *const WANTED[] = {
        "# HELP keysvc_requests_total ",
        "# TYPE keysvc_requests_total counter\nkeysvc_requests_total{operation=\"sign\","
        "outcome=\"OK\"} 7\n",
        "keysvc_queue_seconds_bucket{operation_class=\"sign\",le=\"0.0001\"} 1\n"
        "keysvc_queue_seconds_bucket{operation_class=\"sign\",le=\"0.0002\"} 3\n"
        "keysvc_queue_seconds_bucket{operation_class=\"sign\",le=\"+Inf\"} 6\n"
        "keysvc_queue_seconds_sum{operation_class=\"sign\"} 1.5\n"
        "keysvc_queue_seconds_count{operation_class=\"sign\"} 6\n",
        "keysvc_execution_seconds_sum{operation_class=\"sign\"} 0.0025\n",
        "keysvc_token_state{token=\"ma\\\"in\\\\\",state=\"ready\"} 1\n",
        "keysvc_token_state{token=\"ma\\\"in\\\\\",state=\"absent\"} 0\n",
        "keysvc_worker_restarts_total{token=\"ma\\\"in\\\\\",worker=\"1\"} 3\n",
        "keysvc_audit_unsynced_seconds{chain=\"main-1\"} 0.25\n",
        "keysvc_process_start_time_seconds{process=\"keysvc-front\"} 1700000000.25\n",
        "keysvc_connections 5\n",
    };
    char *text;

    cr_assert_eq(ks_metrics(client, &metrics, &error), KS_OK, "%s", error.message);
    text = metrics_view_text(metrics);
    for (size_t i = 0; i < ARRAY_LEN(WANTED); i++)
        cr_expect_not_null(strstr(text, WANTED[i]), "%s stands not in\n%s", WANTED[i], text);
    free(text);
    ks_metrics_free(metrics);
}

/* Of a later service: no line would be worse than an unknown word. */
Test(metrics, a_state_that_is_not_known_is_told_all_the_same)
{
    struct ks_token_metrics token = {.token = "main", .state = "melting"};
    const struct ks_metrics some = {.tokens = &token, .n_tokens = 1};
    char *text = metrics_view_text(&some);

    cr_assert_not_null(strstr(text, "{token=\"main\",state=\"melting\"} 1\n"));
    cr_assert_not_null(strstr(text, "{token=\"main\",state=\"ready\"} 0\n"));
    free(text);
}

Test(metrics, json_has_the_same_numbers)
{
    json_t *object;

    cr_assert_eq(ks_metrics(client, &metrics, &error), KS_OK, "%s", error.message);
    object = metrics_view_json(metrics);
    cr_assert_eq(json_integer_value(json_object_get(object, "generation")), 4);
    cr_assert_eq(json_array_size(json_object_get(object, "bounds_us")), 2);
    cr_assert_eq(json_array_size(json_object_get(
                     json_object_get(json_object_get(object, "times"), "sign"), "queue_counts")),
                 3);
    cr_assert_eq(json_integer_value(json_object_get(json_object_get(object, "refusals"), "rule")),
                 2);
    cr_assert_eq(json_array_size(json_object_get(object, "workers")), 1);
    json_decref(object);
    ks_metrics_free(metrics);
}
