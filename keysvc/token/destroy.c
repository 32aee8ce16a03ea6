/* SPDX-License-Identifier: Apache-2.0 */
/*
 * destroy - what is to go, and its going
 */
#include "token/destroy.h"

#include "token/certobject.h"
#include "token/change.h"
#include "token/object.h"

/* All that carries a key's label, then what of it is to go. */
struct remains {
    struct object_list private_keys;
    struct object_list public_keys;
    struct certobject_set certificates;
};

/* One destruction, over its attempts. */
struct ruin {
    const struct job *job;
    const char *label;
    bool look_only;
    size_t n_found; /* objects at the first look */
    bool has_begun; /* an attempt was made */
    bool has_sha256;
    uint8_t sha256[KS_SHA256_LEN]; /* of the public key that goes */
};

static ks_err decide(struct worker *worker, struct change *change, struct fault *why);
static ks_err destroy(struct worker *worker, struct change *change, struct fault *why);
static ks_err step(struct worker *worker, void *context, struct fault *why);
static ks_err look(struct worker *worker, const char *label, struct remains *out,
                   struct fault *why);
static ks_err choose(struct worker *worker, struct ruin *ruin, struct remains *remains,
                     struct fault *why);
static ks_err choose_meant(struct worker *worker, struct ruin *ruin, struct remains *remains,
                           struct fault *why);
static ks_err destroy_all(struct worker *worker, const struct remains *remains, struct fault *why);
static ks_err end(struct worker *worker, const struct ruin *ruin, ks_err err, struct fault *why);

static void
remains_deinit(struct remains *remains)
{
    object_list_deinit(&remains->private_keys);
    object_list_deinit(&remains->public_keys);
    certobject_set_deinit(&remains->certificates);
}

static size_t
count(const struct remains *remains)
{
    return remains->private_keys.n_handles + remains->public_keys.n_handles +
           certobject_count(&remains->certificates);
}

ks_err
destroy_run(struct worker *worker, const struct job *job, struct answer *answer, struct fault *why)
{
    struct ruin ruin = {.job = job, .look_only = true};
    struct change change = {.job = job, .decide = decide, .carry_out = destroy, .context = &ruin};

    (void)answer;
    keyname_label(job->name, job->version, change.label);
    ruin.label = change.label;
    return change_run(worker, &change, why);
}

static ks_err
decide(struct worker *worker, struct change *change, struct fault *why)
{
    const struct job *job = change->job;
    struct ruin *ruin = change->context;
    ks_err err;

    if (job->version == 0) {
        fault_set(why, "which version of %s is to be destroyed must be said", job->name);
        return KS_ERR_BAD_REQUEST;
    }
    if (job->version == 1 && config_key_find(worker->config, job->name)) {
        fault_set(why, "the key %s was made by another program and is not destroyed", ruin->label);
        fault_hint(why, "remove the section `key %s` from keysvcd.conf", job->name);
        return KS_ERR_BAD_REQUEST;
    }
    err = worker_try(worker, step, ruin, why);
    if (ruin->has_sha256)
        change->public_key_sha256 = ruin->sha256;
    return err;
}

static ks_err
destroy(struct worker *worker, struct change *change, struct fault *why)
{
    struct ruin *ruin = change->context;
    ks_err err;

    ruin->look_only = false;
    err = end(worker, ruin, worker_try(worker, step, ruin, why), why);
    worker_lost_key(worker, ruin->label, err == KS_OK);
    return err;
}

/* Looks and decides; then destroys, unless it was only to look. */
static ks_err
step(struct worker *worker, void *context, struct fault *why)
{
    ks_auto(remains_deinit) struct remains remains = {0};
    struct ruin *ruin = context;
    size_t n_found;
    ks_err err;

    err = look(worker, ruin->label, &remains, why);
    if (err)
        return err;
    n_found = count(&remains);
    if (n_found == 0 && ruin->has_begun)
        return KS_OK; /* the attempt before this one got to the end, and lost its session there */
    if (n_found == 0) {
        fault_set(why, "the token has nothing with the label %s", ruin->label);
        return ruin->look_only ? KS_ERR_NO_KEY : KS_ERR_TOKEN_UNAVAILABLE;
    }
    err = choose(worker, ruin, &remains, why);
    if (err)
        return err;
    if (ruin->look_only) {
        ruin->n_found = n_found;
        return KS_OK;
    }
    ruin->has_begun = true;
    return destroy_all(worker, &remains, why);
}

