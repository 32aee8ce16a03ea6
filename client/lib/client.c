/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client - who is connected, who dials, and what a fork leaves
 *
 * The connection in use is lent to calls and counts them, guarded by the client's lock; whoever
 * gives it back last closes it. A fork copies descriptors and memory but only
 * one thread: around it all clients are locked, and in the child each drops its connection without
 * a word, since the service knows it as the parent's (its credentials are those of connect()).
 *
 * Locks are taken in this order: registry, client, connection.
 */
#include "client/lib/client.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/un.h>

#include "base/clock.h"
#include "build-config.h"
#include "client/lib/error.h"

#define FORK_WAIT_MS 10
#define PROGRAM_MAX 63 /* bytes; keysvcd refuses a Hello with more */

struct ks_client {
    pthread_mutex_t lock;
    pthread_cond_t dialled;       /* somebody has finished dialling */
    struct lent *current;         /* NULL: none */
    struct lent *lents;           /* `current`, and those before it that are still in use */
    bool dialling;                /* `current` is not yet for use */
    bool expected[AWAITED_COUNT]; /* atomic */
    bool is_locked;               /* around a fork() */
    uint32_t timeout_ms;
    char socket[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    char program[PROGRAM_MAX + 1];
    struct ks_client *next; /* registry */
    struct ks_client **link;
};

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t registry_once = PTHREAD_ONCE_INIT;
static struct ks_client *registry;

static void init_locks(struct ks_client *client);
static void registry_add(struct ks_client *client);
static ks_err dial(struct ks_client *client, uint64_t deadline_ms, struct ks_error *error);
static void put_locked(struct lent *lent);
static void drop_current(struct ks_client *client);
static void lent_free(struct lent *lent);

ks_err
ks_client_new(const char *socket, struct ks_client **out, struct ks_error *error)
{
    ks_auto(freep) struct ks_client *client = calloc(1, sizeof(*client));

    if (!client)
        return error_set(error, KS_ERR_INTERNAL, "no memory for a client");
    if (!socket)
        socket = secure_getenv("KEYSVC_SOCKET");
    if (!socket || socket[0] == '\0')
        socket = KEYSVC_SOCKET;
    if (!text_copy(client->socket, sizeof(client->socket), socket))
        return error_set(error, KS_ERR_USAGE, "longer than a socket's path can be: %s", socket);
    ks_client_set_program(client, program_invocation_short_name);
    ks_client_set_timeout(client, 0);
    client_expect(client, AWAITED_TOKEN, true);
    init_locks(client);
    registry_add(client);
    error_clear(error);
    *out = ks_steal(&client);
    return KS_OK;
}

static void
init_locks(struct ks_client *client)
{
    pthread_condattr_t monotonic;

    pthread_mutex_init(&client->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&client->dialled, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

struct ks_client *
ks_client_free(struct ks_client *client)
{
    if (!client)
        return NULL;
    pthread_mutex_lock(&registry_lock);
    *client->link = client->next;
    if (client->next)
        client->next->link = client->link;
    pthread_mutex_unlock(&registry_lock);
    drop_current(client);
    pthread_mutex_destroy(&client->lock);
    pthread_cond_destroy(&client->dialled);
    free(client);
    return NULL;
}

void
ks_client_set_timeout(struct ks_client *client, uint32_t timeout_ms)
{
    if (timeout_ms == 0)
        timeout_ms = KS_TIMEOUT_DEFAULT_MS;
    if (timeout_ms > KS_TIMEOUT_MAX_MS)
        timeout_ms = KS_TIMEOUT_MAX_MS;
    __atomic_store_n(&client->timeout_ms, timeout_ms, __ATOMIC_RELAXED);
}

uint32_t
client_timeout_ms(const struct ks_client *client)
{
    return __atomic_load_n(&client->timeout_ms, __ATOMIC_RELAXED);
}

/* Bytes of the character at `text` that keysvcd takes in a name: UTF-8, no control character; 0: it
 * is neither. */
static size_t
character_len(const unsigned char *text)
{
    size_t len = 4;

    if (text[0] < 0x80)
        return text[0] >= 0x20 && text[0] != 0x7f;
    if (text[0] < 0xc2 || text[0] > 0xf4)
        return 0;
    if (text[0] < 0xf0)
        len = text[0] < 0xe0 ? 2 : 3;
    for (size_t i = 1; i < len; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    /* C1 controls, overlong forms, surrogates, beyond Unicode. */
    if ((text[0] == 0xc2 && text[1] < 0xa0) || (text[0] == 0xe0 && text[1] < 0xa0) ||
        (text[0] == 0xed && text[1] > 0x9f) || (text[0] == 0xf0 && text[1] < 0x90) ||
        (text[0] == 0xf4 && text[1] > 0x8f))
        return 0;
    return len;
}

/* A name that keysvcd refuses would cost every call, and it is for logs only: what it would not
 * take becomes '?'. */
void
ks_client_set_program(struct ks_client *client, const char *program)
{
    const unsigned char *at = (const unsigned char *)program;
    size_t len = 0;

    while (*at != '\0') {
        size_t n = character_len(at);
        size_t n_out = n > 0 ? n : 1;

        if (len + n_out > PROGRAM_MAX)
            break;
        if (n > 0)
            memcpy(client->program + len, at, n);
        else
            client->program[len] = '?';
        at += n_out;
        len += n_out;
    }
    client->program[len] = '\0';
}

const char *
ks_client_socket(const struct ks_client *client)
{
    return client->socket;
}

bool
client_expects(const struct ks_client *client, enum awaited what)
{
    return __atomic_load_n(&client->expected[what], __ATOMIC_RELAXED);
}

/* Written only where it changes: every signature comes by. */
void
client_expect(struct ks_client *client, enum awaited what, bool expected)
{
    if (client_expects(client, what) != expected)
        __atomic_store_n(&client->expected[what], expected, __ATOMIC_RELAXED);
}

/* --- taking and giving back --- */

/* With the lock held. */
static ks_err
wait_for_dialler(struct ks_client *client, uint64_t deadline_ms, struct ks_error *error)
{
    const struct timespec until = {.tv_sec = (time_t)(deadline_ms / 1000),
                                   .tv_nsec = (long)(deadline_ms % 1000) * 1000000};

    if (pthread_cond_timedwait(&client->dialled, &client->lock, &until) == ETIMEDOUT)
        return error_set(error, KS_ERR_DEADLINE, "%s: no connection in time", client->socket);
    return KS_OK;
}

ks_err
client_take(struct ks_client *client, uint64_t deadline_ms, struct lent **out,
            struct ks_error *error)
{
    ks_err err = KS_OK;

    pthread_mutex_lock(&client->lock);
    while (!err && client->dialling)
        err = wait_for_dialler(client, deadline_ms, error);
    if (!err && client->current && connection_stale(client->current->connection))
        drop_current(client);
    if (!err && !client->current)
        err = dial(client, deadline_ms, error);
    if (!err) {
        client->current->n_users++;
        *out = client->current;
    }
    pthread_mutex_unlock(&client->lock);
    return err;
}

void
client_put(struct ks_client *client, struct lent *lent)
{
    pthread_mutex_lock(&client->lock);
    put_locked(lent);
    pthread_mutex_unlock(&client->lock);
}

static void
put_locked(struct lent *lent)
{
    if (--lent->n_users > 0)
        return;
    connection_free(lent->connection);
    lent_free(lent);
}

/* A connection that came with a fork nobody told us of (a bare clone()) is the parent's. */
static void
drop_current(struct ks_client *client)
{
    struct lent *lent = client->current;

    if (!lent)
        return;
    client->current = NULL;
    if (!connection_foreign(lent->connection)) {
        put_locked(lent);
        return;
    }
    connection_abandon(lent->connection, lent->n_users > 1);
    lent_free(lent);
}

static ks_err
lent_new(struct ks_client *client, struct lent **out, struct ks_error *error)
{
    ks_auto(freep) struct lent *lent = calloc(1, sizeof(*lent));
    ks_err err;

    if (!lent)
        return error_set(error, KS_ERR_INTERNAL, "no memory for a connection");
    err = connection_new(&lent->connection, error);
    if (err)
        return err;
    lent->next = client->lents;
    lent->link = &client->lents;
    if (lent->next)
        lent->next->link = &lent->next;
    client->lents = lent;
    *out = ks_steal(&lent);
    return KS_OK;
}

/* Its connection is gone. */
static void
lent_free(struct lent *lent)
{
    *lent->link = lent->next;
    if (lent->next)
        lent->next->link = lent->link;
    free(lent);
}

/* With the lock held, and given up while the service is waited for. */
static ks_err
dial(struct ks_client *client, uint64_t deadline_ms, struct ks_error *error)
{
    struct lent *lent = NULL;
    ks_err err;

    err = lent_new(client, &lent, error);
    if (err)
        return err;
    lent->n_users = 2;
    client->current = lent;
    client->dialling = true;
    pthread_mutex_unlock(&client->lock);
    err = connection_dial(lent->connection, client->socket, client->program, deadline_ms, error);
    pthread_mutex_lock(&client->lock);
    client->dialling = false;
    if (connection_reached(lent->connection))
        client_expect(client, AWAITED_SERVICE, true);
    pthread_cond_broadcast(&client->dialled);
    put_locked(lent);
    if (err)
        drop_current(client);
    return err;
}

/* --- fork ---
 *
 * The locks are held for moments only, unless a signal handler calls fork() in a thread that has one:
 * it would wait for itself for ever. What could not be locked in time is left alone in the child, but
 * for the descriptors. */

/* Which thread holds the locks for a fork(); 0: none does. No thread-local variable, since the first
 * use of one allocates, and a handler may have interrupted malloc(). */
static _Atomic(pthread_t) forker;
static unsigned int n_nested; /* forks of that thread by its handlers meanwhile */

static void
fork_prepare(void)
{
    const uint64_t until_ms = clock_mono_ms() + FORK_WAIT_MS;
    const struct timespec until = {.tv_sec = (time_t)(until_ms / 1000),
                                   .tv_nsec = (long)(until_ms % 1000) * 1000000};

    if (pthread_mutex_clocklock(&registry_lock, CLOCK_MONOTONIC, &until) != 0) {
        if (forker == pthread_self())
            n_nested++;
        return;
    }
    forker = pthread_self();
    for (struct ks_client *client = registry; client; client = client->next) {
        client->is_locked = pthread_mutex_clocklock(&client->lock, CLOCK_MONOTONIC, &until) == 0;
        if (!client->is_locked)
            continue;
        for (struct lent *lent = client->lents; lent; lent = lent->next)
            lent->is_locked = connection_lock(lent->connection, &until);
    }
}

static void
unlock_client(struct ks_client *client)
{
    for (struct lent *lent = client->lents; lent; lent = lent->next) {
        if (lent->is_locked)
            connection_unlock(lent->connection);
        lent->is_locked = false;
    }
    client->is_locked = false;
    pthread_mutex_unlock(&client->lock);
}

static void
fork_parent(void)
{
    if (forker != pthread_self())
        return;
    if (n_nested > 0) {
        n_nested--;
        return;
    }
    for (struct ks_client *client = registry; client; client = client->next) {
        if (client->is_locked)
            unlock_client(client);
    }
    forker = 0;
    pthread_mutex_unlock(&registry_lock);
}

/* A call that a handler interrupted may go on in the child: then it still has what it was lent, and
 * finds the connection closed. */
static void
leave_to_parent(struct lent *lent, bool is_current)
{
    bool in_use = !lent->is_locked || lent->n_users > (is_current ? 1 : 0);

    lent->next = NULL;
    lent->link = &lent->next;
    if (lent->is_locked)
        connection_unlock(lent->connection);
    lent->is_locked = false;
    connection_abandon(lent->connection, in_use);
    if (!in_use)
        free(lent);
    else if (is_current)
        lent->n_users--;
}

/* Only this thread is left: the users of a connection are gone, and with them their locks. */
static void
fork_child(void)
{
    for (struct ks_client *client = registry; client; client = client->next) {
        struct lent *current = client->current, *next;

        init_locks(client);
        client->is_locked = false;
        client->dialling = false;
        client->current = NULL;
        for (struct lent *lent = client->lents; lent; lent = next) {
            next = lent->next;
            leave_to_parent(lent, lent == current);
        }
        client->lents = NULL;
    }
    forker = 0;
    n_nested = 0;
    pthread_mutex_init(&registry_lock, NULL);
}

static void
registry_init(void)
{
    pthread_atfork(fork_prepare, fork_parent, fork_child);
}

static void
registry_add(struct ks_client *client)
{
    pthread_once(&registry_once, registry_init);
    pthread_mutex_lock(&registry_lock);
    client->next = registry;
    client->link = &registry;
    if (client->next)
        client->next->link = &client->next;
    registry = client;
    pthread_mutex_unlock(&registry_lock);
}
