/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "ipc/channel.h"

#define WAIT_MS 5000

struct pair {
    struct channel *a, *b;
};

static void
pair_deinit(struct pair *pair)
{
    channel_free(pair->a);
    channel_free(pair->b);
}

static struct pair
pair_new(void)
{
    struct pair pair;
    int ends[2];

    cr_assert_eq(channel_pair(ends), KS_OK);
    cr_assert_eq(channel_new(ends[0], CHANNEL_MAX_BODY, &pair.a), KS_OK);
    cr_assert_eq(channel_new(ends[1], CHANNEL_MAX_BODY, &pair.b), KS_OK);
    return pair;
}

Test(channel, carries_messages_in_order)
{
    ks_auto(pair_deinit) struct pair pair = pair_new();
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    struct buf body = BUF_INIT;

    buf_append(&body, "hello", 5);
    cr_assert_eq(channel_queue(pair.a, 1, &body, NULL, 0), KS_OK);
    cr_assert_eq(channel_queue(pair.a, 2, NULL, NULL, 0), KS_OK);
    cr_assert_eq(channel_flush(pair.a), KS_OK);
    cr_assert_eq(channel_receive(pair.b, &message, WAIT_MS), KS_OK);
    cr_assert_eq(message.type, 1);
    cr_assert_eq(message.len, 5);
    cr_assert_arr_eq(message.body, "hello", 5);
    cr_assert_eq(channel_receive(pair.b, &message, WAIT_MS), KS_OK);
    cr_assert_eq(message.type, 2);
    cr_assert_eq(message.len, 0);
    cr_assert_eq(channel_receive(pair.b, &message, 0), KS_ERR_DEADLINE);
    buf_deinit(&body);
}

Test(channel, each_message_gets_its_own_descriptors)
{
    ks_auto(pair_deinit) struct pair pair = pair_new();
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    ks_auto(closep) int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ks_auto(closep) int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    struct stat want, got;
    int fds[2] = {zero, null};

    cr_assert_eq(channel_queue(pair.a, 1, NULL, NULL, 0), KS_OK);
    cr_assert_eq(channel_queue(pair.a, 2, NULL, &null, 1), KS_OK);
    cr_assert_eq(channel_queue(pair.a, 3, NULL, NULL, 0), KS_OK);
    cr_assert_eq(channel_queue(pair.a, 4, NULL, fds, 2), KS_OK);
    cr_assert_eq(channel_flush(pair.a), KS_OK);
    for (uint16_t type = 1; type <= 4; type++) {
        static const size_t n_fds[] = {0, 0, 1, 0, 2};

        cr_assert_eq(channel_receive(pair.b, &message, WAIT_MS), KS_OK);
        cr_assert_eq(message.type, type);
        cr_assert_eq(message.n_fds, n_fds[type]);
    }
    cr_assert_eq(fstat(message.fds[0], &got), 0);
    cr_assert_eq(fstat(zero, &want), 0);
    cr_assert_eq(got.st_rdev, want.st_rdev);
    cr_assert(fcntl(message.fds[0], F_GETFD) & FD_CLOEXEC);
}

Test(channel, a_message_larger_than_the_socket_buffer_arrives_whole)
{
    ks_auto(pair_deinit) struct pair pair = pair_new();
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    struct buf body = BUF_INIT;
    bool have = false;

    for (uint32_t i = 0; i < 1024 * 1024 / 4; i++)
        buf_append(&body, &i, sizeof(i));
    cr_assert_eq(channel_queue(pair.a, 1, &body, NULL, 0), KS_OK);
    while (!have) {
        cr_assert_eq(channel_flush(pair.a), KS_OK);
        cr_assert_eq(channel_fill(pair.b), KS_OK);
        cr_assert_eq(channel_next(pair.b, &message, &have), KS_OK);
    }
    cr_assert_eq(message.len, body.len);
    cr_assert_arr_eq(message.body, body.data, body.len);
    cr_assert_eq(channel_pending(pair.a), 0);
    buf_deinit(&body);
}

