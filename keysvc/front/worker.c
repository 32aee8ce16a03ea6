/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker - jobs out, answers and directory in
 */
#include "front/worker.h"

#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "front/control.h"
#include "front/directory.h"
#include "front/dispatch.h"
#include "front/doubts.h"
#include "front/front.h"
#include "front/look.h"
#include "front/quota.h"
#include "front/turns.h"
#include "ipc/channel.h"

#define SLOW_JOB_LOAD (WORKER_WINDOW / 2) /* a key generation takes as long as many signatures */
#define MEAN_JOBS 16
#define MEAN_MAX_US (60ull * 1000 * 1000) /* a worker is not believed more */

struct slot {
    uint64_t id;       /* 0: free */
    struct call *call; /* NULL: nobody waits for it any more */
    uint64_t caller;
    uint64_t started_us;
    enum metrics_class class;
    bool slow;
    char
        in_doubt[KEYNAME_LABEL_MAX + 1]; /* which version there is or not if it dies; empty: none */
    size_t n_files;                      /* that lie in the channel or in the socket for it */
};

struct worker {
    struct front *front;
    char token[CONFIG_TITLE_MAX + 1];
    uint32_t index;
    struct worker_owner owner;
    struct channel *channel;
    struct event readable, writable;
    struct slot slots[WORKER_WINDOW];
    unsigned int n_open, n_slow;
    uint64_t heard_ms; /* the last answer, or the first of the open jobs */
    uint64_t mean_us;  /* what a job that is not slow takes */
    struct worker_audit audit;
};

static void on_readable(evutil_socket_t fd, short what, void *data);
static void on_writable(evutil_socket_t fd, short what, void *data);
static ks_err take_messages(struct worker *worker);
static ks_err take_message(struct worker *worker, const struct message *message);
static ks_err take_reply(struct worker *worker, const struct message *message);
static ks_err take_stats(struct worker *worker, const struct message *message);
static void note_unsynced(struct worker *worker, uint64_t n_unsynced);
static void note_time(struct worker *worker, uint64_t execution_us);
static ks_err take_key(struct worker *worker, const struct message *message);
static ks_err take_end(struct worker *worker, const struct message *message);
static struct slot *find_slot(struct worker *worker, uint64_t id);
static void free_slot(struct worker *worker, struct slot *slot);
static void fail_open_calls(struct worker *worker);
static void note_doubt(const struct call *call, char out[static KEYNAME_LABEL_MAX + 1]);
static void doubt(struct worker *worker, const struct slot *slot);

ks_err
worker_new(struct front *front, const char *token, uint32_t index, int fd,
           const struct worker_owner *owner, struct worker **out)
{
    struct worker *worker = calloc(1, sizeof(*worker));

    if (!worker) {
        close(fd);
        return KS_ERR_INTERNAL;
    }
    worker->front = front;
    worker->index = index;
    worker->owner = *owner;
    if (!text_copy(worker->token, sizeof(worker->token), token) ||
        channel_new(fd, CHANNEL_MAX_BODY, &worker->channel) != KS_OK) {
        free(worker);
        return KS_ERR_INTERNAL;
    }
    event_assign(&worker->readable, front->base, channel_fd(worker->channel), EV_READ | EV_PERSIST,
                 on_readable, worker);
    event_assign(&worker->writable, front->base, channel_fd(worker->channel), EV_WRITE, on_writable,
                 worker);
    event_add(&worker->readable, NULL);
    *out = worker;
    return KS_OK;
}

struct worker *
worker_free(struct worker *worker)
{
    if (!worker)
        return NULL;
    event_del(&worker->readable);
    event_del(&worker->writable);
    fail_open_calls(worker);
    channel_free(worker->channel);
    free(worker);
    return NULL;
}

static unsigned int
n_open_of(const struct worker *worker, uint64_t caller)
{
    unsigned int n_open = 0;

    for (size_t i = 0; i < WORKER_WINDOW; i++)
        n_open += worker->slots[i].id && worker->slots[i].caller == caller;
    return n_open;
}

