/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "front/quota.h"
#include "front/worker.h"

static const char *const KEYS[] = {"web/shop@1", "web/shop@2", "secret/one@1", NULL};
#define N_KEYS 3

static struct harness h;
static struct channel *worker;

/* A front with one worker that has told its keys. */
static void
begin(void)
{
    harness_start(&h);
    worker = harness_worker(&h, 1);
    worker_list(worker, KEYS);
    harness_settled(&h, N_KEYS);
}

static void
setup(void)
{
    harness_prepare(&h);
}

TestSuite(route, .init = setup, .timeout = 60);

Test(route, carries_a_signature_there_and_back)
{
    ks_auto(buf_deinit) struct buf storage = BUF_INIT;
    Keysvc__V1__Response *response;
    struct job job;
    int fd;

    begin();
    fd = client_hello(&h);
    client_send_sign(fd, 7, "web/shop@2", 0);
    worker_take(worker, &storage, &job);
    cr_assert_eq(job.operation, JOB_SIGN);
    cr_assert_str_eq(job.name, "web/shop");
    cr_assert_eq(job.version, 2);
    cr_assert_eq(job.generation, 1);
    cr_assert_eq(job.caller.uid, getuid());
    cr_assert_eq(job.caller.pid, getpid());
    cr_assert_str_eq(job.caller.rule, "everybody");
    cr_assert_eq(job.sign.data_len, 5);
    cr_assert_eq(memcmp(job.sign.data, "hello", 5), 0);
    cr_assert_eq(harness_count_audit(&h, "\"outcome\":\"forwarded\""), 1,
                 "the record stands in the file before the worker has the job");
    worker_answer(worker, job.id, KS_OK, "signature");
    response = client_receive(fd);
    cr_assert_eq(response->id, 7);
    cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_SIGN);
    cr_assert_eq(response->sign->signature.len, 9);
    cr_assert_eq(response->sign->algorithm, KEYSVC__V1__ALGORITHM__ECDSA_SHA256);
    response_free(response);
    job_deinit(&job);
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}

Test(route, answers_in_the_order_in_which_the_worker_does)
{
    uint64_t ids[3];
    int fd;

    begin();
    fd = client_hello(&h);
    for (uint64_t i = 0; i < 3; i++)
        client_send_sign(fd, i + 1, "web/shop@1", 0);
    for (size_t i = 0; i < 3; i++)
        ids[i] = worker_take_id(worker, JOB_SIGN);
    worker_answer(worker, ids[2], KS_OK, "c");
    client_expect(fd, 3, KS_OK);
    worker_answer(worker, ids[0], KS_ERR_PURPOSE, NULL);
    client_expect(fd, 1, KS_ERR_PURPOSE);
    worker_answer(worker, ids[1], KS_OK, "b");
    client_expect(fd, 2, KS_OK);
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}

Test(route, refuses_before_any_worker_hears_of_it)
{
    int fd;

    begin();
    fd = client_hello(&h);
    client_send_sign(fd, 1, "web/other@1", 0);
    client_expect(fd, 1, KS_ERR_NO_KEY);
    client_send_sign(fd, 2, "web/shop@3", 0);
    client_expect(fd, 2, KS_ERR_NO_KEY);
    client_send_sign(fd, 3, "secret/one@1", 0);
    client_expect(fd, 3, KS_ERR_DENIED);
    client_send_sign(fd, 4, "secret/nothing@1", 0);
    client_expect(fd, 4, KS_ERR_DENIED);
    client_send_sign(fd, 5, "keysvc/audit@1", 0);
    client_expect(fd, 5, KS_ERR_DENIED);
    worker_key(worker, "web/shop@2", JOB_KEY_AMBIGUOUS);
    client_send_generate(fd, 6, "web/shop");
    client_expect(fd, 6, KS_ERR_EXISTS);
    client_send_get(fd, 7, "web/none", 0);
    client_expect(fd, 7, KS_ERR_NO_KEY);
    client_send_status(fd, 8);
    client_expect(fd, 8, KS_OK);
    cr_assert_eq(harness_count_audit(&h, "\"event\":\"refused\""), 7);
    cr_assert_eq(harness_count_audit(&h, "forwarded"), 0);
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}

