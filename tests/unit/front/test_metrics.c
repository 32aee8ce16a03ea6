/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted, and that it comes to administrators whole and to nobody else. */
#include "front/metrics.h"

#include "front/dispatch.h"
#include "harness.h"

static const char *const KEYS[] = {"web/shop@1", NULL};

static struct harness h;
static struct channel *worker;

static void
setup(void)
{
    harness_prepare(&h);
}

TestSuite(metrics, .timeout = 60);
TestSuite(metrics_told, .init = setup, .timeout = 60);

Test(metrics, a_time_falls_into_the_first_bucket_that_holds_it)
{
    for (size_t i = 0; i < METRICS_N_BOUNDS; i++) {
        struct metrics metrics = {0};

        cr_assert(i == 0 || METRICS_BOUNDS_US[i] > METRICS_BOUNDS_US[i - 1]);
        metrics_job(&metrics, METRICS_SIGN, METRICS_BOUNDS_US[i], METRICS_BOUNDS_US[i]);
        metrics_job(&metrics, METRICS_SIGN, METRICS_BOUNDS_US[i] + 1, 0);
        cr_assert_eq(metrics.execution[METRICS_SIGN].counts[i], i == 0 ? 2 : 1);
        cr_assert_eq(metrics.execution[METRICS_SIGN].sum_us, METRICS_BOUNDS_US[i]);
        cr_assert_eq(metrics.queue[METRICS_SIGN].counts[0], 1);
        cr_assert_eq(metrics.queue[METRICS_SIGN].counts[i + 1], 1);
        cr_assert_eq(metrics.queue[METRICS_READ].sum_us, 0);
    }
}

Test(metrics, who_says_that_it_worked_longer_than_it_had_is_not_believed)
{
    struct metrics metrics = {0};

    metrics_job(&metrics, METRICS_MAKE, 700, UINT32_MAX);
    cr_assert_eq(metrics.execution[METRICS_MAKE].sum_us, 700);
    cr_assert_eq(metrics.queue[METRICS_MAKE].sum_us, 0);
}

Test(metrics, all_that_is_counted_has_a_name_of_its_own)
{
    for (unsigned int i = 0; i < METRICS_REFUSAL_COUNT; i++) {
        for (unsigned int j = 0; j < i; j++)
            cr_assert_str_neq(metrics_refusal_name(i), metrics_refusal_name(j));
    }
    for (unsigned int i = 0; i < METRICS_CLASS_COUNT; i++) {
        for (unsigned int j = 0; j < i; j++)
            cr_assert_str_neq(metrics_class_name(i), metrics_class_name(j));
    }
    cr_assert_str_eq(metrics_outcome_name(KS_OK), "OK");
    cr_assert_str_eq(metrics_outcome_name(METRICS_GONE), "GONE");
    for (unsigned int i = REQUEST_STATUS; i < REQUEST_OPERATION_COUNT; i++)
        cr_assert_str_neq(dispatch_name(i), "unknown");
    cr_assert_str_eq(dispatch_name(REQUEST_NONE), "unknown");
}

/* --- through a whole front --- */

static void
begin(void)
{
    harness_start(&h);
    worker = harness_worker(&h, 1);
    worker_list(worker, KEYS);
    harness_settled(&h, 1);
}

static void
end(int fd)
{
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}

static Keysvc__V1__Response *
ask_metrics(int fd)
{
    Keysvc__V1__Response *response = client_ask_metrics(fd, 70);

    cr_assert_eq(response->id, 70);
    cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_METRICS);
    return response;
}

static uint64_t
requests(const Keysvc__V1__Response *response, const char *operation, const char *outcome)
{
    for (size_t i = 0; i < response->metrics->n_requests; i++) {
        const Keysvc__V1__RequestCount *count = response->metrics->requests[i];

        cr_assert_gt(count->count, 0);
        if (strcmp(count->operation, operation) == 0 && strcmp(count->outcome, outcome) == 0)
            return count->count;
    }
    return 0;
}

