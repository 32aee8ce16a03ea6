/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench - signatures a second, through keysvcd or with the token used directly in the client's
 * process
 *
 *   bench direct  MODULE PIN-FILE LABEL MECHANISM PROCESSES THREADS SECONDS
 *   bench service SOCKET LABEL PROCESSES THREADS SECONDS
 *
 * Both sign the same 32 bytes: direct with CKM_ECDSA or CKM_RSA_PKCS over a digest, through the
 * service with the digest prehashed. Each process and each thread has one request open at a time.
 * Prints one JSON object: the signatures a second of all, and the median and 99th percentile of
 * one.
 */
#include <p11-kit/pkcs11.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/lib/keysvc.h"

#define MAX_CLIENTS 256
#define MAX_SAMPLES 200000 /* latencies that are kept of one thread */
#define MAX_SIGNATURE 1024 /* bytes */
#define SHA256_PREFIX_LEN 19
#define DIGEST_LEN 32

struct shared {
    _Atomic unsigned n_ready;
    _Atomic bool go, stop, failed;
    struct {
        uint64_t n_signed;
        uint32_t n_samples;
        uint32_t samples_us[MAX_SAMPLES];
    } clients[MAX_CLIENTS];
};

struct run {
    bool direct;
    const char *module, *pin_file, *socket, *label;
    CK_MECHANISM_TYPE mechanism;
    unsigned n_processes, n_threads, seconds;
    struct shared *shared;
};

/* What the threads of one process share. */
struct process {
    const struct run *run;
    CK_FUNCTION_LIST_PTR p11;
    CK_SLOT_ID slot;
    CK_OBJECT_HANDLE key;
    struct ks_client *client;
    struct ks_key service_key;
};

struct thread {
    struct process *process;
    unsigned index;
    pthread_t id;
    CK_SESSION_HANDLE session;
};

static void process_run(const struct run *run, unsigned index);
static void direct_open(struct process *process);
static CK_SLOT_ID direct_find_token(CK_FUNCTION_LIST_PTR p11);
static void direct_find_key(struct process *process, CK_SESSION_HANDLE session);
static void service_open(struct process *process);
static void *thread_run(void *argument);
static bool direct_sign(struct thread *thread);
static bool service_sign(struct thread *thread);
static void report(const struct run *run, double seconds);
static uint64_t now_us(void);

static const CK_BYTE digest_info[SHA256_PREFIX_LEN + DIGEST_LEN] = {
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
    0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
};

