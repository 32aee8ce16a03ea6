/* SPDX-License-Identifier: Apache-2.0 */
/*
 * group - a class on two tokens: who is asked, and who instead of one that is lost
 */
#include "harness.h"

#include <unistd.h>

#include "base/clock.h"

static const char *const KEYS[] = {"web/shop@1", NULL};

static struct harness h;
static struct channel *east, *west;
static int fd;

/* Tokens main (called east here) and west, in that order of the group, each with one worker. */
static void
setup(void)
{
    struct config *config;

    harness_prepare(&h);
    harness_add_token(&h, "west");
    config = h.config;
    config->tokens[0].profile.workers = 1;
    config->groups = calloc(1, sizeof(*config->groups));
    config->n_groups = 1;
    text_copy(config->groups[0].name, sizeof(config->groups[0].name), "both");
    cr_assert_eq(strv_add(&config->groups[0].tokens, "main"), KS_OK);
    cr_assert_eq(strv_add(&config->groups[0].tokens, "west"), KS_OK);
    text_copy(config->classes[0].token, sizeof(config->classes[0].token), "both");
}

TestSuite(group, .init = setup, .timeout = 60);

/* What the group shows, as soon as it does. */
static void
wait_keys(uint32_t n_keys, uint32_t n_everywhere, uint32_t n_ready)
{
    uint64_t end_ms = clock_mono_ms() + HARNESS_WAIT_MS;
    bool there = false;

    while (!there && clock_mono_ms() < end_ms) {
        Keysvc__V1__Response *response;
        const Keysvc__V1__Group *group;

        client_send_status(fd, 99);
        response = client_receive(fd);
        cr_assert_not_null(response);
        cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_STATUS);
        cr_assert_eq(response->status->n_groups, 1);
        group = response->status->groups[0];
        cr_assert_str_eq(group->name, "both");
        cr_assert_str_eq(group->tokens[1], "west");
        there = group->keys == n_keys && group->keys_everywhere == n_everywhere &&
                group->ready_tokens == n_ready;
        response_free(response);
        if (!there)
            usleep(10000); /* status has a rate */
    }
    cr_assert(there);
}

/* How many requests a second token was asked for. */
static void
expect_sent_again(uint64_t n)
{
    Keysvc__V1__Response *response = client_ask_metrics(fd, 98);

    cr_assert_not_null(response);
    cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_METRICS);
    cr_assert_eq(response->metrics->sent_again, n);
    response_free(response);
}

/* Both have told the same keys. */
static void
begin(void)
{
    harness_start(&h);
    fd = client_hello(&h);
    east = harness_worker(&h, 1);
    west = harness_worker_of(&h, "west", 1);
    worker_list(east, KEYS);
    worker_list(west, KEYS);
    wait_keys(1, 1, 2);
}

static void
end(void)
{
    close(fd);
    channel_free(east);
    channel_free(west);
    harness_stop(&h);
}

static Keysvc__V1__Response *
get(const char *name, uint32_t version)
{
    Keysvc__V1__Response *response;

    client_send_get(fd, 50, name, version);
    response = client_receive(fd);
    cr_assert_not_null(response);
    cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_GET);
    return response;
}

/* A key under a label that the other token shows, too. */
static void
tell(struct channel *worker, const char *name, uint32_t version, const char *public_key)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    struct job_key key = {
        .version = version, .type = KS_KEY_TYPE_EC_P256, .public_key_len = strlen(public_key)};

    memcpy(key.public_key, public_key, key.public_key_len);
    text_copy(key.name, sizeof(key.name), name);
    job_key_pack(&body, &key);
    cr_assert_eq(channel_send(worker, JOB_MESSAGE_DIRECTORY_KEY, &body, NULL, 0, HARNESS_WAIT_MS),
                 KS_OK);
}

static void
tell_another(struct channel *worker, const char *name, uint32_t version)
{
    tell(worker, name, version, "another");
}

/* The next job of this kind. A look comes again each second or so until both agree: those between are answered. */
static uint64_t
take_id(struct channel *worker, enum job_operation operation)
{
    for (;;) {
        ks_auto(buf_deinit) struct buf storage = BUF_INIT;
        struct job job;
        uint64_t id;

        worker_take(worker, &storage, &job);
        id = job.id;
        if (job.operation == JOB_LOOK && operation != JOB_LOOK) {
            job_deinit(&job);
            worker_answer(worker, id, KS_OK, NULL);
            continue;
        }
        cr_assert_eq(job.operation, operation, "operation %d", (int)job.operation);
        job_deinit(&job);
        return id;
    }
}

