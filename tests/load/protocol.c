/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protocol - clients that speak the protocol themselves: a connection a thread, many requests open
 * on it
 *
 * Nothing is asked twice and nothing is hidden: what the service answers is what is counted. An id
 * is a place among the open requests and how often the place was used, so that an answer finds its
 * request at once and one that comes again does not.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "proto/wire/frame.h"
#include "tests/load/run.h"
#include "tests/load/wire.h"

#define READ_LEN 16384
#define WAIT_MAX_US 20000 /* so soon it is seen that the run is over */

struct process {
    struct wire_key keys[RUN_MAX_KEYS];
    struct verifier *verifiers[RUN_MAX_KEYS]; /* NULL: not asked for */
};

struct open {
    uint64_t id; /* 0: the place is free */
    uint64_t asked_us;
    size_t key;
    struct message message;
};

struct client {
    const struct run *run;
    const struct process *process;
    struct tally *tally;
    struct arena *arena;
    int fd;         /* -1: none */
    bool greeted;   /* the service's Hello has come */
    uint64_t n_ids; /* of this connection; 1 was Hello's */
    struct frame_reader reader;
    struct buf out;
    struct pace pace;
    uint64_t pause_until_us;
    uint64_t last_asked_us;
    size_t n_open;
    struct open open[]; /* run->n_open */
};

static bool open_process(const struct run *run, struct process *process);
static void *work(void *context);
static void client_run(struct client *client);
static void dial(struct client *client, uint64_t now_us);
static void hang_up(struct client *client);
static void ask_more(struct client *client, uint64_t now_us);
static bool ask(struct client *client, uint64_t now_us);
static void wait_a_while(struct client *client, uint64_t now_us);
static bool send_out(struct client *client);
static bool read_in(struct client *client);
static bool take(struct client *client, const struct wire_answer *answer);
static void take_result(struct client *client, struct open *open, const struct wire_answer *answer);
static struct open *open_of(struct client *client, uint64_t id);

bool
protocol_run(const struct run *run, unsigned int first)
{
    struct process *process = calloc(1, sizeof(*process));
    bool good;

    if (!process)
        return false;
    good = open_process(run, process) && crew_run(run, first, process, work);
    for (size_t i = 0; i < run->n_keys; i++)
        verifier_free(process->verifiers[i]);
    free(process);
    return good;
}

static bool
open_process(const struct run *run, struct process *process)
{
    for (size_t i = 0; i < run->n_keys; i++) {
        struct wire_key *key = &process->keys[i];

        if (!wire_fetch_key(run->socket, run->keys[i], key))
            return false;
        if (!run->verify)
            continue;
        process->verifiers[i] = verifier_new(key->type, key->public_key, key->public_key_len);
        if (!process->verifiers[i]) {
            fprintf(stderr, "load: %s: no public key that libcrypto knows\n", run->keys[i]);
            return false;
        }
    }
    return true;
}

static void *
work(void *context)
{
    const struct crew_member *member = context;
    const struct run *run = member->run;
    struct client *client = calloc(1, sizeof(*client) + run->n_open * sizeof(struct open));

    if (!client || arena_new(&client->arena) != KS_OK) {
        fprintf(stderr, "load: no memory\n");
        _exit(1);
    }
    client->run = run;
    client->process = member->process;
    client->tally = run->tally;
    client->fd = -1;
    dial(client, clock_mono_us());
    crew_wait_go(run);
    pace_init(&client->pace, run, member->index, clock_mono_us());
    client_run(client);
    hang_up(client);
    buf_deinit(&client->out);
    arena_free(client->arena);
    free(client);
    return NULL;
}

/* Until the run is over and what is open has been answered, or never will be. */
static void
client_run(struct client *client)
{
    const uint64_t patience_us = client->run->deadline_ms * 1000ull + RUN_GRACE_US;

    for (;;) {
        uint64_t now_us = clock_mono_us();

        if (client->run->control->stop && client->n_open == 0)
            return;
        if (client->n_open > 0 && now_us > client->last_asked_us + patience_us) {
            client->tally->unanswered += client->n_open;
            client->n_open = 0;
            return;
        }
        if (client->fd < 0 && now_us >= client->pause_until_us)
            dial(client, now_us);
        ask_more(client, now_us);
        if (client->fd >= 0 && !send_out(client))
            hang_up(client);
        wait_a_while(client, now_us);
        if (client->fd >= 0 && !read_in(client))
            hang_up(client);
    }
}

static void
dial(struct client *client, uint64_t now_us)
{
    client->pause_until_us = now_us + RUN_FAILURE_PAUSE_US;
    if (!wire_dial(client->run->socket, &client->fd))
        return;
    client->tally->connections++;
    client->n_ids = 1;
    client->reader = (struct frame_reader)FRAME_READER_INIT;
    wire_hello(&client->out, client->n_ids);
}

