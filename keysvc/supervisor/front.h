/* SPDX-License-Identifier: Apache-2.0 */
/*
 * front - the one process that clients talk to: its start, its restarts, what it is told and what
 * it asks for
 *
 *   DOWN --> STARTING --READY--> READY --front_stop()--> STOPPING --> DOWN
 *
 * It is less trusted than we are: what makes no sense costs it its life, and a new one is started
 * at once.
 */
#pragma once

#include "supervisor/child.h"
#include "supervisor/sockets.h"

enum front_event {
    FRONT_IS_READY,    /* wire all ready workers to it, tell it all states */
    FRONT_HAS_NEWS,    /* it was sent a configuration: tell it of the tokens that front_is_news() */
    FRONT_CONFIG_DONE, /* it has taken the generation it was sent last */
    FRONT_IS_DOWN,
};

struct front;

struct front_events {
    void (*changed)(void *context, enum front_event event);
    void (*admin)(void *context, const struct control_admin *admin);
    void (*worker_bad)(void *context, const struct control_worker *worker);
};

/* `launch`, `sockets` and `events` outlive it. */
ks_err front_new(const struct launch *launch, const struct sockets *sockets,
                 const struct front_events *events, void *context,
                 struct front **out) KS_MUST_CHECK;
/* Takes NULL; kills a process that still runs. */
struct front *front_free(struct front *front);

void front_start(struct front *front);
void front_stop(struct front *front);
void front_kill(struct front *front, const char *why);
bool front_ready(const struct front *front);
bool front_down(const struct front *front);
/* It is ready, and was sent a configuration with this token. */
bool front_knows(const struct front *front, const char *token);

/* Nothing happens while it is not ready, or for a token that was not in the configuration that it
 * was sent last: it is told everything when it is. */
void front_send_worker(struct front *front, const char *token, uint32_t worker_index, int fd);
void front_send_state(struct front *front, const struct control_state *state);
void front_send_result(struct front *front, const struct control_result *result);

/* launch->tally, if the front has not heard it yet. */
void front_send_tally(struct front *front);

/* The running configuration (launch->settings) to a ready front; a starting one gets it when it is
 * ready. */
void front_send_config(struct front *front);
/* This token is in the configuration that it was sent last, and was not in the one before. */
bool front_is_news(const struct front *front, const char *token);
bool front_owes_config(const struct front *front);

/* As worker_rotate_audit(). */
void front_rotate_audit(struct front *front);
