/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child - start, talk, reap
 *
 * A pidfd in the event loop says when the process has ended. What it wrote before its end is read
 * first: a login's result followed by exit must not look like a crash during the login.
 */
#include "supervisor/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/log.h"

#define NAME_LEN 80
#define MAX_LAST_READS 256
#define CLOSED_GRACE_S 5 /* from the end of the control socket to the end of the process */

struct child {
    pid_t pid;
    int pidfd;
    bool dumb; /* it sent nonsense or closed its end: nothing is read or written any more */
    char name[NAME_LEN];
    struct channel *channel;
    struct event *readable;
    struct event *writable;
    struct event *ended;
    struct event *grace;
    const struct child_events *events;
    void *context;
};

static ks_err watch(struct child *child, struct event_base *base, struct fault *why);
static void on_readable(evutil_socket_t fd, short what, void *context);
static void on_writable(evutil_socket_t fd, short what, void *context);
static void on_ended(evutil_socket_t fd, short what, void *context);
static void on_grace_over(evutil_socket_t fd, short what, void *context);
static ks_err read_messages(struct child *child);
static void dispatch(struct child *child);
static void fall_silent(struct child *child);

ks_err
child_start(struct event_base *base, const struct spawn *spawn, const char *name,
            const struct child_events *events, void *context, struct child **out, struct fault *why)
{
    struct child *child = calloc(1, sizeof(*child));
    int ends[2];
    ks_err err;

    if (!child || channel_pair(ends) != KS_OK) {
        free(child);
        fault_set(why, "cannot start %s: no memory or no descriptors", name);
        return KS_ERR_INTERNAL;
    }
    child->pidfd = -1;
    child->events = events;
    child->context = context;
    snprintf(child->name, sizeof(child->name), "%s", name);
    err = channel_new(ends[0], CHANNEL_MAX_CONFIG, &child->channel);
    if (!err)
        err = spawn_process(spawn, &ends[1], 1, &child->pid, why);
    if (err)
        child->pid = 0;
    close(ends[1]);
    if (!err)
        err = watch(child, base, why);
    if (err) {
        child_free(child);
        return err;
    }
    log_debug("child=%s event=started pid=%d", name, (int)child->pid);
    *out = child;
    return KS_OK;
}

static ks_err
watch(struct child *child, struct event_base *base, struct fault *why)
{
    int fd = channel_fd(child->channel);

    child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
    if (child->pidfd >= 0) {
        child->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, child);
        child->writable = event_new(base, fd, EV_WRITE, on_writable, child);
        child->ended = event_new(base, child->pidfd, EV_READ, on_ended, child);
        child->grace = evtimer_new(base, on_grace_over, child);
    }
    if (!child->readable || !child->writable || !child->ended || !child->grace ||
        event_add(child->readable, NULL) < 0 || event_add(child->ended, NULL) < 0) {
        fault_set(why, "cannot watch %s: %s", child->name, strerror(errno));
        return KS_ERR_INTERNAL;
    }
    return KS_OK;
}

static void
free_event(struct event *event)
{
    if (event)
        event_free(event);
}

struct child *
child_free(struct child *child)
{
    if (!child)
        return NULL;
    free_event(child->readable);
    free_event(child->writable);
    free_event(child->ended);
    free_event(child->grace);
    if (child->pid > 0) {
        kill(child->pid, SIGKILL);
        TEMP_FAILURE_RETRY(waitpid(child->pid, NULL, 0));
    }
    closep(&child->pidfd);
    channel_free(child->channel);
    free(child);
    return NULL;
}

pid_t
child_pid(const struct child *child)
{
    return child->pid;
}

void
child_kill(struct child *child)
{
    if (child->pid > 0)
        kill(child->pid, SIGKILL);
}

void
child_send(struct child *child, enum control_message type, const struct buf *body, const int *fds,
           size_t n_fds)
{
    ks_err err;

    if (child->dumb)
        return;
    err = channel_queue(child->channel, (uint16_t)type, body, fds, n_fds);
    if (!err)
        err = channel_flush(child->channel);
    if (err == KS_ERR_NO_SERVICE) {
        fall_silent(child);
        return;
    }
    if (err) {
        log_error("child=%s event=kill error=\"cannot tell it message %d\"", child->name, type);
        child_kill(child);
        return;
    }
    if (channel_pending(child->channel) > 0)
        event_add(child->writable, NULL);
}