bool
worker_has_room(const struct worker *worker, uint64_t caller, bool alone)
{
    uint64_t jobs = (alone ? WORKER_ALONE_US : WORKER_SHARE_US) / (worker->mean_us + 1);
    uint64_t least = alone ? WORKER_ALONE_JOBS : WORKER_SHARE_JOBS;

    return worker->n_open < WORKER_WINDOW &&
           n_open_of(worker, caller) < (jobs > least ? jobs : least);
}

bool
worker_has_of(const struct worker *worker, uint64_t caller)
{
    return n_open_of(worker, caller) > 0;
}

bool
worker_has_slow(const struct worker *worker)
{
    return worker->n_slow > 0;
}

bool
worker_is_silent(const struct worker *worker, uint64_t now_ms)
{
    return worker->n_open > 0 && now_ms > worker->heard_ms + WORKER_SILENT_MS;
}

unsigned int
worker_load(const struct worker *worker)
{
    return worker->n_open + worker->n_slow * SLOW_JOB_LOAD;
}

unsigned int
worker_n_open(const struct worker *worker)
{
    return worker->n_open;
}

ks_err
worker_send(struct worker *worker, struct call *call)
{
    struct slot *slot = find_slot(worker, 0);
    ks_err err;

    err = channel_queue(worker->channel, JOB_MESSAGE_JOB, &call->job, call->files, call->n_files);
    if (err)
        return err;
    call_close_files(call);
    *slot = (struct slot){.id = call->request_id,
                          .call = call,
                          .caller = turns_caller(call),
                          .started_us = call->started_us,
                          .class = call->connection ? call->operation->class : METRICS_CLASS_NONE,
                          .slow = call->operation->slow,
                          .n_files = call->n_files};
    note_doubt(call, slot->in_doubt);
    quota_files_lend(worker->front->quota, slot->n_files);
    if (worker->n_open++ == 0)
        worker->heard_ms = clock_mono_ms();
    worker->n_slow += slot->slow;
    call->place = CALL_SENT;
    call->sent = true;
    call->worker = worker;
    if (!call->others) /* else it may have to go to another token */
        buf_deinit(&call->job);
    return KS_OK;
}

void
worker_forget(struct worker *worker, struct call *call)
{
    struct slot *slot = find_slot(worker, call->request_id);

    if (slot)
        slot->call = NULL;
    call->place = CALL_NOWHERE;
    call->worker = NULL;
}

void
worker_flush(struct worker *worker)
{
    if (channel_pending(worker->channel) == 0)
        return;
    /* A worker that has gone is noticed by reading: what it had answered comes first. */
    if (channel_flush(worker->channel) != KS_OK)
        return;
    if (channel_pending(worker->channel) > 0)
        event_add(&worker->writable, NULL);
}

static void
on_writable(evutil_socket_t fd, short what, void *data)
{
    (void)fd;
    (void)what;
    worker_flush(data);
}

static void
on_readable(evutil_socket_t fd, short what, void *data)
{
    struct worker *worker = data;
    ks_err filled = channel_fill(worker->channel);
    ks_err err = take_messages(worker);

    (void)fd;
    (void)what;
    if (!err)
        err = filled;
    if (!err) {
        worker->owner.room(worker->owner.context);
        return;
    }
    if (err == KS_ERR_NO_SERVICE) {
        log_warning("event=worker-gone token=%s worker=%u open=%u", worker->token, worker->index,
                    worker->n_open);
    } else {
        log_error("event=worker-hung-up token=%s worker=%u reason=\"it talks nonsense\"",
                  worker->token, worker->index);
        control_send_worker_bad(worker->front->control, worker->token, worker->index);
    }
    fail_open_calls(worker);
    worker->owner.gone(worker->owner.context, worker);
}

static ks_err
take_messages(struct worker *worker)
{
    struct message message = MESSAGE_INIT;
    bool have;
    ks_err err;

    for (;;) {
        err = channel_next(worker->channel, &message, &have);
        if (err || !have)
            return err;
        err = take_message(worker, &message);
        message_deinit(&message);
        if (err)
            return err;
    }
}