/* Jobs that wait for the token or lie with it. */
static uint32_t
n_queued(size_t token)
{
    Keysvc__V1__Response *response;
    uint32_t n;

    client_send_status(fd, 97);
    response = client_receive(fd);
    cr_assert_not_null(response);
    cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_STATUS);
    n = response->status->tokens[token]->queued;
    response_free(response);
    return n;
}

/* Whatever stands there. */
static void
send_destroy(uint64_t id, const char *name, uint32_t version)
{
    Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__DestroyRequest destroy = KEYSVC__V1__DESTROY_REQUEST__INIT;

    destroy.name = (char *)name;
    destroy.version = version;
    request.id = id;
    request.operation_case = KEYSVC__V1__REQUEST__OPERATION_DESTROY;
    request.destroy = &destroy;
    client_send(fd, &request);
}

static void
send_rotate(uint64_t id, const char *name, uint32_t from_version)
{
    Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__RotateRequest rotate = KEYSVC__V1__ROTATE_REQUEST__INIT;

    rotate.name = (char *)name;
    rotate.from_version = from_version;
    request.id = id;
    request.operation_case = KEYSVC__V1__REQUEST__OPERATION_ROTATE;
    request.rotate = &rotate;
    client_send(fd, &request);
}

Test(group, the_least_loaded_token_is_asked_and_the_first_of_equals)
{
    uint64_t ids[3];

    begin();
    for (uint64_t i = 0; i < 3; i++)
        client_send_sign(fd, i + 1, "web/shop@1", 0);
    ids[0] = worker_take_id(east, JOB_SIGN);
    ids[1] = worker_take_id(west, JOB_SIGN);
    ids[2] = worker_take_id(east, JOB_SIGN);
    worker_answer(west, ids[1], KS_OK, "b");
    client_expect(fd, 2, KS_OK);
    client_send_sign(fd, 4, "web/shop@1", 0);
    worker_answer(west, worker_take_id(west, JOB_SIGN), KS_OK, "d");
    client_expect(fd, 4, KS_OK);
    worker_answer(east, ids[0], KS_OK, "a");
    client_expect(fd, 1, KS_OK);
    worker_answer(east, ids[2], KS_OK, "c");
    client_expect(fd, 3, KS_OK);
    end();
}

Test(group, what_a_lost_token_had_is_done_by_the_other_under_the_same_id_and_one_record)
{
    uint64_t ids[2];

    begin();
    client_send_sign(fd, 1, "web/shop@1", 0);
    ids[0] = worker_take_id(east, JOB_SIGN);
    client_send_sign(fd, 2, "web/shop@1", 0);
    ids[1] = worker_take_id(west, JOB_SIGN);
    channel_free(east);
    east = NULL;
    cr_assert_eq(worker_take_id(west, JOB_SIGN), ids[0]);
    worker_answer(west, ids[0], KS_OK, "a");
    client_expect(fd, 1, KS_OK);
    worker_answer(west, ids[1], KS_OK, "b");
    client_expect(fd, 2, KS_OK);
    cr_assert_eq(harness_count_audit(&h, "\"outcome\":\"forwarded\""), 2);
    cr_assert_eq(harness_count_audit(&h, "TOKEN_UNAVAILABLE"), 0);
    end();
}

Test(group, a_token_that_says_it_is_gone_or_has_no_key_is_not_the_last_word)
{
    static const ks_err said[] = {KS_ERR_TOKEN_UNAVAILABLE, KS_ERR_LOGIN_BLOCKED, KS_ERR_NO_KEY};

    begin();
    for (uint64_t i = 0; i < ARRAY_LEN(said); i++) {
        client_send_sign(fd, i + 1, "web/shop@1", 0);
        worker_answer(east, worker_take_id(east, JOB_SIGN), said[i], NULL);
        worker_answer(west, worker_take_id(west, JOB_SIGN), KS_OK, "signature");
        client_expect(fd, i + 1, KS_OK);
        expect_sent_again(i + 1);
    }
    /* What is said about the request is. */
    client_send_sign(fd, 9, "web/shop@1", 0);
    worker_answer(east, worker_take_id(east, JOB_SIGN), KS_ERR_PURPOSE, NULL);
    client_expect(fd, 9, KS_ERR_PURPOSE);
    end();
}

