/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve - poll, jobs, batches
 */
#include "token/serve.h"

#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "base/log.h"
#include "token/certificate.h"
#include "token/checkpoint.h"
#include "token/destroy.h"
#include "token/generate.h"
#include "token/idle.h"
#include "token/import.h"
#include "token/info.h"
#include "token/look.h"
#include "token/news.h"
#include "token/request.h"
#include "token/self_sign.h"
#include "token/sign.h"
#include "token/tell.h"

#define MAX_UNREAD                                                                                 \
    (8 * 1024 * 1024)      /* bytes of answers the front has not read: take no more jobs */
#define STOP_FLUSH_MS 1000 /* for the last answers */
#define TELL_AGAIN_MS 200  /* the token could not be listed: until the next try */

/* An answer that waits for its record. */
struct waiting {
    uint64_t id;
    bool is_recorded; /* nothing leaves without the record */
    bool is_change;   /* its intent is on the disk, and it has been carried out or refused */
    ks_err err;
    struct fault why;
    struct answer answer;
    uint32_t execution_us;
};

struct batch {
    struct waiting items[SERVE_BATCH_MAX];
    size_t n_items;
    uint64_t start_us;
    uint64_t now_us; /* the end of its last job */
};

/* One row an operation. `alone`: it writes its own records in the middle, so a batch ends before
 * it; `recorded`: its answer depends on the audit; `own`: the front's own, no rule decided it. */
static const struct {
    ks_err (*run)(struct worker *worker, const struct job *job, struct answer *answer,
                  struct fault *why);
    bool recorded;
    bool alone;
    bool own;
} operations[JOB_OPERATION_COUNT] = {
    [JOB_SIGN] = {sign_run, true, false},
    [JOB_CSR] = {request_run, true, false},
    [JOB_GENERATE] = {generate_run, true, true},
    [JOB_ROTATE] = {generate_run, true, true},
    [JOB_RESCAN] = {look_again, false, true},
    [JOB_CHECKPOINT] = {checkpoint_run, true, false, true},
    [JOB_SELF_SIGN] = {self_sign_run, true, false},
    [JOB_IMPORT] = {import_run, true, true},
    [JOB_DESTROY] = {destroy_run, true, true},
    [JOB_CERTIFICATE_PUT] = {certificate_put_run, true, true},
    [JOB_CERTIFICATE_GET] = {certificate_get_run, false, false},
    [JOB_CERTIFICATE_DELETE] = {certificate_delete_run, true, true},
    [JOB_TOKEN_INFO] = {info_run, false, false},
    [JOB_LOOK] = {look_run, false, false, true},
};

static void tell_anew(struct worker *worker);
static void wait_and_read(struct worker *worker);
static void stop(struct worker *worker);
static void flush_last_answers(struct worker *worker);
static bool take_jobs(struct worker *worker, struct batch *batch);
static bool work(struct worker *worker, const struct message *message, struct batch *batch);
static void settle(struct worker *worker, struct batch *batch);

int
serve_run(struct worker *worker)
{
    while (worker->exit_code == WORKER_GO_ON && !parent_is_stopping(worker->parent)) {
        if (!news_take(worker))
            break;
        if (audit_tick(worker->audit, worker->config))
            checkpoint_make(worker);
        tell_new_stats(worker);
        if (worker->must_tell)
            tell_anew(worker);
        if (worker->exit_code == WORKER_GO_ON)
            wait_and_read(worker);
    }
    stop(worker);
    return worker->exit_code == WORKER_GO_ON ? CONTROL_EXIT_OK : worker->exit_code;
}

/* What the token has is told, whatever became of the change whose outcome nobody knows. */
static void
tell_anew(struct worker *worker)
{
    const struct job job = {.operation = JOB_RESCAN};
    struct answer answer = ANSWER_INIT;
    struct fault why = FAULT_INIT;
    ks_err err = serve_job(worker, &job, &answer, &why);

    worker->must_tell = err != KS_OK;
    if (err && err != KS_ERR_BUSY)
        log_warning("event=list-failed token=%s text=\"%s\"", worker->token->name, why.text);
    worker_judge(worker, err, &why);
}

static int
timeout_ms(const struct worker *worker)
{
    int ms = audit_timeout_ms(worker->audit, worker->config);

    if (worker->must_tell && (ms < 0 || ms > TELL_AGAIN_MS))
        ms = TELL_AGAIN_MS;
    return idle_timeout_ms(worker, ms);
}

