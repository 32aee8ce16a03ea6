/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client_rig.h"

Test(client, gets_generates_and_rotates_a_key)
{
    struct fake_server *server = fake_server_start(NULL, client_rig_answer, NULL);
    struct ks_client *client = client_rig_new(server);
    struct ks_error error;
    struct ks_key key;

    cr_assert_eq(ks_get(client, "web/shop", &key, &error), KS_OK, "%s", error.message);
    cr_assert_str_eq(key.name, "web/shop");
    cr_assert_eq(key.version, 2);
    cr_assert_eq(key.type, KS_KEY_TYPE_EC_P256);
    cr_assert_eq(key.purpose, KS_PURPOSE_SIGN);
    cr_assert_str_eq(key.class_glob, "web/**");
    cr_assert_eq(key.public_key_len, 91);
    cr_assert_eq(key.public_key_sha256[2], 3);
    cr_assert_eq(key.n_versions, 2);
    cr_assert_eq(error.code, KS_OK);
    cr_assert_eq(ks_generate(client, "web/shop", KS_KEY_TYPE_ANY, &key, &error), KS_OK);
    cr_assert_eq(ks_rotate(client, "web/shop", 1, NULL, NULL), KS_OK);
    cr_assert_eq(fake_server_connections(server), 1);
    ks_client_free(client);
    fake_server_stop(server, true);
}

Test(client, refuses_what_is_no_name_before_it_asks)
{
    struct fake_server *server = fake_server_start(NULL, client_rig_answer, NULL);
    struct ks_client *client = client_rig_new(server);
    struct ks_error error;
    struct ks_key key;

    cr_assert_eq(ks_get(client, "web//shop", &key, &error), KS_ERR_BAD_REQUEST);
    cr_assert_eq(ks_get(client, "web/shop@0", &key, &error), KS_ERR_BAD_REQUEST);
    cr_assert_eq(ks_generate(client, "web/shop@1", KS_KEY_TYPE_ANY, &key, &error),
                 KS_ERR_BAD_REQUEST);
    cr_assert_eq(ks_generate(client, "a", KS_KEY_TYPE_COUNT, &key, &error), KS_ERR_USAGE);
    cr_assert_eq(ks_rotate(client, "a", 0, &key, &error), KS_ERR_BAD_REQUEST);
    cr_assert_eq(fake_server_connections(server), 0);
    ks_client_free(client);
    fake_server_stop(server, true);
}

Test(client, reads_a_list_page_by_page)
{
    struct fake_server *server = fake_server_start(NULL, client_rig_answer, NULL);
    struct ks_client *client = client_rig_new(server);
    const struct ks_key *key;
    struct ks_error error;
    struct ks_list *list;
    char seen[8] = "";

    cr_assert_eq(ks_list_new(client, NULL, &list, &error), KS_OK);
    while (ks_list_next(list, &key, &error) == KS_OK && key)
        strcat(seen, key->name);
    cr_assert_str_eq(seen, "abc");
    cr_assert_eq(fake_server_requests(server, LIST), 2);
    cr_assert_eq(ks_list_next(list, &key, &error), KS_OK);
    cr_assert_null(key);
    ks_list_free(list);
    ks_client_free(client);
    fake_server_stop(server, true);
}

static void
repeat_the_first_page(struct fake_server *server, const struct fake_request *request)
{
    static const char *const NAMES[] = {"a", "b"};

    (void)server;
    fake_keys(request, NAMES, 2, true);
}

Test(client, a_list_that_goes_in_circles_ends)
{
    struct fake_server *server = fake_server_start(NULL, repeat_the_first_page, NULL);
    struct ks_client *client = client_rig_new(server);
    const struct ks_key *key;
    struct ks_error error;
    struct ks_list *list;

    cr_assert_eq(ks_list_new(client, "**", &list, &error), KS_OK);
    cr_assert_eq(ks_list_next(list, &key, &error), KS_OK);
    cr_assert_eq(ks_list_next(list, &key, &error), KS_OK);
    cr_assert_eq(ks_list_next(list, &key, &error), KS_ERR_INTERNAL);
    ks_list_free(list);
    ks_client_free(client);
    fake_server_stop(server, true);
}

static void
answer_with_a_made_up_name(struct fake_server *server, const struct fake_request *request)
{
    const char *name = fake_server_context(server);

    if (request->operation == GET)
        fake_key(request, name, 1);
    else
        fake_keys(request, &name, 1, false);
}

