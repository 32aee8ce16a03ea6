/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop - one thread of the server: its event base, its connections, its share of the limit
 *
 * Everything but loop_new(), loop_free() and loop_stop() happens in the loop's own thread, so
 * nothing is locked. Each loop listens to the same socket and has its part of max_connections: full,
 * it stops listening, and the others go on.
 */
#pragma once

#include <event2/event.h>

#include "client/web/peerlog.h"
#include "client/web/peers.h"
#include "client/web/server.h"

struct connection;

struct loop {
    const struct server_options *options; /* the server's */
    int listener;                         /* borrowed */
    struct peers *peers;                  /* borrowed */
    int wake;                             /* eventfd: holds the grace in ms, once */
    struct event_base *base;
    struct event *accepting, *stopping, *rest, *tell;
    struct connection *connections; /* a list */
    size_t n_connections, max_connections;
    void *state; /* from options->thread_new */
    struct peerlog lines;
    bool stop;
};

/* NULL: no memory, no descriptor, or thread_new failed. */
struct loop *loop_new(const struct server_options *options, int listener, struct peers *peers,
                      size_t max_connections, struct fault *why);
struct loop *loop_free(struct loop *loop);

/* Until it was stopped and its connections are gone. */
void loop_run(struct loop *loop);

/* From another thread. What was not asked completely ends now, the rest within grace_ms. */
void loop_stop(struct loop *loop, uint32_t grace_ms);

/* A connection has gone. */
void loop_left(struct loop *loop, const struct peer_key *peer);

/* Before a line that this peer caused. False: too many this second; how many is told a second later. */
bool loop_may_log(struct loop *loop, const char *peer);