Test(route, a_key_that_was_exchanged_or_doubled_signs_nothing)
{
    static const char *const fewer[] = {"web/shop@1", NULL};
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    struct job_key key = {.name = "web/shop",
                          .version = 1,
                          .type = KS_KEY_TYPE_EC_P256,
                          .public_key_len = 3,
                          .public_key = "new"};
    int fd;

    begin();
    fd = client_hello(&h);
    worker_key(worker, "web/shop@2", JOB_KEY_AMBIGUOUS);
    job_key_pack(&body, &key);
    cr_assert_eq(channel_send(worker, JOB_MESSAGE_DIRECTORY_KEY, &body, NULL, 0, HARNESS_WAIT_MS),
                 KS_OK);
    worker_key(worker, "secret/one@1", JOB_KEY_GONE);
    harness_settled(&h, N_KEYS - 1);
    client_send_sign(fd, 1, "web/shop@2", 0);
    client_expect(fd, 1, KS_ERR_AMBIGUOUS_KEY);
    client_send_sign(fd, 2, "web/shop@1", 0);
    client_expect(fd, 2, KS_ERR_KEY_CHANGED);
    worker_list(worker, fewer);
    harness_settled(&h, 1);
    client_send_sign(fd, 3, "web/shop@2", 0);
    client_expect(fd, 3, KS_ERR_NO_KEY);
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}

Test(route, a_deadline_ends_the_wait_and_the_late_answer_is_thrown_away)
{
    uint64_t id;
    int fd;

    begin();
    fd = client_hello(&h);
    client_send_sign(fd, 1, "web/shop@1", 30);
    id = worker_take_id(worker, JOB_SIGN);
    client_expect(fd, 1, KS_ERR_DEADLINE);
    worker_answer(worker, id, KS_OK, "late");
    client_send_sign(fd, 2, "web/shop@1", 0);
    worker_answer(worker, worker_take_id(worker, JOB_SIGN), KS_OK, "in time");
    client_expect(fd, 2, KS_OK);
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}

Test(route, a_workers_death_answers_what_it_had)
{
    int fd;

    begin();
    fd = client_hello(&h);
    client_send_sign(fd, 1, "web/shop@1", 0);
    (void)worker_take_id(worker, JOB_SIGN);
    client_send_generate(fd, 2, "web/new");
    (void)worker_take_id(worker, JOB_GENERATE);
    channel_free(worker);
    client_expect(fd, 1, KS_ERR_TOKEN_UNAVAILABLE);
    client_expect(fd, 2, KS_ERR_OUTCOME_UNKNOWN);
    client_send_sign(fd, 3, "web/shop@1", 0);
    client_expect(fd, 3, KS_ERR_TOKEN_UNAVAILABLE);
    client_send_get(fd, 4, "web/shop", 0);
    client_expect(fd, 4, KS_OK);
    worker = harness_worker(&h, 1);
    worker_list(worker, KEYS);
    harness_settled(&h, N_KEYS);
    client_send_sign(fd, 5, "web/shop@1", 0);
    worker_answer(worker, worker_take_id(worker, JOB_SIGN), KS_OK, "again");
    client_expect(fd, 5, KS_OK);
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}

static void
answer_made(uint64_t id, const char *label)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    struct job_reply reply = {.id = id, .key = {.type = KS_KEY_TYPE_EC_P256}};

    cr_assert(keyname_split(label, strlen(label), false, reply.key.name, &reply.key.version));
    reply.key.public_key_len = strlen(label);
    memcpy(reply.key.public_key, label, strlen(label));
    job_reply_pack(&body, &reply);
    cr_assert_eq(channel_send(worker, JOB_MESSAGE_REPLY, &body, NULL, 0, HARNESS_WAIT_MS), KS_OK);
}

Test(route, passes_on_the_key_that_was_to_be_made_and_no_other)
{
    static const char *const others[] = {"web/another@1", "web/new@2"};
    int fd;

    begin();
    fd = client_hello(&h);
    for (uint64_t i = 0; i < ARRAY_LEN(others); i++) {
        client_send_generate(fd, i + 1, "web/new");
        answer_made(worker_take_id(worker, JOB_GENERATE), others[i]);
        client_expect(fd, i + 1, KS_ERR_OUTCOME_UNKNOWN);
        client_send_get(fd, 9, "web/another", 0);
        client_expect(fd, 9, KS_ERR_NO_KEY);
    }
    client_send_generate(fd, 5, "web/new");
    answer_made(worker_take_id(worker, JOB_GENERATE), "web/new@1");
    client_expect(fd, 5, KS_OK);
    client_send_get(fd, 6, "web/new", 0);
    client_expect(fd, 6, KS_OK);
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}