Test(client, a_key_with_a_name_that_no_key_can_have_is_refused)
{
    static char names[][12] = {"", "/", "a//b", "a@1", "\x1b[2J", "a\nb"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct fake_server *server = fake_server_start(NULL, answer_with_a_made_up_name, names[i]);
        struct ks_client *client = client_rig_new(server);
        const struct ks_key *key;
        struct ks_error error;
        struct ks_list *list;

        cr_expect_eq(ks_get(client, "a", NULL, &error), KS_ERR_INTERNAL, "%s", names[i]);
        cr_expect(strstr(error.message, "no key can have"), "%s", error.message);
        cr_assert_eq(ks_list_new(client, NULL, &list, &error), KS_OK);
        cr_expect_eq(ks_list_next(list, &key, &error), KS_ERR_INTERNAL, "%s", names[i]);
        ks_list_free(list);
        ks_client_free(client);
        fake_server_stop(server, true);
    }
}

static void
answer_with_one_key_twice(struct fake_server *server, const struct fake_request *request)
{
    static const char *const NAMES[] = {"a", "a"};

    (void)server;
    fake_keys(request, NAMES, 2, false);
}

struct answered {
    const char *name;
    uint32_t version;
    ks_err get, get_2, generate, rotate;
};

static void
answer_with(struct fake_server *server, const struct fake_request *request)
{
    const struct answered *wanted = fake_server_context(server);

    fake_key(request, wanted->name, wanted->version);
}

/* A reference to it would name it, and a program would sign with it. */
Test(client, a_key_that_was_not_asked_for_is_refused)
{
    static struct answered rows[] = {
        {"web/shop", 1, KS_OK, KS_ERR_INTERNAL, KS_OK, KS_ERR_INTERNAL},
        {"web/shop", 2, KS_OK, KS_OK, KS_ERR_INTERNAL, KS_OK},
        {"web/shop", 3, KS_OK, KS_ERR_INTERNAL, KS_ERR_INTERNAL, KS_ERR_INTERNAL},
        {"web/shop2", 2, KS_ERR_INTERNAL, KS_ERR_INTERNAL, KS_ERR_INTERNAL, KS_ERR_INTERNAL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fake_server *server = fake_server_start(NULL, answer_with, &rows[i]);
        struct ks_client *client = client_rig_new(server);
        struct ks_error error;
        struct ks_key key;

        cr_expect_eq(ks_get(client, "web/shop", &key, &error), rows[i].get);
        cr_expect_eq(ks_get(client, "web/shop@2", NULL, &error), rows[i].get_2);
        cr_expect_eq(ks_generate(client, "web/shop", KS_KEY_TYPE_ANY, NULL, &error),
                     rows[i].generate);
        cr_expect_eq(ks_rotate(client, "web/shop", 1, NULL, &error), rows[i].rotate);
        ks_client_free(client);
        fake_server_stop(server, true);
    }
}

Test(client, a_list_with_one_key_twice_is_refused)
{
    struct fake_server *server = fake_server_start(NULL, answer_with_one_key_twice, NULL);
    struct ks_client *client = client_rig_new(server);
    const struct ks_key *key;
    struct ks_error error;
    struct ks_list *list;

    cr_assert_eq(ks_list_new(client, NULL, &list, &error), KS_OK);
    cr_assert_eq(ks_list_next(list, &key, &error), KS_ERR_INTERNAL);
    ks_list_free(list);
    ks_client_free(client);
    fake_server_stop(server, true);
}

struct group_key {
    const char *second; /* token */
    size_t n_tokens;
    ks_err err;
};

static void
answer_on_tokens(struct fake_server *server, const struct fake_request *request)
{
    const struct group_key *wanted = fake_server_context(server);
    const char *tokens[KS_KEY_MAX_TOKENS + 1];

    for (size_t i = 0; i < KS_KEY_MAX_TOKENS + 1; i++)
        tokens[i] = i == 1 ? wanted->second : "main";
    fake_key_on(request, tokens, wanted->n_tokens);
}

Test(client, a_groups_key_comes_with_its_tokens_if_these_have_possible_names)
{
    static struct group_key keys[] = {
        {"west", 0, KS_OK},
        {"west", 2, KS_OK},
        {"west", KS_KEY_MAX_TOKENS + 1, KS_OK},
        {"we\x1bst", 2, KS_ERR_INTERNAL},
    };

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct fake_server *server = fake_server_start(NULL, answer_on_tokens, &keys[i]);
        struct ks_client *client = client_rig_new(server);
        size_t n = keys[i].n_tokens < KS_KEY_MAX_TOKENS ? keys[i].n_tokens : KS_KEY_MAX_TOKENS;
        struct ks_error error;
        struct ks_key key;

        cr_expect_eq(ks_get(client, "web/shop", &key, &error), keys[i].err);
        cr_expect(keys[i].err || key.n_tokens == n);
        cr_expect(keys[i].err || n < 2 || strcmp(key.tokens[1], "west") == 0);
        ks_client_free(client);
        fake_server_stop(server, true);
    }
}