static void
wait_and_read(struct worker *worker)
{
    struct pollfd fds[2] = {{.fd = parent_fd(worker->parent), .events = POLLIN}, {.fd = -1}};
    size_t unread = worker->front ? channel_pending(worker->front) : 0;
    bool is_readable, is_writable;
    int n_ready;

    if (worker->front) {
        fds[1].fd = channel_fd(worker->front);
        fds[1].events = (short)((unread < MAX_UNREAD ? POLLIN : 0) | (unread > 0 ? POLLOUT : 0));
    }
    n_ready = poll(fds, ARRAY_LEN(fds), timeout_ms(worker));
    if (n_ready < 0) {
        if (errno != EINTR)
            worker->exit_code = CONTROL_EXIT_TOKEN_LOST;
        return;
    }
    if (n_ready == 0)
        idle_check(worker); /* only now: whoever asks something goes first, and is a look himself */
    if (fds[0].revents)
        news_read(worker);
    is_readable = worker->front && (fds[1].revents & (POLLIN | POLLHUP | POLLERR));
    is_writable = worker->front && (fds[1].revents & POLLOUT);
    if (is_writable && channel_flush(worker->front) != KS_OK)
        worker->front = channel_free(worker->front);
    if (is_readable && worker->front && !serve_front(worker))
        worker->front = channel_free(worker->front);
}

/* What is open is finished: everything the front had sent is answered. */
static void
stop(struct worker *worker)
{
    struct fault why = FAULT_INIT;

    if (!worker->audit)
        return;
    if (worker->exit_code == WORKER_GO_ON) {
        if (worker->front)
            (void)serve_front(worker);
        checkpoint_make(worker);
        audit_stop(worker->audit);
    }
    (void)!audit_flush(worker->audit, true, &why); /* a failure is logged */
    flush_last_answers(worker);
}

static void
flush_last_answers(struct worker *worker)
{
    uint64_t end_ms = clock_mono_ms() + STOP_FLUSH_MS;

    while (worker->front && channel_flush(worker->front) == KS_OK &&
           channel_pending(worker->front) > 0) {
        struct pollfd fd = {.fd = channel_fd(worker->front), .events = POLLOUT};
        uint64_t now_ms = clock_mono_ms();

        if (now_ms >= end_ms || (poll(&fd, 1, (int)(end_ms - now_ms)) < 0 && errno != EINTR))
            return;
    }
}

bool
serve_front(struct worker *worker)
{
    ks_auto(freep) struct batch *batch = malloc(sizeof(*batch));
    bool is_whole;
    ks_err err;

    if (!batch)
        return false;
    batch->n_items = 0;
    err = channel_fill(worker->front);
    if (err && err != KS_ERR_NO_SERVICE)
        log_error("event=front-nonsense token=%s outcome=%s", worker->token->name,
                  err_info(err)->name);
    is_whole = take_jobs(worker, batch);
    settle(worker, batch);
    return !err && is_whole && channel_flush(worker->front) == KS_OK;
}

/* False: nonsense; what came before it is answered. */
static bool
take_jobs(struct worker *worker, struct batch *batch)
{
    for (;;) {
        ks_auto(message_deinit) struct message message = MESSAGE_INIT;
        bool have = false;

        if (channel_next(worker->front, &message, &have) != KS_OK ||
            (have && !work(worker, &message, batch))) {
            log_error("event=front-nonsense token=%s type=%u", worker->token->name, message.type);
            return false;
        }
        if (!have || worker->exit_code != WORKER_GO_ON)
            return true;
        if (batch->n_items == SERVE_BATCH_MAX || batch->now_us - batch->start_us > SERVE_BATCH_US)
            settle(worker, batch);
    }
}

/* The front decided by a newer configuration, which was sent to us before it was sent there. What has not
 * come yet makes the job BUSY. */
static ks_err
catch_up(struct worker *worker, const struct job *job, struct batch *batch, struct fault *why)
{
    if (job->generation <= worker->config->generation || !worker->parent)
        return KS_OK;
    settle(worker, batch);
    news_read(worker);
    (void)news_take_config(worker);
    if (worker->exit_code == WORKER_GO_ON)
        return KS_OK;
    fault_set(why, "the process of token %s ends, since it could not take the new configuration",
              worker->token->name);
    return KS_ERR_TOKEN_UNAVAILABLE;
}

static size_t
expected_fds(const struct job *job)
{
    if (job->operation != JOB_IMPORT)
        return 0;
    return job->import.has_password ? 2 : 1;
}

/* One job into the batch. False: not a job. */
static bool
work(struct worker *worker, const struct message *message, struct batch *batch)
{
    ks_auto(job_deinit) struct job job = JOB_INIT;
    struct waiting *waiting;
    struct fault why = FAULT_INIT;
    uint64_t begun_us, took_us;
    ks_err err;

    if (message->type != JOB_MESSAGE_JOB ||
        job_unpack(message->body, message->len, &worker->storage, &job) != KS_OK ||
        message->n_fds != expected_fds(&job))
        return false;
    for (size_t i = 0; i < message->n_fds; i++)
        job.fds[job.n_fds++] = message->fds[i];
    err = catch_up(worker, &job, batch, &why);
    if (operations[job.operation].alone)
        settle(worker, batch);
    begun_us = clock_mono_us();
    if (batch->n_items == 0)
        batch->start_us = begun_us;
    waiting = &batch->items[batch->n_items++];
    *waiting = (struct waiting){.id = job.id,
                                .is_recorded = operations[job.operation].recorded,
                                .is_change = operations[job.operation].recorded &&
                                             operations[job.operation].alone,
                                .err = err,
                                .why = why,
                                .answer = ANSWER_INIT};
    if (!err)
        waiting->err = serve_job(worker, &job, &waiting->answer, &waiting->why);
    batch->now_us = clock_mono_us();
    took_us = batch->now_us - begun_us;
    waiting->execution_us = took_us < UINT32_MAX ? (uint32_t)took_us : UINT32_MAX;
    worker_judge(worker, waiting->err, &waiting->why);
    if (operations[job.operation].alone)
        settle(worker, batch);
    return true;
}

