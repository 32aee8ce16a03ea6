/* SPDX-License-Identifier: Apache-2.0 */
/*
 * roster - who stays, who leaves, who comes
 */
#include "supervisor/roster.h"

#include "base/clock.h"
#include "base/log.h"

#define POLL_MS 1000 /* how often the PIN files of blocked logins are looked at */
#define MAX_ENTRIES (4 * CONFIG_MAX_TOKENS)

struct entry {
    struct token *token;
    uint64_t leave_ms; /* when it was asked to leave; 0: it was not */
};

struct roster {
    const struct launch *launch;
    token_listener listener;
    void *context;
    struct entry entries[MAX_ENTRIES];
    size_t n_entries;
    struct event *sweep; /* never from within what a token is doing */
    uint64_t next_poll_ms;
};

/* The tokens that are to come, before anything has happened. */
struct arrivals {
    struct token *tokens[CONFIG_MAX_TOKENS];
    size_t n_tokens;
};

static void on_token(void *context, struct token *token, struct worker *worker,
                     enum worker_event event);
static void on_sweep(evutil_socket_t fd, short what, void *context);
static ks_err prepare(struct roster *roster, struct settings *from, struct settings *to,
                      struct arrivals *arrivals, struct fault *why);
static void leave(struct entry *entry);
static void start_who_may(struct roster *roster);

ks_err
roster_new(const struct launch *launch, token_listener listener, void *context, struct roster **out)
{
    struct roster *roster = calloc(1, sizeof(*roster));

    if (!roster)
        return KS_ERR_INTERNAL;
    roster->launch = launch;
    roster->listener = listener;
    roster->context = context;
    roster->sweep = event_new(launch->base, -1, 0, on_sweep, roster);
    if (!roster->sweep) {
        free(roster);
        return KS_ERR_INTERNAL;
    }
    *out = roster;
    return KS_OK;
}

struct roster *
roster_free(struct roster *roster)
{
    if (!roster)
        return NULL;
    for (size_t i = 0; i < roster->n_entries; i++)
        token_free(roster->entries[i].token);
    event_free(roster->sweep);
    free(roster);
    return NULL;
}

ks_err
roster_apply(struct roster *roster, struct settings *from, struct settings *to, struct fault *why)
{
    struct arrivals arrivals = {.n_tokens = 0};
    ks_err err = prepare(roster, from, to, &arrivals, why);

    if (!err && roster->n_entries + arrivals.n_tokens > MAX_ENTRIES) {
        fault_set(why, "tokens of earlier reloads are still stopping");
        err = KS_ERR_BUSY;
    }
    if (err) {
        for (size_t i = 0; i < arrivals.n_tokens; i++)
            token_free(arrivals.tokens[i]);
        return err;
    }
    for (size_t i = 0; i < roster->n_entries; i++) {
        struct entry *entry = &roster->entries[i];

        if (entry->leave_ms != 0)
            continue;
        if (settings_same_token(from, to, token_name(entry->token))) {
            token_send_config(entry->token, to);
        } else {
            token_end_before(entry->token, settings_config(to)->generation);
            leave(entry);
        }
    }
    for (size_t i = 0; i < arrivals.n_tokens; i++)
        roster->entries[roster->n_entries++] = (struct entry){.token = arrivals.tokens[i]};
    event_active(roster->sweep, 0, 0);
    start_who_may(roster);
    return KS_OK;
}

static ks_err
prepare(struct roster *roster, struct settings *from, struct settings *to,
        struct arrivals *arrivals, struct fault *why)
{
    const struct config *config = settings_config(to);

    for (size_t i = 0; i < config->n_tokens && i < CONFIG_MAX_TOKENS; i++) {
        const char *name = config->tokens[i].name;
        ks_err err;

        if (from && settings_same_token(from, to, name))
            continue;
        err = token_new(roster->launch, to, name, on_token, roster,
                        &arrivals->tokens[arrivals->n_tokens], why);
        if (err)
            return err;
        arrivals->n_tokens++;
    }
    return KS_OK;
}