Test(client, status_csr_explanation_and_done_come_whole)
{
    struct fake_server *server = fake_server_start(NULL, client_rig_answer, NULL);
    struct ks_client *client = client_rig_new(server);
    const struct ks_alternative_name names[] = {{KS_NAME_DNS, "a"}, {KS_NAME_IP, "::1"}};
    const struct ks_csr_request wanted = {
        .common_name = "a", .alternative_names = names, .n_alternative_names = 2};
    const struct ks_explain_request question = {.key = "web/shop", .operation = "csr"};
    const struct ks_key key = client_rig_key();
    struct ks_explanation *explanation;
    struct ks_status *status;
    struct ks_error error;
    uint8_t *der;
    size_t der_len;

    cr_assert_eq(ks_status(client, &status, &error), KS_OK, "%s", error.message);
    cr_assert_eq(status->n_tokens, 1);
    cr_assert_str_eq(status->unit, "nginx.service");
    cr_assert_str_eq(status->tokens[0].text, "a login [31m  32m failed");
    cr_assert_eq(status->n_groups, 1);
    cr_assert_str_eq(status->groups[0].name, "both");
    cr_assert_eq(status->groups[0].n_tokens, 2);
    cr_assert_str_eq(status->groups[0].tokens[1], "west");
    cr_assert_eq(status->groups[0].ready_tokens, 1);
    cr_assert_eq(status->groups[0].keys, 5);
    cr_assert_eq(status->groups[0].keys_everywhere, 4);
    cr_assert_eq(status->groups[0].keys_differing, 3);
    ks_status_free(status);
    cr_assert_eq(ks_csr(client, &key, &wanted, &der, &der_len, &error), KS_OK);
    cr_assert_eq(der_len, 3);
    free(der);
    cr_assert_eq(ks_explain(client, &question, &explanation, &error), KS_OK);
    cr_assert(!explanation->allowed);
    cr_assert_eq(explanation->n_reasons, 2);
    cr_assert_str_eq(explanation->missing, "allow x {\n  user = {me}    \n}");
    ks_explanation_free(explanation);
    cr_assert_eq(ks_reload(client, &error), KS_OK);
    cr_assert_eq(ks_retry_login(client, "main", &error), KS_OK);
    cr_assert_eq(ks_rescan(client, "main", &error), KS_OK);
    ks_client_free(client);
    fake_server_stop(server, true);
}

/* --- many threads --- */

/* Gathers one request of each thread, then answers them in the opposite order. */
struct gathered {
    struct fake_request requests[N_THREADS];
    uint8_t data[N_THREADS][16];
    size_t n;
};

static void
answer_backwards(struct fake_server *server, const struct fake_request *request)
{
    struct gathered *gathered = fake_server_context(server);

    gathered->requests[gathered->n] = *request;
    memcpy(gathered->data[gathered->n], request->data, request->data_len);
    if (++gathered->n < N_THREADS)
        return;
    while (gathered->n > 0) {
        gathered->n--;
        fake_signature(&gathered->requests[gathered->n], gathered->data[gathered->n],
                       gathered->requests[gathered->n].data_len);
    }
}

