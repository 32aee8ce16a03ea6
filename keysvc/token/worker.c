/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker - admission, recovery and what a failure means for the process
 */
#include "token/worker.h"

#include <stdio.h>

#include "base/log.h"
#include "token/ckr.h"
#include "token/identity.h"
#include "token/store.h"

void
worker_deinit(struct worker *worker)
{
    worker->front = channel_free(worker->front);
    worker->keys = keys_free(worker->keys);
    worker->slot = slot_free(worker->slot);
    worker->audit = audit_free(worker->audit);
    worker->parent = parent_free(worker->parent);
    worker->p11.pulse = pulse_unmap(worker->p11.pulse);
    buf_deinit(&worker->storage);
    worker->token = NULL;
    worker->config = config_free(worker->config);
}

ks_err
worker_use_config(struct worker *worker, struct config *config, struct fault *why)
{
    const struct config_token *token = config_token_find(config, worker->token->name);

    if (!token) {
        fault_set(why, "the new configuration has no token %s", worker->token->name);
        config_free(config);
        return KS_ERR_BAD_REQUEST;
    }
    config_free(worker->config);
    worker->config = config;
    worker->token = token;
    return KS_OK;
}

ks_err
worker_adopt(struct worker *worker, bool *changed, struct fault *why)
{
    ks_auto(adopt_list_deinit) struct adopt_list list = ADOPT_LIST_INIT;
    CK_TOKEN_INFO info;
    ks_err err;

    *changed = false;
    err = slot_token_info(worker->slot, &info, why);
    if (!err)
        err = adopt_list_make(worker->config, worker->token, &info, &list, why);
    if (!err)
        *changed = keys_adopt(worker->keys, &list);
    return err;
}

static ks_err
list_once(struct worker *worker, void *context, struct fault *why)
{
    bool ignored;
    ks_err err = worker_adopt(worker, &ignored, why);

    (void)context;
    return err ? err : keys_list(worker->keys, why);
}

ks_err
worker_list_keys(struct worker *worker, struct fault *why)
{
    return worker_try(worker, list_once, NULL, why);
}

/* As a call of the module: neither is silence towards the supervisor. */
static ks_err
wait_at_gate(struct worker *worker, struct fault *why)
{
    struct pulse *pulse = worker->p11.pulse;
    ks_err err;

    if (pulse)
        pulse_enter(pulse, PULSE_GATE);
    err = store_gate(worker->token, &worker->gate_fd, why);
    if (pulse)
        pulse_leave(pulse);
    return err;
}

ks_err
worker_take_gate(struct worker *worker, struct fault *why)
{
    ks_err err = KS_OK;

    if (worker->gate_fd < 0)
        err = wait_at_gate(worker, why);
    worker->n_gate += !err;
    return err;
}

void
worker_put_gate(struct worker *worker)
{
    if (--worker->n_gate == 0)
        worker_open_gate(worker);
}

void
worker_open_gate(struct worker *worker)
{
    closep(&worker->gate_fd);
}

static ks_err
initialize_again(struct worker *worker, struct fault *why)
{
    CK_SLOT_ID id = 0;
    ks_err err;
    CK_RV rv;

    rv = p11_finalize(&worker->p11);
    if (rv != CKR_OK)
        return ckr_fault(rv, "C_Finalize", why);
    rv = p11_initialize(&worker->p11);
    if (rv != CKR_OK)
        return ckr_fault(rv, "C_Initialize", why);
    module_release_slots(worker->module);
    err = module_find_token(worker->module, worker->token, &id, why);
    if (err)
        return err;
    slot_reset(worker->slot, id);
    identity_doubt(worker);
    err = slot_open(worker->slot, why);
    if (!err)
        err = slot_login(worker->slot, why);
    return err ? err : identity_check(worker, why);
}

static void
leave(struct worker *worker, int exit_code, const struct fault *why)
{
    worker->exit_code = exit_code;
    log_error("event=token-lost token=%s exit=%d text=\"%s\"", worker->token->name, exit_code,
              why->text);
}

ks_err
worker_reinitialize(struct worker *worker, struct fault *why)
{
    ks_err err = initialize_again(worker, why);

    if (!err)
        return KS_OK;
    leave(worker,
          err == KS_ERR_LOGIN_BLOCKED ? CONTROL_EXIT_LOGIN_BLOCKED : CONTROL_EXIT_TOKEN_LOST, why);
    return err == KS_ERR_LOGIN_BLOCKED ? err : KS_ERR_TOKEN_UNAVAILABLE;
}

