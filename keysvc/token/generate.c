/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generate - which version, then a key pair and what the token says of it
 */
#include "token/generate.h"

#include <time.h>

#include "base/log.h"
#include "token/ckr.h"
#include "token/mechanism.h"
#include "token/object.h"
#include "token/template.h"

#define READ_TRIES 5                 /* of what a token that was just read shows wrong */
#define READ_PAUSE_NS (20 * 1000000) /* between two of them */

struct pair {
    CK_OBJECT_HANDLE public_key;
    CK_OBJECT_HANDLE private_key;
};

static ks_err decide(struct worker *worker, struct change *change, struct fault *why);
static ks_err make_pair(struct worker *worker, enum ks_key_type type, const char *label,
                        struct key **out, struct fault *why);
static ks_err make_once(struct worker *worker, enum ks_key_type type, const char *label,
                        struct key **out, bool *is_left_out, struct fault *why);
static ks_err call_again(struct worker *worker, struct template *template, const char *label,
                         struct pair *pair, struct fault *why);
static ks_err call_token(struct worker *worker, struct template *template, struct pair *pair,
                         struct fault *why);
static ks_err check_made(struct worker *worker, enum ks_key_type type, const char *label,
                         struct pair *pair, bool *is_left_out, struct fault *why);
static ks_err check_pair(struct worker *worker, enum ks_key_type type, const struct pair *pair,
                         bool *is_unread, struct fault *why);
static void find_pair(struct worker *worker, const char *label, struct pair *pair);
static ks_err end_unknown(struct worker *worker, const char *label, ks_err err, bool *is_left_out,
                          struct fault *why);

ks_err
generate_run(struct worker *worker, const struct job *job, struct answer *answer, struct fault *why)
{
    struct change change = {
        .job = job, .decide = decide, .carry_out = generate_step, .context = &answer->made};

    return change_run(worker, &change, why);
}

static ks_err
decide(struct worker *worker, struct change *change, struct fault *why)
{
    const struct config_class *class = change->class;
    const struct job *job = change->job;
    uint32_t version = 0;
    ks_err err;

    if (job->type != KS_KEY_TYPE_ANY && job->type != class->type) {
        fault_set(why, "keys of the class \"%s\" are %s, not %s", class->glob,
                  ks_key_type_name(class->type), ks_key_type_name(job->type));
        return KS_ERR_BAD_REQUEST;
    }
    change->type = class->type;
    err = worker_can(worker, CONFIG_LACKS_TYPE(class->type), why);
    if (!err)
        err = generate_version(worker, job, &version, why);
    if (err)
        return err;
    keyname_label(job->name, version, change->label);
    return generate_label_free(worker, change->label, why);
}

ks_err
generate_step(struct worker *worker, struct change *change, struct fault *why)
{
    const struct key **made = change->context;
    struct key *key = NULL;
    ks_err err = make_pair(worker, change->type, change->label, &key, why);

    if (err)
        return err;
    change->public_key_sha256 = key->spki_sha256;
    if (made)
        *made = key;
    return KS_OK;
}

ks_err
generate_version(struct worker *worker, const struct job *job, uint32_t *version, struct fault *why)
{
    uint32_t newest = keys_newest(worker->keys, job->name);

    *version = 1;
    if (newest == 0 && config_key_find(worker->config, job->name)) {
        fault_set(why, "the name %s belongs to a foreign key, which is not on the token",
                  job->name);
        fault_hint(why, "check the `key \"%s\"` section, then `keysvc token rescan %s`", job->name,
                   worker->token->name);
        return KS_ERR_EXISTS;
    }
    if (job->version == 0 && job->operation != JOB_ROTATE && newest == 0)
        return KS_OK;
    if (job->version == 0 && job->operation != JOB_ROTATE) {
        fault_set(why, "the key %s exists, its newest version is %u", job->name, newest);
        fault_hint(why, "`keysvc key %s %s --from %u` makes the next version",
                   job->operation == JOB_IMPORT ? "import" : "rotate", job->name, newest);
        return KS_ERR_EXISTS;
    }
    if (newest == 0) {
        fault_set(why, "there is no key %s", job->name);
        return KS_ERR_NO_KEY;
    }
    if (job->version < newest) {
        fault_set(why, "the newest version of %s is %u already", job->name, newest);
        return KS_ERR_EXISTS;
    }
    if (job->version > newest || newest == KEYNAME_VERSION_MAX) {
        fault_set(why, "%s has no version %u that could be followed", job->name, job->version);
        return KS_ERR_BAD_REQUEST;
    }
    *version = newest + 1;
    return KS_OK;
}

static ks_err
label_free_once(struct worker *worker, const char *label, struct fault *why)
{
    static const CK_OBJECT_CLASS classes[] = {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY};

    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        ks_auto(object_list_deinit) struct object_list found = OBJECT_LIST_INIT;
        ks_err err = object_find(worker->slot, classes[i], label, &found, why);

        if (err)
            return err;
        if (found.n_handles > 0) {
            fault_set(why, "the token has an object with the label %s", label);
            fault_hint(why, "`keysvc token rescan` if another program made the key");
            return KS_ERR_EXISTS;
        }
    }
    return KS_OK;
}