Test(client, eight_threads_get_their_own_answers_in_any_order, .timeout = 60)
{
    struct gathered gathered = {.n = 0};
    struct fake_server *server = fake_server_start(NULL, answer_backwards, &gathered);
    struct ks_client *client = client_rig_new(server);
    struct signer signers[N_THREADS];
    pthread_t threads[N_THREADS];

    for (int i = 0; i < N_THREADS; i++) {
        signers[i] = (struct signer){.client = client, .number = i};
        pthread_create(&threads[i], NULL, client_rig_sign_often, &signers[i]);
    }
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(threads[i], NULL);
        cr_assert(signers[i].right, "thread %d got another one's answer, or none", i);
    }
    cr_assert_eq(fake_server_connections(server), 1);
    ks_client_free(client);
    fake_server_stop(server, true);
}

static void
answer_byte_by_byte(struct fake_server *server, const struct fake_request *request)
{
    (void)server;
    fake_signature_in_bytes(request, "signature", 9);
}

Test(client, an_answer_may_come_one_byte_at_a_time)
{
    struct fake_server *server = fake_server_start(NULL, answer_byte_by_byte, NULL);
    struct ks_client *client = client_rig_new(server);
    struct ks_error error;

    cr_assert_eq(client_rig_sign(client, "a", &error), KS_OK, "%s", error.message);
    ks_client_free(client);
    fake_server_stop(server, true);
}

/* --- connections --- */

Test(client, says_at_once_that_there_is_no_service)
{
    struct ks_client *client;
    struct ks_error error;
    struct ks_key key;

    cr_assert_eq(ks_client_new("/proc/nonexistent/socket", &client, &error), KS_OK);
    cr_assert_eq(ks_get(client, "a", &key, &error), KS_ERR_NO_SERVICE);
    cr_assert(error.retryable);
    cr_assert_not_null(strstr(error.message, "/proc/nonexistent/socket"));
    cr_assert_not_null(strstr(error.hint, "is keysvcd running?"), "%s", error.hint);
    ks_client_free(client);
}

Test(client, who_may_not_pass_to_the_socket_is_not_told_to_start_keysvcd)
{
    char folder[] = "/tmp/keysvc-test-XXXXXX", path[64];
    struct ks_client *client;
    struct ks_error error;
    struct ks_key key;

    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chmod(folder, 0), 0);
    snprintf(path, sizeof(path), "%s/socket", folder);
    cr_assert_eq(ks_client_new(path, &client, &error), KS_OK);
    if (geteuid() == 0)
        cr_assert_eq(seteuid(64799), 0);
    cr_expect_eq(ks_get(client, "a", &key, &error), KS_ERR_NO_SERVICE);
    cr_expect_not_null(strstr(error.message, "Permission denied"), "%s", error.message);
    cr_expect_not_null(strstr(error.hint, "may not pass to the socket"), "%s", error.hint);
    cr_expect_not(error.retryable);
    if (getuid() == 0)
        cr_assert_eq(seteuid(0), 0);
    cr_assert_eq(rmdir(folder), 0);
    ks_client_free(client);
}

Test(client, refuses_a_path_that_no_socket_can_have)
{
    char path[200];
    struct ks_client *client;

    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    cr_assert_eq(ks_client_new(path, &client, NULL), KS_ERR_USAGE);
}

Test(client, connects_again_when_the_service_was_restarted)
{
    struct fake_server *server = fake_server_start(NULL, client_rig_answer, NULL);
    struct ks_client *client = client_rig_new(server);
    struct ks_error error;
    char path[108];

    strcpy(path, fake_server_path(server));
    cr_assert_eq(client_rig_sign(client, "a", &error), KS_OK);
    fake_server_stop(server, false);
    server = fake_server_start(path, client_rig_answer, NULL);
    cr_assert_eq(ks_generate(client, "a", KS_KEY_TYPE_ANY, NULL, &error), KS_OK,
                 "what was not sent may be sent: %s", error.message);
    ks_client_free(client);
    fake_server_stop(server, true);
}

Test(client, another_version_of_the_protocol_is_not_spoken)
{
    struct fake_server *server = fake_server_start(NULL, client_rig_answer, NULL);
    struct ks_client *client = client_rig_new(server);
    struct ks_error error;

    fake_server_hello(server, FAKE_HELLO_OTHER_VERSION);
    cr_assert_eq(client_rig_sign(client, "a", &error), KS_ERR_UNSUPPORTED);
    ks_client_free(client);
    fake_server_stop(server, true);
}