static uint64_t
refusals(const Keysvc__V1__Response *response, const char *reason)
{
    for (size_t i = 0; i < response->metrics->n_refusals; i++) {
        if (strcmp(response->metrics->refusals[i]->reason, reason) == 0)
            return response->metrics->refusals[i]->count;
    }
    cr_assert_fail("no refusals are called %s", reason);
    return 0;
}

static const Keysvc__V1__JobTimes *
times(const Keysvc__V1__Response *response, const char *class)
{
    for (size_t i = 0; i < response->metrics->n_times; i++) {
        if (strcmp(response->metrics->times[i]->operation_class, class) == 0)
            return response->metrics->times[i];
    }
    cr_assert_fail("no class is called %s", class);
    return NULL;
}

static uint64_t
sum(const uint64_t *counts, size_t n)
{
    uint64_t all = 0;

    cr_assert_eq(n, METRICS_N_BUCKETS);
    for (size_t i = 0; i < n; i++)
        all += counts[i];
    return all;
}

static void
answer(uint64_t id, ks_err err, uint32_t execution_us, uint32_t n_unsynced)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    struct job_reply reply = {.id = id,
                              .err = err,
                              .data = (const uint8_t *)"sig",
                              .data_len = 3,
                              .algorithm = KS_ALGORITHM_ECDSA_SHA256,
                              .execution_us = execution_us,
                              .n_unsynced = n_unsynced};

    job_reply_pack(&body, &reply);
    cr_assert_eq(channel_send(worker, JOB_MESSAGE_REPLY, &body, NULL, 0, HARNESS_WAIT_MS), KS_OK);
}

static uint64_t
take_job(void)
{
    ks_auto(buf_deinit) struct buf storage = BUF_INIT;
    struct job job;

    worker_take(worker, &storage, &job);
    job_deinit(&job);
    return job.id;
}

Test(metrics_told, signatures_are_counted_by_outcome_and_timed)
{
    Keysvc__V1__Response *response;
    const Keysvc__V1__JobTimes *sign;
    int fd;

    begin();
    fd = client_hello(&h);
    for (uint64_t id = 1; id <= 5; id++) {
        client_send_sign(fd, id, "web/shop@1", 0);
        answer(take_job(), id == 5 ? KS_ERR_PURPOSE : KS_OK, 60, 1);
        client_expect(fd, id, id == 5 ? KS_ERR_PURPOSE : KS_OK);
    }
    response = ask_metrics(fd);
    cr_assert_eq(requests(response, "sign", "OK"), 4);
    cr_assert_eq(requests(response, "sign", "PURPOSE"), 1);
    cr_assert_eq(requests(response, "csr", "OK"), 0);
    cr_assert_gt(requests(response, "status", "OK"), 0);
    sign = times(response, "sign");
    cr_assert_eq(sum(sign->execution_counts, sign->n_execution_counts), 5);
    cr_assert_eq(sum(sign->queue_counts, sign->n_queue_counts), 5);
    cr_assert_leq(sign->execution_us, 300);
    cr_assert_eq(response->metrics->n_bounds_us, METRICS_N_BOUNDS);
    cr_assert_eq(times(response, "make")->execution_us, 0);
    cr_assert_eq(response->metrics->connections, 1);
    cr_assert_eq(response->metrics->accepted_connections, 2, "one has looked whether it is ready");
    cr_assert_eq(response->metrics->open_requests, 1, "this one");
    cr_assert_gt(response->metrics->received_bytes, 5 * strlen("web/shop@1"));
    cr_assert_gt(response->metrics->sent_bytes, 5 * strlen("sig"));
    cr_assert_gt(response->metrics->started_us, 0);
    response_free(response);
    end(fd);
}

