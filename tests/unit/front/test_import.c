/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors on their way through the front: their frame, their bounds, and none that stays. */
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "front/quota.h"

static const char *const KEYS[] = {"web/shop@1", NULL};

static struct harness h;
static struct channel *worker;
static int sealed[2]; /* a file and a password */
static size_t n_open_before;

static int
sealed_file(const char *text)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
    return fd;
}

static size_t
count_open(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t n = 0;

    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* What the process has open, beside the ends of the connection that asks, once the front says that
 * it has `n_connections` more than this one. */
static size_t
count_with(uint32_t n_connections)
{
    uint64_t end_ms = clock_mono_ms() + HARNESS_WAIT_MS;
    int fd = client_hello(&h);
    size_t n_open;

    for (bool there = false; !there;) {
        Keysvc__V1__Response *response;

        cr_assert_lt(clock_mono_ms(), end_ms);
        client_send_status(fd, 1);
        response = client_receive(fd);
        cr_assert_not_null(response);
        cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_STATUS);
        there = response->status->connections == n_connections + 1;
        response_free(response);
        usleep(10000); /* status has a rate */
    }
    n_open = count_open() - 2;
    close(fd);
    return n_open;
}

static void
begin(void)
{
    harness_start(&h);
    worker = harness_worker(&h, 1);
    worker_list(worker, KEYS);
    harness_settled(&h, 1);
    sealed[0] = sealed_file("a key");
    sealed[1] = sealed_file("a password");
    n_open_before = count_with(0);
}

/* The front has closed what it had: also what discard() closes in its own time. */
static void
end(void)
{
    uint64_t end_ms = clock_mono_ms() + HARNESS_WAIT_MS;
    size_t n_open = count_with(0);

    while (n_open != n_open_before && clock_mono_ms() < end_ms)
        n_open = count_with(0);
    cr_assert_eq(n_open, n_open_before, "%zu descriptors instead of %zu", n_open, n_open_before);
    close(sealed[0]);
    close(sealed[1]);
    channel_free(worker);
    harness_stop(&h);
}

static void
setup(void)
{
    harness_prepare(&h);
}

TestSuite(import, .init = setup, .timeout = 60);

static uint8_t *
pack_import(uint64_t id, const char *name, bool has_password, size_t *len)
{
    Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__ImportRequest import = KEYSVC__V1__IMPORT_REQUEST__INIT;

    import.name = (char *)name;
    import.format = KEYSVC__V1__IMPORT_FORMAT__PKCS12;
    import.has_password = has_password;
    import.select = (char *)"one";
    import.certificates = true;
    request.id = id;
    request.operation_case = KEYSVC__V1__REQUEST__OPERATION_IMPORT;
    request.import = &import;
    return client_pack(&request, len);
}

static void
send_import(int fd, uint64_t id, const char *name, const int *files, size_t n_files)
{
    size_t len;
    uint8_t *data = pack_import(id, name, n_files == 2, &len);

    client_send_files(fd, data, len, files, n_files);
    free(data);
}

