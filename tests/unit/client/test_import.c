/* SPDX-License-Identifier: Apache-2.0 */
/* ks_import: what is in the frame, what is beside it, and when it is sent again. */
#include <criterion/criterion.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/lib/keysvc.h"
#include "fake_server.h"

enum { SIGN = 16, IMPORT = 23 };

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define FILE_TEXT "the file's bytes, a private key"
#define PASSWORD "correct horse battery staple"

/* What came beside a frame: each test's handler looks at it in its own thread, and keeps what it
 * found. */
struct received {
    size_t len[FAKE_MAX_FDS];
    int seals[FAKE_MAX_FDS];
    char bytes[FAKE_MAX_FDS][KS_IMPORT_MAX_LEN];
};

/* What the service saw last, and what it answers. */
struct talk {
    struct fake_request seen;
    char name[128], select[300];
    struct received received;
    ks_err code;
    bool retryable;
    unsigned int n_busy; /* so often it is that first */
    bool other;          /* another kind of answer */
    bool lost;           /* no answer: the connection ends */
    char wrong_name[KS_NAME_MAX + 2];
    long locked_kib;   /* of this process, while the call is under way */
    const char *alias; /* not NULL: the service tells what the file gave */
    size_t lens[20], n_lens;
};

static struct talk talk;
static struct fake_server *server;
static struct ks_client *client;
static struct ks_error error;
static struct ks_key key;

static void
receive(const struct fake_request *request, struct received *received)
{
    for (size_t i = 0; i < request->n_fds; i++) {
        ssize_t n = pread(request->fds[i], received->bytes[i], sizeof(received->bytes[i]), 0);

        received->len[i] = n < 0 ? SIZE_MAX : (size_t)n;
        received->seals[i] = fcntl(request->fds[i], F_GET_SEALS);
    }
}

static long
locked_kib(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[128];
    long kib = -1;

    while (status && fgets(line, sizeof(line), status)) {
        if (sscanf(line, "VmLck: %ld", &kib) == 1)
            break;
    }
    if (status)
        fclose(status);
    return kib;
}

static void
answer(struct fake_server *from, const struct fake_request *request)
{
    (void)from;
    talk.seen = *request;
    snprintf(talk.name, sizeof(talk.name), "%s", request->name);
    snprintf(talk.select, sizeof(talk.select), "%s", request->select);
    receive(request, &talk.received);
    talk.locked_kib = locked_kib();
    if (talk.lost)
        shutdown(request->fd, SHUT_RDWR);
    else if (talk.n_busy > 0 && talk.n_busy--)
        fake_error(request, KS_ERR_BUSY, true);
    else if (talk.code)
        fake_error(request, talk.code, talk.retryable);
    else if (talk.other)
        fake_csr(&(struct fake_request){.fd = request->fd, .id = request->id, .operation = 17});
    else if (talk.alias)
        fake_imported(request, talk.alias, talk.lens, talk.n_lens);
    else if (talk.wrong_name[0])
        fake_key(request, talk.wrong_name, 1);
    else
        fake_asked_key(request);
}

static void
start(void)
{
    server = fake_server_start(NULL, answer, NULL);
    cr_assert_eq(ks_client_new(fake_server_path(server), &client, NULL), KS_OK);
}

static void
stop(void)
{
    client = ks_client_free(client);
    if (server)
        fake_server_stop(server, true);
    server = NULL;
}

TestSuite(import, .init = start, .fini = stop);

static struct ks_import_request
wanted_with(const void *data, size_t len)
{
    return (struct ks_import_request){.format = KS_IMPORT_PKCS12, .data = data, .len = len};
}

/* Descriptors of this process that are memory without a name. */
static unsigned int
count_memfds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;
    unsigned int n = 0;

    while ((entry = readdir(folder))) {
        char link[64] = "";

        if (readlinkat(dirfd(folder), entry->d_name, link, sizeof(link) - 1) > 0)
            n += strncmp(link, "/memfd:", 7) == 0;
    }
    closedir(folder);
    return n;
}