/* A third token, south. */
static void
add_south(void)
{
    struct config *config = h.config;

    config->tokens = reallocarray(config->tokens, 3, sizeof(*config->tokens));
    memset(&config->tokens[2], 0, sizeof(*config->tokens));
    text_copy(config->tokens[2].name, sizeof(config->tokens[2].name), "south");
    config->n_tokens = 3;
    cr_assert_eq(strv_add(&config->groups[0].tokens, "south"), KS_OK);
}

/* It may be what its workers die of. */
Test(group, a_request_is_sent_once_more_and_not_oftener)
{
    struct channel *south;

    add_south();
    harness_start(&h);
    fd = client_hello(&h);
    east = harness_worker(&h, 1);
    west = harness_worker_of(&h, "west", 1);
    south = harness_worker_of(&h, "south", 1);
    worker_list(east, KEYS);
    worker_list(west, KEYS);
    worker_list(south, KEYS);
    wait_keys(1, 1, 3);
    client_send_sign(fd, 1, "web/shop@1", 0);
    worker_answer(east, worker_take_id(east, JOB_SIGN), KS_ERR_TOKEN_UNAVAILABLE, NULL);
    worker_answer(west, worker_take_id(west, JOB_SIGN), KS_ERR_TOKEN_UNAVAILABLE, NULL);
    client_expect(fd, 1, KS_ERR_TOKEN_UNAVAILABLE);
    channel_free(south);
    end();
}

Test(group, a_deadline_that_passes_while_the_second_works_is_answered_once)
{
    uint64_t id;

    begin();
    client_send_sign(fd, 1, "web/shop@1", 2000); /* in which the first has to refuse */
    worker_answer(east, worker_take_id(east, JOB_SIGN), KS_ERR_TOKEN_UNAVAILABLE, NULL);
    id = worker_take_id(west, JOB_SIGN);
    client_expect(fd, 1, KS_ERR_DEADLINE);
    worker_answer(west, id, KS_OK, "late");
    client_send_sign(fd, 2, "web/shop@1", 0);
    worker_answer(east, worker_take_id(east, JOB_SIGN), KS_OK, "in time");
    client_expect(fd, 2, KS_OK);
    end();
}

Test(group, a_change_goes_to_the_first_that_is_ready_and_is_never_made_twice)
{
    begin();
    client_send_generate(fd, 1, "web/new");
    (void)worker_take_id(east, JOB_GENERATE);
    client_send_generate(fd, 2, "web/newer"); /* waits for the slow one: was never sent */
    channel_free(east);
    east = NULL;
    client_expect(fd, 1, KS_ERR_OUTCOME_UNKNOWN);
    worker_answer(west, worker_take_id(west, JOB_GENERATE), KS_ERR_UNSUPPORTED, NULL);
    client_expect(fd, 2, KS_ERR_UNSUPPORTED);
    client_send_generate(fd, 3, "web/newest");
    worker_answer(west, worker_take_id(west, JOB_GENERATE), KS_ERR_TOKEN_UNAVAILABLE, NULL);
    client_expect(fd, 3, KS_ERR_TOKEN_UNAVAILABLE);
    end();
}

Test(group, a_key_that_one_token_shows_is_used_there)
{
    begin();
    worker_key(west, "web/shop@2", JOB_KEY_USABLE);
    /* East is asked whether it has it by now. */
    worker_answer(east, worker_take_id(east, JOB_LOOK), KS_OK, NULL);
    wait_keys(2, 1, 2);
    client_send_sign(fd, 1, "web/shop@2", 0);
    worker_answer(west, worker_take_id(west, JOB_SIGN), KS_OK, "signature");
    client_expect(fd, 1, KS_OK);
    channel_free(west);
    west = NULL;
    wait_keys(2, 1, 1);
    client_send_sign(fd, 2, "web/shop@2", 0);
    client_expect(fd, 2, KS_ERR_TOKEN_UNAVAILABLE);
    client_send_sign(fd, 3, "web/shop@1", 0);
    worker_answer(east, take_id(east, JOB_SIGN), KS_OK, "signature");
    client_expect(fd, 3, KS_OK);
    end();
}

