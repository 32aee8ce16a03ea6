/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "client_rig.h"

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
        client_rig_answer(server, request);
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
    {"generate, BUSY", GENERATE, {KS_ERR_BUSY, true, 2}, KS_OK, 3},
    {"generate, BUSY for good", GENERATE, {KS_ERR_BUSY, false, -1}, KS_ERR_BUSY, 1},
    {"generate, lost", GENERATE, {KS_OK, true, 1}, KS_ERR_OUTCOME_UNKNOWN, 1},
    {"rotate, lost", ROTATE, {KS_OK, true, 1}, KS_ERR_OUTCOME_UNKNOWN, 1},
    {"rotate, TOKEN_UNAVAILABLE",
     ROTATE,
     {KS_ERR_TOKEN_UNAVAILABLE, true, 1},
     KS_ERR_TOKEN_UNAVAILABLE,
     1},
    {"reload, BUSY", RELOAD, {KS_ERR_BUSY, true, 1}, KS_OK, 2},
    {"reload, lost", RELOAD, {KS_OK, true, 1}, KS_ERR_OUTCOME_UNKNOWN, 1},
    {"login, BUSY", RETRY_LOGIN, {KS_ERR_BUSY, true, -1}, KS_ERR_BUSY, 1},
};

static ks_err
run_operation(struct ks_client *client, int operation, struct ks_error *error)
{
    switch (operation) {
    case SIGN:
        return client_rig_sign(client, "a", error);
    case GET:
        return ks_get(client, "a", NULL, error);
    case GENERATE:
        return ks_generate(client, "a", KS_KEY_TYPE_ANY, NULL, error);
    case ROTATE:
        return ks_rotate(client, "a", 1, NULL, error);
    case RETRY_LOGIN:
        return ks_retry_login(client, "main", error);
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
        struct ks_client *client = client_rig_new(server);
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
    struct ks_client *client = client_rig_new(server);
    struct ks_error error;
    ks_err err = KS_ERR_DEADLINE;

    ks_client_set_timeout(client, 500);
    /* Now and then the last attempt begins so late that its answer does: then it is a DEADLINE. */
    for (int i = 0; i < 5 && err == KS_ERR_DEADLINE; i++)
        err = client_rig_sign(client, "a", &error);
    cr_assert_eq(err, KS_ERR_BUSY, "%s: %s", ks_err_name(err), error.message);
    cr_assert_str_eq(error.message, "the test wants it", "no line break reaches a log");
    cr_assert_str_eq(error.hint, "change the test");
    cr_assert_gt(fake_server_requests(server, SIGN), 1);
    ks_client_free(client);
    fake_server_stop(server, true);
}

/* BUSY to one request, nothing to the next. */
static void
answer_every_other(struct fake_server *server, const struct fake_request *request)
{
    unsigned int *n = fake_server_context(server);

    if ((*n)++ % 2 == 0)
        fake_error(request, KS_ERR_BUSY, true);
}

Test(client, an_attempt_that_the_deadline_cuts_off_does_not_hide_why_it_was_needed)
{
    unsigned int n = 0;
    struct fake_server *server = fake_server_start(NULL, answer_every_other, &n);
    struct ks_client *client = client_rig_new(server);
    struct ks_error error;
    ks_err err = KS_ERR_DEADLINE;

    ks_client_set_timeout(client, 300);
    for (int i = 0; i < 5 && err == KS_ERR_DEADLINE; i++) {
        n = 0;
        err = client_rig_sign(client, "a", &error);
    }
    cr_assert_eq(err, KS_ERR_BUSY, "%s: %s", ks_err_name(err), error.message);
    n = 0;
    ks_client_set_timeout(client, 2000);
    cr_assert_eq(client_rig_sign(client, "a", &error), KS_ERR_DEADLINE, "it was not answered");
    ks_client_free(client);
    fake_server_stop(server, true);
}

/* Waits once in vain, as `wanted`; an attempt that begins too late for its answer is a DEADLINE. */
static void
sign_in_vain(struct ks_client *client, ks_err wanted)
{
    struct ks_error error;
    ks_err err = KS_ERR_DEADLINE;

    ks_client_set_timeout(client, 500);
    for (int i = 0; i < 5 && err == KS_ERR_DEADLINE; i++)
        err = client_rig_sign(client, "a", &error);
    cr_assert_eq(err, wanted, "%s: %s", ks_err_name(err), error.message);
    ks_client_set_timeout(client, 0);
}

Test(client, one_call_waits_for_a_lost_token_and_the_next_do_not_until_it_is_back)
{
    struct script script = {KS_ERR_TOKEN_UNAVAILABLE, true, -1};
    struct fake_server *server = fake_server_start(NULL, answer_by_script, &script);
    struct ks_client *client = client_rig_new(server);
    struct ks_error error;
    unsigned int n_sent;

    sign_in_vain(client, KS_ERR_TOKEN_UNAVAILABLE);
    n_sent = fake_server_requests(server, SIGN);
    cr_assert_gt(n_sent, 1);
    cr_assert_eq(client_rig_sign(client, "a", &error), KS_ERR_TOKEN_UNAVAILABLE);
    cr_assert_eq(fake_server_requests(server, SIGN), n_sent + 1, "it was not tried again");

    script.n_times = 0;
    cr_assert_eq(client_rig_sign(client, "a", &error), KS_OK, "%s", error.message);
    script.n_times = 2;
    cr_assert_eq(client_rig_sign(client, "a", &error), KS_OK, "%s", error.message);
    ks_client_free(client);
    fake_server_stop(server, true);
}

Test(client, one_call_waits_for_a_lost_service_and_the_next_do_not_until_it_is_back)
{
    struct fake_server *server = fake_server_start(NULL, client_rig_answer, NULL);
    struct ks_client *client = client_rig_new(server);
    struct ks_error error;
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    uint64_t began_ms;

    cr_assert_eq(client_rig_sign(client, "a", &error), KS_OK, "%s", error.message);
    snprintf(path, sizeof(path), "%s", fake_server_path(server));
    fake_server_stop(server, false);
    sign_in_vain(client, KS_ERR_NO_SERVICE);
    began_ms = clock_mono_ms();
    cr_assert_eq(client_rig_sign(client, "a", &error), KS_ERR_NO_SERVICE);
    cr_assert_lt(clock_mono_ms() - began_ms, 4000, "it would have waited for five seconds");

    server = fake_server_start(path, client_rig_answer, NULL);
    cr_assert_eq(client_rig_sign(client, "a", &error), KS_OK, "%s", error.message);
    ks_client_free(client);
    fake_server_stop(server, true);
}

static void *
sign_for_ever(void *context)
{
    for (;;) {
        (void)!client_rig_sign(context, "slow", NULL);
        pthread_testcancel();
    }
    return NULL;
}

Test(client, threads_that_are_cancelled_hold_up_nobody, .timeout = 60)
{
    struct fake_server *server = fake_server_start(NULL, client_rig_answer, NULL);
    struct ks_client *client = client_rig_new(server);
    pthread_t threads[N_THREADS];
    struct ks_error error;

    for (int round = 0; round < N_ROUNDS; round++) {
        for (int i = 0; i < N_THREADS; i++)
            cr_assert_eq(pthread_create(&threads[i], NULL, sign_for_ever, client), 0);
        cr_assert_eq(client_rig_sign(client, "a", &error), KS_OK, "%s", error.message);
        for (int i = 0; i < N_THREADS; i++) {
            pthread_cancel(threads[i]);
            pthread_join(threads[i], NULL);
        }
    }
    cr_assert_eq(client_rig_sign(client, "a", &error), KS_OK, "%s", error.message);
    cr_assert_eq(fake_server_connections(server), 1);
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
        struct ks_client *client = client_rig_new(server);
        struct ks_error error;

        cr_expect_eq(client_rig_sign(client, "a", &error), KS_ERR_INTERNAL, "nonsense %zu: %s", i,
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
    struct ks_client *client = client_rig_new(server);
    struct ks_error error;

    cr_assert_eq(client_rig_sign(client, "a", &error), KS_ERR_INTERNAL);
    cr_assert_eq(ks_get(client, "a", NULL, &error), KS_ERR_INTERNAL);
    cr_assert(strstr(error.message, "no key can have"), "%s", error.message);
    ks_client_free(client);
    fake_server_stop(server, true);
}

static void
answer_with_words(struct fake_server *server, const struct fake_request *request)
{
    const char *const *words = fake_server_context(server);

    fake_key_of(request, words[0], words[1]);
}

Test(client, a_token_or_class_by_no_such_name_reaches_no_terminal)
{
    static const char *words[][2] = {
        {"main", "web/**"},        {"main", ""}, {"ma\x1b]0;in\a", "web/**"}, {"main", "web/ *"},
        {"main", "web/\xc2\x9b*"},
    };

    for (size_t i = 0; i < 5; i++) {
        struct fake_server *server = fake_server_start(NULL, answer_with_words, (void *)words[i]);
        struct ks_client *client = client_rig_new(server);
        struct ks_error error;
        struct ks_key key;

        cr_expect_eq(ks_get(client, "web/shop", &key, &error), i < 2 ? KS_OK : KS_ERR_INTERNAL);
        ks_client_free(client);
        fake_server_stop(server, true);
    }
}
