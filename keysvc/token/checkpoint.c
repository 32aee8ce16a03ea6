/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint - signatures over the state of audit chains
 */
#include "token/checkpoint.h"

#include "base/audit_key.h"
#include "base/log.h"
#include "token/change.h"
#include "token/generate.h"
#include "token/purpose.h"
#include "token/sign.h"

#define FRONT_PREFIX CHAIN_CHECKPOINT_PREFIX "chain=front "

static ks_err find_key(struct worker *worker, struct key **key, struct fault *why);
static ks_err make_key(struct worker *worker, struct fault *why);
static ks_err sign_text(struct worker *worker, const char *text, struct key **key,
                        struct sign_result *out, struct fault *why);

void
checkpoint_prepare(struct worker *worker)
{
    struct fault why = FAULT_INIT;
    struct key *key = NULL;
    ks_err err;

    err = find_key(worker, &key, &why);
    if (err == KS_ERR_NO_KEY) {
        why = (struct fault)FAULT_INIT;
        err = make_key(worker, &why);
    }
    if (!err)
        return;
    worker->audit_key_failed = true;
    log_warning("event=no-audit-key token=%s outcome=%s text=\"%s\" hint=\"%s\"",
                worker->token->name, err_info(err)->name, LOG_TEXT(why.text), LOG_TEXT(why.hint));
}

/* One that other tools made may be of a kind that keysvcd does not take: then the token serves its
 * other keys, and there are no checkpoints. */
static ks_err
find_key(struct worker *worker, struct key **key, struct fault *why)
{
    ks_err err = worker_find_key(worker, WORKER_AUDIT_LABEL, NULL, key, why);

    if (err || audit_key_known((*key)->spki.der, (*key)->spki.len))
        return err;
    fault_set(why, "the key " WORKER_AUDIT_LABEL " is none of " AUDIT_KEY_KINDS
                   ": there are no checkpoints");
    fault_hint(why,
               "other tools made it: remove it with them, and the next token process makes one "
               "of the right kind");
    return KS_ERR_UNSUPPORTED;
}

/* The fastest that this kind of token can make. */
static enum ks_key_type
audit_key_type(const struct worker *worker)
{
    static const enum ks_key_type types[] = {KS_KEY_TYPE_EC_P256, KS_KEY_TYPE_EC_P384,
                                             KS_KEY_TYPE_RSA_2048};
    uint64_t lacks = worker->token->profile.lacks;

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (!(lacks & CONFIG_LACKS_TYPE(types[i])))
            return types[i];
    }
    return KS_KEY_TYPE_RSA_3072;
}

/* Checkpoints are verified with SHA-256, whatever the key. */
static enum ks_algorithm
audit_algorithm(const struct key *key)
{
    return key->spki.type >= KS_KEY_TYPE_RSA_2048 ? KS_ALGORITHM_RSA_PKCS1_SHA256
                                                  : KS_ALGORITHM_ECDSA_SHA256;
}

/* A change like any other, but nobody's request. */
static ks_err
make_key(struct worker *worker, struct fault *why)
{
    struct job job = {.operation = JOB_GENERATE};
    struct change change = {.job = &job,
                            .carry_out = generate_step,
                            .label = WORKER_AUDIT_LABEL,
                            .type = audit_key_type(worker)};
    ks_err err = generate_label_free(worker, WORKER_AUDIT_LABEL, why);

    job.caller.uid = getuid();
    job.caller.gid = getgid();
    job.caller.pid = getpid();
    (void)text_copy(job.name, sizeof(job.name), KEYNAME_AUDIT);
    return err ? err : change_carry_out(worker, &change, why);
}

static ks_err
sign_text(struct worker *worker, const char *text, struct key **key, struct sign_result *out,
          struct fault *why)
{
    enum ks_algorithm algorithm;
    ks_err err;

    err = find_key(worker, key, why);
    if (!err)
        err = sign_algorithm(worker, *key, audit_algorithm(*key), &algorithm, why);
    if (!err)
        err = purpose_check(KS_PURPOSE_AUDIT, false, algorithm, KS_HASH_NONE, (const uint8_t *)text,
                            strlen(text), why);
    if (err)
        return err;
    return sign_bytes(worker, *key, algorithm, KS_HASH_NONE, (const uint8_t *)text, strlen(text),
                      out, why);
}

static ks_err
make(struct worker *worker, struct control_checkpoint *checkpoint, struct fault *why)
{
    struct sign_result result = {.signature_len = 0};
    struct key *key = NULL;
    ks_err err;

    audit_checkpoint_text(worker->audit, checkpoint->text);
    (void)text_copy(checkpoint->token, sizeof(checkpoint->token), worker->token->name);
    err = sign_text(worker, checkpoint->text, &key, &result, why);
    if (err)
        return err;
    memcpy(checkpoint->signature, result.signature, result.signature_len);
    checkpoint->signature_len = result.signature_len;
    memcpy(checkpoint->public_key, key->spki.der, key->spki.len);
    checkpoint->public_key_len = key->spki.len;
    /* What was gathered meanwhile (a new login) goes with it. */
    audit_checkpoint(worker->audit, checkpoint);
    return audit_flush(worker->audit, true, why);
}

void
checkpoint_make(struct worker *worker)
{
    struct control_checkpoint checkpoint = {.signature_len = 0};
    struct fault why = FAULT_INIT;
    ks_err err;

    /* Signs what is on disk, so everything gathered goes there first. */
    err = audit_flush(worker->audit, true, &why);
    if (!err)
        err = make(worker, &checkpoint, &why);
    audit_checkpoint_done(worker->audit);
    if (err) {
        if (!worker->audit_key_failed)
            log_warning("event=checkpoint-failed token=%s outcome=%s text=\"%s\"",
                        worker->token->name, err_info(err)->name, why.text);
        worker->audit_key_failed = true;
        worker_judge(worker, err, &why);
        return;
    }
    worker->audit_key_failed = false;
    if (worker->parent && parent_checkpoint(worker->parent, &checkpoint) != KS_OK)
        worker->exit_code = CONTROL_EXIT_SETUP;
}

ks_err
checkpoint_run(struct worker *worker, const struct job *job, struct answer *answer,
               struct fault *why)
{
    struct audit_deed deed = {.event = "front_checkpoint", .label = WORKER_AUDIT_LABEL, .why = why};
    struct sign_result result = {.signature_len = 0};
    struct key *key = NULL;

    /* Signed by version 1 all the same, the front would write down the other one beside it. */
    if (job->version != AUDIT_KEY_VERSION) {
        fault_set(why, WORKER_AUDIT_LABEL " signs checkpoints, and no other version does");
        deed.outcome = KS_ERR_PURPOSE;
        deed.event = "refused";
    } else if (strncmp(job->checkpoint, FRONT_PREFIX, strlen(FRONT_PREFIX)) != 0) {
        fault_set(why, "not a checkpoint of the front's chain");
        deed.outcome = KS_ERR_PURPOSE;
        deed.event = "refused";
    } else {
        deed.outcome = sign_text(worker, job->checkpoint, &key, &result, why);
        deed.algorithm = key ? audit_algorithm(key) : KS_ALGORITHM_DEFAULT;
        deed.digest = result.digest_len > 0 ? result.digest : NULL;
        deed.digest_len = result.digest_len;
    }
    audit_deed(worker->audit, job, &deed);
    if (deed.outcome)
        return deed.outcome;
    answer->algorithm = audit_algorithm(key);
    buf_append(&answer->data, result.signature, result.signature_len);
    return answer->data.failed ? KS_ERR_INTERNAL : KS_OK;
}
