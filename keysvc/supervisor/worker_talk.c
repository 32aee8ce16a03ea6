/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_talk - what a token process says, and what it is answered
 *
 * What may be said in which state stands in one table; the rest is nonsense and costs the process
 * its life. The turn (turn.h) is held from START_GO, or from LOGIN_GO when a ready worker logs in
 * again, until the login's result, READY or the end of the process.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervisor/checkpoint.h"
#include "supervisor/stores.h"
#include "supervisor/worker_private.h"

/* Of a process in a second, logins aside, which a token that loses each session causes. An honest one
 * says a few at its start and when its token is lost; each may cost a line of the log, and the front
 * one, too. */
#define MAX_MESSAGES 100

/* What a token process says. */
struct step {
    uint32_t allowed; /* bits of the worker states in which it may come */
    ks_err (*take)(struct worker *worker, struct message *message, struct fault *why);
    size_t n_fds;
};

static ks_err take_start_wanted(struct worker *worker, struct message *message, struct fault *why);
static ks_err take_store_lock(struct worker *worker, struct message *message, struct fault *why);
static ks_err take_login_wanted(struct worker *worker, struct message *message, struct fault *why);
static ks_err take_login_result(struct worker *worker, struct message *message, struct fault *why);
static ks_err take_ready(struct worker *worker, struct message *message, struct fault *why);
static ks_err take_state(struct worker *worker, struct message *message, struct fault *why);
static ks_err take_config_done(struct worker *worker, struct message *message, struct fault *why);
static ks_err take_checkpoint(struct worker *worker, struct message *message, struct fault *why);

#define IN(state) (1u << (state))
#define ALIVE (IN(WORKER_STARTING) | IN(WORKER_READY) | IN(WORKER_STOPPING))

/* A stopping worker may still say what it said before it read STOP. */
/* clang-format off */
static const struct step steps[] = {
    [CONTROL_START_WANTED] = {IN(WORKER_STARTING) | IN(WORKER_STOPPING), take_start_wanted},
    [CONTROL_STORE_LOCK]   = {IN(WORKER_STARTING) | IN(WORKER_STOPPING), take_store_lock, 1},
    [CONTROL_LOGIN_WANTED] = {ALIVE,                                     take_login_wanted},
    [CONTROL_LOGIN_RESULT] = {ALIVE,                                     take_login_result},
    [CONTROL_READY]        = {IN(WORKER_STARTING) | IN(WORKER_STOPPING), take_ready},
    [CONTROL_STATE]        = {ALIVE,                                     take_state},
    [CONTROL_CONFIG_DONE]  = {IN(WORKER_READY) | IN(WORKER_STOPPING),    take_config_done},
    [CONTROL_CHECKPOINT]   = {ALIVE,                                     take_checkpoint},
};
/* clang-format on */

static void start_go(struct worker *worker);
static const char *store_of(const struct worker *worker);
static void login_go(struct worker *worker);
static ks_err nonsense(struct fault *why, const char *text);

ks_err
worker_talk_take(struct worker *worker, struct message *message, struct fault *why)
{
    const struct step *step = message->type < ARRAY_LEN(steps) ? &steps[message->type] : NULL;

    if (message->type != CONTROL_LOGIN_WANTED && message->type != CONTROL_LOGIN_RESULT &&
        !log_allowed(&worker->messages, MAX_MESSAGES))
        return nonsense(why, "a token process does not say so much");
    if (!step || !step->take || message->n_fds != step->n_fds)
        return nonsense(why, "a token process does not say this");
    if (!(step->allowed & IN(worker->state)))
        return nonsense(why, "a token process does not say this now");
    return step->take(worker, message, why);
}

static ks_err
nonsense(struct fault *why, const char *text)
{
    fault_set(why, "%s", text);
    return KS_ERR_BAD_REQUEST;
}

static ks_err
take_start_wanted(struct worker *worker, struct message *message, struct fault *why)
{
    if (message->len != 0)
        return nonsense(why, "START_WANTED has a body");
    if (worker->state == WORKER_STARTING)
        turn_want(worker->launch->turn, &worker->place);
    return KS_OK;
}

static ks_err
take_login_wanted(struct worker *worker, struct message *message, struct fault *why)
{
    if (message->len != 0 || worker->in_login || worker->login_wanted)
        return nonsense(why, "LOGIN_WANTED has a body or comes twice");
    worker->login_wanted = true;
    if (worker->state == WORKER_STOPPING)
        worker_talk_deny(worker, KS_ERR_TOKEN_UNAVAILABLE, "keysvcd is stopping this process");
    else if (turn_held(&worker->place))
        login_go(worker);
    else
        turn_want(worker->launch->turn, &worker->place);
    return KS_OK;
}

void
worker_talk_go(struct worker *worker)
{
    if (worker->login_wanted)
        login_go(worker);
    else
        start_go(worker);
}

static void
start_go(struct worker *worker)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;

    pack_bool(&body, stores_held(worker->launch->stores, store_of(worker)));
    child_send(worker->child, CONTROL_START_GO, &body, NULL, 0);
}

static const char *
store_of(const struct worker *worker)
{
    return config_token_find(settings_config(worker->settings), worker->token)->store;
}

static ks_err
take_store_lock(struct worker *worker, struct message *message, struct fault *why)
{
    int fd = message_take_fd(message, 0);

    if (stores_keep(worker->launch->stores, store_of(worker), fd) != KS_OK || message->len != 0)
        return nonsense(why, "STORE_LOCK that nobody waits for, or of no folder");
    log_info("child=%s event=store-locked store=\"%s\"", worker->name, store_of(worker));
    return KS_OK;
}

