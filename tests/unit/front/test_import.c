/* SPDX-License-Identifier: Apache-2.0 */
#include "import_rig.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "front/quota.h"

#include "hold.h"

TestSuite(import, .init = import_rig_setup, .timeout = 60);

Test(import, carries_file_and_password_to_the_first_worker)
{
    Keysvc__V1__Response *response;
    int fd;

    import_rig_begin();
    fd = client_hello(&rig.h);
    import_rig_send(fd, 1, "web/new", rig.sealed, 2);
    import_rig_make("web/new", 2);
    response = client_receive(fd);
    cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_IMPORT);
    cr_assert_str_eq(response->import->name, "web/new");
    cr_assert_eq(response->import->n_versions, 1);
    cr_assert_str_eq(response->import->imported->alias, "one");
    cr_assert_eq(response->import->imported->n_certificates, 1);
    cr_assert_eq(response->import->imported->certificates[0].len, 11);
    response_free(response);
    import_rig_send(fd, 2, "web/more", rig.sealed, 1);
    import_rig_make("web/more", 1);
    client_expect(fd, 2, KS_OK);
    client_send_get(fd, 3, "web/more", 0);
    client_expect(fd, 3, KS_OK);
    close(fd);
    import_rig_end();
}

Test(import, answers_early_what_the_directory_knows_and_closes_what_came)
{
    Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__ImportRequest import = KEYSVC__V1__IMPORT_REQUEST__INIT;
    uint8_t *data;
    size_t len;
    int fd;

    import_rig_begin();
    fd = client_hello(&rig.h);
    import_rig_send(fd, 1, "web/shop", rig.sealed, 2);
    client_expect(fd, 1, KS_ERR_EXISTS);
    import_rig_send(fd, 2, "secret/one", rig.sealed, 2);
    client_expect(fd, 2, KS_ERR_DENIED);
    import.name = (char *)"web/shop";
    import.format = KEYSVC__V1__IMPORT_FORMAT__PKCS8;
    import.from_version = 7;
    request.id = 3;
    request.operation_case = KEYSVC__V1__REQUEST__OPERATION_IMPORT;
    request.import = &import;
    data = client_pack(&request, &len);
    client_send_files(fd, data, len, rig.sealed, 1);
    client_expect(fd, 3, KS_ERR_NO_KEY);
    free(data);
    /* A mistake in the request itself. */
    import.format = KEYSVC__V1__IMPORT_FORMAT__IMPORT_NONE;
    data = client_pack(&request, &len);
    client_send_files(fd, data, len, rig.sealed, 1);
    client_expect(fd, 3, KS_ERR_BAD_REQUEST);
    free(data);
    client_send_status(fd, 4);
    client_expect(fd, 4, KS_OK);
    cr_assert_eq(harness_count_audit(&rig.h, "forwarded"), 0);
    close(fd);
    import_rig_end();
}

Test(import, without_its_descriptors_or_with_another_number_is_refused_and_no_more)
{
    uint8_t *data;
    size_t len;
    int fd;

    import_rig_begin();
    fd = client_hello(&rig.h);
    data = import_rig_pack(1, "web/new", false, &len);
    client_send_bytes(fd, data, len);
    client_expect(fd, 1, KS_ERR_BAD_REQUEST);
    client_send_files(fd, data, len, rig.sealed, 2);
    client_expect(fd, 1, KS_ERR_BAD_REQUEST);
    free(data);
    data = import_rig_pack(2, "web/new", true, &len);
    client_send_files(fd, data, len, rig.sealed, 1);
    client_expect(fd, 2, KS_ERR_BAD_REQUEST);
    /* In the midst of the frame is too late. */
    client_send_bytes(fd, data, 1);
    free(data);
    import_rig_send(fd, 3, "web/new", rig.sealed, 2);
    client_expect_end(fd);
    fd = client_hello(&rig.h);
    import_rig_send(fd, 4, "web/new", rig.sealed, 2);
    import_rig_make("web/new", 2);
    client_expect(fd, 4, KS_OK);
    close(fd);
    import_rig_end();
}

Test(import, what_is_no_sealed_memfd_is_refused_whoever_made_it)
{
    int fd, kinds[5], pipe_ends[2];

    import_rig_begin();
    cr_assert_eq(pipe(pipe_ends), 0);
    kinds[0] = pipe_ends[0];
    kinds[1] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    kinds[2] = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    kinds[3] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    kinds[4] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    fd = client_hello(&rig.h);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        int mixed[2] = {rig.sealed[0], kinds[i]};

        import_rig_send(fd, 1, "web/new", &kinds[i], 1);
        client_expect(fd, 1, KS_ERR_BAD_REQUEST);
        import_rig_send(fd, 2, "web/new", mixed, 2);
        client_expect(fd, 2, KS_ERR_BAD_REQUEST);
    }
    client_send_status(fd, 3);
    client_expect(fd, 3, KS_OK);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        close(kinds[i]);
    close(pipe_ends[1]);
    close(fd);
    import_rig_end();
}

Test(import, the_front_keeps_nothing_of_what_a_worker_has)
{
    ks_auto(buf_deinit) struct buf storage = BUF_INIT;
    struct job job;
    int fd;

    import_rig_begin();
    fd = client_hello(&rig.h);
    import_rig_send(fd, 1, "web/new", rig.sealed, 2);
    worker_take(rig.worker, &storage, &job);
    close(job.fds[0]);
    close(job.fds[1]);
    import_rig_expect_open(1);
    worker_answer(rig.worker, job.id, KS_ERR_UNSUPPORTED, NULL);
    client_expect(fd, 1, KS_ERR_UNSUPPORTED);
    close(fd);
    import_rig_end();
}

#define LINGER_S 40

