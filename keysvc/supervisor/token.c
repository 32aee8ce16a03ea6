/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token - which worker may start, and what the token's state is
 */
#include "supervisor/token.h"

#include <stdio.h>

#include "base/log.h"
#include "supervisor/stores.h"

struct token {
    struct stores *stores;
    struct login *login;
    char name[CONFIG_TITLE_MAX + 1];
    char store[CONFIG_PATH_MAX + 1]; /* that we use; empty: none */
    struct worker *workers[CONFIG_MAX_WORKERS];
    size_t n_workers;
    token_listener listener;
    void *context;
    bool started, stopping, settled, blocked;
    struct control_state status;
};

static void on_worker(void *context, struct worker *worker, enum worker_event event);
static void start_who_may(struct token *token);
static void conclude(struct token *token);
static struct control_state whole(const struct token *token, const struct fault *blocked);

ks_err
token_new(const struct launch *launch, struct settings *settings, const char *name,
          token_listener listener, void *context, struct token **out, struct fault *why)
{
    const struct config *config = settings_config(settings);
    const struct config_token *section = config_token_find(config, name);
    struct token *token = calloc(1, sizeof(*token));
    ks_err err;

    if (!token) {
        fault_set(why, "no memory");
        return KS_ERR_INTERNAL;
    }
    token->listener = listener;
    token->context = context;
    text_copy(token->name, sizeof(token->name), name);
    text_copy(token->status.token, sizeof(token->status.token), name);
    token->stores = launch->stores;
    err = stores_use(token->stores, section->store);
    if (!err) {
        text_copy(token->store, sizeof(token->store), section->store);
        err = login_new(config->state_dir, section, &token->login, why);
    }
    for (uint32_t i = 0; !err && i < section->profile.workers && i < CONFIG_MAX_WORKERS; i++) {
        err = worker_new(launch, settings, token->login, name, i + 1, on_worker, token,
                         &token->workers[i]);
        if (!err)
            token->n_workers++;
    }
    if (err) {
        token_free(token);
        return err;
    }
    *out = token;
    return KS_OK;
}

struct token *
token_free(struct token *token)
{
    if (!token)
        return NULL;
    for (size_t i = 0; i < token->n_workers; i++)
        worker_free(token->workers[i]);
    login_free(token->login);
    stores_leave(token->stores, token->store);
    free(token);
    return NULL;
}

void
token_start(struct token *token)
{
    if (token->started || token->stopping)
        return;
    token->started = true;
    login_open(token->login);
    start_who_may(token);
    conclude(token);
}

bool
token_started(const struct token *token)
{
    return token->started;
}

static void
on_worker(void *context, struct worker *worker, enum worker_event event)
{
    struct token *token = context;

    if (event == WORKER_IS_READY || event == WORKER_DUE)
        start_who_may(token);
    /* The front is handed the worker before it hears that the token is ready. */
    if (event == WORKER_IS_READY)
        token->listener(token->context, token, worker, event);
    conclude(token);
    if (event != WORKER_IS_READY)
        token->listener(token->context, token, worker, event);
}

static void
start_who_may(struct token *token)
{
    struct fault why = FAULT_INIT;

    if (!token->started || token->stopping || login_blocked(token->login, &why))
        return;
    for (size_t i = 0; i < token->n_workers; i++) {
        if (i > 0 && worker_state(token->workers[0]) != WORKER_READY)
            return;
        worker_start(token->workers[i]);
    }
}

/* Compares, and tells only what is new. */
static void
conclude(struct token *token)
{
    struct fault why = FAULT_INIT;
    struct control_state status;
    bool blocked = login_blocked(token->login, &why);

    /* That it is no more is for token_poll(), which then starts the processes. */
    token->blocked |= blocked;
    status = whole(token, blocked ? &why : NULL);
    if (status.state != TOKEN_STATE_STARTING)
        token->settled = true;
    if (memcmp(&status, &token->status, sizeof(status)) == 0)
        return;
    if (status.state != token->status.state && !token->stopping)
        log_info("token=%s state=%s text=\"%s\"", token->name, token_state_name(status.state),
                 LOG_TEXT(status.text));
    token->status = status;
    token->listener(token->context, token, NULL, WORKER_CHANGED);
}

