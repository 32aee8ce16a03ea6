/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intents - the list of open state changes, which is short
 */
#include "base/intents.h"

#define FIRST_CAP 64
#define MAX_ITEMS 65536

struct intent {
    uint64_t request; /* a hash of the member's value */
    uint64_t seq;
};

void
intents_deinit(struct intents *intents)
{
    free(intents->items);
    *intents = (struct intents){0};
}

/* FNV-1a: only to find the result that belongs to an intent. */
static uint64_t
hash_value(const struct record_member *member)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < member->value_len; i++)
        hash = (hash ^ (uint8_t)member->value[i]) * 0x100000001b3u;
    return hash;
}

static void
open_intent(struct intents *intents, uint64_t request, uint64_t seq)
{
    if (intents->n_items == intents->cap) {
        size_t cap = intents->cap ? 2 * intents->cap : FIRST_CAP;
        void *grown =
            cap <= MAX_ITEMS ? reallocarray(intents->items, cap, sizeof(*intents->items)) : NULL;

        if (!grown) {
            intents->n_more++;
            return;
        }
        intents->items = grown;
        intents->cap = cap;
    }
    intents->items[intents->n_items++] = (struct intent){request, seq};
}

static void
close_intent(struct intents *intents, uint64_t request)
{
    for (size_t i = intents->n_items; i-- > 0;) {
        if (intents->items[i].request != request)
            continue;
        memmove(&intents->items[i], &intents->items[i + 1],
                (intents->n_items - i - 1) * sizeof(*intents->items));
        intents->n_items--;
        return;
    }
    if (intents->n_more > 0)
        intents->n_more--;
}

/* The event itself says so, or the member "phase" of another. */
static bool
phase_is(const struct record *record, const char *phase)
{
    struct record_member member;

    return record_is(record, phase) || (record_find(record, "phase", &member) &&
                                        !member.is_number && member.value_len == strlen(phase) &&
                                        memcmp(member.value, phase, member.value_len) == 0);
}

void
intents_count(struct intents *intents, const struct record *record)
{
    struct record_member request;

    if (!record_find(record, "request", &request))
        return;
    if (phase_is(record, "intent"))
        open_intent(intents, hash_value(&request), record->seq);
    else if (phase_is(record, "result"))
        close_intent(intents, hash_value(&request));
}

uint64_t
intents_open(const struct intents *intents, uint64_t *seqs, size_t n_named)
{
    for (size_t i = 0; i < intents->n_items && i < n_named; i++)
        seqs[i] = intents->items[i].seq;
    return intents->n_items + intents->n_more;
}
