/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint - a job of the front's own
 */
#include "front/checkpoint.h"

#include "base/audit_key.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/strv.h"
#include "front/audit.h"
#include "front/control.h"
#include "front/directory.h"
#include "front/dispatch.h"
#include "front/front.h"
#include "front/route.h"

#define DEADLINE_MS 60000
#define AGAIN_MS 60000 /* after all tokens failed: each attempt costs a record and a line of log */

struct checkpoint {
    struct front *front;
    uint64_t asked_ms;  /* the last time, or our start */
    uint64_t again_ms;  /* when to ask again after that, if it is before the next one is due */
    struct strv failed; /* the tokens that did since the last one was signed */
    bool open;          /* one is being signed */
    struct control_checkpoint made;
    uint8_t public_key_sha256[KS_SHA256_LEN];
};

static uint64_t wait_ms(const struct checkpoint *checkpoint);
static void make(struct checkpoint *checkpoint);
static void finish(struct call *call, const struct job_reply *reply);
static void failed(struct call *call, ks_err err, const struct fault *why);
static void ask_next(struct checkpoint *checkpoint);
static const struct directory_entry *find_key(const struct checkpoint *checkpoint);
static size_t after_last(const struct checkpoint *checkpoint, const struct directory_entry *entries,
                         size_t n);
static bool is_audit_key(const struct directory_entry *key);

static const struct operation CHECKPOINT = {
    .name = "checkpoint",
    .first_worker = true,
    .finish = finish,
    .failed = failed,
};

ks_err
checkpoint_new(struct front *front, struct checkpoint **out)
{
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return KS_ERR_INTERNAL;
    (*out)->front = front;
    (*out)->asked_ms = clock_mono_ms();
    (*out)->again_ms = UINT64_MAX;
    return KS_OK;
}

struct checkpoint *
checkpoint_free(struct checkpoint *checkpoint)
{
    if (checkpoint)
        strv_deinit(&checkpoint->failed);
    free(checkpoint);
    return NULL;
}

void
checkpoint_tick(struct checkpoint *checkpoint)
{
    if (clock_mono_ms() - checkpoint->asked_ms >= wait_ms(checkpoint))
        make(checkpoint);
}

/* Of the configuration in force, which a reload changes. */
static uint64_t
wait_ms(const struct checkpoint *checkpoint)
{
    uint64_t interval_ms = (uint64_t)checkpoint->front->config->audit_checkpoint_s * 1000;

    return checkpoint->again_ms < interval_ms ? checkpoint->again_ms : interval_ms;
}

void
checkpoint_last(struct checkpoint *checkpoint)
{
    strv_deinit(&checkpoint->failed);
    make(checkpoint);
}

static void
make(struct checkpoint *checkpoint)
{
    struct front *front = checkpoint->front;
    const struct directory_entry *key;
    struct fault why = FAULT_INIT;
    struct job job = JOB_INIT;
    struct call *call;
    ks_err err;

    if (checkpoint->open || front->config->audit_checkpoint_s == 0)
        return;
    key = find_key(checkpoint);
    if (!key && checkpoint->failed.n_items > 0) {
        strv_deinit(&checkpoint->failed);
        checkpoint->again_ms = AGAIN_MS;
    }
    if (!key || !audit_checkpoint_due(front->audit, checkpoint->made.text))
        return;
    checkpoint->asked_ms = clock_mono_ms();
    memcpy(checkpoint->made.token, key->token, sizeof(key->token));
    memcpy(checkpoint->made.public_key, key->public_key, key->public_key_len);
    checkpoint->made.public_key_len = key->public_key_len;
    memcpy(checkpoint->public_key_sha256, key->public_key_sha256, KS_SHA256_LEN);
    call = call_new(front, NULL, &CHECKPOINT, 0, 0);
    if (!call)
        return;
    job.id = call->request_id;
    job.generation = front->config->generation;
    job.operation = JOB_CHECKPOINT;
    text_copy(job.name, sizeof(job.name), KEYNAME_AUDIT);
    job.version = key->version;
    memcpy(job.public_key_sha256, key->public_key_sha256, KS_SHA256_LEN);
    job.checkpoint = checkpoint->made.text;
    checkpoint->open = true;
    call_start_deadline(call, DEADLINE_MS);
    err = route_submit(front->route, call, key->token, ROUTE_ANY, &job, &why);
    if (err)
        call_fail(call, err, &why);
}

/* On the token after the one that was asked last, of those that take jobs and have not failed: one that
 * cannot sign, or whose signature keysvcd refuses, must not stop the others' checkpoints. */
static const struct directory_entry *
find_key(const struct checkpoint *checkpoint)
{
    const struct front *front = checkpoint->front;
    const struct directory_entry *entries;
    size_t n = directory_versions(front->directory, KEYNAME_AUDIT, &entries);
    size_t first = after_last(checkpoint, entries, n);

    for (size_t i = 0; i < n; i++) {
        const struct directory_entry *key = &entries[(first + i) % n];

        if (is_audit_key(key) && route_first_ready(front->route, key->token) &&
            !strv_contains(&checkpoint->failed, key->token))
            return key;
    }
    return NULL;
}

/* Version 1 stands before all others. */
static size_t
after_last(const struct checkpoint *checkpoint, const struct directory_entry *entries, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(entries[i].token, checkpoint->made.token) == 0)
            return i + 1;
    return 0;
}

/* Version 1, of the kinds that keysvcd takes: whatever else a token shows under that name must stop no
 * checkpoint. */
static bool
is_audit_key(const struct directory_entry *key)
{
    return key->version == AUDIT_KEY_VERSION && !key->ambiguous && key->public_key &&
           audit_key_known(key->public_key, key->public_key_len);
}

static void
finish(struct call *call, const struct job_reply *reply)
{
    struct front *front = call->front;
    struct checkpoint *checkpoint = front->checkpoint;
    struct reply nobody = {0};

    checkpoint->open = false;
    if (reply->data_len == 0 || reply->data_len > sizeof(checkpoint->made.signature)) {
        log_error("event=checkpoint-failed reason=\"a signature of %zu bytes\"", reply->data_len);
        ask_next(checkpoint);
    } else {
        strv_deinit(&checkpoint->failed);
        checkpoint->again_ms = UINT64_MAX;
        memcpy(checkpoint->made.signature, reply->data, reply->data_len);
        checkpoint->made.signature_len = reply->data_len;
        audit_checkpoint(front->audit, checkpoint->made.text, reply->data, reply->data_len,
                         checkpoint->public_key_sha256);
        control_send_checkpoint(front->control, &checkpoint->made);
    }
    call_answer(call, &nobody);
}

static void
failed(struct call *call, ks_err err, const struct fault *why)
{
    struct checkpoint *checkpoint = call->front->checkpoint;

    checkpoint->open = false;
    log_warning("event=checkpoint-failed token=%s outcome=%s reason=\"%s\"", checkpoint->made.token,
                err_info(err)->name, LOG_TEXT(why ? why->text : ""));
    ask_next(checkpoint);
}

/* At the next tick: a call may fail because the front ends, when there is nobody to ask any more. */
static void
ask_next(struct checkpoint *checkpoint)
{
    bool noted = strv_add(&checkpoint->failed, checkpoint->made.token) == KS_OK;

    checkpoint->again_ms = noted ? 0 : AGAIN_MS;
}
