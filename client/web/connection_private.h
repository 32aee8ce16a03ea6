/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection_private - one connection; for connection*.c only
 */
#pragma once

#include "client/web/connection.h"
#include "client/web/reader.h"
#include "client/web/wiped.h"

enum state {
    STATE_NEW,  /* nothing came yet */
    STATE_TURN, /* its address makes handshakes faster than it may: nothing is read until its turn */
    STATE_HANDSHAKE,
    STATE_READ,
    STATE_WRITE,
    STATE_LINGER,
};

enum step {
    STEP_ON,    /* another one at once */
    STEP_READ,  /* when there is something to read */
    STEP_WRITE, /* when there is room to write */
    STEP_TURN,  /* after wait_ms */
    STEP_END,   /* it is over */
};

struct connection {
    struct loop *loop;
    struct connection *next, **link;
    int fd;
    SSL *ssl; /* NULL before the handshake */
    struct event *io, *deadline;
    struct reader *reader;
    struct wiped out;
    size_t n_sent;
    enum state state;
    uint64_t wait_ms;
    bool last;   /* no request after this one */
    bool failed; /* TLS has no more to say */
    char peer[INET6_ADDRSTRLEN];
    struct peer_key key;
};

/* connection_tls.c. False: there is no certificate to serve with, or no memory. */
bool connection_tls_start(struct connection *connection);
/* What is to be waited for, or the end; who fails in the handshake is told about in the log. */
enum step connection_tls_failed(struct connection *connection, int result);

/* connection_request.c: the request that the reader has, answered and logged. */
void connection_serve(struct connection *connection);
/* Before its body is there. False: it was answered without its body, and nothing may follow. */
bool connection_admit(struct connection *connection);
/* What was no request is answered here. */
void connection_refuse(struct connection *connection);
