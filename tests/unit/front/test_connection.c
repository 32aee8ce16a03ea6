/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "front/quota.h"
#include "front/refusals.h"
#include "front/request.h"
#include "proto/wire/frame.h"

#include "hold.h"

static const char *const KEYS[] = {"secret/one@1", "web/shop@1", "web/shop@2", NULL};

static struct harness h;

static void
setup(void)
{
    harness_prepare(&h);
}

TestSuite(connection, .init = setup, .timeout = 60);

static size_t
pack_status(uint64_t id, uint8_t *out)
{
    Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__StatusRequest status = KEYSVC__V1__STATUS_REQUEST__INIT;
    size_t len;

    request.id = id;
    request.operation_case = KEYSVC__V1__REQUEST__OPERATION_STATUS;
    request.status = &status;
    len = keysvc__v1__request__pack(&request, out + FRAME_HEADER_LEN);
    frame_header(out, len);
    return FRAME_HEADER_LEN + len;
}

static size_t
pack_get(uint64_t id, uint8_t *out)
{
    Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__GetRequest get = KEYSVC__V1__GET_REQUEST__INIT;
    size_t len;

    get.name = (char *)"web/shop";
    request.id = id;
    request.operation_case = KEYSVC__V1__REQUEST__OPERATION_GET;
    request.get = &get;
    len = keysvc__v1__request__pack(&request, out + FRAME_HEADER_LEN);
    frame_header(out, len);
    return FRAME_HEADER_LEN + len;
}

Test(connection, reads_one_byte_at_a_time)
{
    uint8_t data[64];
    size_t len;
    int fd;

    harness_start(&h);
    fd = client_hello(&h);
    len = pack_status(5, data);
    for (size_t i = 0; i < len; i++)
        client_send_bytes(fd, data + i, 1);
    client_expect(fd, 5, KS_OK);
    close(fd);
    harness_stop(&h);
}

Test(connection, wants_hello_first_and_once)
{
    Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__Hello hello = KEYSVC__V1__HELLO__INIT;
    int fd;

    harness_start(&h);
    fd = client_connect(&h);
    client_send_status(fd, 1);
    client_expect(fd, 1, KS_ERR_BAD_REQUEST);
    client_expect_end(fd);

    fd = client_hello(&h);
    hello.protocol_version = 1;
    request.id = 2;
    request.operation_case = KEYSVC__V1__REQUEST__OPERATION_HELLO;
    request.hello = &hello;
    client_send(fd, &request);
    client_expect(fd, 2, KS_ERR_BAD_REQUEST);
    client_send_status(fd, 3);
    client_expect(fd, 3, KS_OK);
    close(fd);

    fd = client_connect(&h);
    hello.protocol_version = 2;
    client_send(fd, &request);
    client_expect(fd, 2, KS_ERR_BAD_REQUEST);
    client_expect_end(fd);
    harness_stop(&h);
}

