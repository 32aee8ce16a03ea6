/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker - the life of one token process: start, end, restart
 *
 * What the process says is taken in worker_talk.c.
 */
#include "supervisor/worker.h"

#include <stdio.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervisor/checkpoint.h"
#include "supervisor/worker_private.h"

#define PROGRAM "keysvc-token"
#define INIT_ADVICE "; if it was never initialised: keysvc token init "

static ks_err on_message(void *context, struct message *message, struct fault *why);
static void on_gone(void *context, int wait_status);
static void on_timer(evutil_socket_t fd, short what, void *context);
static void on_turn(void *context);
static const struct config_token *token_of(const struct worker *worker);
static ks_err launch(struct worker *worker, struct fault *why);
static ks_err send_setup(struct worker *worker, struct control_setup *setup, int pulse_fd,
                         int audit_fd, int before_fd);
static void say(struct worker *worker, enum token_state state, const char *text);
static void schedule(struct worker *worker, uint32_t floor_ms, uint32_t max_ms);

static const struct child_events child_events = {.message = on_message, .gone = on_gone};

ks_err
worker_new(const struct launch *given, struct settings *settings, struct login *login,
           const char *token, uint32_t index, worker_listener listener, void *context,
           struct worker **out)
{
    struct worker *worker = calloc(1, sizeof(*worker));

    if (!worker)
        return KS_ERR_INTERNAL;
    worker->audit = (struct audit_file)AUDIT_FILE_INIT;
    worker->launch = given;
    worker->settings = settings_ref(settings);
    worker->login = login;
    worker->index = index;
    worker->listener = listener;
    worker->context = context;
    worker->due = true;
    worker->timer = evtimer_new(given->base, on_timer, worker);
    if (!worker->timer || !text_copy(worker->token, sizeof(worker->token), token)) {
        worker_free(worker);
        return KS_ERR_INTERNAL;
    }
    worker->place =
        (struct turn_place){.granted = on_turn, .context = worker, .token = worker->token};
    snprintf(worker->name, sizeof(worker->name), "%s/%u", token, index);
    audit_files_chain(worker->audit.chain, token, index);
    text_copy(worker->status.token, sizeof(worker->status.token), token);
    worker->status.worker_index = index;
    *out = worker;
    return KS_OK;
}

struct worker *
worker_free(struct worker *worker)
{
    if (!worker)
        return NULL;
    worker->child = child_free(worker->child);
    turn_done(worker->launch->turn, &worker->place);
    worker->pulse = pulse_unmap(worker->pulse);
    if (worker->timer)
        event_free(worker->timer);
    settings_unref(worker->settings);
    audit_files_close(&worker->audit);
    free(worker);
    return NULL;
}

enum worker_state
worker_state(const struct worker *worker)
{
    return worker->state;
}

uint32_t
worker_index(const struct worker *worker)
{
    return worker->index;
}

const struct control_state *
worker_status(const struct worker *worker)
{
    return &worker->status;
}

bool
worker_due(const struct worker *worker)
{
    return worker->state == WORKER_DOWN && worker->due;
}

static const struct config_token *
token_of(const struct worker *worker)
{
    return config_token_find(settings_config(worker->settings), worker->token);
}

void
worker_start(struct worker *worker)
{
    struct fault why = FAULT_INIT;

    if (!worker_due(worker))
        return;
    worker->due = false;
    worker->said[0] = '\0';
    worker->no_login = KS_OK;
    worker->messages = (struct log_limit){0}; /* the one before has said them */
    backoff_started(&worker->backoff, clock_mono_ms());
    if (launch(worker, &why) == KS_OK) {
        worker->state = WORKER_STARTING;
        /* "absent" stays until we know better: it is asked for again and again. */
        if (worker->status.state != TOKEN_STATE_ABSENT)
            say(worker, TOKEN_STATE_STARTING, "");
        return;
    }
    worker->child = child_free(worker->child);
    worker->pulse = pulse_unmap(worker->pulse);
    log_error("child=%s event=start error=\"%s\"", worker->name, LOG_TEXT(why.text));
    schedule(worker, BACKOFF_NO_TOKEN_MS, BACKOFF_MAX_MS);
    say(worker, TOKEN_STATE_FAILED, why.text);
}

