/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peers - a table without order: addresses that have a connection, or made a handshake just now, are few
 *
 * The bucket of an address is one time: when its handshakes so far are paid for, at 1/rate each. So those
 * who wait stand in line, whatever loops they are in. A row stays until then; how many stay for that alone
 * is what the whole server makes of handshakes in 1/rate, a second at most.
 */
#include "client/web/peers.h"

#include <assert.h>
#include <pthread.h>

#include "base/clock.h"

#define NETWORK_LEN 8 /* bytes of an IPv6 address that name one host's network */
#define SECOND_US 1000000u
#define MS_US 1000u

struct row {
    struct peer_key key;
    size_t n;
    uint64_t paid_us; /* when its handshakes are paid for */
    bool waits;       /* one had to wait since it was paid up */
};

struct peers {
    pthread_mutex_t lock;
    struct row *rows;
    size_t n_rows, cap;
    size_t max_each;
    uint64_t each_us, ahead_us; /* what one costs, and how far ahead of the clock one may begin */
};

static struct peer_key key_of(const struct sockaddr_storage *address);
static struct row *find(struct peers *peers, const struct peer_key *key);
static void sweep(struct peers *peers);
static struct row *add(struct peers *peers, const struct peer_key *key);

struct peers *
peers_new(size_t max_each, uint32_t rate, uint32_t burst)
{
    struct peers *peers = calloc(1, sizeof(*peers));

    if (!peers)
        return NULL;
    peers->max_each = max_each;
    peers->each_us = rate > 0 ? SECOND_US / rate : 0;
    peers->ahead_us = burst > 0 ? (burst - 1) * peers->each_us : 0;
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

static void
sweep(struct peers *peers)
{
    uint64_t now_us = clock_mono_us();

    for (size_t i = 0; i < peers->n_rows;) {
        if (peers->rows[i].n == 0 && peers->rows[i].paid_us <= now_us)
            peers->rows[i] = peers->rows[--peers->n_rows];
        else
            i++;
    }
}

static struct row *
add(struct peers *peers, const struct peer_key *key)
{
    size_t cap = peers->cap > 0 ? peers->cap * 2 : 16;

    sweep(peers);
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
    row->n--;
    pthread_mutex_unlock(&peers->lock);
}

bool
peers_turn(struct peers *peers, const struct peer_key *key, uint64_t max_wait_ms,
           struct peer_turn *out)
{
    uint64_t now_us = clock_mono_us(), wait_us = 0;
    struct row *row;
    bool granted;

    pthread_mutex_lock(&peers->lock);
    row = find(peers, key);
    assert(row && row->n > 0);
    if (row->paid_us <= now_us) {
        row->paid_us = now_us;
        row->waits = false;
    }
    if (row->paid_us > now_us + peers->ahead_us)
        wait_us = row->paid_us - peers->ahead_us - now_us;
    out->wait_ms = (wait_us + MS_US - 1) / MS_US;
    out->first = wait_us > 0 && !row->waits;
    row->waits = row->waits || wait_us > 0;
    granted = out->wait_ms <= max_wait_ms;
    if (granted)
        row->paid_us += peers->each_us;
    pthread_mutex_unlock(&peers->lock);
    return granted;
}