Test(connection, nonsense_ends_one_connection_and_no_other)
{
    static const uint8_t garbage[] = {0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t oversized[] = {0x7f, 0, 0, 0};
    static const uint8_t empty[] = {0, 0, 0, 0};
    static const uint8_t no_id[] = {0, 0, 0, 2, 0x5a, 0}; /* StatusRequest without an id */
    int good, fd;

    harness_start(&h);
    good = client_hello(&h);
    fd = client_hello(&h);
    client_send_bytes(fd, garbage, sizeof(garbage));
    client_expect(fd, 0, KS_ERR_BAD_REQUEST);
    client_expect_end(fd);
    fd = client_hello(&h);
    client_send_bytes(fd, oversized, sizeof(oversized));
    client_expect(fd, 0, KS_ERR_TOO_LARGE);
    client_expect_end(fd);
    fd = client_hello(&h);
    client_send_bytes(fd, empty, sizeof(empty));
    client_expect(fd, 0, KS_ERR_BAD_REQUEST);
    client_expect_end(fd);
    fd = client_hello(&h);
    client_send_bytes(fd, no_id, sizeof(no_id));
    client_expect(fd, 0, KS_ERR_BAD_REQUEST);
    client_expect_end(fd);
    client_send_status(good, 1);
    client_expect(good, 1, KS_OK);
    close(good);
    harness_stop(&h);
}

Test(connection, an_unknown_operation_is_named_and_the_connection_goes_on)
{
    static const uint8_t unknown[] = {0, 0, 0, 5, 0x08, 9, 0xfa, 0x06, 0}; /* id 9, field 111 */
    static const uint8_t none[] = {0, 0, 0, 2, 0x08, 8};
    Keysvc__V1__Response *response;
    int fd;

    harness_start(&h);
    fd = client_hello(&h);
    client_send_bytes(fd, unknown, sizeof(unknown));
    response = client_receive(fd);
    cr_assert_eq(response->id, 9);
    cr_assert_eq(response->error->code, KS_ERR_BAD_REQUEST);
    cr_assert_not_null(strstr(response->error->message, "111"));
    response_free(response);
    client_send_bytes(fd, none, sizeof(none));
    client_expect(fd, 8, KS_ERR_BAD_REQUEST);
    client_send_status(fd, 10);
    client_expect(fd, 10, KS_OK);
    close(fd);
    harness_stop(&h);
}

Test(connection, one_too_many_is_turned_away_and_there_is_room_again)
{
    int fds[2], fd;

    h.config->limits.max_connections_per_caller = 2;
    harness_start(&h);
    fds[0] = client_hello(&h);
    fds[1] = client_hello(&h);
    fd = client_connect(&h);
    client_expect(fd, 0, KS_ERR_BUSY);
    client_expect_end(fd);
    close(fds[1]);
    /* The front may hear of the end after the next one's beginning. */
    for (;;) {
        Keysvc__V1__Response *response;
        bool busy;

        fd = client_connect(&h);
        client_send_status(fd, 1);
        response = client_receive(fd);
        busy = response && response->id == 0;
        response_free(response);
        close(fd);
        if (!busy)
            break;
    }
    client_send_status(fds[0], 1);
    client_expect(fds[0], 1, KS_OK);
    close(fds[0]);
    harness_stop(&h);
}

Test(connection, half_a_frame_no_hello_and_silence_have_their_time)
{
    int silent, half, idle;

    h.config->limits.handshake_timeout_ms = 50;
    harness_start(&h);
    silent = client_connect(&h);
    client_expect_end(silent);
    harness_stop(&h);

    /* Another one: a Hello that comes late on a busy machine is not what is meant. */
    harness_prepare(&h);
    h.config->limits.frame_timeout_ms = 50;
    h.config->limits.idle_timeout_ms = 100;
    harness_start(&h);
    half = client_hello(&h);
    client_send_bytes(half, "\0\0\0", 3);
    client_expect_end(half);
    idle = client_hello(&h);
    client_expect_end(idle);
    harness_stop(&h);
}

Test(connection, who_does_not_read_is_not_read_from_and_then_dropped)
{
    uint8_t data[64];
    size_t len, sent = 0;
    int fd, good;

    h.config->limits.frame_timeout_ms = 200;
    harness_start(&h);
    fd = client_hello(&h);
    len = pack_status(1, data);
    /* Until the front reads no more, our buffer is full, and then until we are dropped. */
    for (;;) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

        if (n < 0)
            break;
        sent += (size_t)n;
        cr_assert_lt(sent, 64 * 1024 * 1024);
    }
    close(fd);
    /* Not by another status: of these the caller has had as many as he may in a second. */
    good = client_hello(&h);
    client_send_get(good, 1, "web/shop", 0);
    client_expect(good, 1, KS_ERR_TOKEN_UNAVAILABLE);
    close(good);
    harness_stop(&h);
}