static bool
same_file(int one, int two)
{
    struct stat a, b;

    cr_assert_eq(fstat(one, &a), 0);
    cr_assert_eq(fstat(two, &b), 0);
    return a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

/* The worker has this import with the files that were sent; it answers that the key is made. */
static void
make(const char *name, size_t n_files)
{
    ks_auto(buf_deinit) struct buf storage = BUF_INIT, body = BUF_INIT;
    struct job_reply reply = {.key = {.version = 1, .type = KS_KEY_TYPE_EC_P256}};
    struct job job;

    worker_take(worker, &storage, &job);
    cr_assert_eq(job.operation, JOB_IMPORT);
    cr_assert_str_eq(job.name, name);
    cr_assert_eq(job.version, 0);
    cr_assert_eq(job.import.format, JOB_IMPORT_PKCS12);
    cr_assert_eq(job.import.has_password, n_files == 2);
    cr_assert(job.import.certificates);
    cr_assert_str_eq(job.import.select, "one");
    cr_assert_eq(job.n_fds, n_files);
    for (size_t i = 0; i < n_files; i++) {
        cr_assert(same_file(job.fds[i], sealed[i]), "descriptor %zu is another's", i);
        close(job.fds[i]);
    }
    reply.id = job.id;
    text_copy(reply.key.name, sizeof(reply.key.name), name);
    reply.key.public_key_len = strlen(name);
    memcpy(reply.key.public_key, name, strlen(name));
    job_reply_pack(&body, &reply);
    cr_assert_eq(channel_send(worker, JOB_MESSAGE_REPLY, &body, NULL, 0, HARNESS_WAIT_MS), KS_OK);
    job_deinit(&job);
}

Test(import, carries_file_and_password_to_the_first_worker)
{
    Keysvc__V1__Response *response;
    int fd;

    begin();
    fd = client_hello(&h);
    send_import(fd, 1, "web/new", sealed, 2);
    make("web/new", 2);
    response = client_receive(fd);
    cr_assert_eq(response->result_case, KEYSVC__V1__RESPONSE__RESULT_IMPORT);
    cr_assert_str_eq(response->import->name, "web/new");
    cr_assert_eq(response->import->n_versions, 1);
    response_free(response);
    send_import(fd, 2, "web/more", sealed, 1);
    make("web/more", 1);
    client_expect(fd, 2, KS_OK);
    client_send_get(fd, 3, "web/more", 0);
    client_expect(fd, 3, KS_OK);
    close(fd);
    end();
}

Test(import, answers_early_what_the_directory_knows_and_closes_what_came)
{
    Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__ImportRequest import = KEYSVC__V1__IMPORT_REQUEST__INIT;
    uint8_t *data;
    size_t len;
    int fd;

    begin();
    fd = client_hello(&h);
    send_import(fd, 1, "web/shop", sealed, 2);
    client_expect(fd, 1, KS_ERR_EXISTS);
    send_import(fd, 2, "secret/one", sealed, 2);
    client_expect(fd, 2, KS_ERR_DENIED);
    import.name = (char *)"web/shop";
    import.format = KEYSVC__V1__IMPORT_FORMAT__PKCS8;
    import.from_version = 7;
    request.id = 3;
    request.operation_case = KEYSVC__V1__REQUEST__OPERATION_IMPORT;
    request.import = &import;
    data = client_pack(&request, &len);
    client_send_files(fd, data, len, sealed, 1);
    client_expect(fd, 3, KS_ERR_NO_KEY);
    free(data);
    /* A mistake in the request itself. */
    import.format = KEYSVC__V1__IMPORT_FORMAT__IMPORT_NONE;
    data = client_pack(&request, &len);
    client_send_files(fd, data, len, sealed, 1);
    client_expect(fd, 3, KS_ERR_BAD_REQUEST);
    free(data);
    client_send_status(fd, 4);
    client_expect(fd, 4, KS_OK);
    cr_assert_eq(harness_count_audit(&h, "forwarded"), 0);
    close(fd);
    end();
}

Test(import, without_its_descriptors_or_with_another_number_is_refused_and_no_more)
{
    uint8_t *data;
    size_t len;
    int fd;

    begin();
    fd = client_hello(&h);
    data = pack_import(1, "web/new", false, &len);
    client_send_bytes(fd, data, len);
    client_expect(fd, 1, KS_ERR_BAD_REQUEST);
    client_send_files(fd, data, len, sealed, 2);
    client_expect(fd, 1, KS_ERR_BAD_REQUEST);
    free(data);
    data = pack_import(2, "web/new", true, &len);
    client_send_files(fd, data, len, sealed, 1);
    client_expect(fd, 2, KS_ERR_BAD_REQUEST);
    /* In the midst of the frame is too late. */
    client_send_bytes(fd, data, 1);
    free(data);
    send_import(fd, 3, "web/new", sealed, 2);
    client_expect_end(fd);
    fd = client_hello(&h);
    send_import(fd, 4, "web/new", sealed, 2);
    make("web/new", 2);
    client_expect(fd, 4, KS_OK);
    close(fd);
    end();
}

static int hold_front[2], held[2];

/* Runs in the front's thread. */
static void
on_hold(int signal)
{
    char c;

    (void)signal;
    if (write(held[1], "x", 1) < 0 || read(hold_front[0], &c, 1) < 0)
        return;
}

static void
hold(void)
{
    char c;

    cr_assert_eq(pipe(hold_front), 0);
    cr_assert_eq(pipe(held), 0);
    signal(SIGUSR1, on_hold);
    cr_assert_eq(pthread_kill(h.thread, SIGUSR1), 0);
    cr_assert_eq(read(held[0], &c, 1), 1);
}

static void
let_go(void)
{
    cr_assert_eq(write(hold_front[1], "x", 1), 1);
}

/* After an answer: the front has read its byte. */
static void
hold_end(void)
{
    close(hold_front[0]);
    close(hold_front[1]);
    close(held[0]);
    close(held[1]);
}

/* More frames before and after it than are looked at in one turn, in one read with it. */
Test(import, finds_its_descriptors_among_many_other_frames)
{
    enum { BEFORE = 20, AFTER = 20 };
    int fd;

    begin();
    fd = client_hello(&h);
    hold();
    for (uint64_t i = 1; i <= BEFORE; i++)
        client_send_status(fd, i);
    send_import(fd, 100, "web/new", sealed, 2);
    for (uint64_t i = 1; i <= AFTER; i++)
        client_send_status(fd, BEFORE + i);
    let_go();
    for (uint64_t i = 1; i <= BEFORE + AFTER; i++)
        client_expect(fd, i, KS_OK);
    make("web/new", 2);
    client_expect(fd, 100, KS_OK);
    close(fd);
    hold_end();
    end();
}

/* The same in one message, its descriptors beside the first byte of all: who is so lax is served. */
Test(import, may_come_in_one_message_with_frames_before_and_after_it)
{
    uint8_t data[4096], *packed;
    size_t len = 0, packed_len;
    int fd;

    begin();
    fd = client_hello(&h);
    for (uint64_t i = 1; i <= 3; i++) {
        Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
        Keysvc__V1__StatusRequest status = KEYSVC__V1__STATUS_REQUEST__INIT;

        request.id = i;
        request.operation_case = KEYSVC__V1__REQUEST__OPERATION_STATUS;
        request.status = &status;
        packed = i == 2 ? pack_import(i, "web/new", true, &packed_len)
                        : client_pack(&request, &packed_len);
        memcpy(data + len, packed, packed_len);
        len += packed_len;
        free(packed);
    }
    client_send_files(fd, data, len, sealed, 2);
    client_expect(fd, 1, KS_OK);
    client_expect(fd, 3, KS_OK);
    make("web/new", 2);
    client_expect(fd, 2, KS_OK);
    close(fd);
    end();
}

Test(import, may_be_cut_into_single_bytes)
{
    uint8_t *data;
    size_t len;
    int fd;

    begin();
    fd = client_hello(&h);
    data = pack_import(1, "web/new", true, &len);
    client_send_files(fd, data, 1, sealed, 2);
    for (size_t i = 1; i < len; i++)
        client_send_bytes(fd, data + i, 1);
    make("web/new", 2);
    client_expect(fd, 1, KS_OK);
    free(data);
    close(fd);
    end();
}

Test(import, several_at_once_have_each_their_own)
{
    int fd, swapped[2];
    ks_auto(buf_deinit) struct buf storage = BUF_INIT;
    struct job job;

    begin();
    swapped[0] = sealed[1];
    swapped[1] = sealed[0];
    fd = client_hello(&h);
    hold();
    send_import(fd, 1, "web/a", sealed, 2);
    send_import(fd, 2, "web/b", swapped, 2);
    send_import(fd, 3, "web/c", sealed, 1);
    let_go();
    make("web/a", 2);
    client_expect(fd, 1, KS_OK);
    worker_take(worker, &storage, &job);
    cr_assert_str_eq(job.name, "web/b");
    cr_assert_eq(job.n_fds, 2);
    for (size_t i = 0; i < 2; i++) {
        cr_assert(same_file(job.fds[i], swapped[i]));
        close(job.fds[i]);
    }
    worker_answer(worker, job.id, KS_ERR_BAD_REQUEST, NULL);
    client_expect(fd, 2, KS_ERR_BAD_REQUEST);
    make("web/c", 1);
    client_expect(fd, 3, KS_OK);
    close(fd);
    hold_end();
    end();
}

static void
send_status_with(int fd, const int *files, size_t n_files)
{
    static const uint8_t status[] = {0, 0, 0, 4, 0x08, 9, 0x5a, 0};

    client_send_files(fd, status, sizeof(status), files, n_files);
}

Test(import, descriptors_with_what_takes_none_end_the_connection)
{
    int fd, many[253];

    begin();
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = sealed[0];
    fd = client_hello(&h);
    send_status_with(fd, sealed, 1);
    client_expect_end(fd);
    fd = client_connect(&h); /* Hello takes none either */
    send_status_with(fd, sealed, 1);
    client_expect_end(fd);
    fd = client_hello(&h);
    send_import(fd, 1, "web/new", many, 3);
    client_expect_end(fd);
    fd = client_hello(&h);
    send_import(fd, 1, "web/new", many, ARRAY_LEN(many));
    client_expect_end(fd);
    fd = client_connect(&h);
    send_import(fd, 1, "web/new", sealed, 2);
    client_expect_end(fd);
    end();
}

Test(import, half_a_frame_that_ends_with_its_connection_keeps_nothing)
{
    uint8_t *data;
    size_t len;

    begin();
    data = pack_import(1, "web/new", true, &len);
    for (int i = 0; i < 20; i++) {
        int fd = client_hello(&h);

        client_send_files(fd, data, i % 2 ? 1 : len - 1, sealed, 2);
        close(fd);
    }
    free(data);
    end();
}

Test(import, what_is_no_sealed_memfd_is_refused_whoever_made_it)
{
    int fd, kinds[5], pipe_ends[2];

    begin();
    cr_assert_eq(pipe(pipe_ends), 0);
    kinds[0] = pipe_ends[0];
    kinds[1] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    kinds[2] = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    kinds[3] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    kinds[4] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    fd = client_hello(&h);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        int mixed[2] = {sealed[0], kinds[i]};

        send_import(fd, 1, "web/new", &kinds[i], 1);
        client_expect(fd, 1, KS_ERR_BAD_REQUEST);
        send_import(fd, 2, "web/new", mixed, 2);
        client_expect(fd, 2, KS_ERR_BAD_REQUEST);
    }
    client_send_status(fd, 3);
    client_expect(fd, 3, KS_OK);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        close(kinds[i]);
    close(pipe_ends[1]);
    close(fd);
    end();
}

