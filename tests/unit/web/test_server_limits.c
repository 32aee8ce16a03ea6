/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>

#include "base/clock.h"
#include "web_rig.h"

#define GET "GET /peer HTTP/1.1\r\nHost: x\r\n\r\n"
#define WAIT "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"
#define LIMIT_MS 1000u
#define PATIENCE_MS 20000
#define N_KEY_UPDATES 100000u

static struct rig rig;

static void
begin(void)
{
    rig_init(&rig);
}

static void
end(void)
{
    rig_deinit(&rig);
}

TestSuite(server_limits, .init = begin, .fini = end, .timeout = 120);

/* Sends one byte each 50 ms until the server closes; how long that took. */
static uint64_t
trickle(SSL *ssl, int fd, char byte)
{
    uint64_t begin_ms = clock_mono_ms();
    char waste[64];

    while (clock_mono_ms() - begin_ms < PATIENCE_MS) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};

        if (ssl ? SSL_write(ssl, &byte, 1) != 1 : send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
            break;
        if (poll(&ready, 1, 50) == 1 &&
            (ssl ? SSL_read(ssl, waste, sizeof(waste)) : recv(fd, waste, sizeof(waste), 0)) <= 0)
            break;
    }
    return clock_mono_ms() - begin_ms;
}

static void
expect_deadline(const char *beginning, char byte)
{
    SSL *ssl = rig_connect(&rig, 0);
    uint64_t took_ms;

    cr_assert_eq(SSL_write(ssl, beginning, (int)strlen(beginning)), (int)strlen(beginning));
    took_ms = trickle(ssl, SSL_get_fd(ssl), byte);
    cr_assert(took_ms < PATIENCE_MS, "%s", beginning);
    rig_hang_up(ssl);
}

Test(server_limits, who_sends_a_byte_now_and_then_is_closed_at_the_deadline)
{
    int fd;

    rig.options.request_timeout_ms = LIMIT_MS;
    rig_start(&rig);
    expect_deadline("G", 'E');
    expect_deadline("GET / HTTP/1.1\r\nHost: x\r\nX-A: ", 'a');
    expect_deadline("PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", 'a');
    expect_deadline("PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", '0');
    /* In the handshake: a record of 16 KiB that does not end. */
    fd = rig_dial(&rig);
    cr_assert_eq(send(fd, "\026\003\001\077\000\001\000\074\000", 9, 0), 9);
    cr_assert(trickle(NULL, fd, '\0') < PATIENCE_MS);
    close(fd);
}

struct flood {
    int fd;
    BIO *records;
    _Atomic bool sent;
};

static void *
send_flood(void *context)
{
    struct flood *flood = context;
    char *data;
    long len = BIO_get_mem_data(flood->records, &data);
    ssize_t n = 1;

    for (; len > 0 && n > 0; data += n, len -= n)
        n = send(flood->fd, data, (size_t)len, MSG_NOSIGNAL);
    flood->sent = true;
    return NULL;
}

/* Prepared beforehand, so that they come faster than they can be read. */
Test(server_limits, more_handshakes_than_an_address_may_make_wait_for_their_turn)
{
    uint64_t begin_ms;

    rig.options.handshake_rate = 10;
    rig.options.handshake_burst = 3;
    rig_start(&rig);
    begin_ms = clock_mono_ms();
    for (size_t i = 0; i < 8; i++)
        cr_assert_eq(rig_status(&rig, GET), 200);
    cr_assert(clock_mono_ms() - begin_ms >= 500, "five of them took no tenth of a second each");
}

/* A client hello of 15 KiB that does not end. */
static int
begin_handshake(void)
{
    int fd = rig_dial(&rig);

    cr_assert_eq(send(fd, "\026\003\001\077\000\001\000\074\000", 9, MSG_NOSIGNAL), 9);
    return fd;
}

