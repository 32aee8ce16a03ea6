/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection - one client: its turn, handshake, requests one after the other, the end
 *
 *     NEW -> TURN -> HANDSHAKE -> READ <-> WRITE -> LINGER
 *
 * All that can go wrong ends this connection and nothing else.
 */
#pragma once

#include "client/web/loop.h"

/* Takes the descriptor. The connection may be gone again when this returns. */
void connection_begin(struct loop *loop, int fd, const struct sockaddr_storage *peer,
                      const struct peer_key *key);

/* Closes and frees. */
void connection_end(struct connection *connection);

/* Ends it now if no request is under way, else after its answer. */
void connection_stop(struct connection *connection);

struct connection *connection_next(const struct connection *connection);