/* What is recorded decides itself (worker_admit()), and says so in its record; what would wait for the gate
 * waits in vain. */
static ks_err
judge(const struct worker *worker, const struct job *job, struct fault *why)
{
    bool admits = operations[job->operation].recorded && !operations[job->operation].alone;

    if (worker->decided_by == 0 || admits)
        return KS_OK;
    return worker_judges(worker, job, why);
}

static ks_err
run(struct worker *worker, const struct job *job, struct answer *answer, struct fault *why)
{
    bool alone = operations[job->operation].alone;
    ks_err err = judge(worker, job, why);

    if (err)
        return err;
    if (alone && worker_take_gate(worker, why) != KS_OK)
        return KS_ERR_BUSY;
    err = operations[job->operation].run(worker, job, answer, why);
    if (alone)
        worker_put_gate(worker);
    return err;
}

ks_err
serve_job(struct worker *worker, const struct job *job, struct answer *answer, struct fault *why)
{
    ks_err err;

    worker->decided_by = operations[job->operation].own ? 0 : job->generation;
    err = run(worker, job, answer, why);
    worker->decided_by = 0;
    return err;
}

static void
withdraw(struct waiting *waiting, const struct fault *why)
{
    if (!waiting->is_recorded)
        return;
    buf_deinit(&waiting->answer.data);
    waiting->answer.made = NULL;
    /* Only what has been refused has left the token as it was. */
    if (waiting->is_change && (!waiting->err || waiting->err == KS_ERR_OUTCOME_UNKNOWN)) {
        if (!waiting->err)
            fault_set(&waiting->why, "it was done, but its result could not be recorded: %s",
                      why->text);
        fault_hint(&waiting->why,
                   "make room in the audit folder, and look with `keysvc key show` before "
                   "trying again");
        waiting->err = KS_ERR_OUTCOME_UNKNOWN;
        return;
    }
    waiting->err = KS_ERR_AUDIT_UNWRITABLE;
    waiting->why = *why;
}

static void
reply(struct worker *worker, const struct waiting *waiting, uint32_t n_unsynced)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    struct job_reply reply = {.id = waiting->id,
                              .err = waiting->err,
                              .why = waiting->why,
                              .execution_us = waiting->execution_us,
                              .n_unsynced = n_unsynced};

    if (!waiting->err) {
        reply.data = waiting->answer.data.data;
        reply.data_len = waiting->answer.data.len;
        reply.algorithm = waiting->answer.algorithm;
    }
    if (!waiting->err && waiting->answer.made) {
        const struct key *key = waiting->answer.made;

        (void)text_copy(reply.key.name, sizeof(reply.key.name), key->name);
        reply.key.version = key->version;
        reply.key.state = key->state;
        reply.key.type = key->spki.type;
        reply.key.public_key_len = key->spki.len;
        memcpy(reply.key.public_key, key->spki.der, key->spki.len);
    }
    if (waiting->err == KS_ERR_OUTCOME_UNKNOWN && worker->index == 1)
        worker->must_tell = true;
    if (!waiting->err && worker->p11.pulse)
        pulse_done(worker->p11.pulse);
    job_reply_pack(&body, &reply);
    if (channel_queue(worker->front, JOB_MESSAGE_REPLY, &body, NULL, 0) != KS_OK)
        log_error("event=reply-lost token=%s request=%llu", worker->token->name,
                  (unsigned long long)waiting->id);
}

/* The records, then the answers. */
static void
settle(struct worker *worker, struct batch *batch)
{
    struct fault why = FAULT_INIT;
    bool has_record;
    uint64_t n_unsynced;

    if (batch->n_items == 0)
        return;
    /* What a process that ends saw last may be the token going away, and no key gone or changed. */
    if (worker->index == 1 && worker->exit_code == WORKER_GO_ON)
        tell_changes(worker);
    has_record = audit_flush(worker->audit, worker->config->audit_sync_always, &why) == KS_OK;
    n_unsynced = audit_stats(worker->audit).n_unsynced;
    n_unsynced = n_unsynced < UINT32_MAX ? n_unsynced : UINT32_MAX;
    for (size_t i = 0; i < batch->n_items; i++) {
        if (!has_record)
            withdraw(&batch->items[i], &why);
        reply(worker, &batch->items[i], (uint32_t)n_unsynced);
        buf_deinit(&batch->items[i].answer.data);
    }
    batch->n_items = 0;
    /* A front that is gone shows up in the next read. */
    (void)!channel_flush(worker->front);
}
