/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificate - put, get and delete of the certificates beside a key
 *
 * certchain.c says what may stand there, certobject.c knows the token's objects.
 */
#include "token/certificate.h"

#include "token/certchain.h"
#include "token/certobject.h"
#include "token/change.h"

#define MATCHES_MAX 64 /* objects of one label; there is one, after a crash two */

/* One attempt or two at replacing what is there. */
struct put {
    const char *label;
    const struct certchain *chain;
    const uint8_t *id;
    bool unsure; /* not everything that was begun could be taken back */
};

/* What is to be put, once it is decided. */
struct chosen {
    struct key *key;
    struct certchain chain;
    uint8_t sha256[KS_SHA256_LEN]; /* of the key's own certificate */
};

struct get {
    const char *label;
    EVP_PKEY *key;
    struct certchain chain;
};

struct removal {
    const char *label;
    size_t n_found; /* at the first look */
    size_t n_removed;
};

/* Which of the objects with one label is looked for: the key's own, or an issuer. */
struct wanted {
    EVP_PKEY *key;
    X509 *issued; /* NULL: the key's own */
};

static ks_err find_key(struct worker *worker, const struct job *job, const char *label,
                       struct key **key, struct fault *why);
static ks_err decide_put(struct worker *worker, struct change *change, struct fault *why);
static ks_err carry_out_put(struct worker *worker, struct change *change, struct fault *why);
static ks_err take_chain(const struct key *key, const struct job_chain *data, struct certchain *out,
                         struct fault *why);
static ks_err write_chain(struct worker *worker, const struct key *key,
                          const struct certchain *chain, struct fault *why);
static ks_err write_once(struct worker *worker, void *context, struct fault *why);
static ks_err read_once(struct worker *worker, void *context, struct fault *why);
static ks_err choose(struct slot *slot, const char *label, size_t position,
                     const struct wanted *wanted, X509 **out, struct fault *why);
static ks_err pack(const struct certchain *chain, struct buf *out, struct fault *why);
static ks_err decide_delete(struct worker *worker, struct change *change, struct fault *why);
static ks_err carry_out_delete(struct worker *worker, struct change *change, struct fault *why);
static ks_err exists_once(struct worker *worker, void *context, struct fault *why);
static ks_err remove_once(struct worker *worker, void *context, struct fault *why);

/* --- put --- */

ks_err
certificate_put_run(struct worker *worker, const struct job *job, struct answer *answer,
                    struct fault *why)
{
    struct chosen chosen = {.chain = CERTCHAIN_INIT};
    struct change change = {
        .job = job, .decide = decide_put, .carry_out = carry_out_put, .context = &chosen};
    ks_err err;

    (void)answer;
    keyname_label(job->name, job->version, change.label);
    err = change_run(worker, &change, why);
    certchain_deinit(&chosen.chain);
    return err;
}

static ks_err
find_key(struct worker *worker, const struct job *job, const char *label, struct key **key,
         struct fault *why)
{
    ks_err err = worker_can(worker, CONFIG_LACKS_CERTIFICATES, why);

    return err ? err : worker_find_key(worker, label, job->public_key_sha256, key, why);
}

static ks_err
decide_put(struct worker *worker, struct change *change, struct fault *why)
{
    struct chosen *chosen = change->context;
    ks_err err = find_key(worker, change->job, change->label, &chosen->key, why);

    if (!err)
        err = take_chain(chosen->key, &change->job->chain, &chosen->chain, why);
    if (err)
        return err;
    if (X509_digest(chosen->chain.items[0], EVP_sha256(), chosen->sha256, NULL) != 1) {
        fault_set(why, "no SHA-256");
        return KS_ERR_INTERNAL;
    }
    change->certificate_sha256 = chosen->sha256;
    return KS_OK;
}

static ks_err
carry_out_put(struct worker *worker, struct change *change, struct fault *why)
{
    struct chosen *chosen = change->context;

    change->public_key_sha256 = chosen->key->spki_sha256;
    return write_chain(worker, chosen->key, &chosen->chain, why);
}

static ks_err
take_chain(const struct key *key, const struct job_chain *data, struct certchain *out,
           struct fault *why)
{
    ks_auto(ossl_pkey_freep) EVP_PKEY *pkey = NULL;
    ks_err err = spki_pkey(&key->spki, &pkey, why);

    return err ? err : certchain_take(data, pkey, key->label, out, why);
}

ks_err
certificate_put(struct worker *worker, const struct key *key, const struct job_chain *chain,
                struct fault *why)
{
    ks_auto(certchain_deinit) struct certchain taken = CERTCHAIN_INIT;
    ks_err err;

    err = worker_can(worker, CONFIG_LACKS_CERTIFICATES, why);
    if (!err)
        err = take_chain(key, chain, &taken, why);
    return err ? err : write_chain(worker, key, &taken, why);
}

