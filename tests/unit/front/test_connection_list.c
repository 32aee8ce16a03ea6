/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <stdio.h>
#include <unistd.h>

#include "front/request.h"

static const char *const KEYS[] = {"secret/one@1", "web/shop@1", "web/shop@2", NULL};

static struct harness h;

static void
setup(void)
{
    harness_prepare(&h);
}

TestSuite(connection_list, .init = setup, .timeout = 60);

static Keysvc__V1__Response *
list(int fd, const char *glob, const char *after, uint32_t after_version, uint32_t limit)
{
    Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__ListRequest wanted = KEYSVC__V1__LIST_REQUEST__INIT;
    Keysvc__V1__Response *response;

    wanted.glob = (char *)glob;
    wanted.after_name = (char *)after;
    wanted.after_version = after_version;
    wanted.limit = limit;
    request.id = 1;
    request.operation_case = KEYSVC__V1__REQUEST__OPERATION_LIST;
    request.list = &wanted;
    client_send(fd, &request);
    response = client_receive(fd);
    cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_LIST);
    return response;
}

Test(connection_list, lists_what_the_caller_may_see_a_page_at_a_time)
{
    Keysvc__V1__Response *response;
    struct channel *worker;
    int fd;

    harness_start(&h);
    worker = harness_worker(&h, 1);
    worker_list(worker, KEYS);
    harness_settled(&h, 3);
    fd = client_hello(&h);
    response = list(fd, "", "", 0, 1);
    cr_assert_eq(response->list->n_keys, 1);
    cr_assert(response->list->more);
    cr_assert_str_eq(response->list->keys[0]->name, "web/shop");
    cr_assert_eq(response->list->keys[0]->version, 1);
    cr_assert_eq(response->list->keys[0]->purpose, KEYSVC__V1__PURPOSE__TLS_SERVER);
    cr_assert_eq(response->list->keys[0]->public_key.len, 0);
    cr_assert_eq(response->list->keys[0]->public_key_sha256.len, 32);
    response_free(response);
    response = list(fd, "", "web/shop", 1, 10);
    cr_assert_eq(response->list->n_keys, 1);
    cr_assert_eq(response->list->keys[0]->version, 2);
    cr_assert_not(response->list->more);
    response_free(response);
    response = list(fd, "mail/**", "", 0, 10);
    cr_assert_eq(response->list->n_keys, 0);
    response_free(response);
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}

Test(connection_list, a_list_of_many_keys_is_whole_whatever_the_pages_are)
{
    static const uint32_t limits[] = {0, 7, 64, 256, 1000};
    enum { N = 700 };
    char labels[N + 1][32];
    const char *keys[N + 2] = {"secret/one@1"};
    struct channel *worker;
    int fd;

    for (size_t i = 0; i < N; i++) {
        snprintf(labels[i], sizeof(labels[i]), "web/%04zu@1", i);
        keys[i + 1] = labels[i];
    }
    harness_start(&h);
    worker = harness_worker(&h, 1);
    worker_list(worker, keys);
    harness_settled(&h, N + 1);
    fd = client_hello(&h);
    for (size_t l = 0; l < ARRAY_LEN(limits); l++) {
        char after[KEYNAME_MAX + 1] = "";
        size_t n_seen = 0;
        bool more = true;

        while (more) {
            Keysvc__V1__Response *response = list(fd, "web/**", after, after[0] != 0, limits[l]);

            cr_assert_leq(response->list->n_keys, limits[l] ? limits[l] : REQUEST_MAX_KEYS);
            for (size_t i = 0; i < response->list->n_keys; i++, n_seen++) {
                text_copy(after, sizeof(after), response->list->keys[i]->name);
                cr_assert_eq(strncmp(labels[n_seen], after, strlen(after)), 0);
            }
            more = response->list->more;
            cr_assert(!more || response->list->n_keys > 0);
            response_free(response);
        }
        cr_assert_eq(n_seen, N);
    }
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}

/* Two tokens that are no group: each has a key of its own under that name. */
Test(connection_list, a_name_on_two_tokens_is_whole_whatever_the_pages_are)
{
    struct channel *main_worker, *west_worker;
    int fd;

    harness_add_token(&h, "west");
    harness_start(&h);
    main_worker = harness_worker(&h, 1);
    west_worker = harness_worker_of(&h, "west", 1);
    worker_list(main_worker, KEYS);
    worker_list(west_worker, KEYS);
    harness_settled(&h, 6);
    fd = client_hello(&h);
    for (uint32_t limit = 1; limit <= 4; limit++) {
        char after[KEYNAME_MAX + 1] = "";
        uint32_t after_version = 0;
        size_t n_main = 0, n_west = 0;
        bool more = true;

        while (more) {
            Keysvc__V1__Response *response = list(fd, "", after, after_version, limit);

            for (size_t i = 0; i < response->list->n_keys; i++) {
                const Keysvc__V1__Key *key = response->list->keys[i];

                n_main += strcmp(key->token, "main") == 0;
                n_west += strcmp(key->token, "west") == 0;
                text_copy(after, sizeof(after), key->name);
                after_version = key->version;
            }
            more = response->list->more;
            response_free(response);
        }
        cr_assert_eq(n_main, 2, "limit %u: %zu of main", limit, n_main);
        cr_assert_eq(n_west, 2, "limit %u: %zu of west", limit, n_west);
    }
    close(fd);
    channel_free(main_worker);
    channel_free(west_worker);
    harness_stop(&h);
}

Test(connection_list, shows_a_key_with_all_its_versions)
{
    Keysvc__V1__Response *response;
    struct channel *worker;
    int fd;

    harness_start(&h);
    worker = harness_worker(&h, 1);
    worker_list(worker, KEYS);
    harness_settled(&h, 3);
    fd = client_hello(&h);
    client_send_get(fd, 1, "web/shop", 0);
    response = client_receive(fd);
    cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_GET);
    cr_assert_eq(response->get->version, 2);
    cr_assert_str_eq(response->get->class_, "web/**");
    cr_assert_eq(response->get->n_versions, 2);
    cr_assert_eq(response->get->public_key.len, strlen("web/shop@2"));
    response_free(response);
    client_send_get(fd, 2, "secret/one", 0);
    client_expect(fd, 2, KS_ERR_DENIED);
    client_send_get(fd, 3, "secret/never", 0);
    client_expect(fd, 3, KS_ERR_DENIED);
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}
