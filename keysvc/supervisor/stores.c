/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stores - a list of paths, how many tokens use each, and its lock
 */
#include "supervisor/stores.h"

#include <sys/queue.h>
#include <sys/stat.h>

struct store {
    char path[CONFIG_PATH_MAX + 1];
    unsigned int n_users;
    int fd; /* -1: nobody has taken the lock yet */
    SLIST_ENTRY(store) entry;
};

struct stores {
    SLIST_HEAD(store_list, store) list;
};

static struct store *find(const struct stores *stores, const char *path);
static void drop(struct stores *stores, struct store *store);

ks_err
stores_new(struct stores **out)
{
    struct stores *stores = calloc(1, sizeof(*stores));

    if (!stores)
        return KS_ERR_INTERNAL;
    SLIST_INIT(&stores->list);
    *out = stores;
    return KS_OK;
}

struct stores *
stores_free(struct stores *stores)
{
    if (!stores)
        return NULL;
    while (!SLIST_EMPTY(&stores->list))
        drop(stores, SLIST_FIRST(&stores->list));
    free(stores);
    return NULL;
}

static struct store *
find(const struct stores *stores, const char *path)
{
    struct store *store;

    SLIST_FOREACH(store, &stores->list, entry)
    {
        if (strcmp(store->path, path) == 0)
            return store;
    }
    return NULL;
}

static void
drop(struct stores *stores, struct store *store)
{
    SLIST_REMOVE(&stores->list, store, store, entry);
    closep(&store->fd);
    free(store);
}

ks_err
stores_use(struct stores *stores, const char *path)
{
    struct store *store = find(stores, path);

    if (path[0] == '\0')
        return KS_OK;
    if (!store) {
        store = calloc(1, sizeof(*store));
        if (!store)
            return KS_ERR_INTERNAL;
        store->fd = -1;
        text_copy(store->path, sizeof(store->path), path);
        SLIST_INSERT_HEAD(&stores->list, store, entry);
    }
    store->n_users++;
    return KS_OK;
}

void
stores_leave(struct stores *stores, const char *path)
{
    struct store *store = find(stores, path);

    if (store && --store->n_users == 0)
        drop(stores, store);
}

bool
stores_held(const struct stores *stores, const char *path)
{
    const struct store *store = find(stores, path);

    return store && store->fd >= 0;
}

ks_err
stores_keep(struct stores *stores, const char *path, int fd)
{
    struct store *store = find(stores, path);
    struct stat status;

    if (!store || store->fd >= 0 || fstat(fd, &status) < 0 || !S_ISDIR(status.st_mode)) {
        closep(&fd);
        return KS_ERR_BAD_REQUEST;
    }
    store->fd = fd;
    return KS_OK;
}