/* The service's copies are in this process too, until its threads have ended. */
static void
end_and_count(void)
{
    stop();
    cr_assert_eq(count_memfds(), 0);
}

/* --- what works --- */

Test(import, file_and_password_come_sealed_beside_the_first_byte)
{
    struct ks_import_request wanted = wanted_with(FILE_TEXT, strlen(FILE_TEXT));

    wanted.password = PASSWORD;
    wanted.select = "shop key";
    wanted.certificates = true;
    wanted.from_version = 2;
    cr_assert_eq(ks_import(client, "web/shop", &wanted, &key, &error), KS_OK, "%s", error.message);
    cr_assert_eq(key.version, 3);
    cr_assert_str_eq(talk.name, "web/shop");
    cr_assert_eq(talk.seen.version, 2);
    cr_assert_eq(talk.seen.format, KS_IMPORT_PKCS12);
    cr_assert(talk.seen.has_password);
    cr_assert(talk.seen.keep_certificates);
    cr_assert_str_eq(talk.select, "shop key");
    cr_assert_eq(talk.seen.n_fds, 2, "with the first byte, or the fake server had stopped");
    cr_assert_eq(talk.received.len[0], strlen(FILE_TEXT));
    cr_assert_arr_eq(talk.received.bytes[0], FILE_TEXT, strlen(FILE_TEXT));
    cr_assert_eq(talk.received.len[1], strlen(PASSWORD));
    cr_assert_arr_eq(talk.received.bytes[1], PASSWORD, strlen(PASSWORD));
    cr_assert_eq(talk.received.seals[0] & SEALS, SEALS);
    cr_assert_eq(talk.received.seals[1] & SEALS, SEALS);
    cr_assert_eq(fake_server_connections(server), 1);
    end_and_count();
}

Test(import, tells_what_the_file_gave)
{
    struct ks_import_request wanted = wanted_with("x", 1);
    struct ks_imported *imported = NULL;

    talk.alias = "sh\nop";
    talk.lens[0] = 700;
    talk.lens[1] = KS_CERTIFICATE_MAX_LEN;
    talk.n_lens = 2;
    cr_assert_eq(ks_import_all(client, "web/shop", &wanted, &imported, &error), KS_OK, "%s",
                 error.message);
    cr_assert_str_eq(imported->key.name, "web/shop");
    cr_assert_str_eq(imported->alias, "sh op");
    cr_assert_eq(imported->n_certificates, 2);
    cr_assert_eq(imported->certificates[0].len, 700);
    cr_assert_eq(imported->certificates[1].len, KS_CERTIFICATE_MAX_LEN);
    imported = ks_imported_free(imported);
    /* A service that tells nothing of it. */
    talk.alias = NULL;
    cr_assert_eq(ks_import_all(client, "web/shop", &wanted, &imported, &error), KS_OK, "%s",
                 error.message);
    cr_assert_eq(imported->key.version, 1);
    cr_assert_str_eq(imported->alias, "");
    cr_assert_eq(imported->n_certificates, 0);
    imported = ks_imported_free(imported);
    cr_assert_null(ks_imported_free(NULL));
}

Test(import, what_no_file_gives_is_refused)
{
    struct ks_import_request wanted = wanted_with("x", 1);
    struct ks_imported *imported = NULL;

    talk.alias = "shop";
    talk.n_lens = KS_CHAIN_MAX + 1;
    for (size_t i = 0; i < talk.n_lens; i++)
        talk.lens[i] = 10;
    cr_assert_eq(ks_import_all(client, "web/shop", &wanted, &imported, &error), KS_ERR_INTERNAL);
    talk.n_lens = 2;
    talk.lens[1] = 0;
    cr_assert_eq(ks_import_all(client, "web/shop", &wanted, &imported, &error), KS_ERR_INTERNAL);
    talk.lens[1] = KS_CERTIFICATE_MAX_LEN + 1;
    cr_assert_eq(ks_import_all(client, "web/shop", &wanted, &imported, &error), KS_ERR_INTERNAL);
    cr_assert_null(imported);
}

