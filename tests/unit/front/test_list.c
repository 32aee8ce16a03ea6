/* SPDX-License-Identifier: Apache-2.0 */
/* op_list and its turns, with nobody else in the front. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "front/directory.h"
#include "front/dispatch.h"
#include "front/front.h"
#include "front/listener.h"
#include "front/operations.h"
#include "front/passed.h"
#include "front/quota.h"

#define N_KEYS 5000

static const struct operation LIST = {
    .request = REQUEST_LIST, .name = "list", .scope = SCOPE_ANYBODY, .start = op_list};

static struct front front;
static struct config_class class = {.glob = "web/**", .token = "main"};
static struct config_rule rule = {.name = "all", .operations = OPERATION_GET};
static struct config config = {
    .generation = 1,
    .limits = {.max_connections = 9,
               .max_connections_per_caller = 9,
               .max_requests_per_caller = 1000,
               .max_bytes_per_caller = 1000000,
               .frame_timeout_ms = 1000,
               .handshake_timeout_ms = 1000},
    .n_classes = 1,
    .classes = &class,
    .n_rules = 1,
    .rules = &rule,
};

static void
put(const char *name)
{
    struct job_key key = {.state = JOB_KEY_USABLE, .type = KS_KEY_TYPE_EC_P256, .version = 1};

    text_copy(key.name, sizeof(key.name), name);
    cr_assert_eq(directory_put(front.directory, "main", &key), KS_OK);
}

static void
setup(void)
{
    front.config = &config;
    front.base = event_base_new();
    connections_init(&front.connections);
    TAILQ_INIT(&front.staged);
    TAILQ_INIT(&front.listing);
    cr_assert_eq(quota_new(&front.quota), KS_OK);
    cr_assert_eq(directory_new(&front.directory), KS_OK);
    cr_assert_eq(strv_add(&rule.keys, "web/**"), KS_OK);
    for (int i = 0; i < N_KEYS; i++) {
        char name[32];

        snprintf(name, sizeof(name), "web/%05d", i);
        put(name);
    }
}

static void
teardown(void)
{
    connections_free(&front);
    cr_assert_eq(front.n_calls, 0);
    cr_assert(TAILQ_EMPTY(&front.listing));
    directory_free(front.directory);
    quota_free(front.quota);
    event_base_free(front.base);
    strv_deinit(&rule.keys);
}

TestSuite(list, .init = setup, .fini = teardown);

static struct connection *
caller(uint32_t uid, int *client)
{
    struct peer peer = PEER_INIT;
    struct quota_account *account;
    struct fault why = FAULT_INIT;
    int ends[2];

    peer.uid = uid;
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    cr_assert_eq(quota_connect(front.quota, &config.limits, &peer, false, &account, &why), KS_OK);
    cr_assert_eq(connection_new(&front, ends[0], &peer, account), KS_OK);
    *client = ends[1];
    return TAILQ_LAST(&front.connections.all, connection_list);
}

static void
ask(struct connection *connection, const char *glob)
{
    struct request request = {.id = 1,
                              .deadline_ms = 1000,
                              .operation = REQUEST_LIST,
                              .list = {.glob = glob, .limit = 9}};
    struct fault why = FAULT_INIT;
    struct call *call;

    cr_assert_eq(quota_take(connection_account(connection), &config.limits, 1, &why), KS_OK);
    call = call_new(&front, connection, &LIST, 1, 1);
    cr_assert_eq(op_list(call, &request, &why), KS_OK, "%s", why.text);
}

static size_t
turns_until_answered(struct connection *connection)
{
    size_t n = 0;

    while (!TAILQ_EMPTY(connection_calls(connection))) {
        op_list_turn(&front);
        n++;
    }
    return n;
}

Test(list, one_turn_looks_at_some_names_only)
{
    int client;
    struct connection *connection = caller(1, &client);

    ask(connection, "web/**z");
    op_list_turn(&front);
    cr_assert_not(TAILQ_EMPTY(connection_calls(connection)));
    cr_assert_geq(turns_until_answered(connection), 10);
    ask(connection, "web/*");
    cr_assert_eq(turns_until_answered(connection), 1, "a page is full at once");
    close(client);
}

Test(list, many_lists_of_one_caller_hardly_hinder_anothers)
{
    int client, other_client;
    struct connection *connection = caller(1, &client), *other = caller(2, &other_client);

    for (int i = 0; i < 100; i++)
        ask(connection, "web/**z");
    ask(other, "web/**z");
    /* Half of each turn is his. */
    cr_assert_leq(turns_until_answered(other), 2 * N_KEYS / 256 + 5);
    close(client);
    close(other_client);
}

Test(list, who_may_get_nothing_is_answered_at_once)
{
    int client;
    struct connection *connection = caller(1, &client);

    rule.operations = OPERATION_SIGN;
    ask(connection, "web/**z");
    rule.operations = OPERATION_GET;
    cr_assert(TAILQ_EMPTY(connection_calls(connection)));
    close(client);
}

Test(list, keys_that_come_and_go_meanwhile_do_no_harm)
{
    static const struct job_key gone = {.name = "web/00000", .version = 1, .state = JOB_KEY_GONE};
    int client;
    struct connection *connection = caller(1, &client);

    ask(connection, "web/*0*z");
    ask(connection, "web/00000");
    op_list_turn(&front);
    put("web/00000x");
    cr_assert_eq(directory_put(front.directory, "main", &gone), KS_OK);
    op_list_turn(&front);
    config.generation++;
    cr_assert_gt(turns_until_answered(connection), 0);
    close(client);
}

Test(list, ends_with_its_connection)
{
    int client;
    struct connection *connection = caller(1, &client);

    ask(connection, "web/**z");
    op_list_turn(&front);
    connection_close(connection, "test");
    cr_assert(TAILQ_EMPTY(&front.listing));
    op_list_turn(&front);
    close(client);
}

Test(listener, descriptors_bound_the_connections)
{
    struct config_token token = {.name = "main", .profile = {.workers = 2}};
    struct config limited = {.n_tokens = 1, .tokens = &token};
    struct rlimit files = {1000, 1000};

    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    limited.limits.max_connections = 10000;
    listener_limit(&limited);
    cr_assert_eq(limited.limits.max_connections, 1000 - 64 - QUOTA_FILES - PASSED_RECEIVE_MAX - 2);
    limited.limits.max_connections = 100;
    listener_limit(&limited);
    cr_assert_eq(limited.limits.max_connections, 100);
    files.rlim_cur = 20;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    listener_limit(&limited);
    cr_assert_eq(limited.limits.max_connections, 1);
}