/* It sends while the front reads, and takes an answer when the front does not. */
Test(connection, a_flood_that_is_read_is_answered_to_the_last)
{
    const uint64_t n = 6000;
    uint64_t asked = 0, answered = 0;
    uint8_t data[64];
    size_t len = 0, sent = 0;
    int fd;

    harness_start(&h);
    fd = client_hello(&h);
    while (answered < n) {
        ssize_t done = 0;

        if (sent == len && asked < n) {
            len = pack_get(++asked, data);
            sent = 0;
        }
        if (sent < len)
            done = send(fd, data + sent, len - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (done > 0)
            sent += (size_t)done;
        else
            client_expect(fd, ++answered, KS_ERR_TOKEN_UNAVAILABLE);
    }
    close(fd);
    harness_stop(&h);
}

Test(connection, what_anybody_may_ask_has_a_rate_and_no_record)
{
    const uint64_t n = 4000;
    uint64_t n_busy = 0;
    uint8_t data[64];
    int fd;

    h.config->rules[0].operations = 0;
    harness_start(&h);
    fd = client_hello(&h);
    for (uint64_t i = 1; i <= n; i++) {
        Keysvc__V1__Response *response;

        client_send_bytes(fd, data, pack_status(i, data));
        response = client_receive(fd);
        cr_assert_not_null(response);
        if (response->result_case == KEYSVC__V1__RESPONSE__RESULT_ERROR) {
            cr_assert_eq(response->error->code, KS_ERR_BUSY);
            n_busy++;
        }
        response_free(response);
    }
    cr_assert_gt(n_busy, 0);
    cr_assert_eq(harness_count_audit(&h, "\"outcome\":\"OK\""), 0);
    close(fd);
    harness_stop(&h);
}

Test(connection, a_reload_counts_for_connections_that_are_open)
{
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    struct channel *worker;
    int fd;

    harness_start(&h);
    worker = harness_worker(&h, 1);
    worker_list(worker, KEYS);
    harness_settled(&h, 3);
    fd = client_hello(&h);
    client_send_get(fd, 1, "web/shop", 0);
    client_expect(fd, 1, KS_OK);
    h.config->generation = 2;
    h.config->rules[0].operations = OPERATION_SIGN;
    config_pack(&body, h.config);
    harness_send(&h, CONTROL_CONFIG, &body);
    harness_expect(&h, CONTROL_CONFIG_DONE, &message);
    client_send_get(fd, 2, "web/shop", 0);
    client_expect(fd, 2, KS_ERR_DENIED);
    client_send_sign(fd, 3, "web/shop@1", 0);
    {
        ks_auto(buf_deinit) struct buf storage = BUF_INIT;
        struct job job;

        worker_take(worker, &storage, &job);
        cr_assert_eq(job.generation, 2);
        worker_answer(worker, job.id, KS_OK, "x");
    }
    client_expect(fd, 3, KS_OK);
    cr_assert_eq(harness_count_audit(&h, "\"event\":\"config\""), 1);
    close(fd);
    channel_free(worker);
    harness_stop(&h);
}

Test(connection, an_administrators_reload_is_the_supervisors_to_answer)
{
    Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__ReloadRequest reload = KEYSVC__V1__RELOAD_REQUEST__INIT;
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    struct control_result result = {.err = KS_ERR_BAD_REQUEST, .why = {.text = "line 3: what"}};
    struct control_admin admin;
    Keysvc__V1__Response *response;
    int fd;

    harness_start(&h);
    fd = client_hello(&h);
    request.id = 4;
    request.operation_case = KEYSVC__V1__REQUEST__OPERATION_RELOAD;
    request.reload = &reload;
    client_send(fd, &request);
    harness_expect(&h, CONTROL_ADMIN, &message);
    cr_assert_eq(control_admin_unpack(message.body, message.len, &admin), KS_OK);
    cr_assert_eq(admin.action, CONTROL_ADMIN_RELOAD);
    cr_assert_eq(harness_count_audit(&h, "\"operation\":\"reload\""), 1);
    result.cookie = admin.cookie;
    control_result_pack(&body, &result);
    harness_send(&h, CONTROL_ADMIN_RESULT, &body);
    response = client_receive(fd);
    cr_assert_eq(response->id, 4);
    cr_assert_eq(response->error->code, KS_ERR_BAD_REQUEST);
    cr_assert_str_eq(response->error->message, "line 3: what");
    response_free(response);
    close(fd);
    harness_stop(&h);
}

Test(connection, explains_to_everybody_about_themselves)
{
    Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__ExplainRequest explain = KEYSVC__V1__EXPLAIN_REQUEST__INIT;
    Keysvc__V1__Response *response;
    int fd;

    h.config->rules[0].operations = OPERATION_SIGN;
    harness_start(&h);
    fd = client_hello(&h);
    explain.key = (char *)"web/shop";
    explain.operation = (char *)"sign";
    request.id = 1;
    request.operation_case = KEYSVC__V1__REQUEST__OPERATION_EXPLAIN;
    request.explain = &explain;
    client_send(fd, &request);
    response = client_receive(fd);
    cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_EXPLAIN);
    cr_assert(response->explain->allowed);
    cr_assert_str_eq(response->explain->rule, "everybody");
    response_free(response);
    explain.for_other = true;
    client_send(fd, &request);
    client_expect(fd, 1, KS_ERR_DENIED);
    close(fd);
    harness_stop(&h);
}

Test(connection, refusals_of_one_caller_are_counted_when_they_are_too_many)
{
    int fd;

    harness_start(&h);
    fd = client_hello(&h);
    for (uint64_t i = 1; i <= 200; i++)
        client_send_get(fd, i, "secret/one", 0);
    for (uint64_t i = 1; i <= 200; i++)
        client_expect(fd, i, KS_ERR_DENIED);
    close(fd);
    /* A few seconds may begin meanwhile. */
    cr_assert_leq(harness_count_audit(&h, "\"outcome\":\"DENIED\""), 180);
    harness_stop(&h);
}

