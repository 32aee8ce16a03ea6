/* SPDX-License-Identifier: Apache-2.0 */
#include "token/serve.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <criterion/criterion.h>

#include "test_worker.h"
#include "token/tell.h"

static struct bed *bed;
static struct channel *front; /* the other end */

static void
set_up(void)
{
    int ends[2];

    bed = bed_new();
    fake_add_pair("doc/a@1", false, true);
    bed_list(bed);
    cr_assert_eq(channel_pair(ends), KS_OK);
    cr_assert_eq(channel_new(ends[0], CHANNEL_MAX_BODY, &bed->worker.front), KS_OK);
    cr_assert_eq(channel_new(ends[1], CHANNEL_MAX_BODY, &front), KS_OK);
}

static void
tear_down(void)
{
    front = channel_free(front);
    bed = bed_free(bed);
}

TestSuite(serve, .init = set_up, .fini = tear_down);

static void
ask(struct job *job, uint64_t id)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;

    job->id = id;
    job_pack(&body, job);
    cr_assert_eq(channel_send(front, JOB_MESSAGE_JOB, &body, NULL, 0, 1000), KS_OK);
}

static void
ask_signature(uint64_t id)
{
    struct job job = bed_sign_job(bed, "doc/a", 1, "a message");

    ask(&job, id);
}

/* The next message but one of the directory. */
static ks_err
answer_of(uint64_t id, size_t *data_len)
{
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    struct job_reply reply;

    do
        cr_assert_eq(channel_receive(front, &message, 1000), KS_OK);
    while (message.type != JOB_MESSAGE_REPLY);
    cr_assert_eq(job_reply_unpack(message.body, message.len, &reply), KS_OK);
    cr_assert_eq(reply.id, id);
    *data_len = reply.data_len;
    return reply.err;
}

Test(serve, answers_many_jobs_after_their_records_were_written)
{
    size_t len;

    for (uint64_t id = 1; id <= 100; id++)
        ask_signature(id);
    cr_assert(serve_front(&bed->worker));
    cr_assert_eq(bed_audit_count(bed, "\"event\":\"sign\""), 100);
    for (uint64_t id = 1; id <= 100; id++) {
        cr_assert_eq(answer_of(id, &len), KS_OK);
        cr_assert(len > 0);
    }
}

static struct channel *
make_supervisor(void)
{
    struct channel *supervisor;
    struct fault why = FAULT_INIT;
    int ends[2];

    cr_assert_eq(channel_pair(ends), KS_OK);
    cr_assert_eq(parent_new(ends[0], &bed->worker.parent, &why), KS_OK, "%s", why.text);
    cr_assert_eq(channel_new(ends[1], CHANNEL_MAX_BODY, &supervisor), KS_OK);
    return supervisor;
}

static void
send_generation(struct channel *supervisor, uint64_t generation, const char *glob)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    struct config config = *bed->worker.config;
    struct config_class class = {.type = KS_KEY_TYPE_EC_P256, .purpose = KS_PURPOSE_SIGN};

    text_copy(class.token, sizeof(class.token), "main");
    config.generation = generation;
    text_copy(class.glob, sizeof(class.glob), glob);
    config.classes = &class;
    config.n_classes = 1;
    config_pack(&body, &config);
    cr_assert_eq(channel_send(supervisor, CONTROL_CONFIG, &body, NULL, 0, 1000), KS_OK);
}

static void
ask_of(uint64_t id, uint64_t generation)
{
    struct job job = bed_sign_job(bed, "doc/a", 1, "a message");

    job.generation = generation;
    ask(&job, id);
}

Test(serve, does_a_job_by_the_configuration_that_the_front_decided_it_by)
{
    ks_auto(channel_freep) struct channel *supervisor = make_supervisor();
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    size_t len;

    send_generation(supervisor, 2, "none/**");
    ask_of(1, 1);
    ask_of(2, 2);
    ask_of(3, 1);
    cr_assert(serve_front(&bed->worker));
    cr_assert_eq(answer_of(1, &len), KS_OK, "it was not read yet");
    cr_assert_eq(answer_of(2, &len), KS_ERR_DENIED, "it is read for it");
    cr_assert_eq(answer_of(3, &len), KS_ERR_BUSY,
                 "it would be decided half by the one, half by "
                 "the other");
    cr_assert_eq(channel_receive(supervisor, &message, 1000), KS_OK);
    cr_assert_eq(message.type, CONTROL_CONFIG_DONE);
    send_generation(supervisor, 3, "doc/**");
    ask_of(4, 3);
    cr_assert(serve_front(&bed->worker));
    cr_assert_eq(answer_of(4, &len), KS_OK);
}

