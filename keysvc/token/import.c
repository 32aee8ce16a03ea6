/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import - decision, file, objects, proof, certificates
 */
#include "token/import.h"

#include "base/log.h"
#include "token/certificate.h"
#include "token/change.h"
#include "token/generate.h"
#include "token/key_object.h"
#include "token/keybundle.h"
#include "token/object.h"
#include "token/pkcs12.h"
#include "token/pkcs8.h"
#include "token/sign.h"

/* What is signed to prove a key: no TLS handshake, no DER, nothing that anybody could use. */
#define PROOF "keysvc: proof that an imported key signs"

#define PASSWORD_FILE_MAX (PBE_MAX_PASSWORD + 1) /* bytes: with its newline */

struct import {
    struct keybundle bundle;
    uint8_t sha256[KS_SHA256_LEN]; /* of the public key in it */
    struct buf told;               /* a packed job_imported */
    struct key *made;
};

static ks_err decide(struct worker *worker, struct change *change, struct fault *why);
static ks_err label_free(struct worker *worker, const char *label, struct fault *why);
static ks_err read_file(const struct job *job, struct keybundle *bundle, struct fault *why);
static ks_err check_type(struct worker *worker, const struct change *change, struct fault *why);
static ks_err tell(struct import *import, struct fault *why);
static ks_err bring(struct worker *worker, struct change *change, struct fault *why);
static ks_err prove(struct worker *worker, const char *label, struct import *import,
                    struct fault *why);
static ks_err keep_certificates(struct worker *worker, const struct job *job,
                                const struct keybundle *bundle, const struct key *key,
                                struct fault *why);
static ks_err take_back(struct worker *worker, const char *label, const struct keybundle *bundle,
                        ks_err err, struct fault *why);

ks_err
import_run(struct worker *worker, const struct job *job, struct answer *answer, struct fault *why)
{
    struct import import = {.bundle = KEYBUNDLE_INIT, .told = BUF_INIT};
    struct change change = {.job = job, .decide = decide, .carry_out = bring, .context = &import};
    ks_err err = change_run(worker, &change, why);

    keybundle_deinit(&import.bundle);
    answer->made = err ? NULL : import.made;
    if (err)
        buf_deinit(&import.told);
    else
        answer->data = import.told;
    return err;
}

static ks_err
decide(struct worker *worker, struct change *change, struct fault *why)
{
    struct import *import = change->context;
    const struct job *job = change->job;
    uint32_t version = 0;
    ks_err err;

    change->type = change->class->type;
    err = worker_can(worker, CONFIG_LACKS_IMPORT, why);
    if (!err)
        err = generate_version(worker, job, &version, why);
    if (err)
        return err;
    keyname_label(job->name, version, change->label);
    err = label_free(worker, change->label, why);
    if (!err)
        err = read_file(job, &import->bundle, why);
    if (err)
        return err;
    change->type = import->bundle.key.spki.type;
    err = check_type(worker, change, why);
    if (!err)
        err = tell(import, why);
    if (err)
        return err;
    spki_sha256(&import->bundle.key.spki, import->sha256);
    change->public_key_sha256 = import->sha256;
    return KS_OK;
}

/* A class that takes one type says which; of several the file's own is named. */
static ks_err
check_type(struct worker *worker, const struct change *change, struct fault *why)
{
    const struct config_class *class = change->class;

    if (config_class_takes(class, change->type))
        return worker_can(worker, CONFIG_LACKS_TYPE(change->type), why);
    if (class->import_types)
        fault_set(why,
                  "the file's key is of type %s, which is not among the import-types of the "
                  "class of %s",
                  ks_key_type_name(change->type), change->job->name);
    else
        fault_set(why, "the file's key is of type %s; keys of the class of %s are %s",
                  ks_key_type_name(change->type), change->job->name, ks_key_type_name(class->type));
    return KS_ERR_BAD_REQUEST;
}

/* Made before the key is: an import that happened does not fail for want of memory. */
static ks_err
tell(struct import *import, struct fault *why)
{
    struct job_imported imported;

    memcpy(imported.alias, import->bundle.alias, sizeof(imported.alias));
    keybundle_chain(&import->bundle, &imported.chain);
    job_imported_pack(&import->told, &imported);
    if (!import->told.failed)
        return KS_OK;
    fault_set(why, "no memory for the answer");
    return KS_ERR_INTERNAL;
}

/*
 * A public key object alone is what a crash in the middle of an import leaves. It is not removed
 * here: an absent private key may be one that the token does not show today.
 */
static ks_err
label_free(struct worker *worker, const char *label, struct fault *why)
{
    ks_auto(object_list_deinit) struct object_list found = OBJECT_LIST_INIT;
    struct fault ignored = FAULT_INIT;
    ks_err err = generate_label_free(worker, label, why);

    if (err == KS_ERR_EXISTS &&
        object_find(worker->slot, CKO_PRIVATE_KEY, label, &found, &ignored) == KS_OK &&
        found.n_handles == 0) {
        fault_set(why, "the token has a public key with the label %s and no private one", label);
        fault_hint(why, "`keysvc key destroy %s` removes what a broken import left", label);
    }
    return err;
}