Test(route, a_worker_that_talks_nonsense_is_hung_up_on)
{
    struct message message = MESSAGE_INIT;
    struct control_worker bad;
    int fd;

    begin();
    fd = client_hello(&h);
    client_send_sign(fd, 1, "web/shop@1", 0);
    (void)worker_take_id(worker, JOB_SIGN);
    worker_answer(worker, 12345, KS_OK, "nobody asked");
    client_expect(fd, 1, KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(channel_receive(worker, &message, HARNESS_WAIT_MS), KS_ERR_NO_SERVICE);
    harness_expect(&h, CONTROL_WORKER_BAD, &message);
    cr_assert_eq(control_worker_unpack(message.body, message.len, &bad), KS_OK);
    cr_assert_str_eq(bad.token, "main");
    cr_assert_eq(bad.worker_index, 1);
    client_send_get(fd, 2, "web/shop", 1);
    client_expect(fd, 2, KS_OK);
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}

Test(route, says_why_a_token_does_not_answer)
{
    Keysvc__V1__Response *response;
    int fd;

    begin();
    fd = client_hello(&h);
    harness_state(&h, 1, TOKEN_STATE_STARTING, "");
    harness_state(&h, 0, TOKEN_STATE_LOGIN_BLOCKED, "the PIN was refused");
    client_send_status(fd, 1);
    client_expect(fd, 1, KS_OK);
    do {
        client_send_sign(fd, 2, "web/shop@1", 50);
        response = client_receive(fd);
        if (response->error->code == KS_ERR_LOGIN_BLOCKED)
            break;
        cr_assert_eq(response->error->code, KS_ERR_DEADLINE, "it was still ready");
        response_free(response);
    } while (true);
    cr_assert_not_null(strstr(response->error->message, "the PIN was refused"));
    response_free(response);
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}

Test(route, an_unknown_token_is_no_missing_key)
{
    int fd;

    harness_start(&h);
    fd = client_hello(&h);
    client_send_get(fd, 1, "web/shop", 0);
    client_expect(fd, 1, KS_ERR_TOKEN_UNAVAILABLE);
    client_send_sign(fd, 2, "web/shop@1", 0);
    client_expect(fd, 2, KS_ERR_TOKEN_UNAVAILABLE);
    client_send_generate(fd, 3, "web/new");
    client_expect(fd, 3, KS_ERR_TOKEN_UNAVAILABLE);
    close(fd);
    harness_stop(&h);
}

Test(route, a_window_and_a_queue_bound_what_waits)
{
    const unsigned int queue = 8;
    uint64_t ids[WORKER_WINDOW + 8];
    int fd;

    h.config->limits.max_queue = queue;
    begin();
    fd = client_hello(&h);
    for (uint64_t i = 1; i <= WORKER_WINDOW + queue + 1; i++)
        client_send_sign(fd, i, "web/shop@1", 0);
    client_expect(fd, WORKER_WINDOW + queue + 1, KS_ERR_BUSY);
    for (size_t i = 0; i < WORKER_WINDOW; i++)
        ids[i] = worker_take_id(worker, JOB_SIGN);
    for (size_t i = 0; i < WORKER_WINDOW + queue; i++) {
        worker_answer(worker, ids[i], KS_OK, "x");
        client_expect(fd, i + 1, KS_OK);
        if (i + WORKER_WINDOW < WORKER_WINDOW + queue)
            ids[i + WORKER_WINDOW] = worker_take_id(worker, JOB_SIGN);
    }
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}

Test(route, spreads_over_workers_and_keeps_changes_on_the_first)
{
    struct channel *second;
    uint64_t first_id;
    int fd;

    begin();
    second = harness_worker(&h, 2);
    fd = client_hello(&h);
    client_send_generate(fd, 1, "web/new");
    (void)worker_take_id(worker, JOB_GENERATE);
    for (uint64_t i = 2; i < 6; i++) {
        client_send_sign(fd, i, "web/shop@1", 0);
        first_id = worker_take_id(second, JOB_SIGN);
        worker_answer(second, first_id, KS_OK, "x");
        client_expect(fd, i, KS_OK);
    }
    close(fd);
    channel_free(second);
    channel_free(worker);
    harness_stop(&h);
}

Test(route, a_worker_has_one_slow_job_at_a_time_and_others_overtake_the_rest)
{
    uint64_t first, sign;
    int fd;

    begin();
    fd = client_hello(&h);
    client_send_generate(fd, 1, "web/new");
    client_send_generate(fd, 2, "web/newer");
    client_send_generate(fd, 3, "web/newest");
    client_send_sign(fd, 4, "web/shop@1", 0);
    first = worker_take_id(worker, JOB_GENERATE);
    sign = worker_take_id(worker, JOB_SIGN);
    worker_answer(worker, sign, KS_OK, "x");
    client_expect(fd, 4, KS_OK);
    worker_answer(worker, first, KS_ERR_UNSUPPORTED, NULL);
    client_expect(fd, 1, KS_ERR_UNSUPPORTED);
    worker_answer(worker, worker_take_id(worker, JOB_GENERATE), KS_ERR_UNSUPPORTED, NULL);
    client_expect(fd, 2, KS_ERR_UNSUPPORTED);
    worker_answer(worker, worker_take_id(worker, JOB_GENERATE), KS_ERR_UNSUPPORTED, NULL);
    client_expect(fd, 3, KS_ERR_UNSUPPORTED);
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}

Test(route, a_new_key_is_known_as_soon_as_it_is_answered)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    struct job_reply reply = {.key = {.name = "web/new",
                                      .version = 1,
                                      .type = KS_KEY_TYPE_EC_P256,
                                      .public_key_len = 9,
                                      .public_key = "web/new@1"}};
    Keysvc__V1__Response *made;
    int fd;

    begin();
    fd = client_hello(&h);
    client_send_generate(fd, 1, "web/new");
    reply.id = worker_take_id(worker, JOB_GENERATE);
    job_reply_pack(&body, &reply);
    cr_assert_eq(channel_send(worker, JOB_MESSAGE_REPLY, &body, NULL, 0, HARNESS_WAIT_MS), KS_OK);
    made = client_receive(fd);
    cr_assert_eq(made->result_case, KEYSVC__V1__RESPONSE__RESULT_GENERATE);
    cr_assert_eq(made->generate->n_versions, 1);
    cr_assert_eq(made->generate->public_key.len, strlen("web/new@1"));
    response_free(made);
    client_send_sign(fd, 2, "web/new@1", 0);
    worker_answer(worker, worker_take_id(worker, JOB_SIGN), KS_OK, "x");
    client_expect(fd, 2, KS_OK);
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}