/* The page is heard at once, the configuration comes later; also for what lies there in one heap. */
Test(serve, begins_no_job_of_a_configuration_that_is_over)
{
    ks_auto(channel_freep) struct channel *supervisor = make_supervisor();
    struct pulse *pulse;
    size_t len;
    int fd;

    cr_assert_eq(pulse_new(&fd, &pulse), KS_OK);
    cr_assert_eq(pulse_map(fd, &bed->worker.p11.pulse), KS_OK);
    ask_of(1, 1);
    cr_assert(serve_front(&bed->worker));
    cr_assert_eq(answer_of(1, &len), KS_OK);
    pulse_end_before(pulse, 2);
    ask_of(2, 1);
    ask_of(3, 2);
    ask_of(4, 1);
    cr_assert(serve_front(&bed->worker));
    cr_assert_eq(answer_of(2, &len), KS_ERR_BUSY);
    cr_assert_eq(answer_of(3, &len), KS_ERR_BUSY, "it is still to come");
    cr_assert_eq(answer_of(4, &len), KS_ERR_BUSY);
    send_generation(supervisor, 2, "doc/**");
    ask_of(5, 2);
    cr_assert(serve_front(&bed->worker));
    cr_assert_eq(answer_of(5, &len), KS_OK);
    cr_assert_eq(bed_audit_count(bed, "\"event\":\"sign\""), 2);
    pulse_unmap(pulse);
}