Test(group, news_of_one_token_is_looked_for_on_the_other_until_both_agree)
{
    begin();
    worker_key(east, "web/new@1", JOB_KEY_USABLE);
    worker_answer(west, worker_take_id(west, JOB_LOOK), KS_OK, NULL); /* not there yet */
    (void)worker_take_id(west, JOB_LOOK);
    worker_key(west, "web/new@1", JOB_KEY_USABLE);
    wait_keys(2, 2, 2);
    worker_key(east, "web/new@1", JOB_KEY_GONE);
    (void)worker_take_id(west, JOB_LOOK);
    worker_key(west, "web/new@1", JOB_KEY_GONE);
    wait_keys(1, 1, 2);
    end();
}

Test(group, a_key_that_a_listing_brings_anew_is_looked_for_too)
{
    static const char *const more[] = {"web/shop@1", "web/late@1", NULL};

    begin();
    client_send_generate(fd, 1, "web/late");
    (void)worker_take_id(east, JOB_GENERATE);
    channel_free(east);
    client_expect(fd, 1, KS_ERR_OUTCOME_UNKNOWN);
    east = harness_worker(&h, 1);
    worker_list(east, more);
    (void)worker_take_id(west, JOB_LOOK);
    worker_key(west, "web/late@1", JOB_KEY_USABLE);
    wait_keys(2, 2, 2);
    end();
}

Test(group, news_while_the_other_begins_anew_is_looked_for_when_it_is_ready)
{
    begin();
    channel_free(west);
    wait_keys(1, 1, 1);
    west = harness_worker_of(&h, "west", 1);
    worker_key(east, "web/new@1", JOB_KEY_USABLE);
    wait_keys(2, 1, 1);
    worker_list(west, KEYS); /* which it had read before */
    (void)worker_take_id(west, JOB_LOOK);
    worker_key(west, "web/new@1", JOB_KEY_USABLE);
    wait_keys(2, 2, 2);
    end();
}

Test(group, what_concerns_a_key_that_is_there_goes_where_it_is)
{
    ks_auto(buf_deinit) struct buf storage = BUF_INIT;
    struct job job;

    begin();
    worker_key(west, "web/shop@2", JOB_KEY_USABLE);
    (void)worker_take_id(east, JOB_LOOK);
    wait_keys(2, 1, 2);
    send_rotate(1, "web/shop", 1);
    client_expect(fd, 1, KS_ERR_EXISTS);
    send_rotate(2, "web/shop", 2);
    worker_take(west, &storage, &job);
    cr_assert_eq(job.operation, JOB_ROTATE);
    cr_assert_eq(job.version, 2);
    worker_answer(west, job.id, KS_ERR_UNSUPPORTED, NULL);
    client_expect(fd, 2, KS_ERR_UNSUPPORTED);
    job_deinit(&job);
    send_destroy(3, "web/shop", 2);
    worker_answer(west, worker_take_id(west, JOB_DESTROY), KS_OK, NULL);
    client_expect(fd, 3, KS_OK);
    /* Nobody shows it; something of it may be left: the first is asked. */
    send_destroy(4, "web/shop", 7);
    worker_answer(east, take_id(east, JOB_DESTROY), KS_ERR_NO_KEY, NULL);
    client_expect(fd, 4, KS_ERR_NO_KEY);
    end();
}

/* False: none is there yet; the front may not even have read the last answer. */
static bool
answer_a_look(void)
{
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    ks_auto(buf_deinit) struct buf storage = BUF_INIT;
    struct job job;
    uint64_t id;

    if (channel_receive(east, &message, 10) != KS_OK)
        return false;
    cr_assert_eq(message.type, JOB_MESSAGE_JOB);
    cr_assert_eq(job_unpack(message.body, message.len, &storage, &job), KS_OK);
    cr_assert_eq(job.operation,
                 h.config->tokens[0].profile.rescan_reinitializes ? JOB_RESCAN : JOB_LOOK);
    id = job.id;
    job_deinit(&job);
    worker_answer(east, id, KS_OK, NULL);
    return true;
}