Test(route, a_client_that_goes_takes_its_waiting_jobs_along)
{
    int fd, other;

    begin();
    fd = client_hello(&h);
    for (uint64_t i = 1; i <= WORKER_WINDOW + 5; i++)
        client_send_sign(fd, i, "web/shop@1", 0);
    for (size_t i = 0; i < WORKER_WINDOW - 1; i++)
        worker_answer(worker, worker_take_id(worker, JOB_SIGN), KS_OK, "x");
    close(fd);
    other = client_hello(&h);
    client_send_sign(other, 1, "web/shop@2", 0);
    for (;;) {
        ks_auto(buf_deinit) struct buf storage = BUF_INIT;
        struct job job;

        worker_take(worker, &storage, &job);
        worker_answer(worker, job.id, KS_OK, "x");
        if (job.version == 2)
            break;
    }
    client_expect(other, 1, KS_OK);
    close(other);
    channel_free(worker);
    harness_stop(&h);
}

/* The one answer to this job is an error: the worker's when it comes that far. */
static ks_err
sign_fails(int fd, uint64_t id)
{
    struct pollfd ready[2] = {{.fd = fd, .events = POLLIN},
                              {.fd = channel_fd(worker), .events = POLLIN}};
    Keysvc__V1__Response *response;
    ks_err err;

    client_send_sign(fd, id, "web/shop@1", 0);
    cr_assert_gt(poll(ready, 2, HARNESS_WAIT_MS), 0);
    if (ready[1].revents)
        worker_answer(worker, worker_take_id(worker, JOB_SIGN), KS_ERR_PURPOSE, NULL);
    response = client_receive(fd);
    cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_ERROR);
    err = (ks_err)response->error->code;
    response_free(response);
    return err;
}

Test(route, who_fails_again_and_again_is_kept_from_the_token)
{
    ks_err err = KS_ERR_PURPOSE;
    int fd;

    begin();
    fd = client_hello(&h);
    for (uint64_t i = 1; i <= 5000 && err == KS_ERR_PURPOSE; i++) {
        err = sign_fails(fd, i);
        cr_assert(err == KS_ERR_PURPOSE || i > QUOTA_FAILED_PER_SECOND);
    }
    cr_assert_eq(err, KS_ERR_BUSY);
    /* Until the second is over. */
    close(fd);
    clock_shift(2000000, 0);
    fd = client_hello(&h);
    client_send_sign(fd, 1, "web/shop@1", 0);
    worker_answer(worker, worker_take_id(worker, JOB_SIGN), KS_OK, "x");
    client_expect(fd, 1, KS_OK);
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}

Test(route, nothing_is_signed_that_cannot_be_recorded)
{
    struct rlimit small = {1, RLIM_INFINITY}, large = {RLIM_INFINITY, RLIM_INFINITY};
    int fd;

    begin();
    fd = client_hello(&h);
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    client_send_sign(fd, 1, "web/shop@1", 0);
    client_expect(fd, 1, KS_ERR_AUDIT_UNWRITABLE);
    client_send_generate(fd, 2, "web/new");
    client_expect(fd, 2, KS_ERR_AUDIT_UNWRITABLE);
    client_send_get(fd, 3, "web/shop", 0);
    client_expect(fd, 3, KS_OK);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &large), 0);
    client_send_sign(fd, 4, "web/shop@1", 0);
    worker_answer(worker, worker_take_id(worker, JOB_SIGN), KS_OK, "x");
    client_expect(fd, 4, KS_OK);
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}