static ks_err
look(struct worker *worker, const char *label, struct remains *out, struct fault *why)
{
    bool has_certificates = !(worker->token->profile.lacks & CONFIG_LACKS_CERTIFICATES);
    ks_err err;

    err = object_find(worker->slot, CKO_PRIVATE_KEY, label, &out->private_keys, why);
    if (!err)
        err = object_find(worker->slot, CKO_PUBLIC_KEY, label, &out->public_keys, why);
    if (!err && has_certificates)
        err = certobject_find(worker->slot, label, &out->certificates, why);
    return err;
}

static ks_err
key_changed(const struct ruin *ruin, struct fault *why)
{
    fault_set(why, "the key %s on the token is another one than the request means", ruin->label);
    return KS_ERR_KEY_CHANGED;
}

static ks_err
ambiguous(const struct ruin *ruin, struct fault *why)
{
    fault_set(why, "two private keys on the token carry the label %s", ruin->label);
    fault_hint(why, "name the one by its public key, or remove it with the token's own tool");
    return KS_ERR_AMBIGUOUS_KEY;
}

/* Leaves in `remains` what is to go. */
static ks_err
choose(struct worker *worker, struct ruin *ruin, struct remains *remains, struct fault *why)
{
    static const uint8_t whatever[KS_SHA256_LEN];
    struct spki spki;
    ks_err err = KS_ERR_NO_KEY;

    if (memcmp(ruin->job->public_key_sha256, whatever, sizeof(whatever)) != 0)
        return choose_meant(worker, ruin, remains, why);
    if (remains->private_keys.n_handles > 1)
        return ambiguous(ruin, why);
    for (size_t i = 0; err == KS_ERR_NO_KEY && i < remains->public_keys.n_handles; i++)
        err = object_spki(worker->slot, remains->public_keys.handles[i], &spki, why);
    if (!err) {
        spki_sha256(&spki, ruin->sha256);
        ruin->has_sha256 = true;
    }
    return err == KS_ERR_NO_KEY ? KS_OK : err;
}

/* Keeps in the list the objects that show the public key that is meant; *n_others: another one. */
static ks_err
keep_public(struct worker *worker, const struct job *job, const struct object_list *list,
            struct object_list *kept, struct spki *meant, size_t *n_others, struct fault *why)
{
    kept->handles = calloc(list->n_handles + 1, sizeof(*kept->handles));
    *n_others = 0;
    if (!kept->handles)
        return KS_ERR_INTERNAL;
    for (size_t i = 0; i < list->n_handles; i++) {
        uint8_t sha256[KS_SHA256_LEN];
        struct spki spki;
        ks_err err = object_spki(worker->slot, list->handles[i], &spki, why);

        if (err == KS_ERR_NO_KEY)
            continue;
        if (err)
            return err;
        spki_sha256(&spki, sha256);
        if (memcmp(sha256, job->public_key_sha256, sizeof(sha256)) != 0) {
            (*n_others)++;
            continue;
        }
        *meant = spki;
        kept->handles[kept->n_handles++] = list->handles[i];
    }
    return KS_OK;
}

/*
 * Many tokens do not show the public half of a private key. Its CKA_ID, which is the public key's
 * identifier where we could set it, tells too; and where one private key and no other public key
 * carry the label, they belong together. `meant` has a len of 0 if no public object is it.
 */
