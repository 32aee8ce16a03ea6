/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection - one socket to keysvcd with many calls open on it
 *
 * Used by any number of threads at once. There is no thread of our own: of the threads that wait
 * for an answer one reads, hands each answer to the thread it is for, and passes the reading on
 * when its own has come. A connection that failed once stays dead; client.c makes another one.
 */
#pragma once

#include <time.h>

#include "client/lib/convert.h"

struct connection;

enum connection_sent {
    CONNECTION_NOT_SENT, /* the service cannot have seen the whole request */
    CONNECTION_SENT,     /* it may have */
    CONNECTION_ANSWERED, /* it has, and answered */
};

/* A socket, not yet connected, of this process and effective user. INTERNAL: no descriptor, no
 * memory. */
ks_err connection_new(struct connection **out, struct ks_error *error) KS_MUST_CHECK;

/* No call may be under way; takes NULL; returns NULL. */
struct connection *connection_free(struct connection *connection);

/*
 * Connects and says Hello, before anybody else knows the connection. NO_SERVICE: nobody listens, or
 * it was closed; BUSY: too many wait to be accepted; DEADLINE; UNSUPPORTED: another protocol
 * version; or what the service says about this connection.
 */
ks_err connection_dial(struct connection *connection, const char *path, const char *program,
                       uint64_t deadline_ms, struct ks_error *error) KS_MUST_CHECK;

/* Somebody listened: what failed after that is a service being restarted, not one that is not there. */
bool connection_reached(const struct connection *connection);

/*
 * One request and its answer; `deadline_ms` is of clock_mono_ms(). KS_OK: *out is the answer, which
 * may be an error of the service. NO_SERVICE: the connection was lost; DEADLINE; INTERNAL: the
 * service sent nonsense; or what the service said when it closed the connection. *sent says how far
 * the request came.
 */
ks_err connection_call(struct connection *connection, const struct request *request,
                       uint64_t deadline_ms, enum connection_sent *sent, struct response **out,
                       struct ks_error *error) KS_MUST_CHECK;

/* It failed, or another process or effective user than now made it, or the program has closed its
 * descriptor. */
bool connection_stale(struct connection *connection);

/* Another process made it: only its descriptor may be touched. */
bool connection_foreign(const struct connection *connection);

/* Around fork(): nothing of the connection changes meanwhile. False: it could not be locked in time;
 * `until` is of CLOCK_MONOTONIC. */
bool connection_lock(struct connection *connection, const struct timespec *until);
void connection_unlock(struct connection *connection);

/*
 * In a forked child, instead of connection_free(): closes the child's copy of the descriptor
 * without a word to the service. `in_use`: threads of the parent were using it, so that its memory
 * may be half-changed; it is left alone then.
 */
struct connection *connection_abandon(struct connection *connection, bool in_use);