Test(import, without_a_password_there_is_one_descriptor_and_with_an_empty_one_two)
{
    struct ks_import_request wanted = wanted_with("x", 1);

    wanted.format = KS_IMPORT_PKCS8;
    cr_assert_eq(ks_import(client, "a", &wanted, NULL, &error), KS_OK, "%s", error.message);
    cr_assert_eq(talk.seen.n_fds, 1);
    cr_assert(!talk.seen.has_password);
    cr_assert(!talk.seen.keep_certificates);
    cr_assert_eq(talk.seen.format, KS_IMPORT_PKCS8);
    cr_assert_str_eq(talk.select, "");
    wanted.password = "";
    cr_assert_eq(ks_import(client, "a", &wanted, NULL, &error), KS_OK, "%s", error.message);
    cr_assert_eq(talk.seen.n_fds, 2);
    cr_assert(talk.seen.has_password);
    cr_assert_eq(talk.received.len[1], 0);
    cr_assert_eq(talk.received.seals[1] & SEALS, SEALS);
}

static char large[KS_IMPORT_MAX_LEN + 1];
static char long_text[1025];

Test(import, the_largest_file_and_the_longest_texts_come_whole)
{
    struct ks_import_request wanted = wanted_with(large, KS_IMPORT_MAX_LEN);

    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = (char)(i * 31 + i / 4096);
    memset(long_text, 'p', 1023);
    wanted.password = long_text;
    wanted.select = long_text + 1023 - 255;
    cr_assert_eq(ks_import(client, "a", &wanted, NULL, &error), KS_OK, "%s", error.message);
    cr_assert_eq(talk.received.len[0], KS_IMPORT_MAX_LEN);
    cr_assert_arr_eq(talk.received.bytes[0], large, KS_IMPORT_MAX_LEN);
    cr_assert_eq(talk.received.len[1], 1023);
    cr_assert_eq(strlen(talk.select), 255);
}

/* Root may lock whatever RLIMIT_MEMLOCK says. */
static void
give_up_privileges(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    const struct rlimit nothing = {0, 0};

    cr_assert_eq(setrlimit(RLIMIT_MEMLOCK, &nothing), 0);
    cr_assert_eq(syscall(SYS_capset, &header, none), 0);
}

Test(import, memory_that_may_not_be_locked_is_used_all_the_same)
{
    struct ks_import_request wanted = wanted_with(FILE_TEXT, strlen(FILE_TEXT));

    give_up_privileges();
    cr_assert_eq(ks_import(client, "a", &wanted, NULL, &error), KS_OK, "%s", error.message);
    cr_assert_arr_eq(talk.received.bytes[0], FILE_TEXT, strlen(FILE_TEXT));
    cr_assert_eq(talk.locked_kib, 0);
}

#ifndef __SANITIZE_ADDRESS__ /* it makes mlock() do nothing */
Test(import, file_and_password_are_locked_in_memory_while_the_service_works)
{
    struct ks_import_request wanted = wanted_with(large, 5000);

    wanted.password = PASSWORD;
    cr_assert_eq(ks_import(client, "a", &wanted, NULL, &error), KS_OK, "%s", error.message);
    cr_assert_eq(talk.locked_kib, 8 + 4, "%ld KiB in pages of 4", talk.locked_kib);
    cr_assert_eq(locked_kib(), 0);
}
#endif

/* --- refused before anything is sent --- */