static void __attribute__((noreturn)) die(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static bool
parse(int argc, char **argv, struct run *run)
{
    run->direct = argc == 9 && strcmp(argv[1], "direct") == 0;
    if (run->direct) {
        run->module = argv[2];
        run->pin_file = argv[3];
        run->label = argv[4];
        run->mechanism = strcmp(argv[5], "rsa") == 0 ? CKM_RSA_PKCS : CKM_ECDSA;
    } else if (argc == 7 && strcmp(argv[1], "service") == 0) {
        run->socket = argv[2];
        run->label = argv[3];
    } else {
        return false;
    }
    run->n_processes = (unsigned)atoi(argv[argc - 3]);
    run->n_threads = (unsigned)atoi(argv[argc - 2]);
    run->seconds = (unsigned)atoi(argv[argc - 1]);
    return run->n_processes > 0 && run->n_threads > 0 && run->seconds > 0 &&
           run->n_processes * run->n_threads <= MAX_CLIENTS;
}

int
main(int argc, char **argv)
{
    struct run run = {0};
    unsigned n_clients;
    uint64_t begun;
    double seconds;

    if (!parse(argc, argv, &run))
        die("usage: bench direct MODULE PIN-FILE LABEL ec|rsa PROCESSES THREADS SECONDS\n"
            "       bench service SOCKET LABEL PROCESSES THREADS SECONDS");
    run.shared =
        mmap(NULL, sizeof(*run.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (run.shared == MAP_FAILED)
        die("no memory");
    for (unsigned i = 0; i < run.n_processes; i++) {
        pid_t pid = fork();

        if (pid < 0)
            die("fork");
        if (pid == 0)
            process_run(&run, i);
    }
    n_clients = run.n_processes * run.n_threads;
    while (run.shared->n_ready < n_clients && !run.shared->failed)
        usleep(1000);
    begun = now_us();
    run.shared->go = true;
    sleep(run.shared->failed ? 0 : run.seconds);
    run.shared->stop = true;
    seconds = (double)(now_us() - begun) / 1e6;
    for (unsigned i = 0; i < run.n_processes; i++)
        wait(NULL);
    if (run.shared->failed)
        return 1;
    report(&run, seconds);
    return 0;
}

/* One client process, to its end. */
static void
process_run(const struct run *run, unsigned index)
{
    struct process process = {.run = run};
    struct thread threads[MAX_CLIENTS];

    if (run->direct)
        direct_open(&process);
    else
        service_open(&process);
    for (unsigned i = 0; i < run->n_threads; i++) {
        threads[i] = (struct thread){.process = &process, .index = index * run->n_threads + i};
        if (pthread_create(&threads[i].id, NULL, thread_run, &threads[i]) != 0)
            die("pthread_create");
    }
    for (unsigned i = 0; i < run->n_threads; i++)
        pthread_join(threads[i].id, NULL);
    _exit(0);
}

/* SoftHSM loses its token when several processes log in at once: one after the other. */
static void
direct_open(struct process *process)
{
    const struct run *run = process->run;
    CK_C_INITIALIZE_ARGS arguments = {.flags = CKF_OS_LOCKING_OK};
    CK_C_GetFunctionList get_list = NULL;
    CK_SESSION_HANDLE session;
    CK_BYTE pin[256];
    ssize_t pin_len;
    void *module = dlopen(run->module, RTLD_NOW | RTLD_LOCAL);
    int fd = open(run->pin_file, O_RDONLY);

    if (module)
        get_list = (CK_C_GetFunctionList)(uintptr_t)dlsym(module, "C_GetFunctionList");
    if (!get_list || get_list(&process->p11) != CKR_OK || fd < 0 || flock(fd, LOCK_EX) < 0)
        die("cannot load the module or open the PIN file");
    pin_len = read(fd, pin, sizeof(pin));
    while (pin_len > 0 && pin[pin_len - 1] == '\n')
        pin_len--;
    if (pin_len <= 0 || process->p11->C_Initialize(&arguments) != CKR_OK)
        die("cannot initialise the module");
    process->slot = direct_find_token(process->p11);
    if (process->p11->C_OpenSession(process->slot, CKF_SERIAL_SESSION, NULL, NULL, &session) !=
            CKR_OK ||
        process->p11->C_Login(session, CKU_USER, pin, (CK_ULONG)pin_len) != CKR_OK)
        die("cannot log in");
    flock(fd, LOCK_UN);
    close(fd);
    direct_find_key(process, session);
}

/* The first slot with an initialised token: there is one in the world of this benchmark. */
static CK_SLOT_ID
direct_find_token(CK_FUNCTION_LIST_PTR p11)
{
    CK_SLOT_ID slots[16];
    CK_ULONG n_slots = 16;
    CK_TOKEN_INFO info;

    if (p11->C_GetSlotList(CK_TRUE, slots, &n_slots) != CKR_OK)
        die("C_GetSlotList");
    for (CK_ULONG i = 0; i < n_slots; i++) {
        if (p11->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
            (info.flags & CKF_TOKEN_INITIALIZED) != 0)
            return slots[i];
    }
    die("no initialised token");
}

static void
direct_find_key(struct process *process, CK_SESSION_HANDLE session)
{
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    char label[128];
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_LABEL, label, 0}};
    CK_ULONG n_found = 0;

    snprintf(label, sizeof(label), "%s", process->run->label);
    template[1].ulValueLen = strlen(label);
    if (process->p11->C_FindObjectsInit(session, template, 2) != CKR_OK ||
        process->p11->C_FindObjects(session, &process->key, 1, &n_found) != CKR_OK ||
        process->p11->C_FindObjectsFinal(session) != CKR_OK || n_found != 1)
        die("no such key on the token");
}

static void
service_open(struct process *process)
{
    struct ks_error error;

    if (ks_client_new(process->run->socket, &process->client, &error) ||
        ks_get(process->client, process->run->label, &process->service_key, &error))
        die(error.message);
}

static void *
thread_run(void *argument)
{
    struct thread *thread = argument;
    const struct run *run = thread->process->run;
    struct shared *shared = run->shared;

    if (run->direct &&
        thread->process->p11->C_OpenSession(thread->process->slot, CKF_SERIAL_SESSION, NULL, NULL,
                                            &thread->session) != CKR_OK)
        die("C_OpenSession");
    shared->n_ready++;
    while (!shared->go)
        usleep(500);
    while (!shared->stop && !shared->failed) {
        uint64_t begun = now_us();

        if (!(run->direct ? direct_sign(thread) : service_sign(thread))) {
            shared->failed = true;
            break;
        }
        if (shared->clients[thread->index].n_samples < MAX_SAMPLES)
            shared->clients[thread->index].samples_us[shared->clients[thread->index].n_samples++] =
                (uint32_t)(now_us() - begun);
        shared->clients[thread->index].n_signed++;
    }
    return NULL;
}

static bool
direct_sign(struct thread *thread)
{
    const struct process *process = thread->process;
    CK_MECHANISM mechanism = {process->run->mechanism, NULL, 0};
    CK_BYTE data[sizeof(digest_info)], signature[MAX_SIGNATURE];
    CK_ULONG len = sizeof(signature);
    bool is_rsa = process->run->mechanism == CKM_RSA_PKCS;
    CK_RV rv;

    memcpy(data, digest_info, sizeof(data));
    rv = process->p11->C_SignInit(thread->session, &mechanism, process->key);
    if (rv == CKR_OK)
        rv = process->p11->C_Sign(thread->session, is_rsa ? data : data + SHA256_PREFIX_LEN,
                                  is_rsa ? sizeof(data) : DIGEST_LEN, signature, &len);
    if (rv != CKR_OK)
        fprintf(stderr, "bench: C_Sign: 0x%lx\n", rv);
    return rv == CKR_OK;
}

static bool
service_sign(struct thread *thread)
{
    struct process *process = thread->process;
    uint8_t signature[KS_SIGNATURE_MAX_LEN];
    struct ks_error error;
    size_t len;

    if (ks_sign(process->client, &process->service_key, KS_ALGORITHM_DEFAULT, KS_HASH_SHA256,
                digest_info + SHA256_PREFIX_LEN, DIGEST_LEN, signature, &len, NULL, &error)) {
        fprintf(stderr, "bench: %s: %s\n", ks_err_name(error.code), error.message);
        return false;
    }
    return true;
}

static int
compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

static void
report(const struct run *run, double seconds)
{
    unsigned n_clients = run->n_processes * run->n_threads;
    size_t n_samples = 0;
    uint64_t n_signed = 0;
    uint32_t *samples;

    for (unsigned i = 0; i < n_clients; i++)
        n_samples += run->shared->clients[i].n_samples;
    samples = calloc(n_samples + 1, sizeof(*samples));
    if (!samples || n_samples == 0)
        die("nothing was signed");
    n_samples = 0;
    for (unsigned i = 0; i < n_clients; i++) {
        n_signed += run->shared->clients[i].n_signed;
        memcpy(samples + n_samples, run->shared->clients[i].samples_us,
               run->shared->clients[i].n_samples * sizeof(*samples));
        n_samples += run->shared->clients[i].n_samples;
    }
    qsort(samples, n_samples, sizeof(*samples), compare);
    printf("{\"per_second\": %.1f, \"median_us\": %u, \"p99_us\": %u}\n",
           (double)n_signed / seconds, samples[n_samples / 2], samples[n_samples * 99 / 100]);
    free(samples);
}

static uint64_t
now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}
