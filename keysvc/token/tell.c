/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tell - messages to the front, and records of purposes
 */
#include "token/tell.h"

#include "base/log.h"

#define ROOM_WAIT_MS 5000 /* a front that lives reads a whole backlog in a second */

static ks_err send_key(struct worker *worker, const struct key *key);
static void note_purpose(struct worker *worker, struct key *key);

static ks_err
send_key(struct worker *worker, const struct key *key)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    struct job_key entry = {.version = key->version, .state = key->state, .type = key->spki.type};
    ks_err err;

    (void)text_copy(entry.name, sizeof(entry.name), key->name);
    entry.public_key_len = key->spki.len;
    memcpy(entry.public_key, key->spki.der, key->spki.len);
    job_key_pack(&body, &entry);
    /* A token may have more keys than fit into the backlog. */
    err = channel_make_room(worker->front, body.len, ROOM_WAIT_MS);
    return err ? err : channel_queue(worker->front, JOB_MESSAGE_DIRECTORY_KEY, &body, NULL, 0);
}

static void
note_purpose(struct worker *worker, struct key *key)
{
    const struct config_class *class = config_class_of(worker->config, key->name);
    enum ks_purpose purpose = class ? class->purpose : KS_PURPOSE_NONE;

    if (strcmp(key->name, KEYNAME_AUDIT) == 0)
        purpose = KS_PURPOSE_AUDIT;
    else if (class && !config_is_member(worker->config, class->token, worker->token->name))
        purpose = KS_PURPOSE_NONE;
    if (key->state == JOB_KEY_GONE || key->recorded_purpose == purpose)
        return;
    audit_purpose(worker->audit, key->label, purpose);
    key->recorded_purpose = purpose;
}

void
tell_changes(struct worker *worker)
{
    struct key *key;

    while ((key = keys_take_changed(worker->keys))) {
        note_purpose(worker, key);
        if (send_key(worker, key) != KS_OK)
            log_error("event=directory-lost token=%s key=%s", worker->token->name, key->label);
    }
}

void
tell_purposes(struct worker *worker)
{
    for (size_t i = 0; worker->index == 1 && i < keys_count(worker->keys); i++)
        note_purpose(worker, keys_at(worker->keys, i));
}

void
tell_directory(struct worker *worker)
{
    ks_err err;

    if (worker->index != 1 || !worker->front)
        return;
    err = channel_queue(worker->front, JOB_MESSAGE_DIRECTORY_BEGIN, NULL, NULL, 0);
    for (size_t i = 0; !err && i < keys_count(worker->keys); i++) {
        if (keys_at(worker->keys, i)->state != JOB_KEY_GONE)
            err = send_key(worker, keys_at(worker->keys, i));
    }
    if (!err)
        err = channel_queue(worker->front, JOB_MESSAGE_DIRECTORY_END, NULL, NULL, 0);
    if (!err)
        err = channel_flush(worker->front);
    if (!err)
        return;
    log_error("event=directory-lost token=%s outcome=%s", worker->token->name, err_info(err)->name);
    /* A front that is there waits for the end of the list: the next process tells it. */
    if (err != KS_ERR_NO_SERVICE && worker->exit_code == WORKER_GO_ON)
        worker->exit_code = CONTROL_EXIT_TOKEN_LOST;
}

void
tell_new_stats(struct worker *worker)
{
    struct job_stats stats = audit_stats(worker->audit);

    if (stats.n_syncs != worker->told.n_syncs || stats.n_failures != worker->told.n_failures)
        tell_stats(worker);
}

void
tell_stats(struct worker *worker)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;

    if (!worker->front)
        return;
    worker->told = audit_stats(worker->audit);
    job_stats_pack(&body, &worker->told);
    if (channel_queue(worker->front, JOB_MESSAGE_STATS, &body, NULL, 0) != KS_OK ||
        channel_flush(worker->front) != KS_OK)
        log_error("event=stats-lost token=%s", worker->token->name);
}