static ks_err
write_chain(struct worker *worker, const struct key *key, const struct certchain *chain,
            struct fault *why)
{
    uint8_t id[SPKI_KEY_ID_LEN];
    struct put put = {.label = key->label, .chain = chain};
    ks_err err;

    if (spki_key_id(&key->spki, id) == KS_OK)
        put.id = id;
    err = worker_try(worker, write_once, &put, why);
    if (!err || !put.unsure)
        return err;
    fault_hint(why, "`keysvc key certificate %s get` shows what is there; put it again",
               key->label);
    return KS_ERR_OUTCOME_UNKNOWN;
}

static ks_err
create_all(struct slot *slot, const struct put *put, struct fault *why)
{
    ks_err err = KS_OK;

    for (size_t i = 1; !err && i < put->chain->n_items; i++)
        err = certobject_create(slot, put->label, i, put->chain->items[i], NULL, why);
    if (!err)
        err = certobject_create(slot, put->label, 0, put->chain->items[0], put->id, why);
    return err;
}

/* Takes back what is not in `before`, whether or not the token owned up to having made it; but not
 * where it does not own up to having removed some of that. */
static void
undo(struct slot *slot, struct put *put, const struct certobject_set *before)
{
    ks_auto(certobject_set_deinit) struct certobject_set now = {0};
    struct fault why = FAULT_INIT;
    size_t n_removed = 0;

    if (certobject_find(slot, put->label, &now, &why) != KS_OK ||
        !certobject_has_all(&now, before) ||
        certobject_remove(slot, &now, before, &n_removed, &why) != KS_OK)
        put->unsure = true;
}

static ks_err
write_once(struct worker *worker, void *context, struct fault *why)
{
    ks_auto(certobject_set_deinit) struct certobject_set before = {0};
    struct put *put = context;
    size_t n_removed = 0;
    ks_err err;

    err = certobject_find(worker->slot, put->label, &before, why);
    if (err)
        return err;
    err = create_all(worker->slot, put, why);
    if (!err)
        err = certobject_remove(worker->slot, &before, NULL, &n_removed, why);
    if (err && n_removed == 0)
        undo(worker->slot, put, &before);
    else if (err)
        put->unsure = true;
    return err;
}

/* --- get --- */

ks_err
certificate_get_run(struct worker *worker, const struct job *job, struct answer *answer,
                    struct fault *why)
{
    char label[KEYNAME_LABEL_MAX + 1];
    struct get get = {.label = label, .chain = CERTCHAIN_INIT};
    const struct config_class *class = NULL;
    struct key *key = NULL;
    ks_err err;

    keyname_label(job->name, job->version, label);
    err = worker_admit(worker, job, &class, why);
    if (!err)
        err = find_key(worker, job, label, &key, why);
    if (!err)
        err = keys_pkey(key, &get.key, why);
    if (!err)
        err = worker_try(worker, read_once, &get, why);
    if (!err)
        err = pack(&get.chain, &answer->data, why);
    certchain_deinit(&get.chain);
    return err;
}

static ks_err
no_certificate(const char *label, struct fault *why)
{
    fault_set(why, "no certificate stands beside the key %s", label);
    fault_hint(why, "`keysvc key certificate %s put` puts one there", label);
    return KS_ERR_NO_KEY;
}

/* The own one, then issuer after issuer, as far as there are any. */
static ks_err
read_once(struct worker *worker, void *context, struct fault *why)
{
    struct get *get = context;
    struct certchain *chain = &get->chain;
    struct wanted wanted = {.key = get->key};
    ks_err err = KS_OK;

    certchain_deinit(chain);
    while (!err && chain->n_items < JOB_MAX_CHAIN) {
        X509 *found = NULL;

        err = choose(worker->slot, get->label, chain->n_items, &wanted, &found, why);
        if (err || !found)
            break;
        chain->items[chain->n_items++] = wanted.issued = found;
        if (certchain_issued(found, found))
            break;
    }
    if (!err && chain->n_items == 0)
        err = no_certificate(get->label, why);
    return err;
}

static bool
fits(const struct wanted *wanted, X509 *certificate)
{
    if (wanted->issued)
        return certchain_issued(certificate, wanted->issued);
    return certchain_is_for(certificate, wanted->key);
}

/*
 * Of the objects with the label that fit, the one that was written last: the newest notBefore, and
 * among equals the highest handle. NULL in *out: none fits.
 */
