/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_in_doubt - changes whose end nobody has seen: what is told of them, and of their keys, meanwhile
 */
#include "harness.h"

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

TestSuite(in_doubt, .init = setup, .timeout = 60);

Test(in_doubt, a_change_whose_callers_time_is_over_is_in_doubt_until_its_token_has_answered)
{
    uint64_t id;
    int fd;

    begin();
    fd = client_hello(&h);
    client_send_generate_in(fd, 1, "web/new", 30);
    id = worker_take_id(worker, JOB_GENERATE);
    client_expect(fd, 1, KS_ERR_OUTCOME_UNKNOWN);
    /* NO_KEY may be wrong a moment later. */
    client_send_get(fd, 2, "web/new", 1);
    client_expect(fd, 2, KS_ERR_TOKEN_UNAVAILABLE);
    client_send_get(fd, 3, "web/new", 0);
    client_expect(fd, 3, KS_ERR_TOKEN_UNAVAILABLE);
    client_send_get(fd, 4, "web/new", 2);
    client_expect(fd, 4, KS_ERR_NO_KEY);
    worker_answer(worker, id, KS_ERR_AUDIT_UNWRITABLE, NULL);
    client_send_sign(fd, 5, "web/shop@1", 0);
    worker_answer(worker, worker_take_id(worker, JOB_SIGN), KS_OK, "it has answered both");
    client_expect(fd, 5, KS_OK);
    client_send_get(fd, 6, "web/new", 1);
    client_expect(fd, 6, KS_ERR_NO_KEY);
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}

Test(in_doubt, a_change_that_still_waited_when_its_time_was_over_is_not_made)
{
    uint64_t first;
    int fd;

    begin();
    fd = client_hello(&h);
    client_send_generate(fd, 1, "web/one");
    first = worker_take_id(worker, JOB_GENERATE);
    client_send_generate_in(fd, 2, "web/two", 30); /* one slow job at a time */
    client_expect(fd, 2, KS_ERR_DEADLINE);
    worker_answer(worker, first, KS_ERR_INTERNAL, NULL);
    client_expect(fd, 1, KS_ERR_INTERNAL);
    client_send_sign(fd, 3, "web/shop@1", 0);
    worker_answer(worker, worker_take_id(worker, JOB_SIGN), KS_OK, "nothing came between");
    client_expect(fd, 3, KS_OK);
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}

Test(in_doubt, says_nothing_of_a_key_whose_worker_died_before_its_successor_has_told_what_there_is)
{
    int fd;

    begin();
    fd = client_hello(&h);
    client_send_generate(fd, 1, "web/new");
    (void)worker_take_id(worker, JOB_GENERATE);
    channel_free(worker);
    client_expect(fd, 1, KS_ERR_OUTCOME_UNKNOWN);
    /* Neither NO_KEY, which may be wrong, nor for ever. */
    client_send_get(fd, 2, "web/new", 1);
    client_expect(fd, 2, KS_ERR_TOKEN_UNAVAILABLE);
    client_send_get(fd, 3, "web/new", 0);
    client_expect(fd, 3, KS_ERR_TOKEN_UNAVAILABLE);
    client_send_get(fd, 4, "web/new", 2);
    client_expect(fd, 4, KS_ERR_NO_KEY);
    client_send_get(fd, 5, "web/shop", 1);
    client_expect(fd, 5, KS_OK);
    worker = harness_worker(&h, 1);
    worker_list(worker, (const char *const[]){"web/shop@1", "web/new@1", NULL});
    harness_settled(&h, 2);
    client_send_get(fd, 6, "web/new", 0);
    client_expect(fd, 6, KS_OK);
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}

Test(in_doubt, says_nothing_of_a_key_whose_worker_does_not_know_before_it_has_told_what_there_is)
{
    int fd;

    begin();
    fd = client_hello(&h);
    client_send_generate(fd, 1, "web/new");
    worker_answer(worker, worker_take_id(worker, JOB_GENERATE), KS_ERR_OUTCOME_UNKNOWN, "");
    client_expect(fd, 1, KS_ERR_OUTCOME_UNKNOWN);
    client_send_get(fd, 2, "web/new", 1);
    client_expect(fd, 2, KS_ERR_TOKEN_UNAVAILABLE);
    worker_list(worker, (const char *const[]){"web/shop@1", "web/new@1", NULL});
    harness_settled(&h, 2);
    client_send_get(fd, 3, "web/new", 1);
    client_expect(fd, 3, KS_OK);
    client_send_generate(fd, 4, "web/other");
    worker_answer(worker, worker_take_id(worker, JOB_GENERATE), KS_ERR_TOKEN_UNAVAILABLE, "");
    client_expect(fd, 4, KS_ERR_TOKEN_UNAVAILABLE);
    client_send_get(fd, 5, "web/other", 1);
    client_expect(fd, 5, KS_ERR_NO_KEY); /* nothing was changed: no doubt */
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}