/* Each is news, in turn another and the same. How many looks it takes, and the time. */
static unsigned int
looks_for_much_news(unsigned int n_news, uint64_t *took_ms)
{
    unsigned int n_looks = 0;
    uint64_t began_ms;

    begin();
    began_ms = clock_mono_ms();
    for (unsigned int i = 0; i < n_news; i++) {
        tell_another(west, "web/shop", 1);
        worker_key(west, "web/shop@1", JOB_KEY_USABLE);
    }
    worker_key(west, "web/last@1", JOB_KEY_USABLE);
    wait_keys(2, 1, 2); /* all of it has been heard */
    while (n_queued(0) > 0)
        n_looks += answer_a_look();
    *took_ms = clock_mono_ms() - began_ms;
    end();
    return n_looks;
}

Test(group, news_without_end_of_one_token_keeps_the_others_little)
{
    uint64_t took_ms;
    unsigned int n_looks = looks_for_much_news(500, &took_ms);

    /* Some at once, and so many in each second that a slow machine takes for it. */
    cr_assert(n_looks > 0 && n_looks <= 60 + took_ms / 30, "%u in %ju ms", n_looks, took_ms);
}

Test(group, and_where_each_look_initialises_the_module_anew_less)
{
    unsigned int n_looks;
    uint64_t took_ms;

    h.config->tokens[0].profile.rescan_reinitializes = true;
    n_looks = looks_for_much_news(100, &took_ms);
    cr_assert(n_looks > 0 && n_looks <= 20, "%u", n_looks);
}

Test(group, a_token_that_shows_other_keys_keeps_nobody_from_the_one_he_names)
{
    begin();
    tell_another(west, "web/shop", 1);
    (void)worker_take_id(east, JOB_LOOK);
    for (uint64_t id = 1; id <= 3; id++) {
        client_send_sign(fd, id, "web/shop@1", 0);
        worker_answer(east, take_id(east, JOB_SIGN), KS_OK, "signature");
        client_expect(fd, id, KS_OK);
    }
    channel_free(east);
    east = NULL;
    client_send_sign(fd, 4, "web/shop@1", 0);
    client_expect(fd, 4, KS_ERR_TOKEN_UNAVAILABLE);
    end();
}

Test(group, different_keys_under_one_label_do_nothing_for_who_names_neither)
{
    Keysvc__V1__Response *response;

    begin();
    tell_another(west, "web/shop", 1);
    (void)worker_take_id(east, JOB_LOOK);
    send_destroy(1, "web/shop", 1);
    response = client_receive(fd);
    cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_ERROR);
    cr_assert_eq(response->error->code, KS_ERR_AMBIGUOUS_KEY);
    cr_assert(strstr(response->error->message, "tokens main and west of group both"), "%s",
              response->error->message);
    response_free(response);
    send_rotate(3, "web/shop", 1);
    client_expect(fd, 3, KS_ERR_AMBIGUOUS_KEY);
    client_send_generate(fd, 4, "web/shop");
    client_expect(fd, 4, KS_ERR_EXISTS);
    response = get("web/shop", 1);
    cr_assert(response->get->ambiguous);
    cr_assert_eq(response->get->public_key.len, 0);
    cr_assert_eq(response->get->public_key_sha256.len, 0);
    cr_assert_eq(response->get->n_tokens, 2);
    response_free(response);
    end();
}

Test(group, a_key_is_shown_once_with_its_tokens)
{
    Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__ListRequest list = KEYSVC__V1__LIST_REQUEST__INIT;
    Keysvc__V1__Response *response;

    begin();
    worker_key(west, "web/shop@2", JOB_KEY_USABLE);
    (void)worker_take_id(east, JOB_LOOK);
    request.id = 1;
    request.operation_case = KEYSVC__V1__REQUEST__OPERATION_LIST;
    request.list = &list;
    client_send(fd, &request);
    response = client_receive(fd);
    cr_assert_eq(response->list->n_keys, 2);
    cr_assert_not(response->list->more);
    cr_assert_str_eq(response->list->keys[0]->token, "main");
    cr_assert_eq(response->list->keys[0]->n_tokens, 2);
    cr_assert_str_eq(response->list->keys[0]->tokens[0], "main");
    cr_assert_str_eq(response->list->keys[0]->tokens[1], "west");
    cr_assert_eq(response->list->keys[1]->version, 2);
    cr_assert_eq(response->list->keys[1]->n_tokens, 1);
    cr_assert_str_eq(response->list->keys[1]->tokens[0], "west");
    response_free(response);
    response = get("web/shop", 0);
    cr_assert_eq(response->get->version, 2);
    cr_assert_eq(response->get->n_versions, 2);
    response_free(response);
    end();
}

