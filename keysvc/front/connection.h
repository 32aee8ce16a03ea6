/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection - one client: frames in, answers out, and the clocks that end it
 *
 * Trusts nothing that arrives. An idle connection holds its struct and no buffer. It is dropped
 * when Hello does not come in time, when a frame that has begun does not end in time, when answers
 * are not read in time, and when it sends what is no Request, or descriptors that belong to none.
 * While a client leaves many answers unread nothing more is read from it.
 */
#pragma once

#include <sys/queue.h>

#include "front/peer.h"
#include "front/reply.h"

struct call;
struct call_list;
struct connection;
struct front;
struct passed;
struct quota_account;

TAILQ_HEAD(connection_list, connection);

/* All of a front's, part of struct front. */
struct connections {
    struct connection_list all;
    struct connection_list dirty;  /* with answers to be written at the end of this turn */
    struct connection_list parked; /* to be read in a later turn: their callers' share is used up */
    struct connection_list dead;   /* closed in this turn: freed at its end */
};

void connections_init(struct connections *connections);

/* Takes `fd`, the peer's groups and the account (all closed on failure too). INTERNAL: no memory.
 */
ks_err connection_new(struct front *front, int fd, struct peer *peer,
                      struct quota_account *account) KS_MUST_CHECK;

/* Queues an answer; it is written at the end of the turn. */
void connection_reply(struct connection *connection, const struct reply *reply);

/* One of its requests is refused. May it be written down? If not, it has been counted, and is charged
 * to its caller (quota_refused). */
bool connection_refused(struct connection *connection);

/* Drops it and everything it waits for; `reason` is for the log. Its memory stays until the turn is
 * over. */
void connection_close(struct connection *connection, const char *reason);

struct front *connection_front(const struct connection *connection);
const struct peer *connection_peer(const struct connection *connection);
struct quota_account *connection_account(const struct connection *connection);
struct passed *connection_passed(struct connection *connection);
struct call_list *connection_calls(struct connection *connection);

/* Some rule gives this caller `administer`. */
bool connection_administrator(const struct connection *connection);

/* The turn is over: answers are written, closed connections are freed. */
void connections_settle(struct front *front);

/* Drops those whose time is over. */
void connections_sweep(struct front *front, uint64_t now_ms);

/* Takes no more requests. */
void connections_stop(struct front *front);

/* Closes and frees all. */
void connections_free(struct front *front);