Test(import, the_front_keeps_nothing_of_what_a_worker_has)
{
    ks_auto(buf_deinit) struct buf storage = BUF_INIT;
    struct job job;
    int fd;

    begin();
    fd = client_hello(&h);
    send_import(fd, 1, "web/new", sealed, 2);
    worker_take(worker, &storage, &job);
    close(job.fds[0]);
    close(job.fds[1]);
    cr_assert_eq(count_with(1), n_open_before + 2, "the connection's two ends, and nothing else");
    worker_answer(worker, job.id, KS_ERR_UNSUPPORTED, NULL);
    client_expect(fd, 1, KS_ERR_UNSUPPORTED);
    close(fd);
    end();
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
    int bad = client_hello(&h);

    /* Held: the front's close() shall be the last, not ours. */
    hold();
    if (!received) {
        /* Behind the end of what is read: it lies in the socket when the front closes it. */
        client_send_bytes(bad, "\0\0\0\0", 4);
        send_status_with(bad, &sealed[0], 1);
    }
    send_status_with(bad, &descriptor, 1);
    close(descriptor);
    close(bad);
    let_go();
}

Test(import, closing_what_a_client_sent_makes_nobody_wait)
{
    int good, ends[4][2];

    begin();
    good = client_hello(&h);
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
    end();
}

