/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors beside a frame that leaves in parts, and beside one that does not leave at all. */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "client/lib/connection.h"
#include "fake_server.h"

static struct ks_error error;

static struct connection *
dial(const struct fake_server *to)
{
    struct connection *connection;

    cr_assert_eq(connection_new(&connection, &error), KS_OK);
    cr_assert_eq(
        connection_dial(connection, fake_server_path(to), "test", clock_mono_ms() + 5000, &error),
        KS_OK);
    return connection;
}

static void
answer_with_count(struct fake_server *from, const struct fake_request *request)
{
    char n[8];

    (void)from;
    snprintf(n, sizeof(n), "%zu", request->n_fds);
    fake_signature(request, n, 1);
}

Test(connection, what_leaves_in_parts_carries_its_descriptors_once)
{
    struct fake_server *server = fake_server_start(NULL, answer_with_count, NULL);
    struct connection *connection = dial(server);
    const struct ks_key some = {.name = "a", .version = 1};
    uint8_t *data = calloc(1, KS_SIGN_MAX_LEN), signature[KS_SIGNATURE_MAX_LEN];
    const struct request request = {
        .operation = OPERATION_SIGN,
        .fds = {0, 0},
        .n_fds = 2,
        .sign = {.key = &some, .data = data, .data_len = KS_SIGN_MAX_LEN}};
    enum connection_sent sent;
    struct response *response;
    size_t len;

    cr_assert_eq(
        connection_call(connection, &request, clock_mono_ms() + 10000, &sent, &response, &error),
        KS_OK);
    cr_assert_eq(response_signature(response, signature, &len, NULL, &error), KS_OK);
    cr_assert_eq(signature[0], '2');
    response_free(response);
    connection_free(connection);
    free(data);
    fake_server_stop(server, true);
}

Test(connection, what_the_kernel_does_not_send_is_an_error_and_was_not_sent)
{
    struct fake_server *server = fake_server_start(NULL, answer_with_count, NULL);
    struct connection *connection = dial(server);
    const struct request request = {
        .operation = OPERATION_GET, .fds = {-1}, .n_fds = 1, .get = {.name = "a"}};
    const struct request good = {.operation = OPERATION_GET, .get = {.name = "a"}};
    enum connection_sent sent;
    struct response *response;

    cr_assert_eq(
        connection_call(connection, &request, clock_mono_ms() + 10000, &sent, &response, &error),
        KS_ERR_INTERNAL);
    cr_assert_eq(sent, CONNECTION_NOT_SENT);
    cr_assert(strstr(error.message, strerror(EBADF)), "%s", error.message);
    cr_assert(!connection_stale(connection), "nothing of it was on the way");
    cr_assert_eq(
        connection_call(connection, &good, clock_mono_ms() + 10000, &sent, &response, &error),
        KS_OK);
    response_free(response);
    connection_free(connection);
    fake_server_stop(server, true);
}