Test(client, tells_what_the_service_says_about_the_connection)
{
    struct fake_server *server = fake_server_start(NULL, client_rig_answer, NULL);
    struct ks_client *client = client_rig_new(server);
    struct ks_error error;
    ks_err err = KS_ERR_DEADLINE;

    fake_server_hello(server, FAKE_HELLO_REFUSED);
    ks_client_set_timeout(client, 200);
    /* Now and then the last attempt begins so late that its answer does: then it is a DEADLINE. */
    for (int i = 0; i < 5 && err == KS_ERR_DEADLINE; i++)
        err = client_rig_sign(client, "a", &error);
    cr_assert_eq(err, KS_ERR_BUSY, "%s: %s", ks_err_name(err), error.message);
    cr_assert_str_eq(error.message, "too many connections");
    cr_assert_gt(fake_server_connections(server), 1, "it was not tried again");
    fake_server_hello(server, FAKE_HELLO_ANSWERED);
    cr_assert_eq(client_rig_sign(client, "a", &error), KS_OK);
    ks_client_free(client);
    fake_server_stop(server, true);
}

Test(client, a_first_connection_lost_before_its_hello_is_made_again)
{
    struct fake_server *server = fake_server_start(NULL, client_rig_answer, NULL);
    struct ks_client *client = client_rig_new(server);
    struct ks_error error;

    fake_server_hello(server, FAKE_HELLO_DROPPED);
    cr_assert_eq(client_rig_sign(client, "a", &error), KS_OK, "%s", error.message);
    cr_assert_eq(fake_server_connections(server), 2);
    ks_client_free(client);
    fake_server_stop(server, true);
}

Test(client, a_service_that_says_no_hello_costs_the_timeout)
{
    struct fake_server *server = fake_server_start(NULL, client_rig_answer, NULL);
    struct ks_client *client = client_rig_new(server);
    struct ks_error error;

    fake_server_hello(server, FAKE_HELLO_SILENT);
    ks_client_set_timeout(client, 100);
    cr_assert_eq(ks_generate(client, "a", KS_KEY_TYPE_ANY, NULL, &error), KS_ERR_DEADLINE,
                 "nothing was sent, so nothing is unknown");
    ks_client_free(client);
    fake_server_stop(server, true);
}

/* --- deadlines --- */

static void
answer_only_short_ones(struct fake_server *server, const struct fake_request *request)
{
    struct fake_request *kept = fake_server_context(server);

    if (request->operation == SIGN && request->data_len > 1) {
        *kept = *request;
        return;
    }
    if (kept->id != 0)
        fake_signature(kept, "too late", 8);
    client_rig_answer(server, request);
}

Test(client, an_answer_that_comes_too_late_is_dropped_and_disturbs_nobody)
{
    struct fake_request kept = {.id = 0};
    struct fake_server *server = fake_server_start(NULL, answer_only_short_ones, &kept);
    struct ks_client *client = client_rig_new(server);
    struct ks_error error;

    ks_client_set_timeout(client, 100);
    cr_assert_eq(client_rig_sign(client, "slow", &error), KS_ERR_DEADLINE);
    cr_assert(error.retryable);
    ks_client_set_timeout(client, 0);
    cr_assert_eq(client_rig_sign(client, "f", &error), KS_OK);
    cr_assert_eq(fake_server_connections(server), 1, "the connection was still good");
    cr_assert_eq(fake_server_requests(server, SIGN), 2, "nothing was sent twice");
    ks_client_free(client);
    fake_server_stop(server, true);
}

static void
answer_never(struct fake_server *server, const struct fake_request *request)
{
    (void)server;
    (void)request;
}

Test(client, a_change_that_was_not_answered_in_time_has_an_unknown_outcome)
{
    struct fake_server *server = fake_server_start(NULL, answer_never, NULL);
    struct ks_client *client = client_rig_new(server);
    struct ks_error error;

    ks_client_set_timeout(client, 100);
    cr_assert_eq(ks_generate(client, "a", KS_KEY_TYPE_ANY, NULL, &error), KS_ERR_OUTCOME_UNKNOWN);
    cr_assert(!error.retryable);
    cr_assert_eq(ks_rotate(client, "a", 1, NULL, &error), KS_ERR_OUTCOME_UNKNOWN);
    cr_assert_eq(ks_get(client, "a", NULL, &error), KS_ERR_DEADLINE, "a read changes nothing");
    ks_client_free(client);
    fake_server_stop(server, true);
}
