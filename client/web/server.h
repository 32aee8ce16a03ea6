/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server - HTTPS for agent and hub: bounded, with a deadline for each connection
 *
 * `threads` loops, each with its own event base, accept from one listening socket: a handler or a
 * handshake that waits for a token holds up the connections of its own loop only. Each loop has its
 * share of max_connections; when it is used up the loop accepts nothing until one closes. A connection that has not sent a whole
 * request within request_timeout_ms, or does not take its answer, is closed: one byte a second does
 * not keep it. TLS 1.2 and 1.3 only; each new connection asks for its context, so that another
 * certificate ends no open one. What is no proper request (head.h) is answered here and its
 * connection closed. One line of the log for each request; of those that are refused few a second for
 * each peer, and how many were left out (peerlog.h).
 *
 *   server_new() -> server_start() -> ... -> server_stop() -> server_free()
 *
 * Memory of requests is wiped when it is freed: bodies and headers hold passwords.
 */
#pragma once

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/fault.h"
#include "client/web/request.h"

/* Called in a loop's thread before each new connection; the context, up-ref'd (SSL_CTX_free). NULL:
 * the connection is closed. `state` is the loop's, from thread_new. */
typedef SSL_CTX *(*server_tls_fn)(void *state);

/* Before a request of a client that showed a certificate, which was verified in the handshake: why it holds
 * no longer, a constant; NULL: it does. */
typedef const char *(*server_client_fn)(SSL *ssl, void *state);

/* One request; web_answer*() exactly once before it returns. */
typedef void (*server_handler_fn)(struct web_request *request, void *state);

struct server_options {
    const char *address; /* "127.0.0.1", "::" */
    uint16_t port;       /* 0: the kernel's choice; server_port() */
    uint32_t threads;
    uint32_t max_connections;
    uint32_t
        max_each; /* connections of one address (peers.h); more are closed at once. 0: no such limit */
    uint32_t handshake_rate; /* of one address a second, when handshake_burst are used up; more wait
                                 for their turn, or are closed if it is too far. 0: no such limit */
    uint32_t handshake_burst;
    uint32_t request_timeout_ms;
    size_t max_body_len; /* more: 413, without having read it */
    size_t max_headers_len;
    server_tls_fn tls;
    server_client_fn client; /* NULL: what was verified once holds as long as the connection */
    server_handler_fn handle;
    /* NULL, or asked once when the head of a request is there and its body is not: an answer refuses
     * the body, and ends the connection. So strangers cannot have their bodies kept. */
    server_handler_fn admit;
    /* Each loop's own state, made and freed by the thread that starts and frees the server; NULL:
     * there is none to be had. */
    void *(*thread_new)(void *context, struct fault *why);
    void (*thread_free)(void *state);
    void *context;
};

struct server;

/* Binds and listens. USAGE: address or port cannot be had. */
ks_err server_new(const struct server_options *options, struct server **out,
                  struct fault *why) KS_MUST_CHECK;
uint16_t server_port(const struct server *server);
ks_err server_start(struct server *server, struct fault *why) KS_MUST_CHECK;
/* No new connections; open requests may end within grace_ms, and as long as a handler takes. */
void server_stop(struct server *server, uint32_t grace_ms);
/* Takes NULL, returns NULL. */
struct server *server_free(struct server *server);