static ks_err
take_message(struct worker *worker, const struct message *message)
{
    struct directory *directory = worker->front->directory;

    if (message->type == JOB_MESSAGE_REPLY)
        return take_reply(worker, message);
    if (message->type == JOB_MESSAGE_STATS)
        return take_stats(worker, message);
    if (worker->index != 1)
        return KS_ERR_BAD_REQUEST;
    switch (message->type) {
    case JOB_MESSAGE_DIRECTORY_BEGIN:
        return message->len == 0 ? directory_begin(directory, worker->token) : KS_ERR_BAD_REQUEST;
    case JOB_MESSAGE_DIRECTORY_KEY:
        return take_key(worker, message);
    case JOB_MESSAGE_DIRECTORY_END:
        return take_end(worker, message);
    default:
        return KS_ERR_BAD_REQUEST;
    }
}

static ks_err
take_stats(struct worker *worker, const struct message *message)
{
    struct job_stats stats;
    ks_err err = job_stats_unpack(message->body, message->len, &stats);

    if (err)
        return err;
    worker->audit.known = true;
    worker->audit.stats = stats;
    note_unsynced(worker, stats.n_unsynced);
    return KS_OK;
}

/* The clock is read when the first record waits, not for each answer. */
static void
note_unsynced(struct worker *worker, uint64_t n_unsynced)
{
    worker->audit.stats.n_unsynced = n_unsynced;
    if (n_unsynced == 0)
        worker->audit.unsynced_since_ms = 0;
    else if (worker->audit.unsynced_since_ms == 0)
        worker->audit.unsynced_since_ms = clock_mono_ms();
}

const struct worker_audit *
worker_audit(const struct worker *worker)
{
    return &worker->audit;
}

/* A first listing tells what was there, a later one also what nobody heard of: a change whose process
 * ended before it could say so. */
static bool
is_news(const struct worker *worker, const struct job_key *key)
{
    const struct directory *directory = worker->front->directory;
    const struct directory_entry *entry;

    if (!directory_is_listing(directory, worker->token))
        return true;
    if (!directory_knows(directory, worker->token))
        return false;
    entry = directory_find(directory, key->name, key->version, worker->token);
    return !entry || entry->public_key_len != key->public_key_len ||
           (key->public_key_len > 0 &&
            memcmp(entry->public_key, key->public_key, key->public_key_len) != 0);
}

static ks_err
take_key(struct worker *worker, const struct message *message)
{
    struct job_key key;
    ks_err err = job_key_unpack(message->body, message->len, &key);
    bool news = !err && is_news(worker, &key);

    if (!err)
        err = directory_put(worker->front->directory, worker->token, &key);
    if (!err && news)
        look_news(worker->front->look, worker->token, &key);
    return err;
}

static ks_err
take_end(struct worker *worker, const struct message *message)
{
    ks_err err = message->len == 0 ? directory_end(worker->front->directory, worker->token)
                                   : KS_ERR_BAD_REQUEST;

    if (err)
        return err;
    doubts_settle(worker->front->doubts, worker->token);
    worker->owner.listed(worker->owner.context);
    return KS_OK;
}

/* Says nothing about the request: another token that shows the key may do it. */
static bool
is_elsewheres(ks_err err)
{
    return err == KS_ERR_TOKEN_UNAVAILABLE || err == KS_ERR_LOGIN_BLOCKED || err == KS_ERR_NO_KEY;
}

/* A mean over the last dozen or so. */
static void
note_time(struct worker *worker, uint64_t execution_us)
{
    if (execution_us > MEAN_MAX_US)
        execution_us = MEAN_MAX_US;
    worker->mean_us = (worker->mean_us * (MEAN_JOBS - 1) + execution_us) / MEAN_JOBS;
}