static ks_err
read_bundle(const struct job *job, const struct keyfile *file, struct pbe *pbe,
            struct keybundle *bundle, struct fault *why)
{
    if (job->import.format == JOB_IMPORT_PKCS12)
        return pkcs12_read(file, pbe, job->import.select ? job->import.select : "", bundle, why);
    return pkcs8_read(file, pbe, bundle, why);
}

static ks_err
read_file(const struct job *job, struct keybundle *bundle, struct fault *why)
{
    ks_auto(keyfile_deinit) struct keyfile file = KEYFILE_INIT;
    ks_auto(keyfile_deinit) struct keyfile password = KEYFILE_INIT;
    ks_auto(pbe_close) struct pbe pbe = PBE_INIT; /* first of the three to go: it borrows */
    bool has_password = job->import.has_password;
    ks_err err;

    if (job->n_fds != (has_password ? 2u : 1u)) {
        fault_set(why, "the file did not come with the request");
        return KS_ERR_BAD_REQUEST;
    }
    err = keyfile_read(job->fds[0], JOB_MAX_IMPORT, "the file", &file, why);
    if (!err && has_password)
        err = keyfile_read(job->fds[1], PASSWORD_FILE_MAX, "the password", &password, why);
    if (!err && file.len == 0) {
        fault_set(why, "the file is empty");
        err = KS_ERR_BAD_REQUEST;
    }
    if (!err)
        err = pbe_open(&pbe, has_password ? &password : NULL, PBE_BUDGET, why);
    return err ? err : read_bundle(job, &file, &pbe, bundle, why);
}

static ks_err
bring(struct worker *worker, struct change *change, struct fault *why)
{
    struct import *import = change->context;
    const struct keybundle *bundle = &import->bundle;
    ks_err err = key_object_create(worker, change->label, &bundle->key, why);

    change->public_key_sha256 = NULL; /* the result names a key that is there */
    if (err)
        return err;
    err = prove(worker, change->label, import, why);
    if (!err)
        err = keep_certificates(worker, change->job, bundle, import->made, why);
    if (err)
        return take_back(worker, change->label, bundle, err, why);
    change->public_key_sha256 = import->sha256;
    return KS_OK;
}

/* A key that is found under its label, is ours, and signs. */
static ks_err
prove(struct worker *worker, const char *label, struct import *import, struct fault *why)
{
    enum ks_algorithm algorithm =
        ks_algorithm_for(import->bundle.key.spki.type, KS_ALGORITHM_DEFAULT);
    struct sign_result result = {.signature_len = 0};
    ks_err err;

    err = worker_find_key(worker, label, import->sha256, &import->made, why);
    if (!err)
        err = sign_bytes(worker, import->made, algorithm, KS_HASH_NONE, (const uint8_t *)PROOF,
                         strlen(PROOF), &result, why);
    if (err)
        fault_prefix(why, "%s was imported and does not sign, so it was destroyed", label);
    return err;
}

static ks_err
keep_certificates(struct worker *worker, const struct job *job, const struct keybundle *bundle,
                  const struct key *key, struct fault *why)
{
    struct fault ignored = FAULT_INIT;
    struct job_chain chain;
    ks_err err;

    if (!job->import.certificates)
        return KS_OK;
    if (bundle->n_certificates == 0) {
        log_info("event=import-without-certificate token=%s key=%s", worker->token->name,
                 key->label);
        return KS_OK;
    }
    keybundle_chain(bundle, &chain);
    err = certificate_put(worker, key, &chain, &ignored);
    if (err == KS_ERR_UNSUPPORTED) {
        log_warning("event=certificates-not-kept token=%s key=%s text=\"%s\"", worker->token->name,
                    key->label, ignored.text);
        return KS_OK;
    }
    *why = err ? ignored : *why;
    return err;
}

/* All or nothing: whoever is told of a failure tries again, and finds the name free. */
static ks_err
take_back(struct worker *worker, const char *label, const struct keybundle *bundle, ks_err err,
          struct fault *why)
{
    struct fault undoing = FAULT_INIT;
    size_t n_removed = 0;
    ks_err undone = key_object_remove(worker, label, &bundle->key.spki, &undoing);

    if (!undone && bundle->n_certificates > 0)
        undone = certificate_remove(worker, label, &n_removed, &undoing);
    if (!undone || undone == KS_ERR_UNSUPPORTED) {
        worker_lost_key(worker, label, true);
        return err == KS_ERR_NO_KEY || err == KS_ERR_KEY_CHANGED ? KS_ERR_TOKEN_UNAVAILABLE : err;
    }
    worker_lost_key(worker, label, false);
    fault_hint(why, "`keysvc key show` says whether the key is there");
    return KS_ERR_OUTCOME_UNKNOWN;
}