static ks_err
launch(struct worker *worker, struct fault *why)
{
    const struct config *config = settings_config(worker->settings);
    const struct config_token *token = token_of(worker);
    ks_auto(closep) int pulse_fd = -1;
    ks_auto(closep) int audit_fd = -1;
    ks_auto(closep) int before_fd = -1;
    struct control_setup setup = {.audit_key_len = 0};
    char path[CONFIG_PATH_MAX + sizeof("/" PROGRAM)];
    char index[12];
    struct spawn spawn = {
        .path = path,
        .argv = {PROGRAM, worker->token, index},
        .environment = &token->profile.environment,
        .groups = &token->profile.groups,
        .switch_user = worker->launch->switch_users,
        .uid = token->uid,
        .gid = token->gid,
        /* Our own death must not be what kills it in C_Login: it ends when its control socket does.
         */
        .dies_with_us = token->profile.kill_in_login,
        .debug = worker->launch->debug,
    };
    ks_err err;

    snprintf(path, sizeof(path), "%s/" PROGRAM, worker->launch->libexec_dir);
    snprintf(index, sizeof(index), "%u", worker->index);
    worker->hang = (struct hang){0};
    worker->spare_logged = false;
    err = audit_files_open(config->audit_dir, &worker->audit, &audit_fd, &before_fd, why);
    if (err) {
        worker->launch->tally->n_audit_failures++;
        return err;
    }
    err = pulse_new(&pulse_fd, &worker->pulse);
    if (err) {
        fault_set(why, "cannot make its pulse page");
        return err;
    }
    err = checkpoint_key(config->state_dir, worker->token, &setup, why);
    if (!err)
        err = child_start(worker->launch->base, &spawn, worker->name, &child_events, worker,
                          &worker->child, why);
    if (!err)
        err = send_setup(worker, &setup, pulse_fd, audit_fd, before_fd);
    if (err && why->text[0] == '\0')
        fault_set(why, "cannot send its configuration");
    return err;
}

static ks_err
send_setup(struct worker *worker, struct control_setup *setup, int pulse_fd, int audit_fd,
           int before_fd)
{
    const struct config *config = settings_config(worker->settings);
    const int fds[] = {pulse_fd, audit_fd, before_fd};
    ks_auto(buf_deinit) struct buf body = BUF_INIT;

    setup->token_index = (uint32_t)(token_of(worker) - config->tokens);
    setup->worker_index = worker->index;
    setup->login_override = worker->index == 1 && login_take_override(worker->login);
    setup->has_before = before_fd >= 0;
    setup->config = (struct config *)config; /* only packed */
    control_setup_pack(&body, setup);
    if (body.failed)
        return KS_ERR_INTERNAL;
    child_send(worker->child, CONTROL_SETUP, &body, fds, 2 + setup->has_before);
    worker->config_sent = worker->config_done = config->generation;
    return KS_OK;
}

static ks_err
on_message(void *context, struct message *message, struct fault *why)
{
    return worker_talk_take(context, message, why);
}

static void
on_turn(void *context)
{
    worker_talk_go(context);
}

/* What the end of a process means. */
static const struct end {
    int code;
    enum token_state state;
    uint32_t floor_ms, max_ms; /* of the wait for the next start */
} ends[] = {
    {CONTROL_EXIT_OK, TOKEN_STATE_FAILED, 0, BACKOFF_MAX_MS},
    {CONTROL_EXIT_SETUP, TOKEN_STATE_FAILED, BACKOFF_NO_TOKEN_MS, BACKOFF_MAX_MS},
    {CONTROL_EXIT_NO_TOKEN, TOKEN_STATE_ABSENT, BACKOFF_NO_TOKEN_MS, BACKOFF_NO_TOKEN_MS},
    {CONTROL_EXIT_LOGIN_BLOCKED, TOKEN_STATE_LOGIN_BLOCKED, 0, BACKOFF_MAX_MS},
    {CONTROL_EXIT_TOKEN_LOST, TOKEN_STATE_FAILED, 0, BACKOFF_MAX_MS},
    {CONTROL_EXIT_OTHER_TOKEN, TOKEN_STATE_ABSENT, BACKOFF_NO_TOKEN_MS, BACKOFF_NO_TOKEN_MS},
};

static struct end
end_of(int wait_status)
{
    for (size_t i = 0; WIFEXITED(wait_status) && i < ARRAY_LEN(ends); i++) {
        if (ends[i].code == WEXITSTATUS(wait_status))
            return ends[i];
    }
    return (struct end){-1, TOKEN_STATE_FAILED, 0, BACKOFF_MAX_MS};
}

