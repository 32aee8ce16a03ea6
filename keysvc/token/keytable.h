/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keytable - a hash table from labels to keys, for keys.c
 *
 * Open addressing; an entry is never taken out (a key that is gone keeps its place and its state),
 * so there are no tombstones to care for. Owns its keys.
 */
#pragma once

#include "token/keys.h"

struct keytable {
    struct key **places; /* a power of two, at most half full */
    size_t n_places;
    struct key **list; /* in the order they were found */
    size_t n_list;
    uint64_t seed; /* labels come from outside: nobody shall choose them to collide */
};

/* A zeroed one with a seed is empty. */
void keytable_deinit(struct keytable *table);

/* NULL: none. */
struct key *keytable_find(const struct keytable *table, const char *label);

/* A key with this label, which is not in the table yet. NO_KEY: not a label of ours. */
ks_err keytable_add(struct keytable *table, const char *label, struct key **out) KS_MUST_CHECK;
