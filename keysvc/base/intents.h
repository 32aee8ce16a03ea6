/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intents - state changes that an audit chain says were begun, and whether it says how they ended
 *
 * An intent and its result, as an event or as the member "phase", are joined by the member
 * "request". Used by verify.c.
 */
#pragma once

#include "base/record.h"

struct intents {
    struct intent *items; /* open ones, in the chain's order */
    size_t n_items, cap;
    uint64_t n_more; /* open ones beyond the bound, counted and not told apart */
};

/* Starts as {0}. */
void intents_deinit(struct intents *intents);

void intents_count(struct intents *intents, const struct record *record);

/* How many are open; the sequence numbers of the first `n_named` of them. */
uint64_t intents_open(const struct intents *intents, uint64_t *seqs, size_t n_named);
