/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_common - finding the key a request means, and describing one
 */
#include "front/connection.h"
#include "front/dispatch.h"
#include "front/front.h"
#include "front/operations.h"
#include "front/route.h"

/* The class whose key this is; a key on another token than its class's is in none. */
static const struct config_class *
class_of(const struct front *front, const struct directory_entry *entry)
{
    const struct config_class *class = config_class_of(front->config, entry->name);

    return class && config_is_member(front->config, class->token, entry->token) ? class : NULL;
}

/* Of a key that two tokens show differently no public half is told: nobody should go on with one. */
static bool
show_group(const struct front *front, const struct config_class *class,
           const struct directory_entry *entry, struct reply_key *out)
{
    struct holders holders;

    holders_find(front->config, front->directory, class->token, entry->name, entry->version,
                 &holders);
    out->config = front->config;
    out->group = class->token;
    out->members = holders.shown;
    out->ambiguous = holders.doubled || holders.rival;
    if (holders.rival)
        out->public_key_sha256 = NULL;
    return holders.key == entry;
}

bool
op_reply_key(const struct front *front, const struct directory_entry *entry, struct reply_key *out)
{
    const struct config_class *class = class_of(front, entry);

    *out = (struct reply_key){
        .name = entry->name,
        .version = entry->version,
        .type = entry->type,
        .token = entry->token,
        .class = class ? class->glob : "",
        .purpose = class ? class->purpose : KS_PURPOSE_NONE,
        .public_key_sha256 = entry->public_key ? entry->public_key_sha256 : NULL,
        .ambiguous = entry->ambiguous,
    };
    if (strcmp(entry->name, KEYNAME_AUDIT) == 0)
        out->purpose = KS_PURPOSE_AUDIT;
    return !class || !config_group_find(front->config, class->token) ||
           show_group(front, class, entry, out);
}

/* Of the same name on the same token or group, ascending. */
static size_t
collect_versions(const struct front *front, const struct directory_entry *key, uint32_t **out)
{
    const struct config_class *class = class_of(front, key);
    const char *place = class ? class->token : key->token;
    const struct directory_entry *entries;
    size_t n = directory_versions(front->directory, key->name, &entries), n_versions = 0;

    *out = calloc(n, sizeof(**out));
    for (size_t i = 0; i < n && *out; i++) {
        bool had = n_versions > 0 && (*out)[n_versions - 1] == entries[i].version;

        if (!had && config_is_member(front->config, place, entries[i].token))
            (*out)[n_versions++] = entries[i].version;
    }
    return n_versions;
}

struct reply_key
op_reply_whole_key(const struct front *front, const struct directory_entry *entry,
                   uint32_t **versions)
{
    struct reply_key key;

    (void)op_reply_key(front, entry, &key);
    if (key.public_key_sha256) {
        key.public_key = entry->public_key;
        key.public_key_len = entry->public_key_len;
    }
    key.n_versions = collect_versions(front, entry, versions);
    key.versions = *versions;
    return key;
}

/* "token" or "group" */
static const char *
kind(const struct call *call, const struct config_class *class)
{
    return config_group_find(call->front->config, class->token) ? "group" : "token";
}

