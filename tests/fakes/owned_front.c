/* SPDX-License-Identifier: Apache-2.0 */
/*
 * owned_front - stands where keysvc-front stands, and does what whoever has taken that over tells it
 *
 * keysvcd starts it (--libexec-dir) with a front's user, descriptors and messages. Each connection
 * to the service's socket brings one line, and gets one:
 *
 *   workers                            main/1 other/1
 *   try WORD ON                        got, or refused EACCES (hostile.h)
 *   sign TOKEN KEY@V HEX [UID]         a job to that token's process, for a caller that is stated:
 *   csr TOKEN KEY@V NAME [UID]         OK and the answer in hex, or the outcome and its reason
 *   self-sign TOKEN KEY@V NAME [UID]
 *   generate TOKEN KEY [UID]
 *   destroy TOKEN KEY@V [UID]
 *   checkpoint TOKEN TEXT
 *   again                              the last job once more, with the same id
 *   noise TOKEN                        what is no message
 *   noise-keysvcd, setup-keysvcd       the same to keysvcd; a message that only it may send
 *   kill-worker TOKEN                  "it talks nonsense": keysvcd restarts it
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/digest.h"
#include "base/hex.h"
#include "ipc/channel.h"
#include "ipc/control.h"
#include "ipc/job.h"
#include "tests/fakes/hostile.h"

#define MAX_WORKERS 8
#define MAX_KEYS 64
#define LINE_LEN 4096
#define MAX_WORDS 5
#define TIMEOUT_MS 20000
#define FAILED_EXIT 99

struct worker {
    char token[CONFIG_TITLE_MAX + 1];
    uint32_t index;
    struct channel *channel;
};

struct known_key {
    char name[KEYNAME_MAX + 1];
    uint32_t version;
    uint8_t public_key_sha256[KS_SHA256_LEN];
};

struct words {
    char *list[MAX_WORDS];
    size_t n;
};

struct hostile_pin hostile_pin; /* a front has none */

static struct channel *control;
static int listening = -1;
static uint64_t generation;
static struct worker workers[MAX_WORKERS];
static size_t n_workers;
static struct known_key keys[MAX_KEYS];
static size_t n_keys;
static uint64_t last_id = UINT64_C(1) << 40;
static struct buf last_job;
static struct worker *last_worker;

static void
fail(const char *what)
{
    fprintf(stderr, "owned-front: %s\n", what);
    _exit(FAILED_EXIT);
}

/* ---------------------------------------------------------------- as an honest front does */

static void
set_up(void)
{
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    struct control_setup setup = {.config = NULL};

    if (channel_new(CONTROL_FD, CHANNEL_MAX_CONFIG, &control) != KS_OK ||
        channel_receive(control, &message, TIMEOUT_MS) != KS_OK || message.type != CONTROL_SETUP ||
        control_setup_unpack(message.body, message.len, &setup) != KS_OK)
        fail("no SETUP");
    listening = message_take_fd(&message, 1);
    generation = setup.config->generation;
    control_setup_deinit(&setup);
    pack_u64(&body, generation);
    if (channel_send(control, CONTROL_READY, &body, NULL, 0, TIMEOUT_MS) != KS_OK)
        fail("no READY");
}

static void
take_key(const struct message *message)
{
    ks_auto(digest_freep) struct digest *digest = NULL;
    struct known_key *known = &keys[n_keys];
    struct job_key key;

    if (n_keys == MAX_KEYS || job_key_unpack(message->body, message->len, &key) != KS_OK ||
        digest_new(&digest) != KS_OK ||
        !digest_sum(digest, key.public_key, key.public_key_len, known->public_key_sha256))
        fail("a key that it cannot keep");
    text_copy(known->name, sizeof(known->name), key.name);
    known->version = key.version;
    n_keys++;
}

/* The next message of a worker that is no news of its keys. */
static ks_err
hear(struct worker *worker, struct message *message)
{
    for (;;) {
        ks_err err = channel_receive(worker->channel, message, TIMEOUT_MS);

        if (err || message->type == JOB_MESSAGE_REPLY)
            return err;
        if (message->type == JOB_MESSAGE_DIRECTORY_KEY)
            take_key(message);
        if (message->type == JOB_MESSAGE_DIRECTORY_END)
            return KS_OK;
        message_deinit(message);
    }
}