Test(server_limits, whose_turn_is_too_far_is_closed_at_once)
{
    struct pollfd dialled[40];
    size_t n_closed = 0;
    char byte;

    rig.options.threads = 1;
    rig.options.max_connections = 50;
    rig.options.handshake_rate = 1;
    rig.options.handshake_burst = 1;
    rig_start(&rig);
    for (size_t i = 0; i < ARRAY_LEN(dialled); i++)
        dialled[i] = (struct pollfd){.fd = begin_handshake(), .events = POLLIN};
    cr_assert(poll(dialled, ARRAY_LEN(dialled), PATIENCE_MS / 2) > 0);
    for (size_t i = 0; i < ARRAY_LEN(dialled); i++) {
        n_closed += dialled[i].revents && recv(dialled[i].fd, &byte, 1, MSG_DONTWAIT) <= 0;
        close(dialled[i].fd);
    }
    cr_assert(n_closed > 0 && n_closed < ARRAY_LEN(dialled), "%zu", n_closed);
}

Test(server_limits, who_is_gone_at_its_turn_gets_no_handshake)
{
    rig.options.threads = 1;
    rig.options.handshake_rate = 2;
    rig.options.handshake_burst = 1;
    rig_start(&rig);
    cr_assert_eq(rig_status(&rig, GET), 200);
    for (size_t i = 0; i < 5; i++)
        close(begin_handshake());
    cr_assert_eq(rig_status(&rig, GET), 200); /* behind them */
    /* Two; on a machine that is slow enough, one was not gone yet. */
    cr_assert(rig.n_handshakes < 7, "%d", rig.n_handshakes);
}

Test(server_limits, who_only_looks_whether_the_port_is_open_has_made_no_handshake)
{
    rig.options.handshake_rate = 1;
    rig.options.handshake_burst = 2;
    rig_start(&rig);
    for (size_t i = 0; i < 60; i++)
        close(rig_dial(&rig));
    cr_assert_eq(rig_status(&rig, GET), 200); /* not after a minute, which it would not wait */
    cr_assert_eq(rig.n_handshakes, 1);
}

Test(server_limits, who_changes_keys_without_end_holds_up_nobody)
{
    const int little = 65536; /* else the kernel might take all of it at once */
    struct flood flood = {.records = BIO_new(BIO_s_mem())};
    SSL *ssl, *other;
    pthread_t helper;

    rig.options.threads = 1;
    rig.options.request_timeout_ms = 6 * PATIENCE_MS; /* both are idle while it is prepared */
    rig_start(&rig);
    other = rig_connect(&rig, 0);
    ssl = rig_connect(&rig, TLS1_3_VERSION);
    flood.fd = SSL_get_fd(ssl);
    cr_assert_eq(setsockopt(flood.fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)), 0);
    SSL_set0_wbio(ssl, flood.records);
    for (size_t i = 0; i < N_KEY_UPDATES; i++)
        cr_assert(SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1 &&
                  SSL_do_handshake(ssl) == 1);
    cr_assert_eq(pthread_create(&helper, NULL, send_flood, &flood), 0);
    usleep(50000);
    cr_assert(strstr(rig_ask(other, GET), " 200 "));
    cr_expect_not(flood.sent, "it was answered when the flood was over");
    shutdown(flood.fd, SHUT_RDWR);
    pthread_join(helper, NULL);
    close(flood.fd);
    SSL_free(ssl);
    rig_hang_up(other);
}

Test(server_limits, who_is_idle_is_closed_too)
{
    SSL *ssl;

    rig.options.request_timeout_ms = LIMIT_MS;
    rig_start(&rig);
    ssl = rig_connect(&rig, 0);
    cr_assert(strstr(rig_ask(ssl, GET), " 200 "));
    cr_assert(rig_closed(ssl));
    rig_hang_up(ssl);
}