/* A token may be absent for days, and is looked for each second: one line for each reason. */
static void
log_end(struct worker *worker, enum token_state state, const char *how)
{
    bool known = state == TOKEN_STATE_ABSENT && worker->said[0] != '\0' &&
                 strcmp(worker->said, worker->absence) == 0;

    if (worker->state == WORKER_STOPPING)
        log_info("child=%s event=stopped", worker->name);
    else if (known)
        log_debug("child=%s event=ended how=\"%s\"", worker->name, how);
    else
        log_warning("child=%s event=ended how=\"%s\" text=\"%s\"", worker->name, how,
                    LOG_TEXT(worker->said));
    if (state == TOKEN_STATE_ABSENT)
        text_copy(worker->absence, sizeof(worker->absence), worker->said);
}

/* For people: what the process said of its trouble, and its exit code only where it said nothing. A
 * token that was never initialised looks like one that is not there. */
static void
end_text(const struct worker *worker, int wait_status, enum token_state state, char *out,
         size_t cap)
{
    const char *meaning = child_exit_meaning(wait_status);
    char how[64];

    child_exit_text(wait_status, how, sizeof(how));
    if (worker->said[0] == '\0')
        snprintf(out, cap, "%s", meaning ? meaning : how);
    else if (meaning)
        snprintf(out, cap, "%s", worker->said);
    else
        snprintf(out, cap, "%.180s (%.60s)", worker->said, how);
    /* Not where somebody or something else has its place, and for initialising a token the module
     * would have to initialise first. */
    if (state == TOKEN_STATE_ABSENT && !strstr(out, "another keysvcd") &&
        !strstr(out, "does not initialise") &&
        WEXITSTATUS(wait_status) != CONTROL_EXIT_OTHER_TOKEN) {
        size_t len = strlen(out);
        size_t room = cap - 1 - strlen(INIT_ADVICE) - strlen(worker->token);

        len = len < room ? len : room;
        snprintf(out + len, cap - len, INIT_ADVICE "%s", worker->token);
    }
}

static void
on_gone(void *context, int wait_status)
{
    struct worker *worker = context;
    struct end end = end_of(wait_status);
    struct fault said = FAULT_INIT;
    bool stopping = worker->state == WORKER_STOPPING;
    char how[64], text[sizeof(worker->status.text)];

    child_exit_text(wait_status, how, sizeof(how));
    log_end(worker, end.state, how);
    worker->child = child_free(worker->child);
    if (worker->pulse && atomic_load(&worker->pulse->n_done) > 0)
        backoff_useful(&worker->backoff);
    worker->pulse = pulse_unmap(worker->pulse);
    worker->state = WORKER_DOWN;
    worker->login_wanted = false;
    if (worker->in_login)
        login_interrupted(worker->login);
    worker->in_login = false;
    turn_done(worker->launch->turn, &worker->place);
    end_text(worker, wait_status, end.state, text, sizeof(text));
    if (end.state == TOKEN_STATE_LOGIN_BLOCKED && !stopping && !worker->no_login) {
        fault_set(&said, "%s", worker->said);
        login_block(worker->login, &said);
    }
    worker->status.n_restarts += !stopping && end.state == TOKEN_STATE_FAILED;
    if (!stopping)
        schedule(worker, end.floor_ms, end.max_ms);
    say(worker, end.state, text);
    worker->listener(worker->context, worker, WORKER_IS_DOWN);
}

/* The timer fires even when the wait is over at once: nothing starts a process from within the end
 * of another. */
static void
schedule(struct worker *worker, uint32_t floor_ms, uint32_t max_ms)
{
    uint32_t wait_ms = backoff_died(&worker->backoff, floor_ms, max_ms, clock_mono_ms());
    struct timeval wait = {.tv_sec = wait_ms / 1000,
                           .tv_usec = (suseconds_t)(wait_ms % 1000) * 1000};

    worker->due = false;
    evtimer_add(worker->timer, &wait);
}

static void
say(struct worker *worker, enum token_state state, const char *text)
{
    worker->status.state = state;
    snprintf(worker->status.text, sizeof(worker->status.text), "%.255s", text);
    worker->listener(worker->context, worker, WORKER_CHANGED);
}

static void
on_timer(evutil_socket_t fd, short what, void *context)
{
    struct worker *worker = context;

    (void)fd;
    (void)what;
    worker->due = true;
    worker->listener(worker->context, worker, WORKER_DUE);
}

void
worker_forgive(struct worker *worker)
{
    backoff_reset(&worker->backoff);
    if (worker->state != WORKER_DOWN)
        return;
    evtimer_del(worker->timer);
    worker->due = true;
}

void
worker_stop(struct worker *worker)
{
    evtimer_del(worker->timer);
    worker->due = false;
    if (worker->state == WORKER_DOWN || worker->state == WORKER_STOPPING)
        return;
    worker->state = WORKER_STOPPING;
    child_send(worker->child, CONTROL_STOP, NULL, NULL, 0);
    if (worker->login_wanted)
        worker_talk_deny(worker, KS_ERR_TOKEN_UNAVAILABLE, "keysvcd is stopping this process");
}