static void
on_writable(evutil_socket_t fd, short what, void *context)
{
    struct child *child = context;

    (void)fd;
    (void)what;
    if (child->dumb)
        return;
    if (channel_flush(child->channel) != KS_OK) {
        fall_silent(child);
        return;
    }
    if (channel_pending(child->channel) > 0)
        event_add(child->writable, NULL);
}

static void
on_readable(evutil_socket_t fd, short what, void *context)
{
    struct child *child = context;

    (void)fd;
    (void)what;
    if (read_messages(child) == KS_ERR_NO_SERVICE)
        fall_silent(child);
}

/* NO_SERVICE: the other end is gone, and everything it had sent was handed up. */
static ks_err
read_messages(struct child *child)
{
    ks_err err;

    if (child->dumb)
        return KS_OK;
    err = channel_fill(child->channel);
    if (err == KS_OK || err == KS_ERR_NO_SERVICE) {
        dispatch(child);
        return err;
    }
    log_error("child=%s event=kill error=\"its control socket makes no sense\"", child->name);
    child->dumb = true;
    child_kill(child);
    return err;
}

static void
dispatch(struct child *child)
{
    struct message message = MESSAGE_INIT;
    bool have = true;

    while (have && !child->dumb) {
        struct fault why = FAULT_INIT;
        ks_err err = channel_next(child->channel, &message, &have);

        if (!err && !have)
            break;
        if (err)
            fault_set(&why, "what it sends is no message");
        else
            err = child->events->message(child->context, &message, &why);
        if (!err)
            continue;
        log_error("child=%s event=kill error=\"nonsense: %s (message %u)\"", child->name,
                  LOG_TEXT(why.text), message.type);
        fall_silent(child);
        child_kill(child);
    }
    message_deinit(&message);
}

/* The end of the socket comes before the end of the process, but not long before. */
static void
fall_silent(struct child *child)
{
    const struct timeval grace = {.tv_sec = CLOSED_GRACE_S};

    child->dumb = true;
    event_del(child->readable);
    event_del(child->writable);
    evtimer_add(child->grace, &grace);
}

static void
on_grace_over(evutil_socket_t fd, short what, void *context)
{
    struct child *child = context;

    (void)fd;
    (void)what;
    log_warning("child=%s event=kill error=\"it closed its control socket and did not end\"",
                child->name);
    child_kill(child);
}

static void
on_ended(evutil_socket_t fd, short what, void *context)
{
    struct child *child = context;
    int status = 0;

    (void)fd;
    (void)what;
    /* Bounded: a descendant that inherited the socket could keep it open. */
    for (int i = 0; i < MAX_LAST_READS && !child->dumb && read_messages(child) == KS_OK; i++)
        ;
    if (TEMP_FAILURE_RETRY(waitpid(child->pid, &status, 0)) < 0)
        status = W_EXITCODE(CONTROL_EXIT_SETUP, 0);
    child->pid = 0;
    child->events->gone(child->context, status); /* frees the child */
}

const char *
child_exit_meaning(int wait_status)
{
    static const char *const meanings[] = {
        [CONTROL_EXIT_SETUP - CONTROL_EXIT_SETUP] = "it cannot work as configured",
        [CONTROL_EXIT_NO_TOKEN - CONTROL_EXIT_SETUP] = "the token is absent",
        [CONTROL_EXIT_LOGIN_BLOCKED - CONTROL_EXIT_SETUP] = "the login is blocked",
        [CONTROL_EXIT_TOKEN_LOST - CONTROL_EXIT_SETUP] = "the token was lost",
        [CONTROL_EXIT_OTHER_TOKEN - CONTROL_EXIT_SETUP] = "another token is in its place",
    };
    int code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;

    if (code < CONTROL_EXIT_SETUP || (size_t)(code - CONTROL_EXIT_SETUP) >= ARRAY_LEN(meanings))
        return NULL;
    return meanings[code - CONTROL_EXIT_SETUP];
}

void
child_exit_text(int wait_status, char *out, size_t cap)
{
    const char *meaning = child_exit_meaning(wait_status);

    if (!WIFEXITED(wait_status))
        snprintf(out, cap, "killed by signal %d", WTERMSIG(wait_status));
    else if (meaning)
        snprintf(out, cap, "exit code %d: %s", WEXITSTATUS(wait_status), meaning);
    else
        snprintf(out, cap, "exit code %d", WEXITSTATUS(wait_status));
}