static void
say_no_key(const struct call *call, const char *name, uint32_t version,
           const struct config_class *class, struct fault *why)
{
    struct holders newest;

    holders_find(call->front->config, call->front->directory, class->token, name, 0, &newest);
    if (!newest.key)
        fault_set(why, "no key %s on %s %s", name, kind(call, class), class->token);
    else
        fault_set(why, "no version %u of key %s on %s %s; the newest is %u", version, name,
                  kind(call, class), class->token, newest.key->version);
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

/* A token alone looks again itself before it makes anything; one of a group sees only its own. */
static ks_err
check_all_known(const struct call *call, const struct config_class *class, struct fault *why)
{
    const struct front *front = call->front;
    const char *token = holders_unknown(front->config, front->directory, class->token);
    ks_err err;

    if (!token || strcmp(token, class->token) == 0)
        return KS_OK;
    err = route_unknown(front->route, token, why);
    fault_prefix(why, "no key is made in group %s before all of its tokens have told theirs",
                 class->token);
    fault_hint(why, "if %s is not to come back, take it out of group %s and reload", token,
               class->token);
    return err;
}

ks_err
op_check_new(const struct call *call, const char *name, const struct config_class *class,
             struct fault *why)
{
    struct holders holders;

    holders_find(call->front->config, call->front->directory, class->token, name, 0, &holders);
    if (!holders.key)
        return check_all_known(call, class, why);
    fault_set(why, "key %s exists on token %s; its newest version is %u", name, holders.key->token,
              holders.key->version);
    return KS_ERR_EXISTS;
}

ks_err
op_check_newest(const struct call *call, const struct request *request,
                const struct config_class *class, struct holders *out, struct fault *why)
{
    struct holders newest;
    ks_err err = op_find_key(call, request->name, request->version, out, why);

    if (err)
        return err;
    holders_find(call->front->config, call->front->directory, class->token, request->name, 0,
                 &newest);
    if (newest.key->version == request->version)
        return check_all_known(call, class, why);
    fault_set(why, "version %u of key %s is not the newest any more: that is %u", request->version,
              request->name, newest.key->version);
    return KS_ERR_EXISTS;
}

/* Why the directory does not have it. */
static ks_err
no_key(const struct call *call, const char *name, uint32_t version,
       const struct config_class *class, struct fault *why)
{
    const struct front *front = call->front;
    const char *unknown = holders_unknown(front->config, front->directory, class->token);

    if (unknown)
        return route_unknown(front->route, unknown, why);
    say_no_key(call, name, version, class, why);
    return KS_ERR_NO_KEY;
}

ks_err
op_check_one_key(const struct config_class *class, const struct holders *holders, struct fault *why)
{
    if (!holders->rival)
        return KS_OK;
    fault_set(why,
              "tokens %s and %s of group %s have different keys that are called %s@%u: neither is "
              "used",
              holders->key->token, holders->rival->token, class->token, holders->key->name,
              holders->key->version);
    fault_hint(why,
               "take the token with the wrong one out of the group, or destroy that key with the "
               "vendor's tools and run keysvc token rescan");
    return KS_ERR_AMBIGUOUS_KEY;
}

ks_err
op_find_key(const struct call *call, const char *name, uint32_t version, struct holders *out,
            struct fault *why)
{
    const struct front *front = call->front;
    const struct config_class *class = config_class_of(front->config, name);

    if (!class) {
        fault_set(why, "key %s belongs to no class", name);
        return KS_ERR_PURPOSE;
    }
    holders_find(front->config, front->directory, class->token, name, version, out);
    if (!out->key)
        return no_key(call, name, version, class, why);
    if (out->doubled) {
        fault_set(why, "two private keys on token %s are called %s@%u: neither is used",
                  out->doubled->token, name, out->doubled->version);
        return KS_ERR_AMBIGUOUS_KEY;
    }
    return op_check_one_key(class, out, why);
}

/* Of several that one label stands for. */
static bool
find_meant(const struct call *call, const struct request *request, struct holders *out)
{
    const struct front *front = call->front;

    holders_find_meant(front->config, front->directory,
                       config_class_of(front->config, request->name)->token, request->name,
                       request->version, request->public_key_sha256, out);
    return out->key != NULL;
}

ks_err
op_find_meant_key(const struct call *call, const struct request *request, struct holders *out,
                  struct fault *why)
{
    ks_err err = op_find_key(call, request->name, request->version, out, why);

    if (err == KS_ERR_AMBIGUOUS_KEY && !call->operation->changes &&
        find_meant(call, request, out)) {
        *why = (struct fault)FAULT_INIT;
        return KS_OK;
    }
    if (err)
        return err;
    if (!out->key->public_key) {
        fault_set(why, "%s has no public half on token %s that it could be known by", call->subject,
                  out->key->token);
        return KS_ERR_KEY_CHANGED;
    }
    if (memcmp(out->key->public_key_sha256, request->public_key_sha256, KS_SHA256_LEN) != 0) {
        fault_set(why, "%s on token %s is another key than the one that is meant", call->subject,
                  out->key->token);
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
    const struct config_class *class = config_class_of(call->front->config, request->name);
    struct holders holders;
    struct job job;
    ks_err err;

    err = op_find_meant_key(call, request, &holders, why);
    if (err)
        return err;
    op_job_init(&job, call, request, operation);
    job.sign = request->sign;
    job.csr = request->csr; /* its list belongs to the request */
    job.days = request->days;
    job.chain = request->chain;
    call_start_deadline(call, request->deadline_ms);
    return route_submit(call->front->route, call, class->token, holders.members, &job, why);
}