/* Before the first READY a process may be in C_Login without having said so yet. */
bool
worker_kill(struct worker *worker, bool force, const char *why)
{
    const struct config_token *token = token_of(worker);
    bool delicate = worker->state == WORKER_STARTING || worker->in_login;

    if (!worker->child)
        return true;
    if (delicate && turn_held(&worker->place) && !token->profile.kill_in_login && !force)
        return false;
    log_error("child=%s event=kill error=\"%s\"", worker->name, why);
    child_kill(worker->child);
    return true;
}

void
worker_check_hang(struct worker *worker, uint64_t now_ms)
{
    enum pulse_phase phase = PULSE_IDLE;
    uint64_t age_ms = 0;
    enum hang_verdict verdict;
    char text[128];

    if (!worker->child || !worker->pulse)
        return;
    verdict = hang_check(&worker->hang, worker->pulse, &token_of(worker)->profile,
                         worker->state == WORKER_READY, now_ms, &phase, &age_ms);
    if (verdict == HANG_NONE)
        return;
    snprintf(text, sizeof(text), "%s hangs in phase %s for %llu ms",
             phase == PULSE_GATE ? "it" : "its module", hang_phase_name(phase),
             (unsigned long long)age_ms);
    if (verdict == HANG_KILL) {
        snprintf(worker->said, sizeof(worker->said), "%s", text);
        worker_kill(worker, true, text);
    } else if (!worker->spare_logged) {
        worker->spare_logged = true;
        log_error("child=%s event=hang error=\"%s\" hint=\"not killed: the profile says that this "
                  "could destroy the token\"",
                  worker->name, text);
        say(worker, worker->status.state, text);
    }
}

void
worker_send_front(struct worker *worker, int fd)
{
    if (worker->state == WORKER_READY)
        child_send(worker->child, CONTROL_FRONT, NULL, &fd, 1);
}

void
worker_send_config(struct worker *worker, struct settings *settings)
{
    struct settings *before = worker->settings;
    uint64_t generation = settings_config(settings)->generation;

    worker->settings = settings_ref(settings);
    settings_unref(before);
    worker_end_before(worker, generation);
    /* One at a time: who does not read must not be sent one after the other. */
    if (worker->state != WORKER_READY || worker->config_sent == generation ||
        worker->config_done != worker->config_sent)
        return;
    worker->config_sent = generation;
    worker->config_sent_ms = clock_mono_ms();
    worker->late_logged = false;
    child_send(worker->child, CONTROL_CONFIG, settings_packed(settings), NULL, 0);
}

void
worker_end_before(struct worker *worker, uint64_t generation)
{
    if (worker->pulse)
        pulse_end_before(worker->pulse, generation);
}

bool
worker_owes_config(const struct worker *worker)
{
    return worker->state == WORKER_READY &&
           worker->config_done != settings_config(worker->settings)->generation;
}

void
worker_check_config(struct worker *worker, uint64_t now_ms)
{
    bool busy = worker->login_wanted || worker->in_login;

    if (!worker_owes_config(worker) || now_ms - worker->config_sent_ms < WORKER_CONFIG_MS)
        return;
    if (!busy && (!worker->pulse || hang_idle(worker->pulse, WORKER_CONFIG_MS, now_ms))) {
        worker_kill(worker, true, "it does not answer the new configuration");
    } else if (!worker->late_logged) {
        worker->late_logged = true;
        log_warning("child=%s event=config-late text=\"it is in a call and takes the new "
                    "configuration behind it; no job of the old one is begun\"",
                    worker->name);
    }
}

void
worker_rotate_audit(struct worker *worker)
{
    const char *folder = settings_config(worker->settings)->audit_dir;
    ks_auto(closep) int fd = -1;
    struct fault why = FAULT_INIT;

    if (worker->state != WORKER_READY)
        return;
    if (audit_files_follow(folder, &worker->audit, &fd, &why) != KS_OK) {
        worker->launch->tally->n_audit_failures++;
        log_error("child=%s event=audit-gone error=\"%s\" hint=\"%s\"", worker->name,
                  LOG_TEXT(why.text), LOG_TEXT(why.hint));
        child_send(worker->child, CONTROL_AUDIT_GONE, NULL, NULL, 0);
    } else if (fd >= 0) {
        child_send(worker->child, CONTROL_AUDIT, NULL, &fd, 1);
        log_info("child=%s event=audit-rotation", worker->name);
    }
}
