/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench - signatures a second with the token used directly in the client's process, or by an ssh-agent
 *
 *   bench direct MODULE PIN-FILE LABEL ec|rsa PROCESSES THREADS SECONDS
 *   bench agent  SOCKET ec|rsa PROCESSES SECONDS
 *   bench make   MODULE PIN-FILE PREFIX COUNT
 *
 * The first two sign the same 32 bytes: direct with CKM_ECDSA or CKM_RSA_PKCS over a digest, the agent
 * as data that it hashes. Each process and each thread has one request open at a time. With
 * p11-kit-client.so as MODULE the token is that of a p11-kit server. Prints one JSON object: the
 * signatures a second of all, and the median and 99th percentile of one.
 *
 * `make` generates EC keys PREFIX0@1, PREFIX1@1, ... The service is measured by tests/load/load.
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

#include "tests/bench/agent.h"

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
    unsigned n_keys; /* to make; 0: sign */
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
    struct agent agent;
};

struct thread {
    struct process *process;
    unsigned index;
    pthread_t id;
    CK_SESSION_HANDLE session;
};

static void process_run(const struct run *run, unsigned index);
static void make_keys(const struct run *run);
static CK_SESSION_HANDLE direct_login(struct process *process);
static CK_SLOT_ID direct_find_token(CK_FUNCTION_LIST_PTR p11);
static void direct_find_key(struct process *process, CK_SESSION_HANDLE session);
static void *thread_run(void *argument);
static bool direct_sign(struct thread *thread);
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
    const char *what = argc > 1 ? argv[1] : "";
    const char *kind = NULL;

    run->n_threads = 1;
    if (strcmp(what, "make") == 0 && argc == 6) {
        run->n_keys = (unsigned)atoi(argv[5]);
    } else if (strcmp(what, "direct") == 0 && argc == 9) {
        run->direct = true;
        kind = argv[5];
        run->n_processes = (unsigned)atoi(argv[6]);
        run->n_threads = (unsigned)atoi(argv[7]);
    } else if (strcmp(what, "agent") == 0 && argc == 6) {
        run->socket = argv[2];
        kind = argv[3];
        run->n_processes = (unsigned)atoi(argv[4]);
    } else {
        return false;
    }
    if (!run->socket) {
        run->module = argv[2];
        run->pin_file = argv[3];
        run->label = argv[4];
    }
    if (run->n_keys > 0)
        return true;
    run->mechanism = strcmp(kind ? kind : "", "rsa") == 0 ? CKM_RSA_PKCS : CKM_ECDSA;
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
            "       bench agent SOCKET ec|rsa PROCESSES SECONDS\n"
            "       bench make MODULE PIN-FILE PREFIX COUNT");
    if (run.n_keys > 0) {
        make_keys(&run);
        return 0;
    }
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
        direct_find_key(&process, direct_login(&process));
    else if (!agent_open(run->socket, run->mechanism == CKM_RSA_PKCS, &process.agent))
        run->shared->failed = true;
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
static CK_SESSION_HANDLE
direct_login(struct process *process)
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
    if (process->p11->C_OpenSession(process->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
                                    &session) != CKR_OK ||
        process->p11->C_Login(session, CKU_USER, pin, (CK_ULONG)pin_len) != CKR_OK)
        die("cannot log in");
    flock(fd, LOCK_UN);
    close(fd);
    return session;
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

/* One key after the other, as keysvc generates them. */
static void
make_keys(const struct run *run)
{
    static const CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    struct process process = {.run = run};
    CK_SESSION_HANDLE session = direct_login(&process);
    CK_BBOOL yes = CK_TRUE;
    char label[128];
    CK_ATTRIBUTE public[] = {{CKA_TOKEN, &yes, sizeof(yes)},
                             {CKA_VERIFY, &yes, sizeof(yes)},
                             {CKA_EC_PARAMS, (void *)(uintptr_t)p256, sizeof(p256)},
                             {CKA_LABEL, label, 0}};
    CK_ATTRIBUTE private[] = {{CKA_TOKEN, &yes, sizeof(yes)},
                              {CKA_PRIVATE, &yes, sizeof(yes)},
                              {CKA_SENSITIVE, &yes, sizeof(yes)},
                              {CKA_SIGN, &yes, sizeof(yes)},
                              {CKA_LABEL, label, 0}};

    for (unsigned i = 0; i < run->n_keys; i++) {
        CK_OBJECT_HANDLE public_key, private_key;

        public[3].ulValueLen = private[4].ulValueLen =
            (CK_ULONG)snprintf(label, sizeof(label), "%s%u@1", run->label, i);
        if (process.p11->C_GenerateKeyPair(session, &mechanism, public, 4, private, 5, &public_key,
                                           &private_key) != CKR_OK)
            die("C_GenerateKeyPair");
    }
    process.p11->C_Finalize(NULL);
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

        if (!(run->direct ? direct_sign(thread)
                          : agent_sign(&thread->process->agent, digest_info, DIGEST_LEN))) {
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