static ks_err
is_private_half(struct worker *worker, const struct job *job, CK_OBJECT_HANDLE object,
                const struct spki *meant, bool alone, bool *is, struct fault *why)
{
    ks_auto(buf_deinit) struct buf found = BUF_INIT;
    uint8_t id[SPKI_KEY_ID_LEN], sha256[KS_SHA256_LEN];
    struct spki spki;
    ks_err err = object_spki(worker->slot, object, &spki, why);

    *is = false;
    if (!err) {
        spki_sha256(&spki, sha256);
        *is = memcmp(sha256, job->public_key_sha256, sizeof(sha256)) == 0;
    }
    if (err != KS_ERR_NO_KEY)
        return err;
    if (meant->len == 0)
        return KS_OK;
    err = object_bytes(worker->slot, object, CKA_ID, sizeof(id), &found, why);
    if (err && err != KS_ERR_NO_KEY)
        return err;
    *is = alone || (!err && spki_key_id(meant, id) == KS_OK && found.len == sizeof(id) &&
                    memcmp(found.data, id, sizeof(id)) == 0);
    return KS_OK;
}

static ks_err
keep_private(struct worker *worker, const struct job *job, struct object_list *list,
             const struct spki *meant, bool alone, struct fault *why)
{
    size_t n_kept = 0;

    for (size_t i = 0; i < list->n_handles; i++) {
        bool is = false;
        ks_err err = is_private_half(worker, job, list->handles[i], meant, alone, &is, why);

        if (err)
            return err;
        if (is)
            list->handles[n_kept++] = list->handles[i];
    }
    list->n_handles = n_kept;
    return KS_OK;
}

static ks_err
choose_meant(struct worker *worker, struct ruin *ruin, struct remains *remains, struct fault *why)
{
    ks_auto(object_list_deinit) struct object_list publics = OBJECT_LIST_INIT;
    size_t n_privates = remains->private_keys.n_handles, n_others = 0;
    struct spki meant = {.len = 0};
    ks_err err;

    err = keep_public(worker, ruin->job, &remains->public_keys, &publics, &meant, &n_others, why);
    if (!err)
        err = keep_private(worker, ruin->job, &remains->private_keys, &meant,
                           n_privates == 1 && n_others == 0, why);
    if (err)
        return err;
    if (n_privates > 0 && remains->private_keys.n_handles == 0)
        return key_changed(ruin, why);
    if (n_privates == 0 && n_others > 0 && publics.n_handles == 0)
        return key_changed(ruin, why);
    if (remains->private_keys.n_handles > 1)
        return ambiguous(ruin, why);
    memcpy(ruin->sha256, ruin->job->public_key_sha256, sizeof(ruin->sha256));
    ruin->has_sha256 = true;
    if (n_privates > 1) {
        object_list_deinit(&remains->public_keys);
        remains->public_keys = publics;
        publics = (struct object_list)OBJECT_LIST_INIT;
        certobject_set_deinit(&remains->certificates);
    }
    return KS_OK;
}

static ks_err
destroy_list(struct worker *worker, const struct object_list *list, struct fault *why)
{
    for (size_t i = 0; i < list->n_handles; i++) {
        ks_err err = object_destroy(worker->slot, list->handles[i], why);

        if (err)
            return err;
    }
    return KS_OK;
}

static ks_err
destroy_all(struct worker *worker, const struct remains *remains, struct fault *why)
{
    size_t n_certificates = 0;
    ks_err err;

    err = destroy_list(worker, &remains->private_keys, why);
    if (!err)
        err = destroy_list(worker, &remains->public_keys, why);
    if (!err)
        err = certobject_remove(worker->slot, &remains->certificates, NULL, &n_certificates, why);
    return err;
}

/* The token failed. If it still answers and everything is there, nothing was changed. */
static ks_err
end(struct worker *worker, const struct ruin *ruin, ks_err err, struct fault *why)
{
    ks_auto(remains_deinit) struct remains remains = {0};
    struct fault ignored = FAULT_INIT;

    if (!err)
        return KS_OK;
    if (look(worker, ruin->label, &remains, &ignored) == KS_OK && count(&remains) == ruin->n_found)
        return err;
    fault_prefix(why, "the key %s may be partly destroyed", ruin->label);
    fault_hint(why, "`keysvc key show` says whether it is there; destroying it again removes what "
                    "is left");
    return KS_ERR_OUTCOME_UNKNOWN;
}