static ks_err
take_reply(struct worker *worker, const struct message *message)
{
    struct job_reply reply;
    struct slot *slot;
    struct call *call;
    ks_err err;

    err = job_reply_unpack(message->body, message->len, &reply);
    if (err)
        return err;
    slot = reply.id ? find_slot(worker, reply.id) : NULL;
    if (!slot)
        return KS_ERR_BAD_REQUEST;
    worker->heard_ms = clock_mono_ms();
    call = slot->call;
    if (call && !reply.err && call->operation->sane && !call->operation->sane(&reply))
        return KS_ERR_BAD_REQUEST;
    note_unsynced(worker, reply.n_unsynced);
    if (!slot->slow)
        note_time(worker, reply.execution_us);
    if (!call) /* its client no longer waits; what it took is known all the same */
        metrics_job(&worker->front->metrics, slot->class, clock_mono_us() - slot->started_us,
                    reply.execution_us);
    if (reply.err == KS_ERR_OUTCOME_UNKNOWN)
        doubt(worker, slot); /* the process lives, and tells its keys anew as soon as it can */
    free_slot(worker, slot);
    if (!call)
        return KS_OK;
    worker_forget(worker, call);
    if (is_elsewheres(reply.err) && worker->owner.elsewhere(call))
        return KS_OK;
    call->executed = true;
    call->execution_us = reply.execution_us;
    if (reply.err)
        call_fail(call, reply.err, &reply.why);
    else
        call->operation->finish(call, &reply);
    return KS_OK;
}

static struct slot *
find_slot(struct worker *worker, uint64_t id)
{
    for (size_t i = 0; i < WORKER_WINDOW; i++) {
        if (worker->slots[i].id == id)
            return &worker->slots[i];
    }
    return NULL;
}

static void
free_slot(struct worker *worker, struct slot *slot)
{
    worker->n_open--;
    worker->n_slow -= slot->slow;
    quota_files_return(worker->front->quota, slot->n_files);
    *slot = (struct slot){0};
}

static void
fail_open_calls(struct worker *worker)
{
    for (size_t i = 0; i < WORKER_WINDOW; i++) {
        struct call *call = worker->slots[i].call;
        struct fault why = FAULT_INIT;
        ks_err err = KS_ERR_TOKEN_UNAVAILABLE;

        doubt(worker, &worker->slots[i]);
        if (worker->slots[i].id)
            free_slot(worker, &worker->slots[i]);
        if (!call)
            continue;
        worker_forget(worker, call);
        if (worker->owner.elsewhere(call))
            continue;
        if (call->operation->changes) {
            err = KS_ERR_OUTCOME_UNKNOWN;
            fault_set(&why, "%s of %s: the process of token %s ended before it answered",
                      call->operation->name, call->subject, worker->token);
            fault_hint(&why, "look with keysvc key show %s before trying again", call->subject);
        } else {
            fault_set(&why, "the process of token %s ended before it answered; it is restarted",
                      worker->token);
        }
        call_fail(call, err, &why);
    }
}

/* Certificates aside: they are read from the token, not from the directory. */
static void
note_doubt(const struct call *call, char out[static KEYNAME_LABEL_MAX + 1])
{
    char name[KEYNAME_MAX + 1];
    uint32_t version;

    switch (call->connection ? call->operation->request : REQUEST_OPERATION_COUNT) {
    case REQUEST_GENERATE:
    case REQUEST_ROTATE:
    case REQUEST_IMPORT:
    case REQUEST_DESTROY:
        break;
    default:
        return;
    }
    if (!keyname_split(call->subject, strlen(call->subject), true, name, &version))
        return;
    keyname_label(name, version + (call->operation->request != REQUEST_DESTROY), out);
}

bool
worker_may_change(const struct worker *worker, const char *name, uint32_t version)
{
    for (size_t i = 0; i < WORKER_WINDOW; i++) {
        const struct slot *slot = &worker->slots[i];
        char changed[KEYNAME_MAX + 1];
        uint32_t changed_version;

        if (slot->id && !slot->call &&
            keyname_split(slot->in_doubt, strlen(slot->in_doubt), false, changed,
                          &changed_version) &&
            strcmp(changed, name) == 0 && (version == 0 || version == changed_version))
            return true;
    }
    return false;
}

static void
doubt(struct worker *worker, const struct slot *slot)
{
    char name[KEYNAME_MAX + 1];
    uint32_t version;

    if (keyname_split(slot->in_doubt, strlen(slot->in_doubt), false, name, &version))
        doubts_add(worker->front->doubts, worker->token, name, version);
}