/* Which keys are adopted it does not know then. */
Test(serve, does_no_job_when_it_cannot_take_the_configuration_for_it)
{
    ks_auto(channel_freep) struct channel *supervisor = make_supervisor();
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    size_t len;

    send_generation(supervisor, 2, "doc/**");
    fake_fail_next(FAKE_TOKEN_INFO, CKR_DEVICE_ERROR);
    ask_of(1, 2);
    cr_assert(serve_front(&bed->worker));
    cr_assert_eq(answer_of(1, &len), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(bed->worker.exit_code, CONTROL_EXIT_TOKEN_LOST);
    cr_assert_eq(bed_audit_count(bed, "\"event\":\"sign\""), 0);
    cr_assert_eq(channel_receive(supervisor, &message, 50), KS_ERR_DEADLINE, "it is not taken");
}

Test(serve, is_busy_for_a_configuration_that_is_still_to_come_and_ends_without_a_supervisor)
{
    struct channel *supervisor = make_supervisor();
    size_t len;

    ask_of(1, 2);
    cr_assert(serve_front(&bed->worker));
    cr_assert_eq(answer_of(1, &len), KS_ERR_BUSY);
    cr_assert_eq(bed->worker.exit_code, WORKER_GO_ON);
    channel_free(supervisor);
    ask_of(2, 2);
    cr_assert(serve_front(&bed->worker));
    cr_assert_eq(answer_of(2, &len), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(bed->worker.exit_code, CONTROL_EXIT_SETUP);
}

Test(serve, lets_no_signature_out_when_the_audit_cannot_be_written)
{
    struct rlimit none = {0, RLIM_INFINITY}, before;
    size_t len;

    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    ask_signature(1);
    ask_signature(2);
    setrlimit(RLIMIT_FSIZE, &none);
    cr_assert(serve_front(&bed->worker));
    setrlimit(RLIMIT_FSIZE, &before);
    cr_assert_eq(answer_of(1, &len), KS_ERR_AUDIT_UNWRITABLE);
    cr_assert_eq(len, 0);
    cr_assert_eq(answer_of(2, &len), KS_ERR_AUDIT_UNWRITABLE);
    ask_signature(3);
    cr_assert(serve_front(&bed->worker), "and goes on when it can");
    cr_assert_eq(answer_of(3, &len), KS_OK);
}

Test(serve, makes_no_key_when_the_audit_cannot_be_written)
{
    struct rlimit none = {0, RLIM_INFINITY}, before;
    struct job job = bed_job(bed, JOB_GENERATE, "doc/b", 0);
    size_t len;

    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    ask(&job, 1);
    setrlimit(RLIMIT_FSIZE, &none);
    cr_assert(serve_front(&bed->worker));
    setrlimit(RLIMIT_FSIZE, &before);
    cr_assert_eq(answer_of(1, &len), KS_ERR_AUDIT_UNWRITABLE);
    cr_assert_eq(fake_n_calls(FAKE_GENERATE), 0);
}

/* The intent fits and the result does not: nobody may be told that nothing was done. */
Test(serve, says_that_the_outcome_is_unknown_when_only_the_result_cannot_be_recorded)
{
    struct rlimit limit = {0, RLIM_INFINITY}, before;
    struct job job = bed_job(bed, JOB_GENERATE, "doc/b", 0);
    struct stat status;
    size_t len;

    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    ask_signature(7); /* whatever else there is to write is written */
    cr_assert(serve_front(&bed->worker));
    cr_assert_eq(answer_of(7, &len), KS_OK);
    cr_assert_eq(fstat(bed->audit_fd, &status), 0);
    /* More than an intent has, less than both: a line is 250 to 450 bytes here. */
    limit.rlim_cur = (rlim_t)status.st_size + 460;
    ask(&job, 1);
    setrlimit(RLIMIT_FSIZE, &limit);
    cr_assert(serve_front(&bed->worker));
    setrlimit(RLIMIT_FSIZE, &before);
    cr_assert_eq(answer_of(1, &len), KS_ERR_OUTCOME_UNKNOWN);
    cr_assert_eq(len, 0);
    cr_assert_eq(fake_n_calls(FAKE_GENERATE), 1);
    cr_assert_eq(bed_audit_count(bed, "\"event\":\"intent\""), 1);
}

Test(serve, answers_what_came_before_nonsense_and_drops_the_front)
{
    size_t len;

    ask_signature(1);
    cr_assert_eq(channel_send(front, JOB_MESSAGE_REPLY, NULL, NULL, 0, 1000), KS_OK);
    ask_signature(2);
    cr_assert_not(serve_front(&bed->worker));
    cr_assert_eq(answer_of(1, &len), KS_OK);
    bed->worker.front = channel_free(bed->worker.front);
}

/* The front waits for the end of the list, and takes no part of it for the whole. */
Test(serve, ends_when_the_list_of_keys_cannot_be_sent)
{
    ks_auto(buf_deinit) struct buf large = BUF_INIT;

    tell_directory(&bed->worker);
    cr_assert_eq(bed->worker.exit_code, WORKER_GO_ON);
    cr_assert(buf_reserve(&large, CHANNEL_MAX_CONFIG));
    memset(large.data, 0, CHANNEL_MAX_CONFIG);
    for (large.len = CHANNEL_MAX_CONFIG; large.len > 0; large.len /= 2) {
        while (channel_queue(bed->worker.front, JOB_MESSAGE_STATS, &large, NULL, 0) == KS_OK)
            ;
    }
    tell_directory(&bed->worker);
    cr_assert_eq(bed->worker.exit_code, CONTROL_EXIT_TOKEN_LOST);
}

/* Another one is given to it. */
Test(serve, goes_on_when_the_front_is_gone)
{
    front = channel_free(front);
    tell_directory(&bed->worker);
    cr_assert_eq(bed->worker.exit_code, WORKER_GO_ON);
}

Test(serve, tells_the_front_a_new_key_before_it_answers_with_it)
{
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    struct job job = bed_job(bed, JOB_GENERATE, "doc/b", 0);
    struct job_key key;

    ask(&job, 1);
    cr_assert(serve_front(&bed->worker));
    cr_assert_eq(channel_receive(front, &message, 1000), KS_OK);
    cr_assert_eq(message.type, JOB_MESSAGE_DIRECTORY_KEY);
    cr_assert_eq(job_key_unpack(message.body, message.len, &key), KS_OK);
    cr_assert_str_eq(key.name, "doc/b");
    cr_assert_eq(bed_audit_count(bed, "\"event\":\"purpose\""), 1);
}

Test(serve, shows_a_key_of_another_program_after_a_rescan)
{
    struct job job = bed_job(bed, JOB_RESCAN, "", 0);
    struct job_key key = {.version = 0};
    bool ended = false;

    fake_add_pair("doc/c@4", false, true);
    ask(&job, 1);
    cr_assert(serve_front(&bed->worker));
    while (!ended) {
        ks_auto(message_deinit) struct message message = MESSAGE_INIT;

        cr_assert_eq(channel_receive(front, &message, 1000), KS_OK);
        if (message.type == JOB_MESSAGE_DIRECTORY_KEY)
            cr_assert_eq(job_key_unpack(message.body, message.len, &key), KS_OK);
        ended = message.type == JOB_MESSAGE_DIRECTORY_END;
    }
    cr_assert_eq(key.version, 4);
}

/* The search behind it fails: what the answer says and what the front shows are one all the same. */
Test(serve, shows_a_key_that_it_destroyed_to_nobody_when_the_token_fails_just_then)
{
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    struct job job = bed_job(bed, JOB_DESTROY, "doc/b", 1);
    unsigned int n_searches;
    struct job_key key;
    size_t len;

    fake_add_pair("doc/b@1", false, true);
    bed_list(bed);
    n_searches = fake_n_calls(FAKE_FIND_INIT);
    ask(&job, 1);
    cr_assert(serve_front(&bed->worker));
    cr_assert_eq(answer_of(1, &len), KS_OK);
    cr_assert_not(bed->worker.must_tell);
    n_searches = fake_n_calls(FAKE_FIND_INIT) - n_searches;

    job = bed_job(bed, JOB_DESTROY, "doc/a", 1);
    ask(&job, 2);
    fake_fail_after(FAKE_FIND_INIT, n_searches - 1, CKR_DEVICE_ERROR);
    cr_assert(serve_front(&bed->worker));
    cr_assert_eq(channel_receive(front, &message, 1000), KS_OK);
    cr_assert_eq(message.type, JOB_MESSAGE_DIRECTORY_KEY);
    cr_assert_eq(job_key_unpack(message.body, message.len, &key), KS_OK);
    cr_assert_str_eq(key.name, "doc/a");
    cr_assert_eq(key.state, JOB_KEY_GONE);
    cr_assert_eq(answer_of(2, &len), KS_OK);
    cr_assert(bed->worker.must_tell, "all keys, to be sure");
}

Test(serve, owes_the_front_all_keys_when_it_does_not_know_how_a_change_ended)
{
    struct job job = bed_job(bed, JOB_DESTROY, "doc/a", 1);
    size_t len;

    fake_fail_after(FAKE_DESTROY, 1, CKR_FUNCTION_CANCELED);
    ask(&job, 1);
    cr_assert(serve_front(&bed->worker));
    cr_assert_eq(answer_of(1, &len), KS_ERR_OUTCOME_UNKNOWN);
    cr_assert(bed->worker.must_tell);
    cr_assert_eq(bed->worker.exit_code, WORKER_GO_ON);
}

/* What the directory hears before the answer; NONE: nothing. */
static enum job_key_state
look(const char *name, uint32_t version, uint64_t id, bool *told)
{
    struct job job = bed_job(bed, JOB_LOOK, name, version);
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    struct job_key key = {.state = JOB_KEY_STATE_COUNT};
    size_t len;

    ask(&job, id);
    cr_assert(serve_front(&bed->worker));
    cr_assert_eq(channel_receive(front, &message, 1000), KS_OK);
    *told = message.type == JOB_MESSAGE_DIRECTORY_KEY;
    if (*told) {
        cr_assert_eq(job_key_unpack(message.body, message.len, &key), KS_OK);
        cr_assert_str_eq(key.name, name);
        cr_assert_eq(answer_of(id, &len), KS_OK);
    }
    return key.state;
}

Test(serve, looks_for_one_key_and_tells_only_what_is_news)
{
    bool told;

    (void)look("doc/a", 1, 1, &told);
    cr_assert_not(told, "it stands as it did");
    (void)look("doc/b", 1, 2, &told);
    cr_assert_not(told, "it was not there, and is not");
    fake_add_pair("doc/b@1", false, true);
    cr_assert_eq(look("doc/b", 1, 3, &told), JOB_KEY_USABLE);
    cr_assert(told);
    fake_remove("doc/a@1");
    cr_assert_eq(look("doc/a", 1, 4, &told), JOB_KEY_GONE);
    cr_assert(told);
}

Test(serve, ends_the_batch_and_the_process_when_the_token_is_lost)
{
    size_t len;

    fake_fail_next(FAKE_SIGN, CKR_DEVICE_REMOVED);
    ask_signature(1);
    cr_assert(serve_front(&bed->worker));
    cr_assert_eq(answer_of(1, &len), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(bed->worker.exit_code, CONTROL_EXIT_TOKEN_LOST);
}

Test(serve, records_a_purpose_only_when_it_changed)
{
    struct fault why = FAULT_INIT;

    tell_purposes(&bed->worker);
    tell_purposes(&bed->worker);
    bed->worker.config->classes[1].purpose = KS_PURPOSE_TLS;
    tell_purposes(&bed->worker);
    cr_assert_eq(audit_flush(bed->worker.audit, false, &why), KS_OK);
    cr_assert_eq(bed_audit_count(bed, "\"event\":\"purpose\""), 2);
    cr_assert_eq(bed_audit_count(bed, "\"purpose\":\"tls\""), 1);
}
