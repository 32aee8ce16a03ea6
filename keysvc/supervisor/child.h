/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child - one process of ours, its control socket, and its end
 *
 * Common to token processes and the front. Messages are handed up one at a time; one that the owner
 * calls nonsense costs the process its life. gone() comes exactly once, after the last message and
 * after the process was reaped; the owner frees the child there.
 *
 *   child_start() -> message() ... -> gone() -> child_free()
 */
#pragma once

#include <event2/event.h>

#include "base/err.h"
#include "base/fault.h"
#include "ipc/channel.h"
#include "ipc/control.h"
#include "supervisor/settings.h"
#include "supervisor/spawn.h"

struct stores;
struct turn;

/* What is needed to start anything; one for the whole supervisor. */
struct launch {
    struct event_base *base;
    struct turn *turn;
    struct stores *stores;
    struct settings *settings;   /* the running configuration; changes with a reload */
    struct control_tally *tally; /* whatever is counted; the front is told by front_send_tally() */
    const char *libexec_dir;
    bool switch_users;
    bool debug;
    bool ready; /* the service manager was told so */
};

struct child;

struct child_events {
    /* Anything but OK: nonsense, `why` says what; the process is killed. May not free the child. */
    ks_err (*message)(void *context, struct message *message, struct fault *why);
    void (*gone)(void *context, int wait_status);
};

/* `name` is for the log: "main/1". The control socket is added to the descriptors of `spawn`. */
ks_err child_start(struct event_base *base, const struct spawn *spawn, const char *name,
                   const struct child_events *events, void *context, struct child **out,
                   struct fault *why) KS_MUST_CHECK;

/* Takes NULL. A process that still runs is killed and reaped. */
struct child *child_free(struct child *child);

/* Queues and writes what goes. A child that cannot be told any more is killed: its owner hears
 * gone(). */
void child_send(struct child *child, enum control_message type, const struct buf *body,
                const int *fds, size_t n_fds);

/* SIGKILL; gone() follows. */
void child_kill(struct child *child);

pid_t child_pid(const struct child *child);

/* For the log: "killed by signal 9", "exit code 65: the token is absent" */
void child_exit_text(int wait_status, char *out, size_t cap);

/* What the end of a token process means, for people: "the token is absent"; NULL: the code has no
 * meaning of ours, or a signal killed it. */
const char *child_exit_meaning(int wait_status);