/* A TCP socket whose close() takes that long. */
static int
lingering_socket(int ends[2])
{
    const struct linger long_time = {1, LINGER_S};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    static const char filling[65536];

    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(ends[0], (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(ends[0], 1), 0);
    cr_assert_eq(getsockname(ends[0], (struct sockaddr *)&address, &len), 0);
    (void)!connect(fd, (struct sockaddr *)&address, sizeof(address));
    ends[1] = accept(ends[0], NULL, NULL);
    cr_assert_geq(ends[1], 0);
    while (send(fd, filling, sizeof(filling), MSG_NOSIGNAL) > 0)
        ;
    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &long_time, sizeof(long_time)), 0);
    return fd;
}

/* The same in the queue of another socket, which looks harmless. */
static int
lingering_queue(int ends[2])
{
    int lingering = lingering_socket(ends), pair[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    client_send_files(pair[0], "x", 1, &lingering, 1);
    close(lingering);
    close(pair[0]);
    return pair[1];
}

/* Sends `descriptor`, the last one of its kind, with what takes none, and goes. */
static void
send_and_go(int descriptor, bool received)
{
    int bad = client_hello(&rig.h);

    /* Held: the front's close() shall be the last, not ours. */
    hold_begin(&rig.h);
    if (!received) {
        /* Behind the end of what is read: it lies in the socket when the front closes it. */
        client_send_bytes(bad, "\0\0\0\0", 4);
        import_rig_send_status(bad, &rig.sealed[0], 1);
    }
    import_rig_send_status(bad, &descriptor, 1);
    close(descriptor);
    close(bad);
    hold_let_go();
}

Test(import, closing_what_a_client_sent_makes_nobody_wait)
{
    int good, ends[4][2];

    import_rig_begin();
    good = client_hello(&rig.h);
    for (int i = 0; i < 4; i++) {
        uint64_t began_ms = clock_mono_ms();

        send_and_go(i < 2 ? lingering_socket(ends[i]) : lingering_queue(ends[i]), i % 2 == 0);
        client_send_status(good, 1);
        client_expect(good, 1, KS_OK);
        hold_end();
        cr_assert_lt(clock_mono_ms() - began_ms, LINGER_S * 1000 / 2);
    }
    for (int i = 0; i < 4; i++) {
        close(ends[i][0]);
        close(ends[i][1]); /* and with it the wait is over */
    }
    close(good);
    import_rig_end();
}

/* What waits is charged to its caller, and given back by whichever end it comes to. */
Test(import, one_caller_has_so_many_descriptors_open_and_no_more)
{
    enum { MANY = QUOTA_FILES_PER_CALLER / 2 };
    int fds[MANY + 1];
    uint8_t *data;
    size_t len;

    import_rig_begin();
    data = import_rig_pack(1, "web/new", true, &len);
    for (size_t i = 0; i <= MANY; i++) {
        fds[i] = client_hello(&rig.h);
        client_send_files(fds[i], data, 4, rig.sealed, 2);
        /* Read before the next one comes: another connection is answered after it. */
        harness_settled(&rig.h, 1);
    }
    client_send_bytes(fds[MANY], data + 4, len - 4);
    client_expect(fds[MANY], 1, KS_ERR_BUSY);
    client_send_files(fds[MANY], data, len, rig.sealed, 2);
    client_expect(fds[MANY], 1, KS_ERR_BUSY);
    close(fds[0]);
    harness_settled(&rig.h, 1);
    client_send_files(fds[MANY], data, len, rig.sealed, 2);
    import_rig_make("web/new", 2);
    client_expect(fds[MANY], 1, KS_OK);
    for (size_t i = 1; i <= MANY; i++)
        close(fds[i]);
    free(data);
    import_rig_end();
}

Test(import, a_deadline_and_a_workers_death_close_the_descriptors)
{
    Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__ImportRequest import = KEYSVC__V1__IMPORT_REQUEST__INIT;
    struct pollfd ready = {.events = POLLIN};
    uint8_t *data;
    size_t len;
    int fd;

    import_rig_begin();
    ready.fd = channel_fd(rig.worker);
    fd = client_hello(&rig.h);
    import.name = (char *)"web/new";
    import.format = KEYSVC__V1__IMPORT_FORMAT__PKCS8;
    request.id = 1;
    request.deadline_ms = 50;
    request.operation_case = KEYSVC__V1__REQUEST__OPERATION_IMPORT;
    request.import = &import;
    data = client_pack(&request, &len);
    client_send_files(fd, data, len, rig.sealed, 1);
    client_expect(fd, 1, KS_ERR_OUTCOME_UNKNOWN);
    free(data);
    /* The worker still has the first: the second waits. */
    import_rig_send(fd, 2, "web/two", rig.sealed, 2);
    cr_assert_eq(poll(&ready, 1, HARNESS_WAIT_MS), 1);
    /* It goes with a job and its descriptor unread in its socket. */
    channel_free(rig.worker);
    client_expect(fd, 2, KS_ERR_TOKEN_UNAVAILABLE);
    close(fd);
    import_rig_worker();
    import_rig_end();
}

Test(import, who_may_import_nothing_makes_the_front_hold_nothing)
{
    uint8_t *data;
    size_t len;
    int fd;

    rig.h.config->rules[0].operations = OPERATION_ADMINISTER | (OPERATION_ALL & ~OPERATION_IMPORT);
    import_rig_begin();
    fd = client_hello(&rig.h);
    data = import_rig_pack(1, "web/new", true, &len);
    client_send_files(fd, data, len - 1, rig.sealed, 2);
    import_rig_expect_open(1);
    client_send_bytes(fd, data + len - 1, 1);
    client_expect(fd, 1, KS_ERR_DENIED);
    free(data);
    close(fd);
    import_rig_end();
}