/* In the place of the one it had: that process is gone, or hung up. */
static void
take_worker(struct message *message)
{
    ks_auto(message_deinit) struct message listed = MESSAGE_INIT;
    struct control_worker told;
    struct worker *worker = workers;

    if (control_worker_unpack(message->body, message->len, &told) != KS_OK)
        fail("a malformed WORKER");
    while (worker < workers + n_workers &&
           (strcmp(worker->token, told.token) != 0 || worker->index != told.worker_index))
        worker++;
    if (worker == workers + MAX_WORKERS)
        fail("too many workers");
    if (worker == workers + n_workers)
        n_workers++;
    channel_free(worker->channel);
    text_copy(worker->token, sizeof(worker->token), told.token);
    worker->index = told.worker_index;
    if (channel_new(message_take_fd(message, 0), CHANNEL_MAX_BODY, &worker->channel) != KS_OK)
        fail("no channel");
    if (worker->index == 1 && hear(worker, &listed) != KS_OK)
        fail("no directory");
}

static void
take_control(void)
{
    ks_err err = channel_fill(control);

    for (;;) {
        ks_auto(message_deinit) struct message message = MESSAGE_INIT;
        bool have = false;

        if (channel_next(control, &message, &have) != KS_OK)
            fail("nonsense from keysvcd");
        if (!have)
            break;
        if (message.type == CONTROL_STOP)
            _exit(CONTROL_EXIT_OK);
        if (message.type == CONTROL_WORKER)
            take_worker(&message);
    }
    if (err)
        _exit(CONTROL_EXIT_SETUP);
}

/* ---------------------------------------------------------------- as it is told */

static struct worker *
find_worker(const char *token)
{
    for (size_t i = 0; i < n_workers; i++) {
        if (strcmp(workers[i].token, token) == 0)
            return &workers[i];
    }
    return NULL;
}

/* Zeros where the key is not known: whatever stands there. */
static void
name_key(struct job *job, const char *label)
{
    if (sscanf(label, "%100[^@]@%u", job->name, &job->version) < 1)
        fail("no key");
    for (size_t i = 0; i < n_keys; i++) {
        if (strcmp(keys[i].name, job->name) == 0 && keys[i].version == job->version)
            memcpy(job->public_key_sha256, keys[i].public_key_sha256, KS_SHA256_LEN);
    }
}

static void
say_outcome(FILE *out, struct worker *worker)
{
    ks_auto(message_deinit) struct message message = MESSAGE_INIT;
    struct job_reply reply;
    ks_err err = hear(worker, &message);

    if (err) {
        fprintf(out, "%s the process has hung up\n", err_info(err)->name);
        return;
    }
    if (job_reply_unpack(message.body, message.len, &reply) != KS_OK)
        fail("a malformed reply");
    fprintf(out, "%s %s", err_info(reply.err)->name, reply.why.text);
    for (size_t i = 0; i < reply.data_len; i++)
        fprintf(out, "%02x", reply.data[i]);
    fputc('\n', out);
}

static void
send_job(FILE *out, const char *token, const struct job *job)
{
    last_worker = find_worker(token);
    if (!last_worker) {
        fprintf(out, "no process of %s\n", token);
        return;
    }
    buf_deinit(&last_job);
    job_pack(&last_job, job);
    if (channel_send(last_worker->channel, JOB_MESSAGE_JOB, &last_job, NULL, 0, TIMEOUT_MS) !=
        KS_OK) {
        fprintf(out, "NO_SERVICE it does not listen\n");
        return;
    }
    say_outcome(out, last_worker);
}

static void
order_job(FILE *out, enum job_operation operation, const struct words *words)
{
    const char *on = words->n > 3 ? words->list[3] : "";
    const bool has_value = operation != JOB_GENERATE && operation != JOB_DESTROY;
    const size_t uid = has_value ? 4 : 3;
    struct job job = {.id = last_id++, .generation = generation, .operation = operation};
    uint8_t data[LINE_LEN / 2];

    if (words->n < 3)
        fail("an incomplete line");
    name_key(&job, words->list[2]);
    text_copy(job.caller.rule, sizeof(job.caller.rule), "invented");
    if (words->n > uid)
        job.caller.uid = (uint32_t)strtoul(words->list[uid], NULL, 10);
    job.csr = (struct job_csr){
        .common_name = on,
        .organization = "",
        .organization_unit = "",
        .country = "",
        .state = "",
        .locality = "",
        .email = "",
        .challenge_password = "",
    };
    job.days = 1;
    if (operation == JOB_SIGN) {
        job.sign.data = data;
        job.sign.data_len = strlen(on) / 2;
        if (!hex_parse(on, data, job.sign.data_len))
            fail("not hex");
    }
    send_job(out, words->list[1], &job);
}

