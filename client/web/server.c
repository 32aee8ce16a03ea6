/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server - the listening socket and the threads
 */
#include "client/web/server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "client/web/loop.h"

#define BACKLOG 128 /* what waits for a place when all are taken */

struct server {
    struct server_options options; /* what they point to is the caller's */
    int listener;
    uint16_t port;
    struct peers *peers;
    struct loop **loops;
    pthread_t *threads;
    size_t n_loops;
    size_t n_running;
};

static ks_err open_listener(struct server *server, struct fault *why);
static int bind_to(const struct addrinfo *address);
static ks_err read_port(struct server *server, struct fault *why);
static ks_err run_loops(struct server *server, struct fault *why);
static void *run_loop(void *context);

ks_err
server_new(const struct server_options *options, struct server **out, struct fault *why)
{
    struct server *server = calloc(1, sizeof(*server));
    ks_err err;

    assert(options->threads > 0 && options->max_connections > 0);
    if (!server) {
        fault_set(why, "no memory");
        return KS_ERR_INTERNAL;
    }
    server->options = *options;
    server->listener = -1;
    if (server->options.threads > options->max_connections)
        server->options.threads = options->max_connections; /* each needs one */
    err = open_listener(server, why);
    if (err) {
        server_free(server);
        return err;
    }
    *out = server;
    return KS_OK;
}

static ks_err
open_listener(struct server *server, struct fault *why)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *address;
    char port[8];
    int failed;

    snprintf(port, sizeof(port), "%u", server->options.port);
    failed = getaddrinfo(server->options.address, port, &hints, &address);
    if (failed) {
        fault_set(why, "\"%s\" is no IP address: %s", server->options.address,
                  gai_strerror(failed));
        return KS_ERR_USAGE;
    }
    server->listener = bind_to(address);
    freeaddrinfo(address);
    if (server->listener < 0) {
        fault_set(why, "cannot listen at %s, port %u: %s", server->options.address,
                  server->options.port, strerror(errno));
        return KS_ERR_USAGE;
    }
    return read_port(server, why);
}

static int
bind_to(const struct addrinfo *address)
{
    ks_auto(closep) int fd =
        socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;

    /* A restart does not wait for the connections of before to be forgotten. */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
        bind(fd, address->ai_addr, address->ai_addrlen) || listen(fd, BACKLOG))
        return -1;
    return ks_steal_fd(&fd);
}

static ks_err
read_port(struct server *server, struct fault *why)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);

    if (getsockname(server->listener, (struct sockaddr *)&address, &len)) {
        fault_set(why, "cannot ask for the port: %s", strerror(errno));
        return KS_ERR_INTERNAL;
    }
    server->port = ntohs(address.ss_family == AF_INET6
                             ? ((const struct sockaddr_in6 *)(const void *)&address)->sin6_port
                             : ((const struct sockaddr_in *)(const void *)&address)->sin_port);
    return KS_OK;
}

uint16_t
server_port(const struct server *server)
{
    return server->port;
}

ks_err
server_start(struct server *server, struct fault *why)
{
    size_t n = server->options.threads;
    size_t places = server->options.max_connections;
    sigset_t all, before;
    ks_err err;

    server->peers = peers_new(server->options.max_each, server->options.handshake_rate,
                              server->options.handshake_burst);
    server->loops = calloc(n, sizeof(*server->loops));
    server->threads = calloc(n, sizeof(*server->threads));
    if (!server->peers || !server->loops || !server->threads) {
        fault_set(why, "no memory");
        return KS_ERR_INTERNAL;
    }
    for (size_t i = 0; i < n; i++) {
        size_t share = places / n + (i < places % n ? 1 : 0);

        server->loops[i] = loop_new(&server->options, server->listener, server->peers, share, why);
        if (!server->loops[i])
            return KS_ERR_INTERNAL;
        server->n_loops++;
    }
    /* Signals are for whoever started the server. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = run_loops(server, why);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

static ks_err
run_loops(struct server *server, struct fault *why)
{
    for (size_t i = 0; i < server->n_loops; i++) {
        int failed = pthread_create(&server->threads[i], NULL, run_loop, server->loops[i]);

        if (failed) {
            fault_set(why, "cannot start a thread: %s", strerror(failed));
            return KS_ERR_INTERNAL;
        }
        server->n_running++;
    }
    return KS_OK;
}

static void *
run_loop(void *context)
{
    loop_run(context);
    return NULL;
}

void
server_stop(struct server *server, uint32_t grace_ms)
{
    for (size_t i = 0; i < server->n_running; i++)
        loop_stop(server->loops[i], grace_ms);
    for (size_t i = 0; i < server->n_running; i++)
        pthread_join(server->threads[i], NULL);
    server->n_running = 0;
}

struct server *
server_free(struct server *server)
{
    if (!server)
        return NULL;
    server_stop(server, 0);
    for (size_t i = 0; i < server->n_loops; i++)
        loop_free(server->loops[i]);
    free(server->loops);
    free(server->threads);
    peers_free(server->peers);
    if (server->listener >= 0)
        close(server->listener);
    free(server);
    return NULL;
}
