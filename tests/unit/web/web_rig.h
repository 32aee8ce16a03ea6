/* SPDX-License-Identifier: Apache-2.0 */
/*
 * web_rig - a server with a key in memory, and clients that send what they please
 */
#pragma once

#include "client/web/server.h"

/* `path`, and what the handler does: "/echo" the body; "/peer" who asks, and why not; "/none" no answer; "/wait"
 * until go_on is set; "/long" 8 MiB; "/header" with one of its own; else 404. */
struct rig {
    struct server_options options; /* to be changed before rig_start() */
    struct server *server;
    SSL_CTX *contexts[2]; /* two certificates, CN=one and CN=two */
    _Atomic int current;  /* which is given to new connections; negative: none */
    _Atomic bool waiting; /* a handler is in "/wait" */
    _Atomic bool go_on;
    _Atomic int n_handshakes;   /* begun */
    const char *_Atomic lapsed; /* why no client's certificate holds; NULL: each does */
};

void rig_init(struct rig *rig);
void rig_start(struct rig *rig);
void rig_deinit(struct rig *rig);

/* A TCP connection, blocking, with a limit of 20 s. */
int rig_dial(const struct rig *rig);

/* With a handshake; `version` 0: any. NULL: it failed. rig_hang_up() closes the descriptor too. */
SSL *rig_connect(const struct rig *rig, int version);
void rig_hang_up(SSL *ssl);

/* One of the two certificates and its key, for a client as well. */
void rig_certify(SSL_CTX *context, const char *name);

/* "one" or "two". */
const char *rig_server_name(const SSL *ssl);

/* Sends `request`, reads until the answer is whole; "" : the connection was closed without one.
 * Static memory. */
const char *rig_ask(SSL *ssl, const char *request);
const char *rig_answer(SSL *ssl);

/* On a connection of its own: the status, 0: none. */
int rig_status(const struct rig *rig, const char *request);

/* Until a handler is in "/wait". */
void rig_until_waiting(const struct rig *rig);

/* True: the peer closes within 20 s. */
bool rig_closed(SSL *ssl);
