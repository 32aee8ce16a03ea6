/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_private - what worker.c (a worker's life) and worker_talk.c (what its process says) share;
 * for nobody else
 */
#pragma once

#include "base/log.h"
#include "supervisor/audit_files.h"
#include "supervisor/backoff.h"
#include "supervisor/hang.h"
#include "supervisor/turn.h"
#include "supervisor/worker.h"

struct worker {
    const struct launch *launch;
    struct settings *settings;
    struct login *login;
    char token[CONFIG_TITLE_MAX + 1];
    uint32_t index;
    char name[CONFIG_TITLE_MAX + 8]; /* "main/1" */
    worker_listener listener;
    void *context;

    enum worker_state state;
    struct child *child;
    struct pulse *pulse;
    struct hang hang;
    bool spare_logged;
    struct audit_file audit;
    struct fault checkpoint_failed; /* why the last checkpoint was not kept, as logged */
    struct turn_place place;
    bool login_wanted; /* the turn is for a login */
    bool in_login;     /* LOGIN_GO was sent, its result is not there */
    ks_err no_login;   /* why its last login was denied or refused; OK: it was not */
    uint64_t config_sent, config_done; /* generations; `settings` may be a newer one */
    uint64_t config_sent_ms;
    bool late_logged; /* that it has not answered it in time */

    struct log_limit messages; /* that it may send, and lines that it may cause */
    struct backoff backoff;
    struct event *timer;
    bool due;
    struct control_state status; /* what is reported */
    char said[256];              /* what this process said about its trouble; empty: nothing */
    char absence[256];           /* why the token was absent, as logged last */
};

/* One message of the process; anything but OK is nonsense. */
ks_err worker_talk_take(struct worker *worker, struct message *message,
                        struct fault *why) KS_MUST_CHECK;

/* The turn is ours: START_GO, or LOGIN_GO with the PIN file, or LOGIN_DENIED. */
void worker_talk_go(struct worker *worker);

/* Answers a login that was wanted with LOGIN_DENIED. */
void worker_talk_deny(struct worker *worker, ks_err err, const char *text);