static void
login_go(struct worker *worker)
{
    ks_auto(closep) int pin_fd = -1;
    struct fault why = FAULT_INIT;
    ks_err err;

    err = login_begin(worker->login, &pin_fd, &why);
    if (err) {
        worker_talk_deny(worker, err, why.text);
        return;
    }
    worker->login_wanted = false;
    worker->in_login = true;
    worker->no_login = KS_OK;
    child_send(worker->child, CONTROL_LOGIN_GO, NULL, &pin_fd, 1);
}

void
worker_talk_deny(struct worker *worker, ks_err err, const char *text)
{
    ks_auto(buf_deinit) struct buf body = BUF_INIT;
    struct control_result result = {.err = err, .why = FAULT_INIT};

    worker->login_wanted = false;
    worker->no_login = err;
    snprintf(worker->said, sizeof(worker->said), "%.255s", text);
    if (log_allowed(&worker->messages, MAX_MESSAGES))
        log_warning("child=%s event=login-denied error=\"%s\"", worker->name, text);
    fault_set(&result.why, "%s", text);
    control_result_pack(&body, &result);
    child_send(worker->child, CONTROL_LOGIN_DENIED, &body, NULL, 0);
    turn_done(worker->launch->turn, &worker->place);
}

static ks_err
take_login_result(struct worker *worker, struct message *message, struct fault *why)
{
    struct control_result result;

    memset(&result, 0, sizeof(result));
    if (control_result_unpack(message->body, message->len, &result) != KS_OK || !worker->in_login)
        return nonsense(why, "LOGIN_RESULT without a login, or malformed");
    worker->in_login = false;
    login_end(worker->login, result.err, &result.why);
    if (result.err == KS_ERR_LOGIN_BLOCKED)
        worker->no_login = result.err;
    turn_done(worker->launch->turn, &worker->place);
    if (result.err) {
        log_warning("child=%s event=login outcome=%s error=\"%s\"", worker->name,
                    err_info(result.err)->name, LOG_TEXT(result.why.text));
        snprintf(worker->said, sizeof(worker->said), "%.255s", result.why.text);
    }
    return KS_OK;
}

static ks_err
take_ready(struct worker *worker, struct message *message, struct fault *why)
{
    ks_err err;

    if (worker->in_login || worker->login_wanted)
        return nonsense(why, "READY in the middle of a login");
    err = take_state(worker, message, why);
    if (err)
        return err;
    turn_done(worker->launch->turn, &worker->place);
    if (worker->state == WORKER_STOPPING)
        return KS_OK;
    worker->state = WORKER_READY;
    backoff_ready(&worker->backoff, clock_mono_ms());
    worker->status.state = TOKEN_STATE_READY;
    worker->status.text[0] = '\0';
    worker->said[0] = worker->absence[0] = '\0';
    log_info("child=%s event=ready pid=%d", worker->name, (int)child_pid(worker->child));
    worker_send_config(worker, worker->settings); /* if it was started with an older one */
    worker_rotate_audit(worker);
    worker->listener(worker->context, worker, WORKER_IS_READY);
    return KS_OK;
}

static ks_err
take_state(struct worker *worker, struct message *message, struct fault *why)
{
    struct control_state state;

    memset(&state, 0, sizeof(state));
    if (control_state_unpack(message->body, message->len, &state) != KS_OK ||
        strcmp(state.token, worker->token) != 0 || state.worker_index != worker->index)
        return nonsense(why, "it reports the state of another, or malformed");
    state.n_restarts = worker->status.n_restarts; /* is not its own to say */
    worker->status = state;
    text_copy(worker->said, sizeof(worker->said), state.text);
    worker->listener(worker->context, worker, WORKER_CHANGED);
    return KS_OK;
}

static ks_err
take_config_done(struct worker *worker, struct message *message, struct fault *why)
{
    struct unpacker in = unpack_start(message->body, message->len);
    uint64_t generation = unpack_u64(&in);

    if (!unpack_done(&in) || generation > worker->config_sent || generation <= worker->config_done)
        return nonsense(why, "CONFIG_DONE of a generation it was not sent");
    worker->config_done = generation;
    worker_send_config(worker, worker->settings); /* if there is a newer one by now */
    if (!worker_owes_config(worker))
        worker->listener(worker->context, worker, WORKER_CONFIG_DONE);
    return KS_OK;
}

static ks_err
take_checkpoint(struct worker *worker, struct message *message, struct fault *why)
{
    const struct config *config = settings_config(worker->settings);
    struct control_checkpoint checkpoint;
    struct fault failed = FAULT_INIT;
    ks_err err;

    memset(&checkpoint, 0, sizeof(checkpoint));
    if (control_checkpoint_unpack(message->body, message->len, &checkpoint) != KS_OK)
        return nonsense(why, "a malformed checkpoint");
    err = checkpoint_keep(config->state_dir, worker->audit.chain, worker->token, &checkpoint,
                          &failed);
    if (err == KS_ERR_BAD_REQUEST)
        return nonsense(why, failed.text);
    if (err)
        worker->launch->tally->n_audit_failures++;
    if (err && strcmp(failed.text, worker->checkpoint_failed.text) != 0)
        log_error("child=%s event=checkpoint error=\"%s\" hint=\"%s\"", worker->name,
                  LOG_TEXT(failed.text), LOG_TEXT(failed.hint));
    worker->checkpoint_failed = failed;
    return KS_OK;
}
