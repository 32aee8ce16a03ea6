/* SPDX-License-Identifier: Apache-2.0 */
#include "front/checkpoint.h"

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