/* The rest of the line is the text. */
static void
order_checkpoint(FILE *out, const char *token, const char *text)
{
    struct job job = {.id = last_id++, .generation = generation, .operation = JOB_CHECKPOINT};

    name_key(&job, KEYNAME_AUDIT "@1");
    job.checkpoint = text;
    send_job(out, token, &job);
}

static void
order_again(FILE *out)
{
    if (!last_worker || channel_send(last_worker->channel, JOB_MESSAGE_JOB, &last_job, NULL, 0,
                                     TIMEOUT_MS) != KS_OK)
        fail("there is no last job");
    say_outcome(out, last_worker);
}

static void
order_noise(FILE *out, struct channel *channel)
{
    static const char noise[] = "\xff\xff\xff\xff\xff\xff\xff\xff";

    if (send(channel_fd(channel), noise, sizeof(noise), MSG_NOSIGNAL) < 0)
        fail("noise is not sent");
    fprintf(out, "sent\n");
}

static void
order_setup(FILE *out)
{
    if (channel_send(control, CONTROL_SETUP, NULL, NULL, 0, TIMEOUT_MS) != KS_OK)
        fail("SETUP is not sent");
    fprintf(out, "sent\n");
}

static void
order_kill(FILE *out, const char *token)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    struct control_worker worker = {.worker_index = 1};

    text_copy(worker.token, sizeof(worker.token), token);
    control_worker_pack(&body, &worker);
    if (channel_send(control, CONTROL_WORKER_BAD, &body, NULL, 0, TIMEOUT_MS) != KS_OK)
        fail("WORKER_BAD is not sent");
    fprintf(out, "sent\n");
}

static void
order_try(FILE *out, const struct words *words)
{
    hostile_attempt attempt = words->n > 1 ? hostile_attempt_find(words->list[1]) : NULL;
    int error;

    if (!attempt)
        fail("no such attempt");
    error = attempt(words->n > 2 ? words->list[2] : "");
    if (error)
        fprintf(out, "refused %s\n", strerrorname_np(error));
    else
        fprintf(out, "got\n");
}

static void
order_workers(FILE *out)
{
    for (size_t i = 0; i < n_workers; i++)
        fprintf(out, "%s/%u ", workers[i].token, workers[i].index);
    fputc('\n', out);
}

static void
obey(FILE *out, const struct words *words)
{
    static const struct {
        const char *word;
        enum job_operation operation;
    } jobs[] = {
        {"sign", JOB_SIGN},         {"csr", JOB_CSR},         {"self-sign", JOB_SELF_SIGN},
        {"generate", JOB_GENERATE}, {"destroy", JOB_DESTROY},
    };
    const char *word = words->list[0], *on = words->n > 1 ? words->list[1] : "";

    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        if (strcmp(word, jobs[i].word) == 0) {
            order_job(out, jobs[i].operation, words);
            return;
        }
    }
    if (strcmp(word, "workers") == 0)
        order_workers(out);
    else if (strcmp(word, "try") == 0)
        order_try(out, words);
    else if (strcmp(word, "again") == 0)
        order_again(out);
    else if (strcmp(word, "noise") == 0 && find_worker(on))
        order_noise(out, find_worker(on)->channel);
    else if (strcmp(word, "noise-keysvcd") == 0)
        order_noise(out, control);
    else if (strcmp(word, "setup-keysvcd") == 0)
        order_setup(out);
    else if (strcmp(word, "kill-worker") == 0)
        order_kill(out, on);
    else
        fail("an unknown order");
}

static void
serve_one(void)
{
    int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    FILE *stream = fd < 0 ? NULL : fdopen(fd, "r+");
    struct words words = {.n = 0};
    char line[LINE_LEN], *rest = line, *word;

    if (!stream)
        return;
    if (fgets(line, sizeof(line), stream)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "checkpoint ", 11) == 0) {
            word = strsep(&rest, " ");
            word = strsep(&rest, " ");
            order_checkpoint(stream, word, rest ? rest : "");
        } else {
            while (words.n < MAX_WORDS && (word = strsep(&rest, " ")))
                words.list[words.n++] = word;
            obey(stream, &words);
        }
    }
    fclose(stream);
}

int
main(void)
{
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_DUMPABLE, 0);
    set_up();
    for (;;) {
        struct pollfd polled[] = {{.fd = channel_fd(control), .events = POLLIN},
                                  {.fd = listening, .events = POLLIN}};

        if (poll(polled, ARRAY_LEN(polled), -1) < 0)
            continue;
        if (polled[0].revents)
            take_control();
        if (polled[1].revents)
            serve_one();
    }
}
