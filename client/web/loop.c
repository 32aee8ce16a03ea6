/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop - accepting, resting when there is no place, stopping
 */
#include "client/web/loop.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client/web/connection.h"

#define REST_MS 200 /* after accept() failed for want of descriptors or memory */

static bool loop_init(struct loop *loop, struct fault *why);
static struct event_base *new_base(void);
static void begin(struct loop *loop, int fd, const struct sockaddr_storage *peer);
static void accept_one(evutil_socket_t fd, short events, void *context);
static void listen_again(evutil_socket_t fd, short events, void *context);
static void tell_limited(evutil_socket_t fd, short events, void *context);
static void be_stopped(evutil_socket_t fd, short events, void *context);

struct loop *
loop_new(const struct server_options *options, int listener, struct peers *peers,
         size_t max_connections, struct fault *why)
{
    struct loop *loop = calloc(1, sizeof(*loop));

    if (!loop) {
        fault_set(why, "no memory");
        return NULL;
    }
    *loop = (struct loop){.options = options,
                          .listener = listener,
                          .peers = peers,
                          .wake = -1,
                          .max_connections = max_connections};
    return loop_init(loop, why) ? loop : loop_free(loop);
}

static bool
loop_init(struct loop *loop, struct fault *why)
{
    loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->base = new_base();
    if (loop->wake < 0 || !loop->base) {
        fault_set(why, "cannot make an event loop: %m");
        return false;
    }
    loop->accepting = event_new(loop->base, loop->listener, EV_READ | EV_PERSIST, accept_one, loop);
    loop->stopping = event_new(loop->base, loop->wake, EV_READ, be_stopped, loop);
    loop->rest = evtimer_new(loop->base, listen_again, loop);
    loop->tell = evtimer_new(loop->base, tell_limited, loop);
    if (!loop->accepting || !loop->stopping || !loop->rest || !loop->tell ||
        event_add(loop->accepting, NULL) || event_add(loop->stopping, NULL)) {
        fault_set(why, "cannot make an event loop: no memory");
        return false;
    }
    if (!loop->options->thread_new)
        return true;
    loop->state = loop->options->thread_new(loop->options->context, why);
    return loop->state != NULL;
}

/* A handshake or a handler may wait for a token for seconds: deadlines that are set after it must
 * not count from before it, as with the time that libevent keeps. */
static struct event_base *
new_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (config && event_config_set_flag(config, EVENT_BASE_FLAG_NO_CACHE_TIME) == 0 &&
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0)
        base = event_base_new_with_config(config);
    if (config)
        event_config_free(config);
    return base;
}

struct loop *
loop_free(struct loop *loop)
{
    if (!loop)
        return NULL;
    while (loop->connections)
        connection_end(loop->connections);
    peerlog_tell(&loop->lines);
    if (loop->state && loop->options->thread_free)
        loop->options->thread_free(loop->state);
    if (loop->accepting)
        event_free(loop->accepting);
    if (loop->stopping)
        event_free(loop->stopping);
    if (loop->rest)
        event_free(loop->rest);
    if (loop->tell)
        event_free(loop->tell);
    if (loop->base)
        event_base_free(loop->base);
    if (loop->wake >= 0)
        close(loop->wake);
    free(loop);
    return NULL;
}

void
loop_run(struct loop *loop)
{
    event_base_dispatch(loop->base);
}

/* Whoever has his share is told nothing: that would cost more than he pays. */
static void
begin(struct loop *loop, int fd, const struct sockaddr_storage *peer)
{
    struct peer_key key;

    if (!peers_take(loop->peers, peer, &key)) {
        close(fd);
        return;
    }
    loop->n_connections++;
    connection_begin(loop, fd, peer, &key);
}

/* One at a time: others of the loops may be idle. */
static void
accept_one(evutil_socket_t fd, short events, void *context)
{
    struct timeval rest = {.tv_usec = REST_MS * 1000};
    struct sockaddr_storage peer = {0};
    socklen_t peer_len = sizeof(peer);
    struct loop *loop = context;
    int accepted;

    (void)events;
    accepted = accept4(fd, (struct sockaddr *)&peer, &peer_len, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (accepted >= 0) {
        begin(loop, accepted, &peer);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        if (loop_may_log(loop, "-"))
            log_warning("event=accept-failed why=\"%m\"");
        event_del(loop->accepting);
        event_add(loop->rest, &rest);
        return;
    }
    if (loop->n_connections >= loop->max_connections)
        event_del(loop->accepting);
}

static void
listen_again(evutil_socket_t fd, short events, void *context)
{
    struct loop *loop = context;

    (void)fd;
    (void)events;
    if (!loop->stop && loop->n_connections < loop->max_connections)
        event_add(loop->accepting, NULL);
}

void
loop_left(struct loop *loop, const struct peer_key *peer)
{
    peers_put(loop->peers, peer);
    loop->n_connections--;
    if (loop->stop && loop->n_connections == 0)
        event_base_loopbreak(loop->base);
    else if (!loop->stop && !event_pending(loop->rest, EV_TIMEOUT, NULL))
        event_add(loop->accepting, NULL);
}

void
loop_stop(struct loop *loop, uint32_t grace_ms)
{
    /* An eventfd holds no 0. */
    if (eventfd_write(loop->wake, (eventfd_t)grace_ms + 1))
        log_error("event=stop-failed why=\"%m\"");
}

static void
be_stopped(evutil_socket_t fd, short events, void *context)
{
    struct loop *loop = context;
    struct connection *next;
    struct timeval grace;
    eventfd_t value;

    (void)events;
    if (eventfd_read(fd, &value))
        return;
    value--;
    loop->stop = true;
    event_del(loop->accepting);
    event_del(loop->rest);
    for (struct connection *connection = loop->connections; connection; connection = next) {
        next = connection_next(connection);
        connection_stop(connection);
    }
    grace = (struct timeval){.tv_sec = (time_t)(value / 1000),
                             .tv_usec = (suseconds_t)(value % 1000 * 1000)};
    if (loop->n_connections == 0)
        event_base_loopbreak(loop->base);
    else
        event_base_loopexit(loop->base, &grace);
}

bool
loop_may_log(struct loop *loop, const char *peer)
{
    const struct timeval later = {.tv_sec = 1};

    if (peerlog_allowed(&loop->lines, peer))
        return true;
    if (!event_pending(loop->tell, EV_TIMEOUT, NULL))
        event_add(loop->tell, &later);
    return false;
}

static void
tell_limited(evutil_socket_t fd, short events, void *context)
{
    struct loop *loop = context;

    (void)fd;
    (void)events;
    peerlog_tell(&loop->lines);
}