static void
leave(struct entry *entry)
{
    entry->leave_ms = clock_mono_ms();
    token_stop(entry->token);
}

/* Of two tokens with one name the earlier entry is the one that leaves. */
static void
start_who_may(struct roster *roster)
{
    for (size_t i = 0; i < roster->n_entries; i++) {
        struct token *token = roster->entries[i].token;
        bool alone = true;

        if (roster->entries[i].leave_ms != 0 || token_started(token))
            continue;
        for (size_t j = 0; j < i; j++)
            alone = alone && strcmp(token_name(roster->entries[j].token), token_name(token)) != 0;
        if (alone)
            token_start(token);
    }
}

static void
on_token(void *context, struct token *token, struct worker *worker, enum worker_event event)
{
    struct roster *roster = context;

    if (token_stopping(token)) {
        event_active(roster->sweep, 0, 0);
        return;
    }
    roster->listener(roster->context, token, worker, event);
}

static void
on_sweep(evutil_socket_t fd, short what, void *context)
{
    struct roster *roster = context;
    bool left = false;
    size_t n = 0;

    (void)fd;
    (void)what;
    for (size_t i = 0; i < roster->n_entries; i++) {
        if (roster->entries[i].leave_ms != 0 && token_gone(roster->entries[i].token)) {
            token_free(roster->entries[i].token);
            left = true;
        } else {
            roster->entries[n++] = roster->entries[i];
        }
    }
    roster->n_entries = n;
    start_who_may(roster);
    if (left)
        roster->listener(roster->context, NULL, NULL, WORKER_IS_DOWN);
}

void
roster_stop(struct roster *roster)
{
    for (size_t i = 0; i < roster->n_entries; i++) {
        if (roster->entries[i].leave_ms == 0)
            leave(&roster->entries[i]);
    }
    event_active(roster->sweep, 0, 0);
}

bool
roster_empty(const struct roster *roster)
{
    return roster->n_entries == 0;
}

void
roster_tick(struct roster *roster, uint64_t now_ms)
{
    bool poll = now_ms >= roster->next_poll_ms;

    if (poll)
        roster->next_poll_ms = now_ms + POLL_MS;
    for (size_t i = 0; i < roster->n_entries; i++) {
        struct entry *entry = &roster->entries[i];

        if (entry->leave_ms == 0) {
            token_check(entry->token, now_ms);
            token_rotate_audit(entry->token);
            if (poll)
                token_poll(entry->token);
        } else if (now_ms - entry->leave_ms > ROSTER_LEAVE_MS && !token_gone(entry->token)) {
            token_kill(entry->token, now_ms - entry->leave_ms > ROSTER_LEAVE_MS + ROSTER_SPARE_MS,
                       "it was asked to stop and did not");
        }
    }
}

void
roster_rotate_audit(struct roster *roster)
{
    for (size_t i = 0; i < roster->n_entries; i++)
        token_rotate_audit(roster->entries[i].token);
}

bool
roster_owes_config(const struct roster *roster)
{
    for (size_t i = 0; i < roster->n_entries; i++) {
        if (roster->entries[i].leave_ms == 0 && token_owes_config(roster->entries[i].token))
            return true;
    }
    return false;
}

struct token *
roster_find(const struct roster *roster, const char *name)
{
    for (size_t i = 0; i < roster->n_entries; i++) {
        if (roster->entries[i].leave_ms == 0 &&
            strcmp(token_name(roster->entries[i].token), name) == 0)
            return roster->entries[i].token;
    }
    return NULL;
}

struct token *
roster_token(const struct roster *roster, size_t i)
{
    for (size_t at = 0; at < roster->n_entries; at++) {
        if (roster->entries[at].leave_ms == 0 && i-- == 0)
            return roster->entries[at].token;
    }
    return NULL;
}