Test(import, what_is_out_of_bounds_is_not_sent)
{
    struct ks_import_request wanted = wanted_with(large, 0);

    cr_expect_eq(ks_import(client, "web/shop", &wanted, NULL, &error), KS_ERR_USAGE);
    wanted.len = KS_IMPORT_MAX_LEN + 1;
    cr_expect_eq(ks_import(client, "web/shop", &wanted, NULL, &error), KS_ERR_TOO_LARGE);
    cr_expect(strstr(error.message, "web/shop"), "%s", error.message);
    wanted.len = 1;
    cr_expect_eq(ks_import(client, "web//shop", &wanted, NULL, &error), KS_ERR_BAD_REQUEST);
    cr_expect_eq(ks_import(client, NULL, &wanted, NULL, &error), KS_ERR_BAD_REQUEST);
    wanted.format = 0;
    cr_expect_eq(ks_import(client, "web/shop", &wanted, NULL, &error), KS_ERR_USAGE);
    wanted.format = KS_IMPORT_PKCS8 + 1;
    cr_expect_eq(ks_import(client, "web/shop", &wanted, NULL, &error), KS_ERR_USAGE);
    wanted.format = KS_IMPORT_PKCS8;
    wanted.from_version = 999999999;
    cr_expect_eq(ks_import(client, "web/shop", &wanted, NULL, &error), KS_ERR_BAD_REQUEST);
    wanted.from_version = 0;
    memset(long_text, 'p', 1024);
    wanted.password = long_text;
    cr_expect_eq(ks_import(client, "web/shop", &wanted, NULL, &error), KS_ERR_TOO_LARGE);
    cr_expect_not(strstr(error.message, "ppp"), "nothing of a password in a message");
    wanted.password = NULL;
    wanted.select = long_text + 1024 - 256;
    cr_expect_eq(ks_import(client, "web/shop", &wanted, NULL, &error), KS_ERR_TOO_LARGE);
    cr_expect(strstr(error.message, "web/shop"), "%s", error.message);
    cr_expect_eq(fake_server_connections(server), 0);
}

Test(import, no_descriptor_left_is_an_error_with_its_cause)
{
    struct ks_import_request wanted = wanted_with("x", 1);
    struct rlimit few;

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &few), 0);
    few.rlim_cur = 0;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    cr_assert_eq(ks_import(client, "a", &wanted, NULL, &error), KS_ERR_INTERNAL);
    few.rlim_cur = few.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    cr_assert(strstr(error.message, strerror(EMFILE)), "%s", error.message);
    cr_assert(strstr(error.message, "a:"), "%s", error.message);
}

/* --- what the service says, or does not --- */

Test(import, refusals_come_through_and_are_not_tried_again)
{
    static const ks_err CODES[] = {KS_ERR_BAD_REQUEST, KS_ERR_EXISTS, KS_ERR_UNSUPPORTED,
                                   KS_ERR_DENIED,      KS_ERR_NO_KEY, KS_ERR_TOKEN_UNAVAILABLE};
    struct ks_import_request wanted = wanted_with("x", 1);

    talk.retryable = true;
    for (size_t i = 0; i < sizeof(CODES) / sizeof(CODES[0]); i++) {
        talk.code = CODES[i];
        cr_expect_eq(ks_import(client, "a", &wanted, &key, &error), CODES[i]);
        cr_expect_eq(fake_server_requests(server, IMPORT), i + 1, "sent twice: %s",
                     ks_err_name(CODES[i]));
    }
    end_and_count();
}

Test(import, a_busy_service_is_sent_the_same_bytes_again)
{
    struct ks_import_request wanted = wanted_with(FILE_TEXT, strlen(FILE_TEXT));

    talk.n_busy = 2;
    cr_assert_eq(ks_import(client, "a", &wanted, &key, &error), KS_OK, "%s", error.message);
    cr_assert_eq(fake_server_requests(server, IMPORT), 3);
    cr_assert_eq(talk.received.len[0], strlen(FILE_TEXT));
    cr_assert_arr_eq(talk.received.bytes[0], FILE_TEXT, strlen(FILE_TEXT));
    end_and_count();
}

Test(import, what_is_no_answer_is_an_error)
{
    struct ks_import_request wanted = wanted_with("x", 1);

    talk.other = true;
    cr_assert_eq(ks_import(client, "a", &wanted, &key, &error), KS_ERR_INTERNAL);
    talk.other = false;
    memset(talk.wrong_name, 'n', sizeof(talk.wrong_name) - 1);
    cr_assert_eq(ks_import(client, "a", &wanted, &key, &error), KS_ERR_INTERNAL);
    cr_assert(strstr(error.message, "no key can have"), "%s", error.message);
    strcpy(talk.wrong_name, "b");
    cr_assert_eq(ks_import(client, "a", &wanted, &key, &error), KS_ERR_INTERNAL);
    cr_assert(strstr(error.message, "another key"), "%s", error.message);
    end_and_count();
}

