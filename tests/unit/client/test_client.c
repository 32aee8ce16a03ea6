/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/lib/keysvc.h"
#include "fake_server.h"

enum {
    LIST = 12,
    GET = 13,
    GENERATE = 14,
    ROTATE = 15,
    SIGN = 16,
    RELOAD = 19,
};

static struct ks_client *
new_client(const struct fake_server *server)
{
    struct ks_client *client;
    struct ks_error error;

    cr_assert_eq(ks_client_new(fake_server_path(server), &client, &error), KS_OK);
    return client;
}

static struct ks_key
some_key(void)
{
    struct ks_key key = {
        .name = "web/shop", .version = 2, .type = KS_KEY_TYPE_EC_P256, .purpose = KS_PURPOSE_SIGN};

    return key;
}

static ks_err
sign_text(struct ks_client *client, const char *text, struct ks_error *error)
{
    const struct ks_key key = some_key();
    uint8_t signature[KS_SIGNATURE_MAX_LEN];
    size_t len;

    return ks_sign(client, &key, KS_ALGORITHM_DEFAULT, KS_HASH_NONE, text, strlen(text), signature,
                   &len, NULL, error);
}

/* --- what works --- */

static void
answer_normally(struct fake_server *server, const struct fake_request *request)
{
    static const char *const NAMES[] = {"a", "b", "c"};

    (void)server;
    switch (request->operation) {
    case 11:
        fake_status(request);
        break;
    case LIST:
        if (request->name[0] == '\0')
            fake_keys(request, NAMES, 2, true);
        else
            fake_keys(request, NAMES + 2, 1, false);
        break;
    case GET:
    case GENERATE:
    case ROTATE:
        fake_key(request, "web/shop", 2);
        break;
    case SIGN:
        fake_signature(request, request->data, request->data_len < 64 ? request->data_len : 64);
        break;
    case 17:
        fake_csr(request);
        break;
    case 18:
        fake_explanation(request);
        break;
    default:
        fake_done(request);
    }
}