static ks_err
label_free_step(struct worker *worker, void *label, struct fault *why)
{
    return label_free_once(worker, label, why);
}

ks_err
generate_label_free(struct worker *worker, const char *label, struct fault *why)
{
    return worker_try(worker, label_free_step, (void *)(uintptr_t)label, why);
}

/* True: both are gone. */
static bool
destroy_pair(struct worker *worker, const struct pair *pair)
{
    CK_SESSION_HANDLE session = slot_session(worker->slot);
    CK_RV private_rv = p11_destroy(&worker->p11, session, pair->private_key);
    CK_RV public_rv = p11_destroy(&worker->p11, session, pair->public_key);

    if (private_rv == CKR_OK && public_rv == CKR_OK)
        return true;
    log_error("event=destroy-failed token=%s text=\"a key that must not be used is still there "
              "(%s, %s)\"",
              worker->token->name, ckr_info(private_rv)->name, ckr_info(public_rv)->name);
    return false;
}

/* A courtesy to other programs; its failure is no failure of the key. */
static void
set_id(struct worker *worker, const struct key *key, const struct pair *pair)
{
    uint8_t id[SPKI_KEY_ID_LEN];
    CK_ATTRIBUTE attribute = {CKA_ID, id, sizeof(id)};
    CK_SESSION_HANDLE session = slot_session(worker->slot);

    if (!worker->token->profile.set_id || spki_key_id(&key->spki, id) != KS_OK)
        return;
    if (p11_set_attributes(&worker->p11, session, pair->private_key, &attribute, 1) != CKR_OK ||
        p11_set_attributes(&worker->p11, session, pair->public_key, &attribute, 1) != CKR_OK)
        log_warning("event=set-id-failed token=%s key=%s", worker->token->name, key->label);
}

static ks_err
make_pair(struct worker *worker, enum ks_key_type type, const char *label, struct key **out,
          struct fault *why)
{
    struct change_tries tries = change_tries_begin();
    struct fault ignored = FAULT_INIT;
    bool is_left_out;
    ks_err err;

    do {
        is_left_out = false;
        err = make_once(worker, type, label, out, &is_left_out, why);
        if (!is_left_out || !change_once_more(worker, label, &tries, why))
            return err;
        /* What could not be seen at once may be seen a moment later. */
    } while (label_free_once(worker, label, &ignored) == KS_OK);
    fault_set(why, "%s was made, could not be read, and is still there: %s", label, ignored.text);
    fault_hint(why, "`keysvc token rescan %s`, then look with `keysvc key show`",
               worker->token->name);
    return KS_ERR_OUTCOME_UNKNOWN;
}

/* *is_left_out: the token goes on, and nothing of the pair is there. */
static ks_err
make_once(struct worker *worker, enum ks_key_type type, const char *label, struct key **out,
          bool *is_left_out, struct fault *why)
{
    struct template template;
    struct pair pair = {0, 0};
    struct key *key = NULL;
    bool again = false;
    ks_err err;

    err = template_make(type, label, &worker->token->profile, &template, why);
    if (err)
        return err;
    err = call_token(worker, &template, &pair, why);
    if (err)
        err = worker_recover(worker, err, &again, why);
    if (again)
        err = call_again(worker, &template, label, &pair, why);
    if (err)
        return end_unknown(worker, label, err, is_left_out, why);
    err = check_made(worker, type, label, &pair, is_left_out, why);
    if (err)
        return err;
    err = keys_get(worker->keys, label, &key, why);
    if (err)
        return end_unknown(worker, label, err, is_left_out, why);
    set_id(worker, key, &pair);
    *out = key;
    return KS_OK;
}

static ks_err
call_token(struct worker *worker, struct template *template, struct pair *pair, struct fault *why)
{
    CK_RV rv;

    rv = p11_generate(&worker->p11, slot_session(worker->slot), &template->mechanism,
                      template->public_attributes, template->n_public, template->private_attributes,
                      template->n_private, &pair->public_key, &pair->private_key);
    if (rv == CKR_OK)
        return KS_OK;
    return mechanism_fault(worker->token->name, template->mechanism.mechanism, "C_GenerateKeyPair",
                           rv, why);
}

/*
 * A session that was lost may have been lost after the work was done: a second pair under one label
 * would make both unusable for ever.
 */
static ks_err
call_again(struct worker *worker, struct template *template, const char *label, struct pair *pair,
           struct fault *why)
{
    struct fault found = FAULT_INIT;

    if (label_free_once(worker, label, &found) == KS_OK)
        return call_token(worker, template, pair, why);
    fault_set(why, "the session was lost while %s was made: %s", label, found.text);
    fault_hint(why, "`keysvc token rescan %s`, then look with `keysvc key show`",
               worker->token->name);
    return KS_ERR_OUTCOME_UNKNOWN;
}

/*
 * SoftHSM shows an object for a moment without its attributes, or under a new handle only, while
 * another process reads or writes beside us. Only what is read is judged; a pair that stays unread is
 * removed.
 */
