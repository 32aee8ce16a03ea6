/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_rig - the files, the frames, and what the front has open
 */
#include "import_rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

struct import_rig rig;

static const char *const KEYS[] = {"web/shop@1", NULL};

int
import_rig_file(const char *text)
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

static size_t
count_open_with(uint32_t n_connections)
{
    uint64_t end_ms = clock_mono_ms() + HARNESS_WAIT_MS;
    int fd = client_hello(&rig.h);
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

void
import_rig_expect_open(uint32_t n_connections)
{
    uint64_t end_ms = clock_mono_ms() + HARNESS_WAIT_MS;
    size_t wanted = rig.n_open_before + (size_t)2 * n_connections;
    size_t n_open = count_open_with(n_connections);

    while (n_open != wanted && clock_mono_ms() < end_ms)
        n_open = count_open_with(n_connections);
    cr_assert_eq(n_open, wanted, "%zu descriptors instead of %zu", n_open, wanted);
}

void
import_rig_worker(void)
{
    rig.worker = harness_worker(&rig.h, 1);
    worker_list(rig.worker, KEYS);
    harness_settled(&rig.h, 1);
}

void
import_rig_begin(void)
{
    harness_start(&rig.h);
    import_rig_worker();
    rig.sealed[0] = import_rig_file("a key");
    rig.sealed[1] = import_rig_file("a password");
    rig.n_open_before = count_open_with(0);
}

void
import_rig_end(void)
{
    import_rig_expect_open(0);
    close(rig.sealed[0]);
    close(rig.sealed[1]);
    channel_free(rig.worker);
    harness_stop(&rig.h);
}

void
import_rig_setup(void)
{
    harness_prepare(&rig.h);
}

uint8_t *
import_rig_pack(uint64_t id, const char *name, bool has_password, size_t *len)
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

void
import_rig_send(int fd, uint64_t id, const char *name, const int *files, size_t n_files)
{
    size_t len;
    uint8_t *data = import_rig_pack(id, name, n_files == 2, &len);

    client_send_files(fd, data, len, files, n_files);
    free(data);
}

bool
import_rig_same_file(int one, int two)
{
    struct stat a, b;

    cr_assert_eq(fstat(one, &a), 0);
    cr_assert_eq(fstat(two, &b), 0);
    return a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

void
import_rig_make(const char *name, size_t n_files)
{
    ks_auto(buf_deinit) struct buf storage = BUF_INIT, body = BUF_INIT, told = BUF_INIT;
    struct job_imported imported = {.alias = "one",
                                    .chain = {1, {{(const uint8_t *)"certificate", 11}}}};
    struct job_reply reply = {.key = {.version = 1, .type = KS_KEY_TYPE_EC_P256}};
    struct job job;

    worker_take(rig.worker, &storage, &job);
    cr_assert_eq(job.operation, JOB_IMPORT);
    cr_assert_str_eq(job.name, name);
    cr_assert_eq(job.version, 0);
    cr_assert_eq(job.import.format, JOB_IMPORT_PKCS12);
    cr_assert_eq(job.import.has_password, n_files == 2);
    cr_assert(job.import.certificates);
    cr_assert_str_eq(job.import.select, "one");
    cr_assert_eq(job.n_fds, n_files);
    for (size_t i = 0; i < n_files; i++) {
        cr_assert(import_rig_same_file(job.fds[i], rig.sealed[i]), "descriptor %zu is another's",
                  i);
        close(job.fds[i]);
    }
    reply.id = job.id;
    text_copy(reply.key.name, sizeof(reply.key.name), name);
    reply.key.public_key_len = strlen(name);
    memcpy(reply.key.public_key, name, strlen(name));
    job_imported_pack(&told, &imported);
    reply.data = told.data;
    reply.data_len = told.len;
    job_reply_pack(&body, &reply);
    cr_assert_eq(channel_send(rig.worker, JOB_MESSAGE_REPLY, &body, NULL, 0, HARNESS_WAIT_MS),
                 KS_OK);
    job_deinit(&job);
}

void
import_rig_send_status(int fd, const int *files, size_t n_files)
{
    static const uint8_t status[] = {0, 0, 0, 4, 0x08, 9, 0x5a, 0};

    client_send_files(fd, status, sizeof(status), files, n_files);
}