Test(metrics_told, are_for_administrators)
{
    Keysvc__V1__Response *response;
    int fd;

    h.config->rules[0].operations &= ~(uint32_t)OPERATION_ADMINISTER;
    harness_start(&h);
    fd = client_hello(&h);
    response = client_ask_metrics(fd, 70);
    cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_ERROR);
    cr_assert_eq(response->error->code, KS_ERR_DENIED);
    response_free(response);
    close(fd);
    harness_stop(&h);
}

Test(metrics_told, refusals_are_counted_by_reason)
{
    Keysvc__V1__Response *response;
    int fd, other;

    begin();
    fd = client_hello(&h);
    client_send_sign(fd, 1, "secret/key@1", 0);
    client_expect(fd, 1, KS_ERR_DENIED);
    client_send_get(fd, 2, "not a name", 0);
    client_expect(fd, 2, KS_ERR_BAD_REQUEST);
    other = client_connect(&h);
    client_send_get(other, 1, "web/shop", 0);
    client_expect_end(other);
    close(other);
    response = ask_metrics(fd);
    cr_assert_eq(refusals(response, "rule"), 1);
    cr_assert_eq(refusals(response, "malformed"), 1);
    cr_assert_eq(refusals(response, "protocol"), 1);
    cr_assert_eq(refusals(response, "quota"), 0);
    cr_assert_eq(requests(response, "sign", "DENIED"), 1);
    cr_assert_eq(requests(response, "get", "BAD_REQUEST"), 1);
    response_free(response);
    end(fd);
}

Test(metrics_told, a_full_quota_and_a_full_queue_are_counted)
{
    Keysvc__V1__Response *response;
    int fd;

    h.config->limits.max_requests_per_caller = 2;
    begin();
    fd = client_hello(&h);
    for (uint64_t id = 1; id <= 3; id++)
        client_send_sign(fd, id, "web/shop@1", 0);
    client_expect(fd, 3, KS_ERR_BUSY);
    for (uint64_t id = 1; id <= 2; id++) {
        answer(take_job(), KS_OK, 1, 0);
        client_expect(fd, id, KS_OK);
    }
    response = ask_metrics(fd);
    cr_assert_eq(refusals(response, "quota"), 1);
    cr_assert_eq(requests(response, "sign", "BUSY"), 1);
    response_free(response);
    end(fd);
}

/* An answer that nobody waits for any more says all the same how long it took. */
Test(metrics_told, a_client_that_went_away_is_counted_and_its_job_timed)
{
    Keysvc__V1__Response *response = NULL;
    int fd, other;
    uint64_t job;

    begin();
    fd = client_hello(&h);
    other = client_hello(&h);
    client_send_sign(other, 1, "web/shop@1", 0);
    job = take_job();
    close(other);
    while (!response || requests(response, "sign", "GONE") == 0) {
        response_free(response);
        response = ask_metrics(fd);
    }
    cr_assert_eq(requests(response, "sign", "GONE"), 1);
    cr_assert_eq(sum(times(response, "sign")->execution_counts, METRICS_N_BUCKETS), 0);
    answer(job, KS_OK, 1, 0);
    while (sum(times(response, "sign")->execution_counts, METRICS_N_BUCKETS) == 0) {
        response_free(response);
        response = ask_metrics(fd);
    }
    cr_assert_eq(requests(response, "sign", "OK"), 0);
    response_free(response);
    end(fd);
}

static const Keysvc__V1__ChainMetrics *
chain(const Keysvc__V1__Response *response, const char *name)
{
    for (size_t i = 0; i < response->metrics->n_chains; i++) {
        if (strcmp(response->metrics->chains[i]->chain, name) == 0)
            return response->metrics->chains[i];
    }
    return NULL;
}

static void
say_stats(const struct job_stats *stats)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;

    job_stats_pack(&body, stats);
    cr_assert_eq(channel_send(worker, JOB_MESSAGE_STATS, &body, NULL, 0, HARNESS_WAIT_MS), KS_OK);
}

/* One signature: what the worker said before it has been taken when it is answered. */
static void
sign_one(int fd, uint32_t n_unsynced)
{
    client_send_sign(fd, 1, "web/shop@1", 0);
    answer(take_job(), KS_OK, 1, n_unsynced);
    client_expect(fd, 1, KS_OK);
}