static ks_err
check_made(struct worker *worker, enum ks_key_type type, const char *label, struct pair *pair,
           bool *is_left_out, struct fault *why)
{
    const struct timespec pause = {.tv_nsec = READ_PAUSE_NS};
    struct fault ignored = FAULT_INIT;
    bool is_unread = false, is_destroyed;
    ks_err err = check_pair(worker, type, pair, &is_unread, why);

    for (int i = 1; is_unread && i < READ_TRIES; i++) {
        nanosleep(&pause, NULL);
        find_pair(worker, label, pair);
        *why = (struct fault)FAULT_INIT;
        err = check_pair(worker, type, pair, &is_unread, why);
    }
    if (!err)
        return KS_OK;
    if (why->rv != CKR_OK && !is_unread)
        return end_unknown(worker, label, err, is_left_out, why);
    is_destroyed = destroy_pair(worker, pair);
    if (label_free_once(worker, label, &ignored) == KS_OK) {
        *is_left_out = is_unread && is_destroyed;
        return err;
    }
    fault_prefix(why, "the key %s may still be on the token", label);
    fault_hint(why, "`keysvc key show` says whether it is there");
    return KS_ERR_OUTCOME_UNKNOWN;
}

/* The label was free before; what carries it now is what was made. */
static void
find_pair(struct worker *worker, const char *label, struct pair *pair)
{
    ks_auto(object_list_deinit) struct object_list privates = OBJECT_LIST_INIT;
    ks_auto(object_list_deinit) struct object_list publics = OBJECT_LIST_INIT;
    struct fault ignored = FAULT_INIT;

    if (object_find(worker->slot, CKO_PRIVATE_KEY, label, &privates, &ignored) != KS_OK ||
        object_find(worker->slot, CKO_PUBLIC_KEY, label, &publics, &ignored) != KS_OK)
        return;
    if (privates.n_handles == 1 && publics.n_handles == 1)
        *pair = (struct pair){publics.handles[0], privates.handles[0]};
}

/* Not what we asked for, but what the token says it made. *is_unread: it did not say it. */
static ks_err
check_pair(struct worker *worker, enum ks_key_type type, const struct pair *pair, bool *is_unread,
           struct fault *why)
{
    static const struct {
        CK_ATTRIBUTE_TYPE type;
        const char *name;
        bool wanted;
    } rules[] = {
        {CKA_SENSITIVE, "CKA_SENSITIVE", true},
        {CKA_EXTRACTABLE, "CKA_EXTRACTABLE", false},
        {CKA_ALWAYS_SENSITIVE, "CKA_ALWAYS_SENSITIVE", true},
        {CKA_NEVER_EXTRACTABLE, "CKA_NEVER_EXTRACTABLE", true},
    };
    struct spki spki = {.len = 0};
    ks_err err;

    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        bool value = !rules[i].wanted;

        err = object_flag(worker->slot, pair->private_key, rules[i].type, &value, why);
        *is_unread = err == KS_ERR_NO_KEY || ckr_action(why->rv) == CKR_ACTION_FIND;
        if (err && err != KS_ERR_NO_KEY)
            return err;
        if (value != rules[i].wanted) {
            fault_set(why, "the token made a key with %s %s; it was destroyed", rules[i].name,
                      value ? "true" : "false");
            return KS_ERR_UNSUPPORTED;
        }
    }
    err = object_spki(worker->slot, pair->public_key, &spki, why);
    /* It was read, and said to be no key: libtpm2_pkcs11 shows a P-521 so, now and the next time. */
    if (err == KS_ERR_NO_KEY && why->text[0] != '\0') {
        *is_unread = false;
        fault_prefix(why, "the pair was destroyed");
        return KS_ERR_UNSUPPORTED;
    }
    *is_unread = err == KS_ERR_NO_KEY || ckr_action(why->rv) == CKR_ACTION_FIND;
    if (err == KS_ERR_NO_KEY) {
        fault_set(why, "the token shows no public key of the pair it made; it was destroyed");
        return KS_ERR_TOKEN_UNAVAILABLE;
    }
    if (err)
        return err;
    if (spki.type != type) {
        fault_set(why, "the token made another key than one of type %s; it was destroyed",
                  ks_key_type_name(type));
        return KS_ERR_UNSUPPORTED;
    }
    return KS_OK;
}

/* It failed. If the token still answers and has nothing under the label, nothing was changed. */
static ks_err
end_unknown(struct worker *worker, const char *label, ks_err err, bool *is_left_out,
            struct fault *why)
{
    struct fault ignored = FAULT_INIT;

    if (err == KS_ERR_OUTCOME_UNKNOWN)
        return err;
    if (label_free_once(worker, label, &ignored) == KS_OK) {
        *is_left_out = err == KS_ERR_TOKEN_UNAVAILABLE && worker_excuse(worker, why);
        return err;
    }
    fault_hint(why, "`keysvc key show` says whether the key is there");
    return KS_ERR_OUTCOME_UNKNOWN;
}