Test(channel, the_other_end_gone_is_told_after_its_last_message)
{
    struct pair pair = pair_new();
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;

    cr_assert_eq(channel_send(pair.a, 9, NULL, NULL, 0, WAIT_MS), KS_OK);
    pair.a = channel_free(pair.a);
    cr_assert_eq(channel_receive(pair.b, &message, WAIT_MS), KS_OK);
    cr_assert_eq(message.type, 9);
    cr_assert_eq(channel_receive(pair.b, &message, WAIT_MS), KS_ERR_NO_SERVICE);
    cr_assert_eq(channel_send(pair.b, 1, NULL, NULL, 0, WAIT_MS), KS_ERR_NO_SERVICE);
    pair_deinit(&pair);
}

Test(channel, nonsense_is_refused)
{
    static const uint8_t too_long[8] = {0xff, 0xff, 0xff, 0xff, 0, 1, 0, 0};
    static const uint8_t reserved[8] = {0, 0, 0, 0, 0, 1, 0, 1};
    static const uint8_t no_descriptor[8] = {0, 0, 0, 0, 0, 1, 1, 0};
    static const uint8_t *const cases[] = {too_long, reserved, no_descriptor};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ks_auto(message_deinit) struct message message = MESSAGE_INIT;
        ks_auto(channel_freep) struct channel *channel = NULL;
        int ends[2];

        cr_assert_eq(channel_pair(ends), KS_OK);
        cr_assert_eq(channel_new(ends[0], 100, &channel), KS_OK);
        cr_assert_eq(write(ends[1], cases[i], 8), 8);
        cr_assert_eq(channel_receive(channel, &message, WAIT_MS), KS_ERR_BAD_REQUEST, "case %zu",
                     i);
        close(ends[1]);
    }
}

Test(channel, a_reader_that_does_not_read_is_busy_in_the_end)
{
    ks_auto(pair_deinit) struct pair pair = pair_new();
    struct buf body = BUF_INIT;
    ks_err err = KS_OK;

    cr_assert_not_null(buf_reserve(&body, 1024 * 1024));
    memset(body.data, 0, 1024 * 1024);
    body.len = 1024 * 1024;
    for (int i = 0; i < 100 && !err; i++) {
        err = channel_queue(pair.a, 1, &body, NULL, 0);
        if (!err)
            cr_assert_eq(channel_flush(pair.a), KS_OK);
    }
    cr_assert_eq(err, KS_ERR_BUSY);
    cr_assert_eq(channel_send(pair.b, 1, NULL, NULL, 0, WAIT_MS), KS_OK,
                 "the other direction still works");
    buf_deinit(&body);
}

#define N_MANY (CHANNEL_MAX_BACKLOG / CHANNEL_MAX_BODY + 20)

static void *
read_many(void *state)
{
    struct channel *channel = state;
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    uintptr_t n = 0;

    while (n < N_MANY && channel_receive(channel, &message, WAIT_MS) == KS_OK && message.type == n)
        n++;
    return (void *)n;
}

/* As a token with more keys than fit tells them. */
Test(channel, more_than_the_backlog_holds_gets_through_to_a_reader_that_reads)
{
    ks_auto(pair_deinit) struct pair pair = pair_new();
    struct buf body = BUF_INIT;
    pthread_t reader;
    void *n;

    body.max = CHANNEL_MAX_BODY;
    cr_assert(buf_reserve(&body, CHANNEL_MAX_BODY));
    memset(body.data, 'x', CHANNEL_MAX_BODY);
    body.len = CHANNEL_MAX_BODY;
    for (uint16_t type = 0; type < N_MANY; type++) {
        ks_err err = channel_make_room(pair.a, body.len, 50);

        if (err) {
            /* Nobody reads yet: it waits no longer than it may, and then goes on where it was. */
            cr_assert_eq(err, KS_ERR_DEADLINE);
            cr_assert_geq(type, CHANNEL_MAX_BACKLOG / CHANNEL_MAX_BODY);
            cr_assert_eq(pthread_create(&reader, NULL, read_many, pair.b), 0);
            err = channel_make_room(pair.a, body.len, WAIT_MS);
        }
        cr_assert_eq(err, KS_OK);
        cr_assert_eq(channel_queue(pair.a, type, &body, NULL, 0), KS_OK);
    }
    while (channel_pending(pair.a) > 0)
        cr_assert_eq(channel_flush(pair.a), KS_OK);
    pthread_join(reader, &n);
    cr_assert_eq((uintptr_t)n, N_MANY);
    buf_deinit(&body);
}