Test(connection, who_is_refused_without_end_is_answered_in_pieces)
{
    const uint64_t n = 1000, n_pauses = (n - 4 * REFUSALS_PER_SECOND) / QUOTA_REFUSED;
    uint64_t begun_us;
    int fd;

    harness_start(&h);
    fd = client_hello(&h);
    begun_us = clock_mono_us();
    for (uint64_t i = 1; i <= n; i++)
        client_send_get(fd, i, "secret/one", 0);
    for (uint64_t i = 1; i <= n; i++)
        client_expect(fd, i, KS_ERR_DENIED);
    /* A few seconds may begin meanwhile, in which the first ones are free. A slow machine is no shorter. */
    cr_assert_geq(clock_mono_us() - begun_us, n_pauses * QUOTA_FORGIVE_US / 2);
    close(fd);
    harness_stop(&h);
}

Test(connection, reads_of_one_caller_are_counted_when_they_are_too_many)
{
    uint64_t end_ms = clock_mono_ms() + HARNESS_WAIT_MS;
    struct channel *worker;
    int fd;

    harness_start(&h);
    worker = harness_worker(&h, 1);
    worker_list(worker, KEYS);
    harness_settled(&h, 3);
    fd = client_hello(&h);
    for (uint64_t i = 1; i <= 200; i++)
        client_send_get(fd, i, "web/shop", 0);
    for (uint64_t i = 1; i <= 200; i++)
        client_expect(fd, i, KS_OK);
    close(fd);
    cr_assert_gt(harness_count_audit(&h, "\"outcome\":\"OK\""), 0);
    cr_assert_leq(harness_count_audit(&h, "\"outcome\":\"OK\""), 180);
    while (harness_count_audit(&h, "\"more\":") == 0 && clock_mono_ms() < end_ms)
        usleep(50000);
    cr_assert_gt(harness_count_audit(&h, "\"more\":"), 0);
    channel_free(worker);
    harness_stop(&h);
}

/* Records of signatures with the first label that come before the first with the other one. */
static size_t
records_before_the_other(void)
{
    FILE *file = fopen(h.audit_path, "re");
    size_t n_one = 0, n_two = 0;
    char line[8192];

    cr_assert_not_null(file);
    while ((n_one == 0 || n_two == 0) && fgets(line, sizeof(line), file)) {
        n_one += strstr(line, "web/shop@1") != NULL;
        n_two += strstr(line, "web/shop@2") != NULL;
    }
    fclose(file);
    cr_assert(n_one > 0 && n_two > 0);
    return n_one > n_two ? n_one : n_two;
}

Test(connection, a_burst_of_one_client_does_not_make_another_wait_for_its_end)
{
    enum { BURST = 60 };
    struct channel *worker;
    int fd, other;

    harness_start(&h);
    worker = harness_worker(&h, 1);
    worker_list(worker, KEYS);
    harness_settled(&h, 3);
    fd = client_hello(&h);
    other = client_hello(&h);
    hold_begin(&h);
    for (uint64_t i = 1; i <= BURST; i++) {
        client_send_sign(fd, i, "web/shop@1", 0);
        client_send_sign(other, i, "web/shop@2", 0);
    }
    hold_let_go();
    for (size_t i = 0; i < 2 * BURST; i++) {
        ks_auto(buf_deinit) struct buf storage = BUF_INIT;
        struct job job;

        worker_take(worker, &storage, &job);
        worker_answer(worker, job.id, KS_OK, "x");
    }
    for (uint64_t i = 1; i <= BURST; i++)
        client_expect(other, i, KS_OK);
    hold_end();
    cr_assert_lt(records_before_the_other(), BURST / 2);
    close(fd);
    close(other);
    channel_free(worker);
    harness_stop(&h);
}

Test(connection, ends_when_the_supervisor_goes_or_talks_nonsense)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    int fd;

    harness_start(&h);
    fd = client_hello(&h);
    pack_u8(&body, 1);
    harness_send(&h, CONTROL_STATE, &body);
    client_expect_end(fd);
    harness_join(&h);
    cr_assert_eq(h.result, KS_ERR_BAD_REQUEST);

    harness_prepare(&h);
    harness_start(&h);
    shutdown(channel_fd(h.supervisor), SHUT_RDWR);
    harness_join(&h);
    cr_assert_eq(h.result, KS_ERR_NO_SERVICE);
}
