/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peers - a table without order: addresses that have a connection are few
 */
#include "client/web/peers.h"

#include <assert.h>
#include <pthread.h>

#define NETWORK_LEN 8 /* bytes of an IPv6 address that name one host's network */

struct row {
    struct peer_key key;
    size_t n;
};

struct peers {
    pthread_mutex_t lock;
    struct row *rows;
    size_t n_rows, cap;
    size_t max_each;
};

static struct peer_key key_of(const struct sockaddr_storage *address);
static struct row *find(struct peers *peers, const struct peer_key *key);
static struct row *add(struct peers *peers, const struct peer_key *key);

struct peers *
peers_new(size_t max_each)
{
    struct peers *peers = calloc(1, sizeof(*peers));

    if (!peers)
        return NULL;
    peers->max_each = max_each;
    pthread_mutex_init(&peers->lock, NULL);
    return peers;
}

struct peers *
peers_free(struct peers *peers)
{
    if (!peers)
        return NULL;
    pthread_mutex_destroy(&peers->lock);
    free(peers->rows);
    free(peers);
    return NULL;
}

/* IPv4, however it came, is ::ffff:a.b.c.d. */
static struct peer_key
key_of(const struct sockaddr_storage *address)
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)address;
    const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)address;
    struct peer_key key = {.bytes = {[10] = 0xff, [11] = 0xff}};

    if (address->ss_family != AF_INET6) {
        memcpy(key.bytes + 12, &four->sin_addr, sizeof(four->sin_addr));
        return key;
    }
    memcpy(key.bytes, &six->sin6_addr, sizeof(key.bytes));
    if (!IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
        memset(key.bytes + NETWORK_LEN, 0, sizeof(key.bytes) - NETWORK_LEN);
    return key;
}

static struct row *
find(struct peers *peers, const struct peer_key *key)
{
    for (size_t i = 0; i < peers->n_rows; i++) {
        if (memcmp(&peers->rows[i].key, key, sizeof(*key)) == 0)
            return &peers->rows[i];
    }
    return NULL;
}

static struct row *
add(struct peers *peers, const struct peer_key *key)
{
    size_t cap = peers->cap > 0 ? peers->cap * 2 : 16;

    if (peers->n_rows == peers->cap) {
        struct row *rows = reallocarray(peers->rows, cap, sizeof(*rows));

        if (!rows)
            return NULL;
        peers->rows = rows;
        peers->cap = cap;
    }
    peers->rows[peers->n_rows] = (struct row){.key = *key};
    return &peers->rows[peers->n_rows++];
}

bool
peers_take(struct peers *peers, const struct sockaddr_storage *address, struct peer_key *out)
{
    struct row *row;
    bool taken;

    *out = key_of(address);
    pthread_mutex_lock(&peers->lock);
    row = find(peers, out);
    if (!row)
        row = add(peers, out);
    taken = row && (peers->max_each == 0 || row->n < peers->max_each);
    if (taken)
        row->n++;
    pthread_mutex_unlock(&peers->lock);
    return taken;
}

void
peers_put(struct peers *peers, const struct peer_key *key)
{
    struct row *row;

    pthread_mutex_lock(&peers->lock);
    row = find(peers, key);
    assert(row && row->n > 0);
    if (--row->n == 0)
        *row = peers->rows[--peers->n_rows];
    pthread_mutex_unlock(&peers->lock);
}