/* What was open has no answer and will have none. */
static void
hang_up(struct client *client)
{
    closep(&client->fd);
    client->fd = -1;
    client->greeted = false;
    client->tally->lost += client->n_open;
    client->n_open = 0;
    for (size_t i = 0; i < client->run->n_open; i++)
        client->open[i].id = 0;
    frame_reader_deinit(&client->reader);
    buf_consume(&client->out, client->out.len);
    client->pause_until_us = clock_mono_us() + RUN_FAILURE_PAUSE_US;
}

static void
ask_more(struct client *client, uint64_t now_us)
{
    while (client->greeted && client->n_open < client->run->n_open && !client->run->control->stop &&
           now_us >= client->pause_until_us && now_us >= client->pace.due_us && ask(client, now_us))
        pace_sent(&client->pace, now_us);
}

/* False: as many have been asked as there should be. */
static bool
ask(struct client *client, uint64_t now_us)
{
    uint64_t number = tally_next(client->tally);
    const size_t n_places = client->run->n_open;
    struct open *open = client->open;
    const struct wire_key *key;

    if (number == 0)
        return false;
    while (open->id != 0)
        open++;
    client->n_ids++;
    open->id = client->n_ids * n_places + (size_t)(open - client->open);
    open->asked_us = now_us;
    open->key = number % client->run->n_keys;
    key = &client->process->keys[open->key];
    message_make(&open->message, key->type, client->run->prehashed, number);
    wire_sign(&client->out, open->id, client->run->deadline_ms, key, &open->message,
              message_hash(key->type, client->run->prehashed));
    client->n_open++;
    client->last_asked_us = now_us;
    return true;
}

static void
wait_a_while(struct client *client, uint64_t now_us)
{
    const bool may_ask = client->greeted && client->n_open < client->run->n_open;
    uint64_t until_us = client->pause_until_us;
    uint64_t wait_us = WAIT_MAX_US;
    struct pollfd poll_fd = {.fd = client->fd, .events = POLLIN};

    if (client->out.len > 0)
        poll_fd.events |= POLLOUT;
    if (until_us < client->pace.due_us)
        until_us = client->pace.due_us;
    if ((client->fd < 0 || may_ask) && until_us < now_us + wait_us)
        wait_us = until_us > now_us ? until_us - now_us : 1000;
    ppoll(&poll_fd, 1, &(struct timespec){.tv_nsec = (long)wait_us * 1000}, NULL);
}

static bool
send_out(struct client *client)
{
    while (client->out.len > 0) {
        ssize_t n =
            send(client->fd, client->out.data, client->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        buf_consume(&client->out, (size_t)n);
    }
    return !client->out.failed;
}

/* False: the connection is over. */
static bool
read_in(struct client *client)
{
    uint8_t piece[READ_LEN];
    const uint8_t *data = piece, *frame;
    struct wire_answer answer;
    size_t len, frame_len;
    ssize_t n = recv(client->fd, piece, sizeof(piece), MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    len = (size_t)n;
    for (;;) {
        if (frame_next(&client->reader, &data, &len, &frame, &frame_len) != KS_OK) {
            client->tally->strange++;
            return false;
        }
        if (!frame)
            return true;
        if (!wire_read(client->arena, frame, frame_len, &answer)) {
            client->tally->strange++;
            return false;
        }
        if (!take(client, &answer))
            return false;
    }
}

static bool
take(struct client *client, const struct wire_answer *answer)
{
    uint64_t now_us = clock_mono_us();
    struct open *open;

    if (answer->id == 0) {
        /* About the connection: too many of them, or we are not understood. */
        tally_failed(client->tally, answer->err, answer->retryable, answer->said, now_us, now_us);
        return false;
    }
    if (!client->greeted) {
        client->greeted = answer->id == 1 && answer->kind == WIRE_HELLO;
        client->tally->strange += !client->greeted;
        if (client->greeted)
            client->pause_until_us = 0;
        return client->greeted;
    }
    open = open_of(client, answer->id);
    if (open) {
        take_result(client, open, answer);
        return true;
    }
    /* The number of times that a place was used tells what has been asked. */
    if (answer->id / client->run->n_open <= client->n_ids)
        client->tally->doubled++;
    else
        client->tally->strange++;
    return true;
}

static void
take_result(struct client *client, struct open *open, const struct wire_answer *answer)
{
    const struct verifier *verifier = client->process->verifiers[open->key];
    uint64_t now_us = clock_mono_us();

    open->id = 0;
    client->n_open--;
    if (answer->kind == WIRE_ERROR) {
        tally_failed(client->tally, answer->err, answer->retryable, answer->said, open->asked_us,
                     now_us);
        client->pause_until_us = now_us + RUN_FAILURE_PAUSE_US;
        return;
    }
    if (answer->kind != WIRE_SIGNATURE) {
        client->tally->strange++;
        return;
    }
    tally_ok(client->tally, open->asked_us, now_us);
    if (verifier && !verifier_check(verifier, &open->message, client->run->prehashed,
                                    answer->signature, answer->signature_len))
        client->tally->wrong++;
}

static struct open *
open_of(struct client *client, uint64_t id)
{
    struct open *open = &client->open[id % client->run->n_open];

    return open->id == id ? open : NULL;
}