Test(server_limits, who_does_not_take_the_answer_is_closed)
{
    uint64_t begin_ms;
    size_t n = 0;
    char byte;
    SSL *ssl;

    rig.options.request_timeout_ms = LIMIT_MS;
    rig_start(&rig);
    ssl = rig_connect(&rig, 0);
    cr_assert_eq(SSL_write(ssl, "GET /long HTTP/1.1\r\nHost: x\r\n\r\n", 32), 32);
    begin_ms = clock_mono_ms();
    /* Less than what the kernel buffers for both in that time. */
    while (clock_mono_ms() - begin_ms < PATIENCE_MS && SSL_read(ssl, &byte, 1) == 1)
        if (n++ < 100)
            usleep(20000);
    cr_assert(n < 8u * 1024u * 1024u, "it got all of %zu", n);
    cr_assert(clock_mono_ms() - begin_ms < PATIENCE_MS);
    rig_hang_up(ssl);
}

Test(server_limits, more_connections_than_there_are_places_wait_for_theirs)
{
    SSL *first, *second;
    struct pollfd ready;
    int waiting;

    rig.options.threads = 4;
    rig.options.max_connections = 2;
    rig_start(&rig);
    first = rig_connect(&rig, 0);
    second = rig_connect(&rig, 0);
    cr_assert(first && second);
    waiting = rig_dial(&rig); /* the kernel takes it; nobody speaks to it */
    cr_assert_eq(send(waiting, "no TLS at all\r\n\r\n", 17, 0), 17);
    ready = (struct pollfd){.fd = waiting, .events = POLLIN};
    cr_assert_eq(poll(&ready, 1, 500), 0);
    cr_assert(strstr(rig_ask(first, GET), " 200 "));
    cr_assert(strstr(rig_ask(second, GET), " 200 "));
    rig_hang_up(first);
    cr_assert_eq(poll(&ready, 1, PATIENCE_MS), 1); /* an alert */
    close(waiting);
    first = rig_connect(&rig, 0);
    cr_assert(strstr(rig_ask(first, GET), " 200 "));
    rig_hang_up(first);
    rig_hang_up(second);
}

Test(server_limits, a_handler_that_waits_holds_up_its_own_loop_only)
{
    SSL *slow, *quick;

    rig.options.threads = 2;
    rig_start(&rig);
    slow = rig_connect(&rig, 0);
    cr_assert_eq(SSL_write(slow, WAIT, (int)strlen(WAIT)), (int)strlen(WAIT));
    rig_until_waiting(&rig);
    quick = rig_connect(&rig, 0);
    cr_assert(strstr(rig_ask(quick, GET), " 200 "));
    rig.go_on = true;
    cr_assert(strstr(rig_answer(slow), " 200 "));
    rig_hang_up(quick);
    rig_hang_up(slow);
}

static void *
let_go(void *unused)
{
    usleep(100000); /* the server is being stopped */
    rig.go_on = true;
    return unused;
}

Test(server_limits, stopping_lets_a_request_end_and_closes_the_rest)
{
    SSL *idle, *busy;
    pthread_t helper;

    rig.options.threads = 1;
    rig_start(&rig);
    idle = rig_connect(&rig, 0);
    busy = rig_connect(&rig, 0);
    cr_assert_eq(SSL_write(busy, WAIT, (int)strlen(WAIT)), (int)strlen(WAIT));
    rig_until_waiting(&rig);
    cr_assert_eq(pthread_create(&helper, NULL, let_go, NULL), 0);
    server_stop(rig.server, 10000);
    pthread_join(helper, NULL);
    cr_assert(rig_closed(idle));
    cr_assert(strstr(rig_answer(busy), " 200 "));
    rig_hang_up(idle);
    rig_hang_up(busy);
}

Test(server_limits, an_address_that_cannot_be_had)
{
    struct fault why = FAULT_INIT;
    struct server *server = NULL;

    rig_start(&rig);
    rig.options.port = server_port(rig.server);
    cr_assert_eq(server_new(&rig.options, &server, &why), KS_ERR_USAGE);
    cr_assert(strstr(why.text, "cannot listen at 127.0.0.1"), "%s", why.text);
    rig.options.address = "localhost";
    cr_assert_eq(server_new(&rig.options, &server, &why), KS_ERR_USAGE);
    cr_assert(strstr(why.text, "is no IP address"), "%s", why.text);
}
