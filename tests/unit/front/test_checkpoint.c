/* SPDX-License-Identifier: Apache-2.0 */
#include "front/checkpoint.h"

#include "base/clock.h"
#include "harness.h"

static struct harness h;
static struct channel *worker;

static void
setup(void)
{
    harness_prepare(&h);
}

TestSuite(checkpoint, .init = setup, .timeout = 60);

Test(checkpoint, has_its_own_chain_signed)
{
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    ks_auto(buf_deinit) struct buf storage = BUF_INIT;
    struct control_checkpoint said;
    char text[CHAIN_CHECKPOINT_MAX];
    struct job job;
    int fd;

    h.config->audit_checkpoint_s = 1;
    harness_start(&h);
    worker = harness_worker(&h, 1);
    worker_list_audit_key(worker);
    worker_take(worker, &storage, &job);
    cr_assert_eq(job.operation, JOB_CHECKPOINT);
    cr_assert_eq(strncmp(job.checkpoint, CHAIN_CHECKPOINT_PREFIX "chain=front ",
                         strlen(CHAIN_CHECKPOINT_PREFIX "chain=front ")),
                 0);
    text_copy(text, sizeof(text), job.checkpoint);
    worker_answer(worker, job.id, KS_OK, "signed");
    job_deinit(&job);
    harness_expect(&h, CONTROL_CHECKPOINT, &message);
    cr_assert_eq(control_checkpoint_unpack(message.body, message.len, &said), KS_OK);
    cr_assert_str_eq(said.text, text);
    cr_assert_str_eq(said.token, "main");
    cr_assert_eq(said.signature_len, 6);
    cr_assert_eq(said.public_key_len, WORKER_AUDIT_KEY_LEN);
    fd = client_hello(&h);
    client_send_status(fd, 1);
    client_expect(fd, 1, KS_OK);
    cr_assert_eq(harness_count_audit(&h, "\"event\":\"checkpoint\""), 1);
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}

Test(checkpoint, has_its_own_chain_signed_before_it_ends)
{
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    uint64_t id;

    h.config->audit_checkpoint_s = 3600;
    harness_start(&h);
    worker = harness_worker(&h, 1);
    worker_list_audit_key(worker);
    harness_settled(&h, 1);
    harness_send(&h, CONTROL_STOP, NULL);
    id = worker_take_id(worker, JOB_CHECKPOINT);
    worker_answer(worker, id, KS_OK, "signed");
    harness_expect(&h, CONTROL_CHECKPOINT, &message);
    channel_free(worker);
    harness_join(&h);
    cr_assert_eq(h.result, KS_OK);
}

Test(checkpoint, asks_for_version_1_whatever_newer_ones_a_token_shows)
{
    ks_auto(buf_deinit) struct buf storage = BUF_INIT;
    struct job job;

    h.config->audit_checkpoint_s = 1;
    harness_start(&h);
    worker = harness_worker(&h, 1);
    worker_list_audit_key(worker);
    worker_audit_key(worker, 2);
    worker_key(worker, "keysvc/audit@3", JOB_KEY_USABLE);
    worker_take(worker, &storage, &job);
    cr_assert_eq(job.operation, JOB_CHECKPOINT);
    cr_assert_eq(job.version, 1);
    job_deinit(&job);
    channel_free(worker);
    harness_stop(&h);
}

Test(checkpoint, asks_for_no_key_of_a_kind_that_keysvcd_does_not_take)
{
    static const char *const other_kind[] = {"keysvc/audit@1", NULL};
    struct message message = MESSAGE_INIT;

    h.config->audit_checkpoint_s = 1;
    harness_start(&h);
    worker = harness_worker(&h, 1);
    worker_list(worker, other_kind);
    cr_assert_eq(channel_receive(worker, &message, 3000), KS_ERR_DEADLINE);
    channel_free(worker);
    harness_stop(&h);
}

