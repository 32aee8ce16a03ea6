/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_list - the keys a caller may `get`, a page at a time, in order of name and version
 *
 * Looking at all names of a large token takes longer than others should wait, so each turn of the
 * loop looks at some and callers take turns. Between turns the directory may change: what is kept
 * are names, which are looked up again for the answer. A reload begins the list anew.
 */
#include "base/buf.h"
#include "front/connection.h"
#include "front/front.h"
#include "front/operations.h"
#include "front/policy.h"
#include "front/quota.h"

#define NAMES_PER_TURN 256 /* of all lists: with the dearest glob some milliseconds */
#define NAMES_PER_SLICE 64 /* of one list, before another caller's goes on */

struct listing {
    char glob[GLOB_MAX_LEN + 1];
    struct request_list wanted; /* its glob is the one above */
    uint64_t generation;        /* of the rules that were looked at */
    char seen[KEYNAME_MAX + 1]; /* the last name that was looked at; empty: none yet */
    struct buf names;           /* that are shown, each with its NUL */
    size_t n_keys;              /* their versions */
};

static void forget(struct call *call);
static struct call *next_call(struct front *front);
static size_t go_on(struct call *call, size_t max);
static bool look(struct call *call, size_t max, size_t *n_seen);
static bool answer(struct call *call);

ks_err
op_list(struct call *call, const struct request *request, struct fault *why)
{
    struct front *front = call->front;
    struct reply nothing = {0};
    struct listing *listing;

    if (!policy_sees_keys(front->config, connection_peer(call->connection))) {
        call_answer(call, &nothing);
        return KS_OK;
    }
    listing = calloc(1, sizeof(*listing));
    if (!listing || !text_copy(listing->glob, sizeof(listing->glob), request->list.glob)) {
        free(listing);
        fault_set(why, "no memory for a list");
        return KS_ERR_INTERNAL;
    }
    listing->wanted = request->list;
    listing->wanted.glob = listing->glob;
    listing->generation = front->config->generation;
    call->listing = listing;
    call->place = CALL_LISTING;
    call->forget = forget;
    TAILQ_INSERT_TAIL(&front->listing, call, queue);
    call_start_deadline(call, request->deadline_ms);
    return KS_OK;
}

static void
forget(struct call *call)
{
    TAILQ_REMOVE(&call->front->listing, call, queue);
    buf_deinit(&call->listing->names);
    free(call->listing);
    call->listing = NULL;
    call->place = CALL_NOWHERE;
}

void
op_list_turn(struct front *front)
{
    size_t left = NAMES_PER_TURN, n;
    struct call *call;

    while (left > 0 && (call = next_call(front))) {
        n = go_on(call, left < NAMES_PER_SLICE ? left : NAMES_PER_SLICE);
        left -= n < left ? n : left;
    }
}

/* The first of a caller who has not had his turn; when all have, a new round begins. */
static struct call *
next_call(struct front *front)
{
    struct call *call;

    TAILQ_FOREACH(call, &front->listing, queue)
    {
        if (!quota_served(connection_account(call->connection), front->list_round))
            return call;
    }
    call = TAILQ_FIRST(&front->listing);
    front->list_round++;
    if (call)
        (void)quota_served(connection_account(call->connection), front->list_round);
    return call;
}

/* One slice of one list; returns what it cost, in names. */
static size_t
go_on(struct call *call, size_t max)
{
    struct front *front = call->front;
    struct listing *listing = call->listing;
    size_t n_seen = 0, n_keys;

    if (listing->generation != front->config->generation) {
        listing->generation = front->config->generation;
        listing->seen[0] = '\0';
        listing->names.len = listing->n_keys = 0;
    }
    if (look(call, max, &n_seen)) {
        n_keys = listing->n_keys;
        if (answer(call))
            return n_seen + n_keys + 1;
    }
    TAILQ_REMOVE(&front->listing, call, queue);
    TAILQ_INSERT_TAIL(&front->listing, call, queue);
    return n_seen + 1;
}

/* Whole names are shown or hidden: their rule is looked for once. It comes before the caller's
 * glob, which costs most. */
static bool
shown(const struct call *call, const char *name)
{
    const char *glob = call->listing->glob;

    return policy_find(call->front->config, connection_peer(call->connection), name,
                       OPERATION_GET) &&
           (!glob[0] || glob_match(glob, name));
}

/* How many versions come behind the last page; `entries` moves on to the first of them. */
static size_t
versions_behind(const struct call *call, const char *name, const struct directory_entry **entries)
{
    const struct request_list *wanted = &call->listing->wanted;
    size_t n = directory_versions(call->front->directory, name, entries);
    bool same = strcmp(name, wanted->after_name) == 0;

    for (; n > 0 && same && (*entries)->version <= wanted->after_version; n--)
        (*entries)++;
    return n;
}

/* Looks at `max` more names; true: the page is full and more, or there are no more names. */
static bool
look(struct call *call, size_t max, size_t *n_seen)
{
    struct listing *listing = call->listing;
    struct directory *directory = call->front->directory;
    const char *from = listing->seen[0] ? listing->seen : listing->wanted.after_name;
    size_t position = directory_position(directory, from);
    const struct directory_entry *entries;
    const char *name = directory_name_at(directory, position), *last = NULL;

    if (name && listing->seen[0] && strcmp(name, listing->seen) == 0)
        name = directory_name_at(directory, ++position);
    for (; name && *n_seen < max && listing->n_keys <= listing->wanted.limit; (*n_seen)++) {
        if (shown(call, name)) {
            buf_append(&listing->names, name, strlen(name) + 1);
            listing->n_keys += versions_behind(call, name, &entries);
        }
        last = name;
        name = directory_name_at(directory, ++position);
    }
    if (last)
        text_copy(listing->seen, sizeof(listing->seen), last);
    return !name || listing->n_keys > listing->wanted.limit;
}

/*
 * Fills `keys`, which has room for the page; true: there are more. A page goes on behind a name and
 * version, and several tokens that are no group may have one of theirs: it is never cut in two.
 */
static bool
collect(const struct call *call, struct reply_key *keys, size_t *n_keys)
{
    const struct listing *listing = call->listing;
    const char *name = (const char *)listing->names.data, *end = name + listing->names.len;
    const struct directory_entry *entries;

    for (; name < end; name += strlen(name) + 1) {
        size_t n = versions_behind(call, name, &entries);

        for (size_t i = 0; i < n; i++) {
            bool begins = i == 0 || entries[i].version != entries[i - 1].version;

            if (begins && *n_keys >= listing->wanted.limit)
                return true;
            *n_keys += op_reply_key(call->front, &entries[i], &keys[*n_keys]);
        }
    }
    return false;
}

/* False: all that was seen is gone meanwhile and there is more to look at. */
static bool
answer(struct call *call)
{
    struct listing *listing = call->listing;
    ks_auto(freep) struct reply_key *keys =
        calloc(listing->wanted.limit + CONFIG_MAX_TOKENS, sizeof(*keys));
    bool full = listing->n_keys > listing->wanted.limit;
    struct fault why = FAULT_INIT;
    struct reply page = {0};
    size_t n_keys = 0;

    if (!keys || listing->names.failed) {
        fault_set(&why, "no memory for a list");
        call_fail(call, KS_ERR_INTERNAL, &why);
        return true;
    }
    full = (listing->names.len > 0 && collect(call, keys, &n_keys)) || full;
    if (full && n_keys == 0) {
        listing->names.len = listing->n_keys = 0;
        return false;
    }
    page.list = (struct reply_list){keys, n_keys, full};
    call_answer(call, &page);
    return true;
}