Test(group, before_all_have_told_their_keys_none_is_made_and_known_ones_are_used)
{
    harness_start(&h);
    fd = client_hello(&h);
    west = harness_worker_of(&h, "west", 1);
    worker_list(west, KEYS);
    wait_keys(1, 0, 1);
    client_send_sign(fd, 1, "web/shop@1", 0);
    worker_answer(west, worker_take_id(west, JOB_SIGN), KS_OK, "signature");
    client_expect(fd, 1, KS_OK);
    client_send_generate(fd, 2, "web/new");
    client_expect(fd, 2, KS_ERR_TOKEN_UNAVAILABLE);
    client_send_generate(fd, 3, "web/shop");
    client_expect(fd, 3, KS_ERR_EXISTS);
    client_send_get(fd, 4, "web/new", 0);
    client_expect(fd, 4, KS_ERR_TOKEN_UNAVAILABLE);
    east = harness_worker(&h, 1);
    worker_list(east, KEYS);
    wait_keys(1, 1, 2);
    client_send_get(fd, 5, "web/new", 0);
    client_expect(fd, 5, KS_ERR_NO_KEY);
    end();
}

Test(group, when_all_are_lost_each_is_named)
{
    Keysvc__V1__Response *response;

    begin();
    harness_state_of(&h, "west", 0, TOKEN_STATE_ABSENT, "pulled out");
    channel_free(east);
    channel_free(west);
    east = west = NULL;
    wait_keys(1, 1, 0);
    client_send_sign(fd, 1, "web/shop@1", 0);
    response = client_receive(fd);
    cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_ERROR);
    cr_assert_eq(response->error->code, KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert(strstr(response->error->message, "group both: token main"), "%s",
              response->error->message);
    cr_assert(strstr(response->error->message, "token west is not ready (absent): pulled out"),
              "%s", response->error->message);
    response_free(response);
    end();
}

/* A blocked login is the administrator's to mend, so the client is not told to come again. */
Test(group, when_every_login_is_blocked_that_is_said)
{
    uint64_t end_ms = clock_mono_ms() + HARNESS_WAIT_MS;
    uint32_t code = 0;

    begin();
    harness_state_of(&h, "main", 1, TOKEN_STATE_LOGIN_BLOCKED, "");
    harness_state_of(&h, "main", 0, TOKEN_STATE_LOGIN_BLOCKED, "wrong PIN");
    harness_state_of(&h, "west", 1, TOKEN_STATE_ABSENT, "");
    harness_state_of(&h, "west", 0, TOKEN_STATE_ABSENT, "pulled out");
    wait_keys(1, 1, 0);
    client_send_sign(fd, 1, "web/shop@1", 0);
    client_expect(fd, 1, KS_ERR_TOKEN_UNAVAILABLE);
    harness_state_of(&h, "west", 0, TOKEN_STATE_LOGIN_BLOCKED, "wrong PIN");
    while (code != KS_ERR_LOGIN_BLOCKED && clock_mono_ms() < end_ms) {
        Keysvc__V1__Response *response;

        client_send_sign(fd, 2, "web/shop@1", 0);
        response = client_receive(fd);
        cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_ERROR);
        code = response->error->code;
        response_free(response);
    }
    cr_assert_eq(code, KS_ERR_LOGIN_BLOCKED);
    end();
}

/* Other rules or classes may be in force by now: who wants it is asked to come again. */
Test(group, nothing_moves_across_a_reload)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;

    begin();
    client_send_sign(fd, 1, "web/shop@1", 0);
    (void)worker_take_id(east, JOB_SIGN);
    h.config->generation = 2;
    config_pack(&body, h.config);
    harness_send(&h, CONTROL_CONFIG, &body);
    harness_expect(&h, CONTROL_CONFIG_DONE, &message);
    channel_free(east);
    east = NULL;
    client_expect(fd, 1, KS_ERR_TOKEN_UNAVAILABLE);
    client_send_sign(fd, 2, "web/shop@1", 0);
    worker_answer(west, worker_take_id(west, JOB_SIGN), KS_OK, "signature");
    client_expect(fd, 2, KS_OK);
    end();
}