/* Which of the two is asked within this time; 2: neither. */
static size_t
asked(struct channel *const workers[2], uint64_t within_ms, uint64_t *id)
{
    uint64_t end_ms = clock_mono_ms() + within_ms;

    for (size_t i = 0; clock_mono_ms() < end_ms; i = 1 - i) {
        ks_auto(message_deinit) struct message message = MESSAGE_INIT;
        ks_auto(buf_deinit) struct buf storage = BUF_INIT;
        struct job job;

        if (channel_receive(workers[i], &message, 50) != KS_OK)
            continue;
        cr_assert_eq(job_unpack(message.body, message.len, &storage, &job), KS_OK);
        cr_assert_eq(job.operation, JOB_CHECKPOINT);
        *id = job.id;
        return i;
    }
    return 2;
}

static void
start_with_two(struct channel *workers[2], uint32_t interval_s)
{
    h.config->audit_checkpoint_s = interval_s;
    harness_add_token(&h, "east");
    harness_start(&h);
    workers[0] = harness_worker(&h, 1);
    workers[1] = harness_worker_of(&h, "east", 1);
    worker_list_audit_key(workers[0]);
    worker_list_audit_key(workers[1]);
    harness_settled(&h, 2);
}

static void
stop_with_two(struct channel *workers[2])
{
    channel_free(workers[0]);
    channel_free(workers[1]);
    harness_stop(&h);
}

Test(checkpoint, asks_the_next_token_at_once_when_one_fails)
{
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    struct channel *workers[2];
    uint64_t id;
    size_t first;

    start_with_two(workers, 6);
    first = asked(workers, HARNESS_WAIT_MS, &id);
    cr_assert_lt(first, 2);
    worker_answer(workers[first], id, KS_ERR_TOKEN_UNAVAILABLE, NULL);
    cr_assert_eq(asked(workers, 4000, &id), 1 - first);
    worker_answer(workers[1 - first], id, KS_OK, "signed");
    harness_expect(&h, CONTROL_CHECKPOINT, &message);
    stop_with_two(workers);
}

Test(checkpoint, waits_when_every_token_has_failed_and_asks_them_all_again)
{
    struct channel *workers[2];
    size_t n_asked[2] = {0};
    uint64_t id;

    start_with_two(workers, 4);
    for (size_t i = 0; i < 4; i++) {
        size_t at = asked(workers, HARNESS_WAIT_MS, &id);

        cr_assert_lt(at, 2);
        n_asked[at]++;
        worker_answer(workers[at], id, KS_ERR_TOKEN_UNAVAILABLE, NULL);
        if (i == 1)
            cr_assert_eq(asked(workers, 2000, &id), 2);
    }
    cr_assert_eq(n_asked[0], 2);
    cr_assert_eq(n_asked[1], 2);
    stop_with_two(workers);
}

/* One whose signatures keysvcd refuses, of which nobody tells the front, has not every turn. */
Test(checkpoint, has_the_tokens_take_turns)
{
    struct channel *workers[2];
    uint64_t id;
    size_t first;
    int fd;

    start_with_two(workers, 1);
    first = asked(workers, HARNESS_WAIT_MS, &id);
    cr_assert_lt(first, 2);
    worker_answer(workers[first], id, KS_OK, "signed");
    fd = client_hello(&h);
    client_send_get(fd, 1, "secret/shop", 0); /* a refusal makes a record */
    client_expect(fd, 1, KS_ERR_DENIED);
    close(fd);
    cr_assert_eq(asked(workers, HARNESS_WAIT_MS, &id), 1 - first);
    stop_with_two(workers);
}

Test(checkpoint, is_made_sooner_when_a_reload_makes_the_interval_shorter)
{
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    ks_auto(buf_deinit) struct buf body = BUF_INIT;

    h.config->audit_checkpoint_s = 3600;
    harness_start(&h);
    worker = harness_worker(&h, 1);
    worker_list_audit_key(worker);
    harness_settled(&h, 1);
    h.config->generation = 2;
    h.config->audit_checkpoint_s = 1;
    config_pack(&body, h.config);
    harness_send(&h, CONTROL_CONFIG, &body);
    harness_expect(&h, CONTROL_CONFIG_DONE, &message);
    (void)worker_take_id(worker, JOB_CHECKPOINT);
    channel_free(worker);
    harness_stop(&h);
}