Test(import, a_connection_lost_after_sending_leaves_the_outcome_unknown)
{
    struct ks_import_request wanted = wanted_with("x", 1);

    talk.lost = true;
    cr_assert_eq(ks_import(client, "web/shop", &wanted, &key, &error), KS_ERR_OUTCOME_UNKNOWN);
    cr_assert(strstr(error.message, "import of web/shop"), "%s", error.message);
    cr_assert(strstr(error.hint, "keysvc key show"), "%s", error.hint);
    cr_assert(!error.retryable);
    cr_assert_eq(fake_server_requests(server, IMPORT), 1);
    end_and_count();
}

Test(import, what_surely_did_not_leave_is_tried_again_with_the_same_bytes)
{
    struct ks_import_request wanted = wanted_with(FILE_TEXT, strlen(FILE_TEXT));

    fake_server_hello(server, FAKE_HELLO_DROPPED);
    wanted.password = PASSWORD;
    cr_assert_eq(ks_import(client, "a", &wanted, &key, &error), KS_OK, "%s", error.message);
    cr_assert_eq(fake_server_connections(server), 2);
    cr_assert_eq(fake_server_requests(server, IMPORT), 1);
    cr_assert_eq(talk.received.len[0], strlen(FILE_TEXT));
    cr_assert_arr_eq(talk.received.bytes[1], PASSWORD, strlen(PASSWORD));
}

/* --- many at once --- */

#define N_IMPORTERS 4
#define N_SIGNERS 4
#define N_ROUNDS 25

/* The file of an import names the key; a wrong one shows in the answer. */
static void
answer_if_it_fits(struct fake_server *from, const struct fake_request *request)
{
    char file[64] = "";

    (void)from;
    if (request->operation == SIGN) {
        if (request->n_fds == 0)
            fake_signature(request, "signature", 9);
        else
            fake_error(request, KS_ERR_BAD_REQUEST, false);
        return;
    }
    if (request->n_fds == 1 && pread(request->fds[0], file, sizeof(file) - 1, 0) > 0 &&
        strcmp(file, request->name) == 0)
        fake_key(request, request->name, 1);
    else
        fake_error(request, KS_ERR_KEY_CHANGED, false);
}

struct worker {
    struct ks_client *client;
    int number;
    bool right;
    struct ks_error error; /* the first */
    pthread_t thread;
};

static void *
import_often(void *context)
{
    struct worker *worker = context;
    char name[32];

    worker->right = true;
    for (int i = 0; i < N_ROUNDS; i++) {
        struct ks_import_request wanted;
        struct ks_key got;

        snprintf(name, sizeof(name), "import/%d/%d", worker->number, i);
        wanted = wanted_with(name, strlen(name));
        worker->right = worker->right &&
                        ks_import(worker->client, name, &wanted, &got, &worker->error) == KS_OK &&
                        strcmp(got.name, name) == 0;
    }
    return NULL;
}

/* So long that it leaves in parts. */
static void *
sign_long_ones(void *context)
{
    const struct ks_key ed25519 = {.name = "sign", .version = 1, .type = KS_KEY_TYPE_ED25519};
    struct worker *worker = context;
    uint8_t signature[KS_SIGNATURE_MAX_LEN];
    uint8_t *data = calloc(1, KS_SIGN_MAX_LEN);
    size_t len;

    worker->right = true;
    for (int i = 0; i < N_ROUNDS; i++)
        worker->right = worker->right &&
                        ks_sign(worker->client, &ed25519, KS_ALGORITHM_DEFAULT, KS_HASH_NONE, data,
                                KS_SIGN_MAX_LEN, signature, &len, NULL, &worker->error) == KS_OK;
    free(data);
    return NULL;
}

