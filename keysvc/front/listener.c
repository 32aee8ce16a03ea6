/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener - accept()
 */
#include "front/listener.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "base/clock.h"
#include "base/log.h"
#include "front/audit.h"
#include "front/discard.h"
#include "front/encode.h"
#include "front/front.h"
#include "front/passed.h"
#include "front/policy.h"
#include "front/quota.h"
#include "front/refusals.h"

#define MAX_SOCKETS 8
#define MAX_ACCEPTS 4 /* in one turn: the connections that are there get their turn too */
/* Descriptors that are no client's socket, the workers' sockets aside: our own, those that clients
 * pass for their imports, and one message full of them. */
#define SPARE_FILES (64 + QUOTA_FILES + PASSED_RECEIVE_MAX)
#define PAUSE_US (100 * 1000) /* without descriptors: when to try again */

/*
 * Connections of one user in a second, or as many as one may have open at a time if that is more.
 * The kernel gives them to us in the order they came: whoever connects without a pause makes the
 * others wait for all of his, so that what is beyond must cost little, and not what finding out
 * the groups and the unit of each costs.
 */
#define KNOCKS_PER_SECOND 1000
#define N_KNOCKS                                                                                   \
    256 /* users by their numbers modulo this; two with one place take it from each other */

/*
 * Behind so many that were turned away none is accepted for a while. Else a storm takes a processor of
 * the service's, and one of its own, for as long as it lasts. Not libevent's timer: its clock has steps
 * of 4 ms, which is how long a new connection of another's would wait.
 */
#define REST_AFTER 32
#define REST_NS (1000 * 1000)

struct knocks {
    uint32_t uid;
    uint32_t n_knocks;
    uint64_t second;
};

struct listener {
    struct knocks knocks[N_KNOCKS];
    struct front *front;
    struct event *sockets[MAX_SOCKETS];
    size_t n_sockets;
    struct event *retry;
    bool paused;
    uint32_t n_turned_away; /* since the last rest */
    int rest_fd;
    struct event *rested;
};

static bool is_listening(int fd);
static void on_connection(evutil_socket_t fd, short what, void *data);
static bool is_passing(struct listener *listener, int why);
static void welcome(struct front *front, int fd);
static bool knocks_too_often(struct listener *listener, int fd);
static void turn_away(struct front *front, int fd, const struct peer *peer, ks_err err,
                      const struct fault *why);
static ks_err make_timers(struct listener *listener);
static void rest(struct listener *listener);
static void on_rested(evutil_socket_t fd, short what, void *data);
static void pause_listening(struct listener *listener);
static void stop_listening(struct listener *listener);
static void go_on_listening(struct listener *listener);
static void on_retry(evutil_socket_t fd, short what, void *data);

ks_err
listener_new(struct front *front, const int *fds, size_t n_fds, struct listener **out,
             struct fault *why)
{
    struct listener *listener = calloc(1, sizeof(*listener));
    ks_err err = listener ? KS_OK : KS_ERR_INTERNAL;

    for (size_t i = 0; i < n_fds && !err; i++) {
        if (n_fds > MAX_SOCKETS || !is_listening(fds[i])) {
            fault_set(why, "a descriptor that is no listening socket");
            err = KS_ERR_BAD_REQUEST;
        }
    }
    if (listener)
        listener->rest_fd = -1;
    if (!err) {
        listener->front = front;
        err = make_timers(listener);
    }
    for (size_t i = 0; i < n_fds; i++) {
        struct event *event = NULL;

        if (!err)
            event = event_new(front->base, fds[i], EV_READ | EV_PERSIST, on_connection, listener);
        if (!event || event_add(event, NULL) < 0) {
            close(fds[i]);
            err = err ? err : KS_ERR_INTERNAL;
            continue;
        }
        listener->sockets[listener->n_sockets++] = event;
    }
    if (err) {
        listener_free(listener);
        return err;
    }
    *out = listener;
    return KS_OK;
}

static ks_err
make_timers(struct listener *listener)
{
    struct event_base *base = listener->front->base;

    listener->retry = evtimer_new(base, on_retry, listener);
    listener->rest_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (listener->rest_fd < 0)
        return KS_ERR_INTERNAL;
    listener->rested =
        event_new(base, listener->rest_fd, EV_READ | EV_PERSIST, on_rested, listener);
    if (!listener->retry || !listener->rested || event_add(listener->rested, NULL) < 0)
        return KS_ERR_INTERNAL;
    return KS_OK;
}

struct listener *
listener_free(struct listener *listener)
{
    if (!listener)
        return NULL;
    for (size_t i = 0; i < listener->n_sockets; i++) {
        close(event_get_fd(listener->sockets[i]));
        event_free(listener->sockets[i]);
    }
    if (listener->retry)
        event_free(listener->retry);
    if (listener->rested)
        event_free(listener->rested);
    if (listener->rest_fd >= 0)
        close(listener->rest_fd);
    free(listener);
    return NULL;
}

void
listener_limit(struct config *config)
{
    uint32_t *max = &config->limits.max_connections;
    struct rlimit files;
    uint64_t spare = SPARE_FILES, most;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur == RLIM_INFINITY)
        return;
    for (size_t i = 0; i < config->n_tokens; i++)
        spare += config->tokens[i].profile.workers;
    most = files.rlim_cur > spare ? files.rlim_cur - spare : 1;
    if (*max <= most)
        return;
    log_warning(
        "event=max-connections configured=%u effective=%llu reason=\"RLIMIT_NOFILE is %llu, "
        "of which %llu are kept\"",
        *max, (unsigned long long)most, (unsigned long long)files.rlim_cur,
        (unsigned long long)spare);
    *max = (uint32_t)most;
}