Test(metrics_told, audit_lag_is_that_of_each_chain)
{
    const struct job_stats synced = {.n_records = 8, .n_syncs = 2, .n_failures = 1};
    Keysvc__V1__Response *response;
    int fd;

    begin();
    fd = client_hello(&h);
    response = ask_metrics(fd);
    cr_assert_null(chain(response, "main-1"), "it has said nothing");
    cr_assert_gt(chain(response, "front")->records, 0);
    response_free(response);
    say_stats(&synced);
    sign_one(fd, 3);
    usleep(20000);
    response = ask_metrics(fd);
    cr_assert_eq(chain(response, "main-1")->records, 8);
    cr_assert_eq(chain(response, "main-1")->unsynced, 3);
    cr_assert_geq(chain(response, "main-1")->unsynced_ms, 20);
    cr_assert_eq(chain(response, "main-1")->syncs, 2);
    cr_assert_eq(chain(response, "main-1")->failures, 1);
    response_free(response);
    sign_one(fd, 0);
    response = ask_metrics(fd);
    cr_assert_eq(chain(response, "main-1")->unsynced, 0);
    cr_assert_eq(chain(response, "main-1")->unsynced_ms, 0);
    response_free(response);
    end(fd);
}

Test(metrics_told, stats_that_cannot_be_are_nonsense)
{
    const struct job_stats stats = {.n_records = 1, .n_unsynced = 2};
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;

    begin();
    say_stats(&stats);
    harness_expect(&h, CONTROL_WORKER_BAD, &message);
    end(-1);
}

Test(metrics_told, what_the_supervisor_counts_is_passed_on)
{
    const struct control_tally tally = {.started_us = 11,
                                        .n_front_restarts = 2,
                                        .n_reloads = 3,
                                        .n_reloads_failed = 4,
                                        .last_reload_failed = true,
                                        .configured_us = 12,
                                        .n_audit_failures = 5};
    struct control_state state = {
        .token = "main", .worker_index = 1, .state = TOKEN_STATE_READY, .n_restarts = 6};
    ks_auto(buf_deinit) struct buf tally_body = BUF_INIT;
    ks_auto(buf_deinit) struct buf state_body = BUF_INIT;
    Keysvc__V1__Response *response = NULL;
    const Keysvc__V1__Metrics *metrics;
    int fd;

    begin();
    control_tally_pack(&tally_body, &tally);
    harness_send(&h, CONTROL_TALLY, &tally_body);
    control_state_pack(&state_body, &state);
    harness_send(&h, CONTROL_STATE, &state_body);
    fd = client_hello(&h);
    while (!response || response->metrics->workers[0]->restarts == 0) {
        response_free(response);
        response = ask_metrics(fd);
    }
    metrics = response->metrics;
    cr_assert_eq(metrics->keysvcd_started_us, 11);
    cr_assert_eq(metrics->front_restarts, 2);
    cr_assert_eq(metrics->reloads, 3);
    cr_assert_eq(metrics->failed_reloads, 4);
    cr_assert(metrics->last_reload_failed);
    cr_assert_eq(metrics->configured_us, 12);
    cr_assert_eq(metrics->keysvcd_audit_failures, 5);
    cr_assert_eq(metrics->generation, h.config->generation);
    cr_assert_eq(metrics->n_tokens, 1);
    cr_assert_str_eq(metrics->tokens[0]->token, "main");
    cr_assert_eq(metrics->tokens[0]->keys, 1);
    cr_assert_eq(metrics->tokens[0]->ready_workers, 1);
    cr_assert_str_eq(metrics->workers[0]->token, "main");
    cr_assert_eq(metrics->workers[0]->worker, 1);
    cr_assert(metrics->workers[0]->ready);
    cr_assert_eq(metrics->workers[0]->restarts, 6);
    response_free(response);
    end(fd);
}
