/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors beside a frame that leaves in parts, and beside one that does not leave at all; a service
 * that has as many waiting to be accepted as it wants. */
#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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

/* Somebody who listens, and with whom there is no room. */
struct crowded {
    struct sockaddr_un address;
    int listener;
    int waiting[8];
    size_t n_waiting;
};

static void
crowded_begin(struct crowded *crowded)
{
    int fd;

    *crowded = (struct crowded){.address = {.sun_family = AF_UNIX}};
    snprintf(crowded->address.sun_path, sizeof(crowded->address.sun_path),
             "/tmp/keysvc-crowded-%d.sock", getpid());
    (void)unlink(crowded->address.sun_path); /* of another by that number, which was killed */
    crowded->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(
        bind(crowded->listener, (struct sockaddr *)&crowded->address, sizeof(crowded->address)), 0);
    cr_assert_eq(listen(crowded->listener, 1), 0);
    for (;;) {
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (connect(fd, (struct sockaddr *)&crowded->address, sizeof(crowded->address)) < 0)
            break;
        crowded->waiting[crowded->n_waiting++] = fd;
        cr_assert_lt(crowded->n_waiting, 8);
    }
    cr_assert_eq(errno, EAGAIN);
    close(fd);
}

static void
crowded_end(struct crowded *crowded)
{
    for (size_t i = 0; i < crowded->n_waiting; i++)
        close(crowded->waiting[i]);
    close(crowded->listener);
    unlink(crowded->address.sun_path);
}

/* All who wait, and the one who comes then. */
static void *
accept_and_close(void *data)
{
    struct crowded *crowded = data;

    usleep(100 * 1000); /* he waits by now, most likely */
    for (size_t i = 0; i <= crowded->n_waiting; i++)
        close(accept(crowded->listener, NULL, NULL));
    return NULL;
}

Test(connection, waits_in_line_where_many_wait_to_be_accepted, .timeout = 60)
{
    struct connection *connection;
    struct crowded crowded;
    pthread_t thread;

    crowded_begin(&crowded);
    cr_assert_eq(connection_new(&connection, &error), KS_OK);
    cr_assert_eq(pthread_create(&thread, NULL, accept_and_close, &crowded), 0);
    cr_assert_neq(connection_dial(connection, crowded.address.sun_path, "test",
                                  clock_mono_ms() + 30000, &error),
                  KS_OK);
    cr_assert(connection_reached(connection), "%s", error.message);
    pthread_join(thread, NULL);
    connection_free(connection);
    crowded_end(&crowded);
}

Test(connection, a_line_that_does_not_move_is_told_as_busy_when_the_time_is_over, .timeout = 60)
{
    uint64_t begun_ms = clock_mono_ms();
    struct connection *connection;
    struct crowded crowded;

    crowded_begin(&crowded);
    cr_assert_eq(connection_new(&connection, &error), KS_OK);
    cr_assert_eq(
        connection_dial(connection, crowded.address.sun_path, "test", begun_ms + 200, &error),
        KS_ERR_BUSY);
    cr_assert_not(connection_reached(connection));
    cr_assert_geq(clock_mono_ms(), begun_ms + 200);
    connection_free(connection);
    crowded_end(&crowded);
}
