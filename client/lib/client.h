/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client - the connection in use, made when it is needed, again when it is of no more use
 */
#pragma once

#include "client/lib/connection.h"

/* A connection and how many use it; client_take() lends it for one call, client_put() gives it
 * back. */
struct lent {
    struct connection *connection;
    /* client.c's own */
    unsigned int n_users; /* calls, and one for the client */
    bool is_locked;       /* around a fork() */
    struct lent *next;    /* all that are lent by one client */
    struct lent **link;
};

/*
 * Dials if there is no connection, or a stale one. Only one thread dials, the others wait for it.
 * Errors are connection_dial's and connection_new's; DEADLINE.
 */
ks_err client_take(struct ks_client *client, uint64_t deadline_ms, struct lent **out,
                   struct ks_error *error) KS_MUST_CHECK;
void client_put(struct ks_client *client, struct lent *lent);

uint32_t client_timeout_ms(const struct ks_client *client);

/*
 * What a call waits for when it is not there: a service that has listened to this client before is
 * being restarted rather than not there, and so is a token process. Expected no more after a call
 * has waited for it in vain.
 */
enum awaited {
    AWAITED_SERVICE, /* from its first connection on */
    AWAITED_TOKEN,   /* from the start */
    AWAITED_COUNT,
};
bool client_expects(const struct ks_client *client, enum awaited what);
void client_expect(struct ks_client *client, enum awaited what, bool expected);
