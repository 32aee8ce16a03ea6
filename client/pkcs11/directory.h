/* SPDX-License-Identifier: Apache-2.0 */
/*
 * directory - the versions of keys that this process may see, as of a moment ago
 *
 * Read in pages, without their public halves (entry.h). Entries are lent until entry_put; from any
 * thread, without the lock.
 *
 * A number names an entry for as long as the module is initialised. A version that disappears from
 * the service's lists (its token is away) keeps its number: whoever holds the key goes on when it is
 * back.
 */
#pragma once

#include "client/pkcs11/entry.h"
#include "client/pkcs11/module.h"

#define DIRECTORY_MAX 100000u     /* versions of keys, with those of no use: 20 MiB */
#define DIRECTORY_MAX_GONE 10000u /* of those that disappeared, the ones kept */
#define DIRECTORY_AGE_MS 1000u    /* when a search reads the list again */

struct directory *directory_new(void);
struct directory *directory_free(struct directory *directory);
void directory_forked(struct directory *directory);

/* Reads the list if what is there is old; who finds another thread reading it takes what that one
 * gets. CKR_DEVICE_MEMORY: more keys than DIRECTORY_MAX. `quiet`: a service that is not there is not
 * reported. */
CK_RV directory_refresh(struct module *module, bool quiet) KS_MUST_CHECK;

/* The next refresh reads it whatever its age: the service said that it is wrong. */
void directory_spoil(struct directory *directory);

/*
 * What the last refresh found, in order of name and version; a later one changes nothing in it.
 *     ks_auto(snapshot_putp) struct snapshot *snapshot = directory_snapshot(directory);
 */
struct listed {
    struct entry *entry; /* lent as long as the snapshot */
    bool newest;         /* of its name, at that moment */
};
struct snapshot {
    unsigned int n_users; /* under the lock */
    size_t n;
    struct listed at[];
};

/* NULL: nothing was read yet. */
struct snapshot *directory_snapshot(struct directory *directory);
void snapshot_putp(struct snapshot **snapshot);

/* By its number, or NULL. entry_put. */
struct entry *directory_find(struct directory *directory, CK_ULONG number);

/* By the CKA_ID of its key, as far as that is known here, gone or not; or NULL. *newest: was it that
 * when it was last seen? entry_put. */
struct entry *directory_find_id(struct directory *directory, const void *id, size_t len,
                                bool *newest);

/* How many there are now. */
size_t directory_count(struct directory *directory);
