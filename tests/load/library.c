/* SPDX-License-Identifier: Apache-2.0 */
/*
 * library - clients as programs are: threads that share one connection of libkeysvc
 */
#include "client/lib/keysvc.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "tests/load/message.h"
#include "tests/load/run.h"

struct process {
    struct ks_client *client;
    struct ks_key keys[RUN_MAX_KEYS];
    struct verifier *verifiers[RUN_MAX_KEYS]; /* NULL: not asked for */
};

static bool open_process(const struct run *run, struct process *process);
static void *work(void *context);
static void ask(const struct run *run, const struct process *process, uint64_t number);
static void sleep_us(uint64_t us);

bool
library_run(const struct run *run, unsigned int first)
{
    struct process *process = calloc(1, sizeof(*process));
    bool good;

    good = process && open_process(run, process) && crew_run(run, first, process, work);
    if (!process)
        return false;
    for (size_t i = 0; i < run->n_keys; i++)
        verifier_free(process->verifiers[i]);
    ks_client_free(process->client);
    free(process);
    return good;
}

static bool
open_process(const struct run *run, struct process *process)
{
    struct ks_error error;
    ks_err err = ks_client_new(run->socket, &process->client, &error);

    for (size_t i = 0; !err && i < run->n_keys; i++) {
        struct ks_key *key = &process->keys[i];

        err = ks_get(process->client, run->keys[i], key, &error);
        if (err || !run->verify)
            continue;
        process->verifiers[i] = verifier_new(key->type, key->public_key, key->public_key_len);
        if (!process->verifiers[i]) {
            fprintf(stderr, "load: %s: no public key that libcrypto knows\n", run->keys[i]);
            return false;
        }
    }
    if (err) {
        fprintf(stderr, "load: %s: %s\n", ks_err_name(err), error.message);
        return false;
    }
    ks_client_set_timeout(process->client, run->deadline_ms);
    run->tally->connections++;
    return true;
}

static void *
work(void *context)
{
    const struct crew_member *member = context;
    const struct run *run = member->run;
    struct pace pace;

    crew_wait_go(run);
    pace_init(&pace, run, member->index, clock_mono_us());
    while (!run->control->stop) {
        uint64_t now_us = clock_mono_us();
        uint64_t number;

        if (now_us < pace.due_us) {
            sleep_us(pace.due_us - now_us);
            continue;
        }
        number = tally_next(run->tally);
        if (number == 0)
            break;
        pace_sent(&pace, now_us);
        ask(run, member->process, number);
    }
    return NULL;
}

static void
ask(const struct run *run, const struct process *process, uint64_t number)
{
    const size_t which = number % run->n_keys;
    const struct ks_key *key = &process->keys[which];
    uint8_t signature[KS_SIGNATURE_MAX_LEN];
    uint64_t asked_us = clock_mono_us();
    struct message message;
    struct ks_error error;
    size_t len = 0;
    ks_err err;

    message_make(&message, key->type, run->prehashed, number);
    err =
        ks_sign(process->client, key, KS_ALGORITHM_DEFAULT, message_hash(key->type, run->prehashed),
                message.data, message.len, signature, &len, NULL, &error);
    if (err) {
        tally_failed(run->tally, err, error.retryable, error.message, asked_us, clock_mono_us());
        sleep_us(RUN_FAILURE_PAUSE_US);
        return;
    }
    tally_ok(run->tally, asked_us, clock_mono_us());
    if (run->verify &&
        !verifier_check(process->verifiers[which], &message, run->prehashed, signature, len))
        run->tally->wrong++;
}

/* In pieces, so that a slow pace does not outlast the run. */
static void
sleep_us(uint64_t us)
{
    const uint64_t piece_us = us < 100000 ? us : 100000;

    nanosleep(&(struct timespec){.tv_nsec = (long)piece_us * 1000}, NULL);
}