static void
begin_workers(struct worker *workers, struct ks_client *shared)
{
    for (int i = 0; i < N_IMPORTERS + N_SIGNERS; i++) {
        workers[i] = (struct worker){.client = shared, .number = i};
        pthread_create(&workers[i].thread, NULL, i < N_IMPORTERS ? import_often : sign_long_ones,
                       &workers[i]);
    }
}

static void
end_workers(struct worker *workers)
{
    for (int i = 0; i < N_IMPORTERS + N_SIGNERS; i++) {
        pthread_join(workers[i].thread, NULL);
        cr_expect(workers[i].right, "worker %d: %s", i, workers[i].error.message);
    }
}

Test(import_many, each_frame_has_its_own_descriptors_whoever_sends_at_the_same_time)
{
    struct fake_server *many = fake_server_start(NULL, answer_if_it_fits, NULL);
    struct worker workers[N_IMPORTERS + N_SIGNERS];
    struct ks_client *shared;

    cr_assert_eq(ks_client_new(fake_server_path(many), &shared, NULL), KS_OK);
    begin_workers(workers, shared);
    end_workers(workers);
    cr_assert_eq(fake_server_connections(many), 1);
    cr_assert_eq(fake_server_requests(many, IMPORT), N_IMPORTERS * N_ROUNDS);
    ks_client_free(shared);
    fake_server_stop(many, true);
    cr_assert_eq(count_memfds(), 0);
}

#ifndef __SANITIZE_ADDRESS__ /* its allocator may be locked by another thread when the child begins */
Test(import_many, a_fork_meanwhile_leaves_both_sides_importing)
{
    struct fake_server *many = fake_server_start(NULL, answer_if_it_fits, NULL);
    struct worker workers[N_IMPORTERS + N_SIGNERS];
    struct ks_client *shared;

    cr_assert_eq(ks_client_new(fake_server_path(many), &shared, NULL), KS_OK);
    begin_workers(workers, shared);
    for (int i = 0; i < 5; i++) {
        int status;
        pid_t pid = fork();

        if (pid == 0) {
            struct worker child = {.client = shared, .number = 100 + i};

            import_often(&child);
            _exit(child.right ? 0 : 1);
        }
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child %d: %x", i,
                  (unsigned int)status);
    }
    end_workers(workers);
    ks_client_free(shared);
    fake_server_stop(many, true);
    cr_assert_eq(count_memfds(), 0);
}
#endif

/* --- a service that reads nothing --- */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void
answer_behind_the_gate(struct fake_server *from, const struct fake_request *request)
{
    (void)from;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    fake_key(request, "a", 1);
}

/* The kernel lets no more descriptors be under way than a process may have open. */
Test(import_many, more_files_under_way_than_the_kernel_allows_is_busy)
{
    const struct ks_import_request wanted = wanted_with("x", 1);
    struct fake_server *many = fake_server_start(NULL, answer_behind_the_gate, NULL);
    struct rlimit before, few;
    struct ks_client *shared;
    ks_err err = KS_ERR_OUTCOME_UNKNOWN;

    cr_assert_eq(ks_client_new(fake_server_path(many), &shared, NULL), KS_OK);
    ks_client_set_timeout(shared, 30);
    give_up_privileges();
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){.rlim_cur = 32, .rlim_max = before.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    pthread_mutex_lock(&gate);
    /* A DEADLINE has sent nothing: the machine is busy. */
    for (int i = 0; i < 200 && (err == KS_ERR_OUTCOME_UNKNOWN || err == KS_ERR_DEADLINE); i++)
        err = ks_import(shared, "a", &wanted, NULL, &error);
    pthread_mutex_unlock(&gate);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    cr_assert_eq(err, KS_ERR_BUSY, "%s: %s", ks_err_name(err), error.message);
    cr_assert(error.retryable);
    ks_client_set_timeout(shared, 0);
    cr_assert_eq(ks_import(shared, "a", &wanted, NULL, &error), KS_OK, "%s", error.message);
    ks_client_free(shared);
    fake_server_stop(many, true);
}
