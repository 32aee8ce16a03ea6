/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peers - how many connections each address has, and how fast it makes handshakes, over all loops
 *
 * One stranger who connects and says nothing, again and again, must not have all the places; and one who
 * has a handshake made, again and again, must not have all of the token's time. An address is an IPv4
 * address, or an IPv6 network of 64 bits: that is what one host gets. May be called from every thread.
 */
#pragma once

#include <netinet/in.h>

#include "base/util.h"

#define PEER_KEY_LEN 16

struct peer_key {
    uint8_t bytes[PEER_KEY_LEN];
};

struct peers;

/* `max_each` 0: as many as there are. `rate` handshakes a second for each address, behind `burst` at
 * once; rate 0: as many as come. NULL: no memory. Takes NULL, returns NULL. */
struct peers *peers_new(size_t max_each, uint32_t rate, uint32_t burst);
struct peers *peers_free(struct peers *peers);

/* False: that address has its share already, or there is no memory. Else peers_put() later. */
bool peers_take(struct peers *peers, const struct sockaddr_storage *address,
                struct peer_key *out) KS_MUST_CHECK;
void peers_put(struct peers *peers, const struct peer_key *key);

/* When a handshake of that address, which has a connection, may begin: out->wait_ms from now. False: later
 * than max_wait_ms; nothing is counted then. */
struct peer_turn {
    uint64_t wait_ms;
    bool first; /* the first one that waits since its burst was full */
};
bool peers_turn(struct peers *peers, const struct peer_key *key, uint64_t max_wait_ms,
                struct peer_turn *out) KS_MUST_CHECK;