static ks_err
choose(struct slot *slot, const char *label, size_t position, const struct wanted *wanted,
       X509 **out, struct fault *why)
{
    ks_auto(object_list_deinit) struct object_list found = OBJECT_LIST_INIT;
    ks_auto(ossl_x509_freep) X509 *best = NULL;
    CK_OBJECT_HANDLE best_handle = 0;
    ks_err err;

    err = certobject_find_at(slot, label, position, &found, why);
    if (!err && found.n_handles > MATCHES_MAX) {
        fault_set(why, "the token has %zu certificates with one label beside %s, more than %d",
                  found.n_handles, label, MATCHES_MAX);
        fault_hint(why, "`keysvc key certificate %s delete` removes them all", label);
        return KS_ERR_TOO_LARGE;
    }
    for (size_t i = 0; !err && i < found.n_handles; i++) {
        ks_auto(ossl_x509_freep) X509 *candidate = NULL;
        int order = 1;

        err = certobject_read(slot, found.handles[i], &candidate, why);
        if (err || !candidate || !fits(wanted, candidate))
            continue;
        if (best)
            order = ASN1_TIME_compare(X509_get0_notBefore(candidate), X509_get0_notBefore(best));
        if (order < 0 || (order == 0 && found.handles[i] < best_handle))
            continue;
        X509_free(best);
        best = ks_steal(&candidate);
        best_handle = found.handles[i];
    }
    if (!err)
        *out = ks_steal(&best);
    return err;
}

static ks_err
pack(const struct certchain *chain, struct buf *out, struct fault *why)
{
    struct job_chain packed = {.n_items = chain->n_items};
    uint8_t *der[JOB_MAX_CHAIN] = {NULL};
    size_t total = 0;
    ks_err err = KS_OK;

    for (size_t i = 0; i < chain->n_items; i++) {
        int len = i2d_X509(chain->items[i], &der[i]);

        if (len <= 0)
            err = KS_ERR_INTERNAL;
        packed.items[i] = (struct job_blob){der[i], len > 0 ? (size_t)len : 0};
        total += packed.items[i].len;
    }
    if (!err && total > CERTCHAIN_MAX_LEN) {
        fault_set(why, "the certificates have %zu bytes, the limit is %d", total,
                  CERTCHAIN_MAX_LEN);
        err = KS_ERR_TOO_LARGE;
    }
    if (!err)
        job_chain_pack(out, &packed);
    for (size_t i = 0; i < chain->n_items; i++)
        OPENSSL_free(der[i]);
    if (!err && out->failed)
        err = KS_ERR_INTERNAL;
    return err;
}

/* --- delete --- */

ks_err
certificate_delete_run(struct worker *worker, const struct job *job, struct answer *answer,
                       struct fault *why)
{
    struct change change = {.job = job, .decide = decide_delete, .carry_out = carry_out_delete};

    (void)answer;
    keyname_label(job->name, job->version, change.label);
    return change_run(worker, &change, why);
}

static ks_err
decide_delete(struct worker *worker, struct change *change, struct fault *why)
{
    struct key *key = NULL;
    ks_err err = find_key(worker, change->job, change->label, &key, why);

    return err ? err : worker_try(worker, exists_once, change->label, why);
}

static ks_err
carry_out_delete(struct worker *worker, struct change *change, struct fault *why)
{
    size_t n_removed = 0;

    return certificate_remove(worker, change->label, &n_removed, why);
}

static ks_err
exists_once(struct worker *worker, void *context, struct fault *why)
{
    ks_auto(certobject_set_deinit) struct certobject_set set = {0};
    const char *label = context;
    ks_err err = certobject_find(worker->slot, label, &set, why);

    if (!err && certobject_count(&set) == 0)
        err = no_certificate(label, why);
    return err;
}

ks_err
certificate_remove(struct worker *worker, const char *label, size_t *n_removed, struct fault *why)
{
    ks_auto(certobject_set_deinit) struct certobject_set now = {0};
    struct removal removal = {.label = label};
    struct fault ignored = FAULT_INIT;
    ks_err err;

    err = worker_can(worker, CONFIG_LACKS_CERTIFICATES, why);
    if (err)
        return err;
    err = worker_try(worker, remove_once, &removal, why);
    *n_removed = removal.n_removed;
    if (!err)
        return KS_OK;
    /* The token may have removed one and not owned up to it. */
    if (removal.n_removed == 0 && certobject_find(worker->slot, label, &now, &ignored) == KS_OK &&
        certobject_count(&now) == removal.n_found)
        return err;
    fault_hint(why, "some of the certificates are gone: delete them again");
    return KS_ERR_OUTCOME_UNKNOWN;
}

static ks_err
remove_once(struct worker *worker, void *context, struct fault *why)
{
    ks_auto(certobject_set_deinit) struct certobject_set set = {0};
    struct removal *removal = context;
    ks_err err = certobject_find(worker->slot, removal->label, &set, why);

    if (err)
        return err;
    if (certobject_count(&set) > removal->n_found)
        removal->n_found = certobject_count(&set);
    return certobject_remove(worker->slot, &set, NULL, &removal->n_removed, why);
}