static struct control_state
whole(const struct token *token, const struct fault *blocked)
{
    struct control_state status;
    size_t n_ready = 0;

    memset(&status, 0, sizeof(status));
    text_copy(status.token, sizeof(status.token), token->name);
    for (size_t i = 0; i < token->n_workers; i++) {
        const struct control_state *one = worker_status(token->workers[i]);

        if (worker_state(token->workers[i]) == WORKER_READY &&
            (n_ready++ == 0 || one->sandbox < status.sandbox))
            status.sandbox = one->sandbox;
        if (status.label[0] == '\0' && one->label[0] != '\0') {
            text_copy(status.model, sizeof(status.model), one->model);
            text_copy(status.serial, sizeof(status.serial), one->serial);
            text_copy(status.label, sizeof(status.label), one->label);
        }
    }
    if (n_ready > 0) {
        status.state = TOKEN_STATE_READY;
    } else if (blocked) {
        status.state = TOKEN_STATE_LOGIN_BLOCKED;
        /* Not the hint: a client's error has its own, which says the same. */
        snprintf(status.text, sizeof(status.text), "%.255s", blocked->text);
    } else if (token->n_workers > 0) {
        status.state = worker_status(token->workers[0])->state;
        text_copy(status.text, sizeof(status.text), worker_status(token->workers[0])->text);
    }
    /* What the worker says of itself counts as ready only once it is wired. */
    if (n_ready == 0 && status.state == TOKEN_STATE_READY)
        status.state = TOKEN_STATE_STARTING;
    return status;
}

void
token_stop(struct token *token)
{
    token->stopping = true;
    for (size_t i = 0; i < token->n_workers; i++)
        worker_stop(token->workers[i]);
}

bool
token_stopping(const struct token *token)
{
    return token->stopping;
}

bool
token_gone(const struct token *token)
{
    for (size_t i = 0; i < token->n_workers; i++) {
        if (worker_state(token->workers[i]) != WORKER_DOWN)
            return false;
    }
    return true;
}

bool
token_kill(struct token *token, bool force, const char *why)
{
    bool all = true;

    for (size_t i = 0; i < token->n_workers; i++)
        all = worker_kill(token->workers[i], force, why) && all;
    return all;
}

void
token_poll(struct token *token)
{
    struct fault why = FAULT_INIT;

    if (!token->blocked || login_blocked(token->login, &why))
        return;
    token->blocked = false;
    for (size_t i = 0; i < token->n_workers; i++)
        worker_forgive(token->workers[i]);
    start_who_may(token);
    conclude(token);
}

void
token_check(struct token *token, uint64_t now_ms)
{
    for (size_t i = 0; i < token->n_workers; i++) {
        worker_check_hang(token->workers[i], now_ms);
        worker_check_config(token->workers[i], now_ms);
    }
}

void
token_rotate_audit(struct token *token)
{
    for (size_t i = 0; i < token->n_workers; i++)
        worker_rotate_audit(token->workers[i]);
}

ks_err
token_retry_login(struct token *token, struct fault *why)
{
    ks_err err = login_retry(token->login, why);

    if (err)
        return err;
    log_info("token=%s event=retry-login", token->name);
    token->blocked = false;
    for (size_t i = 0; i < token->n_workers; i++)
        worker_forgive(token->workers[i]);
    start_who_may(token);
    /* It was meant for the next login, which it is no more if nothing had to be started. */
    if (worker_state(token->workers[0]) != WORKER_DOWN)
        (void)login_take_override(token->login);
    conclude(token);
    return KS_OK;
}

void
token_send_config(struct token *token, struct settings *settings)
{
    for (size_t i = 0; i < token->n_workers; i++)
        worker_send_config(token->workers[i], settings);
}

void
token_end_before(struct token *token, uint64_t generation)
{
    for (size_t i = 0; i < token->n_workers; i++)
        worker_end_before(token->workers[i], generation);
}

bool
token_owes_config(const struct token *token)
{
    for (size_t i = 0; i < token->n_workers; i++) {
        if (worker_owes_config(token->workers[i]))
            return true;
    }
    return false;
}

const char *
token_name(const struct token *token)
{
    return token->name;
}

const struct control_state *
token_status(const struct token *token)
{
    return &token->status;
}

bool
token_settled(const struct token *token)
{
    return token->settled;
}

size_t
token_n_workers(const struct token *token)
{
    return token->n_workers;
}

struct worker *
token_worker(const struct token *token, size_t i)
{
    return token->workers[i];
}