/* What waits is charged to its caller, and given back by whichever end it comes to. */
Test(import, one_caller_has_so_many_descriptors_open_and_no_more)
{
    enum { MANY = QUOTA_FILES_PER_CALLER / 2 };
    int fds[MANY + 1];
    uint8_t *data;
    size_t len;

    begin();
    data = pack_import(1, "web/new", true, &len);
    for (size_t i = 0; i <= MANY; i++) {
        fds[i] = client_hello(&h);
        client_send_files(fds[i], data, 4, sealed, 2);
        /* Read before the next one comes: another connection is answered after it. */
        harness_settled(&h, 1);
    }
    client_send_bytes(fds[MANY], data + 4, len - 4);
    client_expect(fds[MANY], 1, KS_ERR_BUSY);
    client_send_files(fds[MANY], data, len, sealed, 2);
    client_expect(fds[MANY], 1, KS_ERR_BUSY);
    close(fds[0]);
    harness_settled(&h, 1);
    client_send_files(fds[MANY], data, len, sealed, 2);
    make("web/new", 2);
    client_expect(fds[MANY], 1, KS_OK);
    for (size_t i = 1; i <= MANY; i++)
        close(fds[i]);
    free(data);
    end();
}

Test(import, a_deadline_and_a_workers_death_close_the_descriptors)
{
    Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
    Keysvc__V1__ImportRequest import = KEYSVC__V1__IMPORT_REQUEST__INIT;
    ks_auto(buf_deinit) struct buf storage = BUF_INIT;
    struct pollfd ready = {.events = POLLIN};
    struct job job;
    uint8_t *data;
    size_t len;
    int fd;

    begin();
    ready.fd = channel_fd(worker);
    fd = client_hello(&h);
    import.name = (char *)"web/new";
    import.format = KEYSVC__V1__IMPORT_FORMAT__PKCS8;
    request.id = 1;
    request.deadline_ms = 50;
    request.operation_case = KEYSVC__V1__REQUEST__OPERATION_IMPORT;
    request.import = &import;
    data = client_pack(&request, &len);
    client_send_files(fd, data, len, sealed, 1);
    client_expect(fd, 1, KS_ERR_DEADLINE);
    free(data);
    send_import(fd, 2, "web/two", sealed, 2);
    worker_take(worker, &storage, &job);
    cr_assert_eq(job.n_fds, 1);
    close(job.fds[0]);
    /* It goes with the other job unread in its socket. */
    cr_assert_eq(poll(&ready, 1, HARNESS_WAIT_MS), 1);
    channel_free(worker);
    client_expect(fd, 2, KS_ERR_OUTCOME_UNKNOWN);
    close(fd);
    worker = harness_worker(&h, 1);
    worker_list(worker, KEYS);
    harness_settled(&h, 1);
    end();
}

Test(import, who_may_import_nothing_makes_the_front_hold_nothing)
{
    uint8_t *data;
    size_t len;
    int fd;

    h.config->rules[0].operations = OPERATION_ADMINISTER | (OPERATION_ALL & ~OPERATION_IMPORT);
    begin();
    fd = client_hello(&h);
    data = pack_import(1, "web/new", true, &len);
    client_send_files(fd, data, len - 1, sealed, 2);
    cr_assert_eq(count_with(1), n_open_before + 2, "the connection's two ends, and nothing else");
    client_send_bytes(fd, data + len - 1, 1);
    client_expect(fd, 1, KS_ERR_DENIED);
    free(data);
    close(fd);
    end();
}
