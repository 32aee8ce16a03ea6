/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_common - finding the key a request means, and describing one
 */
#include "front/connection.h"
#include "front/front.h"
#include "front/operations.h"
#include "front/route.h"

struct reply_key
op_reply_key(const struct front *front, const struct directory_entry *entry)
{
    const struct config_class *class = config_class_of(front->config, entry->name);
    struct reply_key key = {
        .name = entry->name,
        .version = entry->version,
        .type = entry->type,
        .token = entry->token,
        .class = "",
        .public_key_sha256 = entry->public_key ? entry->public_key_sha256 : NULL,
        .ambiguous = entry->ambiguous,
    };

    /* A key on another token than its class's is in no class. */
    if (class && strcmp(class->token, entry->token) == 0) {
        key.class = class->glob;
        key.purpose = class->purpose;
    }
    if (strcmp(entry->name, KEYNAME_AUDIT) == 0)
        key.purpose = KS_PURPOSE_AUDIT;
    return key;
}

/* Of the same name on the same token, ascending. */
static size_t
collect_versions(const struct front *front, const struct directory_entry *key, uint32_t **out)
{
    const struct directory_entry *entries;
    size_t n = directory_versions(front->directory, key->name, &entries), n_versions = 0;

    *out = calloc(n, sizeof(**out));
    for (size_t i = 0; i < n && *out; i++) {
        if (strcmp(entries[i].token, key->token) == 0)
            (*out)[n_versions++] = entries[i].version;
    }
    return n_versions;
}

struct reply_key
op_reply_whole_key(const struct front *front, const struct directory_entry *entry,
                   uint32_t **versions)
{
    struct reply_key key = op_reply_key(front, entry);

    key.public_key = entry->public_key;
    key.public_key_len = entry->public_key_len;
    key.n_versions = collect_versions(front, entry, versions);
    key.versions = *versions;
    return key;
}

static void
say_no_key(const struct front *front, const char *name, uint32_t version, const char *token,
           struct fault *why)
{
    const struct directory_entry *newest = directory_find(front->directory, name, 0, token);

    if (!newest)
        fault_set(why, "no key %s on token %s", name, token);
    else
        fault_set(why, "no version %u of key %s on token %s; the newest is %u", version, name,
                  token, newest->version);
}

ks_err
op_class_for(const struct call *call, const struct request *request,
             const struct config_class **out, struct fault *why)
{
    *out = config_class_of(call->front->config, request->name);
    if (*out && (*out)->purpose != KS_PURPOSE_AUDIT)
        return KS_OK;
    fault_set(why, *out ? "key %s is the service's own" : "key %s belongs to no class",
              request->name);
    return KS_ERR_PURPOSE;
}

ks_err
op_check_new(const struct call *call, const char *name, const struct config_class *class,
             struct fault *why)
{
    const struct directory_entry *key =
        directory_find(call->front->directory, name, 0, class->token);

    if (!key)
        return KS_OK;
    fault_set(why, "key %s exists on token %s; its newest version is %u", name, class->token,
              key->version);
    return KS_ERR_EXISTS;
}

ks_err
op_check_newest(const struct call *call, const struct request *request,
                const struct config_class *class, struct fault *why)
{
    const struct directory_entry *newest;
    ks_err err = op_find_key(call, request->name, request->version, &newest, why);

    if (err)
        return err;
    newest = directory_find(call->front->directory, request->name, 0, class->token);
    if (newest->version == request->version)
        return KS_OK;
    fault_set(why, "version %u of key %s is not the newest any more: that is %u", request->version,
              request->name, newest->version);
    return KS_ERR_EXISTS;
}

ks_err
op_no_key(const struct call *call, const char *name, uint32_t version, const char *token,
          struct fault *why)
{
    if (!directory_knows(call->front->directory, token))
        return route_unknown(call->front->route, token, why);
    say_no_key(call->front, name, version, token, why);
    return KS_ERR_NO_KEY;
}

ks_err
op_find_key(const struct call *call, const char *name, uint32_t version,
            const struct directory_entry **out, struct fault *why)
{
    const struct front *front = call->front;
    const struct config_class *class = config_class_of(front->config, name);

    if (!class) {
        fault_set(why, "key %s belongs to no class", name);
        return KS_ERR_PURPOSE;
    }
    *out = directory_find(front->directory, name, version, class->token);
    if (!*out)
        return op_no_key(call, name, version, class->token, why);
    if ((*out)->ambiguous) {
        fault_set(why, "two private keys on token %s are called %s@%u: neither is used",
                  class->token, name, (*out)->version);
        return KS_ERR_AMBIGUOUS_KEY;
    }
    return KS_OK;
}

ks_err
op_find_meant_key(const struct call *call, const struct request *request,
                  const struct directory_entry **out, struct fault *why)
{
    ks_err err = op_find_key(call, request->name, request->version, out, why);

    if (err)
        return err;
    if (!(*out)->public_key) {
        fault_set(why, "%s has no public half on token %s that it could be known by", call->subject,
                  (*out)->token);
        return KS_ERR_KEY_CHANGED;
    }
    if (memcmp((*out)->public_key_sha256, request->public_key_sha256, KS_SHA256_LEN) != 0) {
        fault_set(why, "%s on token %s is another key than the one that is meant", call->subject,
                  (*out)->token);
        return KS_ERR_KEY_CHANGED;
    }
    return KS_OK;
}

void
op_job_init(struct job *job, const struct call *call, const struct request *request,
            enum job_operation operation)
{
    const struct peer *peer = connection_peer(call->connection);

    *job = (struct job)JOB_INIT;
    job->id = call->request_id;
    job->generation = call->front->config->generation;
    job->operation = operation;
    job->caller.uid = peer->uid;
    job->caller.gid = peer->gid;
    job->caller.pid = peer->pid;
    memcpy(job->caller.unit, peer->unit, sizeof(job->caller.unit));
    memcpy(job->caller.rule, call->rule, sizeof(job->caller.rule));
    memcpy(job->name, request->name, sizeof(job->name));
    job->version = request->version;
    memcpy(job->public_key_sha256, request->public_key_sha256, KS_SHA256_LEN);
}

void
op_done(struct call *call, const struct job_reply *reply)
{
    struct reply answer = {0};

    (void)reply;
    call_answer(call, &answer);
}

/* job_pack() takes what belongs to the operation. */
ks_err
op_submit_meant(struct call *call, const struct request *request, enum job_operation operation,
                struct fault *why)
{
    const struct directory_entry *key;
    struct job job;
    ks_err err;

    err = op_find_meant_key(call, request, &key, why);
    if (err)
        return err;
    op_job_init(&job, call, request, operation);
    job.sign = request->sign;
    job.csr = request->csr; /* its list belongs to the request */
    job.days = request->days;
    job.chain = request->chain;
    call_start_deadline(call, request->deadline_ms);
    return route_submit(call->front->route, call, key->token, &job, why);
}