static bool
is_over(const struct worker *worker, uint64_t generation)
{
    return worker->p11.pulse && pulse_is_over(worker->p11.pulse, generation);
}

static ks_err
reloading(struct fault *why)
{
    fault_set(why, "the configuration is being reloaded");
    return KS_ERR_BUSY;
}

ks_err
worker_judges(const struct worker *worker, const struct job *job, struct fault *why)
{
    if (job->generation != worker->config->generation || is_over(worker, job->generation))
        return reloading(why);
    return KS_OK;
}

ks_err
worker_may_begin(const struct worker *worker, struct fault *why)
{
    if (worker->decided_by != 0 && is_over(worker, worker->decided_by))
        return reloading(why);
    return KS_OK;
}

ks_err
worker_admit(const struct worker *worker, const struct job *job, const struct config_class **class,
             struct fault *why)
{
    const struct config_class *found;
    ks_err err = worker_judges(worker, job, why);

    if (err)
        return err;
    if (strcmp(job->name, KEYNAME_AUDIT) == 0) {
        fault_set(why, "%s signs the audit's checkpoints and nothing else", job->name);
        return KS_ERR_PURPOSE;
    }
    found = config_class_of(worker->config, job->name);
    if (!found) {
        fault_set(why, "the key %s is in no class of the configuration", job->name);
        return KS_ERR_DENIED;
    }
    if (!config_is_member(worker->config, found->token, worker->token->name)) {
        fault_set(why, "the class \"%s\" of the key %s belongs to %s", found->glob, job->name,
                  found->token);
        return KS_ERR_DENIED;
    }
    if (found->purpose == KS_PURPOSE_NONE || found->purpose == KS_PURPOSE_AUDIT) {
        fault_set(why, "the class \"%s\" of the key %s signs nothing for clients", found->glob,
                  job->name);
        return KS_ERR_PURPOSE;
    }
    *class = found;
    return KS_OK;
}

/* Another token, or one without the key that tells: the next process says so until the right one is
 * back. */
static ks_err
lose(struct worker *worker, const struct fault *why)
{
    leave(worker, CONTROL_EXIT_TOKEN_LOST, why);
    return KS_ERR_TOKEN_UNAVAILABLE;
}

/* Whoever went on without a login would find every key gone. */
static ks_err
not_logged_in(struct worker *worker, ks_err err, const struct fault *why)
{
    bool is_supervisor = /* that could not be asked, not the token */
        err == KS_ERR_NO_SERVICE || err == KS_ERR_BAD_REQUEST || err == KS_ERR_INTERNAL;

    if (err == KS_ERR_LOGIN_BLOCKED)
        return err; /* worker_judge() */
    leave(worker, is_supervisor ? CONTROL_EXIT_SETUP : CONTROL_EXIT_TOKEN_LOST, why);
    return KS_ERR_TOKEN_UNAVAILABLE;
}

ks_err
worker_recover(struct worker *worker, ks_err err, bool *again, struct fault *why)
{
    CK_RV rv = why->rv;

    *again = false;
    switch (ckr_action(rv)) {
    case CKR_ACTION_FIND:
        break;
    case CKR_ACTION_LOGIN:
    case CKR_ACTION_REOPEN:
        log_warning("event=session-lost token=%s rv=%s", worker->token->name, ckr_info(rv)->name);
        identity_doubt(worker);
        err = slot_recover(worker->slot, rv, why);
        if (err)
            return not_logged_in(worker, err, why);
        err = identity_check(worker, why);
        if (err == KS_ERR_KEY_CHANGED)
            return lose(worker, why);
        if (err)
            return err;
        break;
    default:
        return err;
    }
    *why = (struct fault)FAULT_INIT;
    *again = true;
    return KS_OK;
}

ks_err
worker_try(struct worker *worker, worker_step step, void *context, struct fault *why)
{
    bool again = false;
    ks_err err = step(worker, context, why);

    if (err)
        err = worker_recover(worker, err, &again, why);
    return again ? step(worker, context, why) : err;
}

bool
worker_excuse(struct worker *worker, struct fault *why)
{
    if (!ckr_is_vague(why->rv) || p11_probe(&worker->p11, slot_session(worker->slot)) != CKR_OK)
        return false;
    why->rv = CKR_OK;
    fault_hint(why, "the token works, but is full or does not do this; see keysvc token show %s",
               worker->token->name);
    return true;
}