static bool
is_listening(int fd)
{
    int domain = 0, listening = 0, flags = fcntl(fd, F_GETFL);
    socklen_t domain_len = sizeof(domain), listening_len = sizeof(listening);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_len) == 0 && domain == AF_UNIX &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &listening_len) == 0 &&
           listening && flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

static void
on_connection(evutil_socket_t fd, short what, void *data)
{
    struct listener *listener = data;

    (void)what;
    for (int i = 0; i < MAX_ACCEPTS; i++) {
        int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (client < 0) {
            if (!is_passing(listener, errno))
                return;
        } else if (!knocks_too_often(listener, client)) {
            welcome(listener->front, client);
        } else if (++listener->n_turned_away == REST_AFTER) {
            rest(listener);
            return;
        }
    }
}

/* May the next one be accepted all the same? The one who connected may have gone already. */
static bool
is_passing(struct listener *listener, int why)
{
    if (why == EMFILE || why == ENFILE || why == ENOBUFS || why == ENOMEM)
        pause_listening(listener);
    return why == ECONNABORTED || why == EINTR;
}

/* True: it has been turned away. */
static bool
knocks_too_often(struct listener *listener, int fd)
{
    uint64_t second = clock_mono_ms() / 1000;
    uint32_t max = listener->front->config->limits.max_connections_per_caller;
    struct peer peer = PEER_INIT;
    struct fault why = FAULT_INIT;
    struct knocks *knocks;

    if (!peer_read_user(fd, &peer))
        return false; /* peer_read() says what is wrong */
    if (max < KNOCKS_PER_SECOND)
        max = KNOCKS_PER_SECOND;
    knocks = &listener->knocks[peer.uid % N_KNOCKS];
    if (knocks->uid != peer.uid || knocks->second != second)
        *knocks = (struct knocks){.uid = peer.uid, .second = second};
    if (++knocks->n_knocks <= max)
        return false;
    fault_set(&why, "uid %u: too many new connections, the limit is %u a second", peer.uid, max);
    turn_away(listener->front, fd, &peer, KS_ERR_BUSY, &why);
    return true;
}

static void
welcome(struct front *front, int fd)
{
    struct peer peer = PEER_INIT;
    struct quota_account *account;
    struct fault why = FAULT_INIT;
    bool administrator;
    ks_err err;

    err = peer_read(fd, &peer, &why);
    if (!err) {
        administrator = policy_find(front->config, &peer, NULL, OPERATION_ADMINISTER) != NULL;
        err = quota_connect(front->quota, &front->config->limits, &peer, administrator, &account,
                            &why);
    }
    if (err) {
        turn_away(front, fd, &peer, err, &why);
        peer_deinit(&peer);
        return;
    }
    front->metrics.n_accepted++;
    err = connection_new(front, fd, &peer, account);
    if (err)
        log_error("event=connection-refused outcome=%s", err_info(err)->name);
}

/* One answer, if it can be written at once, and the end. */
static void
turn_away(struct front *front, int fd, const struct peer *peer, ks_err err, const struct fault *why)
{
    struct reply reply = {.err = err, .why = why};
    struct audit_request refused = {
        .peer = peer,
        .operation = "connect",
        .subject = "",
        .rule = "",
        .outcome = err_info(err)->name,
        .reason = why->text,
    };
    ks_auto(buf_deinit) struct buf out = BUF_INIT;

    metrics_refuse(&front->metrics, METRICS_REFUSAL_CONNECTIONS);
    if (refusals_allowed(front->refusals, peer)) {
        log_info("event=connection-refused uid=%u pid=%d unit=%s outcome=%s reason=\"%s\"",
                 peer->uid, peer->pid, peer->unit, err_info(err)->name, LOG_TEXT(why->text));
        audit_refused(front->audit, &refused);
    }
    if (encode_reply(&out, &reply) == KS_OK &&
        send(fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        log_debug("event=connection-refused answer=unread");
    discard_socket(fd);
}

static void
rest(struct listener *listener)
{
    static const struct itimerspec once = {.it_value.tv_nsec = REST_NS};

    listener->n_turned_away = 0;
    if (timerfd_settime(listener->rest_fd, 0, &once, NULL) == 0)
        stop_listening(listener);
}

static void
on_rested(evutil_socket_t fd, short what, void *data)
{
    struct listener *listener = data;
    uint64_t n_times;

    (void)what;
    if (read(fd, &n_times, sizeof(n_times)) == (ssize_t)sizeof(n_times) && !listener->paused)
        go_on_listening(listener);
}

static void
pause_listening(struct listener *listener)
{
    const struct timeval pause = {.tv_usec = PAUSE_US};

    log_warning("event=no-descriptors consequence=\"no new connections until one is closed\"");
    stop_listening(listener);
    event_add(listener->retry, &pause);
    listener->paused = true;
}

static void
stop_listening(struct listener *listener)
{
    for (size_t i = 0; i < listener->n_sockets; i++)
        event_del(listener->sockets[i]);
}

static void
go_on_listening(struct listener *listener)
{
    for (size_t i = 0; i < listener->n_sockets; i++)
        event_add(listener->sockets[i], NULL);
    listener->paused = false;
}

static void
on_retry(evutil_socket_t fd, short what, void *data)
{
    (void)fd;
    (void)what;
    listener_room(data);
}

void
listener_room(struct listener *listener)
{
    if (listener && listener->paused)
        go_on_listening(listener);
}