Test(client, gets_generates_and_rotates_a_key)
{
    struct fake_server *server = fake_server_start(NULL, answer_normally, NULL);
    struct ks_client *client = new_client(server);
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
    struct fake_server *server = fake_server_start(NULL, answer_normally, NULL);
    struct ks_client *client = new_client(server);
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
    struct fake_server *server = fake_server_start(NULL, answer_normally, NULL);
    struct ks_client *client = new_client(server);
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
    struct ks_client *client = new_client(server);
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

Test(client, status_csr_explanation_and_done_come_whole)
{
    struct fake_server *server = fake_server_start(NULL, answer_normally, NULL);
    struct ks_client *client = new_client(server);
    const struct ks_alternative_name names[] = {{KS_NAME_DNS, "a"}, {KS_NAME_IP, "::1"}};
    const struct ks_csr_request wanted = {
        .common_name = "a", .alternative_names = names, .n_alternative_names = 2};
    const struct ks_explain_request question = {.key = "web/shop", .operation = "csr"};
    const struct ks_key key = some_key();
    struct ks_explanation *explanation;
    struct ks_status *status;
    struct ks_error error;
    uint8_t *der;
    size_t der_len;

    cr_assert_eq(ks_status(client, &status, &error), KS_OK, "%s", error.message);
    cr_assert_eq(status->n_tokens, 1);
    cr_assert_str_eq(status->unit, "nginx.service");
    cr_assert_str_eq(status->tokens[0].text, "a login [31m failed");
    ks_status_free(status);
    cr_assert_eq(ks_csr(client, &key, &wanted, &der, &der_len, &error), KS_OK);
    cr_assert_eq(der_len, 3);
    free(der);
    cr_assert_eq(ks_explain(client, &question, &explanation, &error), KS_OK);
    cr_assert(!explanation->allowed);
    cr_assert_eq(explanation->n_reasons, 2);
    cr_assert_str_eq(explanation->missing, "allow x {\n  user = {me}\n}");
    ks_explanation_free(explanation);
    cr_assert_eq(ks_reload(client, &error), KS_OK);
    cr_assert_eq(ks_retry_login(client, "main", &error), KS_OK);
    cr_assert_eq(ks_rescan(client, "main", &error), KS_OK);
    ks_client_free(client);
    fake_server_stop(server, true);
}

/* --- many threads --- */

#define N_THREADS 8
#define N_ROUNDS 20

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

struct signer {
    struct ks_client *client;
    int number;
    bool right;
};

static void *
sign_often(void *context)
{
    struct signer *signer = context;
    const struct ks_key key = some_key();
    uint8_t signature[KS_SIGNATURE_MAX_LEN];
    char text[16];
    size_t len;

    signer->right = true;
    for (int i = 0; i < N_ROUNDS; i++) {
        int text_len = snprintf(text, sizeof(text), "%d/%d", signer->number, i);

        if (ks_sign(signer->client, &key, KS_ALGORITHM_DEFAULT, KS_HASH_NONE, text,
                    (size_t)text_len, signature, &len, NULL, NULL) ||
            len != (size_t)text_len || memcmp(signature, text, len) != 0)
            signer->right = false;
    }
    return NULL;
}

Test(client, eight_threads_get_their_own_answers_in_any_order, .timeout = 60)
{
    struct gathered gathered = {.n = 0};
    struct fake_server *server = fake_server_start(NULL, answer_backwards, &gathered);
    struct ks_client *client = new_client(server);
    struct signer signers[N_THREADS];
    pthread_t threads[N_THREADS];

    for (int i = 0; i < N_THREADS; i++) {
        signers[i] = (struct signer){.client = client, .number = i};
        pthread_create(&threads[i], NULL, sign_often, &signers[i]);
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
    struct ks_client *client = new_client(server);
    struct ks_error error;

    cr_assert_eq(sign_text(client, "a", &error), KS_OK, "%s", error.message);
    ks_client_free(client);
    fake_server_stop(server, true);
}

/* --- connections --- */

Test(client, says_at_once_that_there_is_no_service)
{
    struct ks_client *client;
    struct ks_error error;
    struct ks_key key;

    cr_assert_eq(ks_client_new("/nonexistent/socket", &client, &error), KS_OK);
    cr_assert_eq(ks_get(client, "a", &key, &error), KS_ERR_NO_SERVICE);
    cr_assert(error.retryable);
    cr_assert_not_null(strstr(error.message, "/nonexistent/socket"));
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
    struct fake_server *server = fake_server_start(NULL, answer_normally, NULL);
    struct ks_client *client = new_client(server);
    struct ks_error error;
    char path[108];

    strcpy(path, fake_server_path(server));
    cr_assert_eq(sign_text(client, "a", &error), KS_OK);
    fake_server_stop(server, false);
    server = fake_server_start(path, answer_normally, NULL);
    cr_assert_eq(ks_generate(client, "a", KS_KEY_TYPE_ANY, NULL, &error), KS_OK,
                 "what was not sent may be sent: %s", error.message);
    ks_client_free(client);
    fake_server_stop(server, true);
}

Test(client, another_version_of_the_protocol_is_not_spoken)
{
    struct fake_server *server = fake_server_start(NULL, answer_normally, NULL);
    struct ks_client *client = new_client(server);
    struct ks_error error;

    fake_server_hello(server, FAKE_HELLO_OTHER_VERSION);
    cr_assert_eq(sign_text(client, "a", &error), KS_ERR_UNSUPPORTED);
    ks_client_free(client);
    fake_server_stop(server, true);
}

Test(client, tells_what_the_service_says_about_the_connection)
{
    struct fake_server *server = fake_server_start(NULL, answer_normally, NULL);
    struct ks_client *client = new_client(server);
    struct ks_error error;

    fake_server_hello(server, FAKE_HELLO_REFUSED);
    ks_client_set_timeout(client, 200);
    cr_assert_eq(sign_text(client, "a", &error), KS_ERR_BUSY);
    cr_assert_str_eq(error.message, "too many connections");
    cr_assert_gt(fake_server_connections(server), 1, "it was not tried again");
    fake_server_hello(server, FAKE_HELLO_ANSWERED);
    cr_assert_eq(sign_text(client, "a", &error), KS_OK);
    ks_client_free(client);
    fake_server_stop(server, true);
}

Test(client, a_first_connection_lost_before_its_hello_is_made_again)
{
    struct fake_server *server = fake_server_start(NULL, answer_normally, NULL);
    struct ks_client *client = new_client(server);
    struct ks_error error;

    fake_server_hello(server, FAKE_HELLO_DROPPED);
    cr_assert_eq(sign_text(client, "a", &error), KS_OK, "%s", error.message);
    cr_assert_eq(fake_server_connections(server), 2);
    ks_client_free(client);
    fake_server_stop(server, true);
}

Test(client, a_service_that_says_no_hello_costs_the_timeout)
{
    struct fake_server *server = fake_server_start(NULL, answer_normally, NULL);
    struct ks_client *client = new_client(server);
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
    answer_normally(server, request);
}

Test(client, an_answer_that_comes_too_late_is_dropped_and_disturbs_nobody)
{
    struct fake_request kept = {.id = 0};
    struct fake_server *server = fake_server_start(NULL, answer_only_short_ones, &kept);
    struct ks_client *client = new_client(server);
    struct ks_error error;

    ks_client_set_timeout(client, 100);
    cr_assert_eq(sign_text(client, "slow", &error), KS_ERR_DEADLINE);
    cr_assert(error.retryable);
    ks_client_set_timeout(client, 0);
    cr_assert_eq(sign_text(client, "f", &error), KS_OK);
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
    struct ks_client *client = new_client(server);
    struct ks_error error;

    ks_client_set_timeout(client, 100);
    cr_assert_eq(ks_generate(client, "a", KS_KEY_TYPE_ANY, NULL, &error), KS_ERR_OUTCOME_UNKNOWN);
    cr_assert(!error.retryable);
    cr_assert_eq(ks_rotate(client, "a", 1, NULL, &error), KS_ERR_OUTCOME_UNKNOWN);
    cr_assert_eq(ks_get(client, "a", NULL, &error), KS_ERR_DEADLINE, "a read changes nothing");
    ks_client_free(client);
    fake_server_stop(server, true);
}

/* --- retries --- */

struct script {
    unsigned int code; /* to answer with, before it goes well */
    bool retryable;
    int n_times; /* -1: always */
};

static void
answer_by_script(struct fake_server *server, const struct fake_request *request)
{
    struct script *script = fake_server_context(server);

    if (script->n_times == 0) {
        answer_normally(server, request);
        return;
    }
    if (script->n_times > 0)
        script->n_times--;
    if (script->code == KS_OK)
        shutdown(request->fd, SHUT_RDWR);
    else
        fake_error(request, script->code, script->retryable);
}

/* One row a rule: what the service says, what the caller gets, how often it was sent. */
struct retry_case {
    const char *name;
    int operation;
    struct script script;
    ks_err wanted;
    unsigned int n_sent;
};

static const struct retry_case RETRY[] = {
    {"sign, BUSY", SIGN, {KS_ERR_BUSY, true, 2}, KS_OK, 3},
    {"sign, BUSY for good", SIGN, {KS_ERR_BUSY, false, -1}, KS_ERR_BUSY, 1},
    {"sign, TOKEN_UNAVAILABLE", SIGN, {KS_ERR_TOKEN_UNAVAILABLE, true, 2}, KS_OK, 3},
    {"sign, token absent for good",
     SIGN,
     {KS_ERR_TOKEN_UNAVAILABLE, false, 1},
     KS_ERR_TOKEN_UNAVAILABLE,
     1},
    {"sign, lost", SIGN, {KS_OK, true, 2}, KS_OK, 3},
    {"sign, lost each time", SIGN, {KS_OK, true, -1}, KS_ERR_NO_SERVICE, 4},
    {"sign, DENIED", SIGN, {KS_ERR_DENIED, false, -1}, KS_ERR_DENIED, 1},
    {"sign, AUDIT_UNWRITABLE",
     SIGN,
     {KS_ERR_AUDIT_UNWRITABLE, true, -1},
     KS_ERR_AUDIT_UNWRITABLE,
     1},
    {"sign, a code of the future", SIGN, {999, true, -1}, KS_ERR_INTERNAL, 1},
    {"get, BUSY", GET, {KS_ERR_BUSY, true, 1}, KS_OK, 2},
    {"get, lost", GET, {KS_OK, true, 1}, KS_OK, 2},
    {"generate, BUSY", GENERATE, {KS_ERR_BUSY, true, -1}, KS_ERR_BUSY, 1},
    {"generate, lost", GENERATE, {KS_OK, true, 1}, KS_ERR_OUTCOME_UNKNOWN, 1},
    {"rotate, lost", ROTATE, {KS_OK, true, 1}, KS_ERR_OUTCOME_UNKNOWN, 1},
    {"rotate, TOKEN_UNAVAILABLE",
     ROTATE,
     {KS_ERR_TOKEN_UNAVAILABLE, true, 1},
     KS_ERR_TOKEN_UNAVAILABLE,
     1},
    {"reload, lost", RELOAD, {KS_OK, true, 1}, KS_ERR_OUTCOME_UNKNOWN, 1},
};

static ks_err
run_operation(struct ks_client *client, int operation, struct ks_error *error)
{
    switch (operation) {
    case SIGN:
        return sign_text(client, "a", error);
    case GET:
        return ks_get(client, "a", NULL, error);
    case GENERATE:
        return ks_generate(client, "a", KS_KEY_TYPE_ANY, NULL, error);
    case ROTATE:
        return ks_rotate(client, "a", 1, NULL, error);
    default:
        return ks_reload(client, error);
    }
}

Test(client, sends_again_only_what_may_be_sent_twice, .timeout = 60)
{
    for (size_t i = 0; i < sizeof(RETRY) / sizeof(RETRY[0]); i++) {
        const struct retry_case *row = &RETRY[i];
        struct script script = row->script;
        struct fake_server *server = fake_server_start(NULL, answer_by_script, &script);
        struct ks_client *client = new_client(server);
        struct ks_error error;
        ks_err err = run_operation(client, row->operation, &error);

        cr_expect_eq(err, row->wanted, "%s: %s (%s)", row->name, ks_err_name(err), error.message);
        cr_expect_eq(error.code, err);
        cr_expect_eq(fake_server_requests(server, row->operation), row->n_sent, "%s: sent %u times",
                     row->name, fake_server_requests(server, row->operation));
        ks_client_free(client);
        fake_server_stop(server, true);
    }
}

Test(client, a_service_that_stays_busy_is_told_as_busy_when_the_time_is_over)
{
    struct script script = {KS_ERR_BUSY, true, -1};
    struct fake_server *server = fake_server_start(NULL, answer_by_script, &script);
    struct ks_client *client = new_client(server);
    struct ks_error error;

    ks_client_set_timeout(client, 200);
    cr_assert_eq(sign_text(client, "a", &error), KS_ERR_BUSY);
    cr_assert_str_eq(error.message, "the test wants it", "no line break reaches a log");
    cr_assert_str_eq(error.hint, "change the test");
    cr_assert_gt(fake_server_requests(server, SIGN), 1);
    ks_client_free(client);
    fake_server_stop(server, true);
}

/* --- nonsense --- */

struct nonsense {
    const char *bytes;
    size_t len;
};

static void
answer_nonsense(struct fake_server *server, const struct fake_request *request)
{
    const struct nonsense *nonsense = fake_server_context(server);

    if (nonsense->bytes)
        fake_raw(request, nonsense->bytes, nonsense->len);
    else
        fake_csr(&(struct fake_request){.fd = request->fd, .id = request->id, .operation = 17});
}

Test(client, nonsense_is_an_error_and_the_next_connection_is_a_new_one)
{
    static const struct nonsense NONSENSE[] = {
        {"\xff\xff\xff\xff....", 8},              /* longer than a frame can be */
        {"\0\0\0\0", 4},                          /* empty */
        {"\0\0\0\4\xff\xff\xff\xff", 8},          /* no message */
        {NULL, 0},                                /* the answer to another question */
        {"\0\0\0\x06\x08\0\x12\x02\x08\x01", 10}, /* an error about the connection */
    };

    for (size_t i = 0; i < sizeof(NONSENSE) / sizeof(NONSENSE[0]); i++) {
        struct nonsense nonsense = NONSENSE[i];
        struct fake_server *server = fake_server_start(NULL, answer_nonsense, &nonsense);
        struct ks_client *client = new_client(server);
        struct ks_error error;

        cr_expect_eq(sign_text(client, "a", &error), KS_ERR_INTERNAL, "nonsense %zu: %s", i,
                     error.message);
        cr_expect_eq(ks_rotate(client, "a", 1, NULL, &error),
                     NONSENSE[i].bytes ? KS_ERR_OUTCOME_UNKNOWN : KS_ERR_INTERNAL, "nonsense %zu",
                     i);
        cr_expect_eq(fake_server_connections(server), NONSENSE[i].bytes ? 2 : 1);
        ks_client_free(client);
        fake_server_stop(server, true);
    }
}

static void
answer_impossible_values(struct fake_server *server, const struct fake_request *request)
{
    static char name[300];
    static uint8_t signature[KS_SIGNATURE_MAX_LEN + 1];

    (void)server;
    memset(name, 'x', sizeof(name) - 1);
    if (request->operation == SIGN)
        fake_signature(request, signature, sizeof(signature));
    else
        fake_key(request, name, 1);
}

Test(client, values_that_do_not_fit_are_refused_and_not_cut)
{
    struct fake_server *server = fake_server_start(NULL, answer_impossible_values, NULL);
    struct ks_client *client = new_client(server);
    struct ks_error error;

    cr_assert_eq(sign_text(client, "a", &error), KS_ERR_INTERNAL);
    cr_assert_eq(ks_get(client, "a", NULL, &error), KS_ERR_INTERNAL);
    ks_client_free(client);
    fake_server_stop(server, true);
}

/* --- fork --- */

/* Signing "slow" is answered when another connection asks for something. */
static void
answer_slow_when_another_came(struct fake_server *server, const struct fake_request *request)
{
    struct fake_request *kept = fake_server_context(server);

    if (request->operation == SIGN && request->data_len > 1) {
        *kept = *request;
        return;
    }
    answer_normally(server, request);
    if (kept->id != 0 && kept->fd != request->fd) {
        fake_signature(kept, "slow", 4);
        kept->id = 0;
    }
}

static void *
sign_slowly(void *context)
{
    struct signer *signer = context;

    signer->right = sign_text(signer->client, "slow", NULL) == KS_OK;
    return NULL;
}

Test(client, a_fork_in_the_middle_of_a_call_leaves_both_sides_working, .timeout = 60)
{
    struct fake_request kept = {.id = 0};
    struct fake_server *server = fake_server_start(NULL, answer_slow_when_another_came, &kept);
    struct signer signer = {.client = new_client(server)};
    pthread_t thread;
    int status;
    pid_t pid;

    cr_assert_eq(sign_text(signer.client, "a", NULL), KS_OK);
    pthread_create(&thread, NULL, sign_slowly, &signer);
    while (fake_server_requests(server, SIGN) < 2)
        usleep(1000);
    pid = fork();
    if (pid == 0) {
        ks_client_set_timeout(signer.client, 10000);
        _exit(sign_text(signer.client, "c", NULL));
    }
    cr_assert_gt(pid, 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child: %x", (unsigned)status);
    pthread_join(thread, NULL);
    cr_assert(signer.right, "the parent's call had got no answer");
    cr_assert_eq(fake_server_connections(server), 2, "the child has a connection of its own");
    cr_assert_eq(sign_text(signer.client, "a", NULL), KS_OK);
    ks_client_free(signer.client);
    fake_server_stop(server, true);
}

Test(client, forks_while_threads_sign_lose_nothing, .timeout = 120)
{
    struct fake_server *server = fake_server_start(NULL, answer_normally, NULL);
    struct ks_client *client = new_client(server);
    struct signer signers[4];
    pthread_t threads[4];

    for (int i = 0; i < 4; i++) {
        signers[i] = (struct signer){.client = client, .number = i};
        pthread_create(&threads[i], NULL, sign_often, &signers[i]);
    }
    for (int i = 0; i < 10; i++) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
            ks_client_set_timeout(client, 20000);
            _exit(sign_text(client, "c", NULL));
        }
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child %d: %x", i,
                  (unsigned)status);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        cr_assert(signers[i].right);
    }
    ks_client_free(client);
    fake_server_stop(server, true);
}

Test(client, another_effective_user_gets_another_connection)
{
    struct fake_server *server = fake_server_start(NULL, answer_normally, NULL);
    struct ks_client *client = new_client(server);

    if (geteuid() != 0)
        cr_skip_test("needs root");
    cr_assert_eq(chmod(fake_server_path(server), 0666), 0);
    *strrchr((char *)(uintptr_t)fake_server_path(server), '/') = '\0';
    cr_assert_eq(chmod(fake_server_path(server), 0755), 0);
    ((char *)(uintptr_t)fake_server_path(server))[strlen(fake_server_path(server))] = '/';
    cr_assert_eq(sign_text(client, "a", NULL), KS_OK);
    cr_assert_eq(seteuid(12345), 0);
    cr_assert_eq(sign_text(client, "b", NULL), KS_OK);
    cr_assert_eq(seteuid(0), 0);
    cr_assert_eq(fake_server_connections(server), 2);
    ks_client_free(client);
    fake_server_stop(server, true);
}