ks_err
worker_can(const struct worker *worker, uint64_t lacks, struct fault *why)
{
    const struct config_profile *profile = &worker->token->profile;

    if (!(profile->lacks & lacks))
        return KS_OK;
    fault_set(why, "token %s cannot do %s: its profile %s says so", worker->token->name,
              config_lack_name(lacks), profile->name);
    fault_hint(why, "see keysvc token show %s", worker->token->name);
    return KS_ERR_UNSUPPORTED;
}

/* Is the audit key gone, too? */
static bool
missed(struct worker *worker, struct fault *why)
{
    struct fault found = FAULT_INIT;
    bool is_missed;

    identity_doubt(worker);
    is_missed = identity_check(worker, &found) != KS_OK;
    if (is_missed)
        *why = found;
    return is_missed;
}

struct find {
    const char *label;
    struct key **out;
};

static ks_err
find_once(struct worker *worker, void *context, struct fault *why)
{
    struct find *find = context;

    return keys_get(worker->keys, find->label, find->out, why);
}

ks_err
worker_find_key(struct worker *worker, const char *label, const uint8_t *sha256, struct key **out,
                struct fault *why)
{
    struct find find = {label, out};
    ks_err err = worker_try(worker, find_once, &find, why);

    /* A token that went away without a word shows no key at all; that this process has never seen
     * the one asked for says nothing: another one may have made it. */
    if (err == KS_ERR_NO_KEY && missed(worker, why))
        return lose(worker, why);
    /* Destroyed and made again since it was found, by another worker: only the token knows. */
    if (!err && sha256 && memcmp((*out)->spki_sha256, sha256, KS_SHA256_LEN) != 0) {
        keys_forget(*out);
        err = worker_try(worker, find_once, &find, why);
    }
    if (err)
        return err;
    if (sha256 && memcmp((*out)->spki_sha256, sha256, KS_SHA256_LEN) != 0) {
        fault_set(why, "the key %s on the token is another one than the request means", label);
        return KS_ERR_KEY_CHANGED;
    }
    return KS_OK;
}

void
worker_lost_key(struct worker *worker, const char *label, bool is_gone)
{
    struct key *known = keys_known(worker->keys, label), *found = NULL;
    struct find find = {label, &found};
    struct fault ignored = FAULT_INIT;
    ks_err err;

    if (!known)
        return;
    keys_forget(known);
    err = worker_try(worker, find_once, &find, &ignored);
    if (!err || !is_gone || known->state == JOB_KEY_GONE || err == KS_ERR_AMBIGUOUS_KEY)
        return;
    keys_gone(worker->keys, known);
    worker->must_tell = true;
}

void
worker_judge(struct worker *worker, ks_err err, const struct fault *why)
{
    if (!err || worker->exit_code != WORKER_GO_ON)
        return;
    switch (ckr_action(why->rv)) {
    case CKR_ACTION_LOGIN: /* these two: lost again right after it was brought back */
    case CKR_ACTION_REOPEN:
    case CKR_ACTION_RESTART:
    case CKR_ACTION_ABSENT:
        leave(worker, CONTROL_EXIT_TOKEN_LOST, why);
        break;
    default:
        if (err == KS_ERR_LOGIN_BLOCKED)
            leave(worker, CONTROL_EXIT_LOGIN_BLOCKED, why);
        break;
    }
}

void
worker_text(char *out, const unsigned char *text, size_t len)
{
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\0'))
        len--;
    for (size_t i = 0; i < len; i++)
        out[i] = text[i] >= ' ' && text[i] <= '~' ? (char)text[i] : '?';
    out[len] = '\0';
}

void
worker_state(struct worker *worker, enum token_state state, const char *text,
             struct control_state *out)
{
    struct fault why = FAULT_INIT;
    CK_TOKEN_INFO info;

    *out = (struct control_state){.worker_index = worker->index, .state = state};
    if (state == TOKEN_STATE_READY)
        out->sandbox = control_sandbox(worker->sandbox.calls, worker->sandbox.files);
    (void)text_copy(out->token, sizeof(out->token), worker->token->name);
    snprintf(out->text, sizeof(out->text), "%s", text);
    if (!worker->slot || slot_token_info(worker->slot, &info, &why) != KS_OK)
        return;
    worker_text(out->model, info.model, sizeof(info.model));
    worker_text(out->serial, info.serialNumber, sizeof(info.serialNumber));
    worker_text(out->label, info.label, sizeof(info.label));
}
