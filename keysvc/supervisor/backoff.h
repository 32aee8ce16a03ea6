/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backoff - how long a child that died waits for its next start
 *
 * The first restart comes at once. A child that dies again within BACKOFF_QUICK_MS of its start
 * waits twice as long each time, up to BACKOFF_MAX_MS; one that lived BACKOFF_HEALTHY_MS has paid
 * everything back. What serves well until something kills it is worth more than its rest: a child
 * that was ready for as long as it would have to wait starts at once, and one that did its work in
 * however short a time waits BACKOFF_USEFUL_MAX_MS at most. A module that crashes at every
 * hundredth signature would else be away for half a minute behind each hundred. Time is passed in.
 * Starts as {0}.
 */
#pragma once

#include "base/util.h"

#define BACKOFF_FIRST_MS 50    /* the second restart in a row */
#define BACKOFF_MAX_MS 30000   /* what keeps dying is tried again within half a minute */
#define BACKOFF_QUICK_MS 10000 /* dying sooner than this after the start is dying again */
#define BACKOFF_USEFUL_MAX_MS                                                                      \
    200 /* back within half a second, starting included; 5 logins a second */
#define BACKOFF_HEALTHY_MS 60000 /* living longer than this is health */
#define BACKOFF_NO_TOKEN_MS                                                                        \
    1000 /* an absent token is looked for once a second, for some ms of a processor */

struct backoff {
    uint64_t started_ms;
    uint64_t ready_ms; /* 0: it is not */
    bool useful;
    uint32_t wait_ms; /* what was given last */
    bool died_before;
};

void backoff_started(struct backoff *backoff, uint64_t now_ms);

/* It began to serve. */
void backoff_ready(struct backoff *backoff, uint64_t now_ms);

/* It has done what it is for, once at least. */
void backoff_useful(struct backoff *backoff);

/* It died: milliseconds until it may start again, at least `floor_ms` and at most `max_ms`. */
uint32_t backoff_died(struct backoff *backoff, uint32_t floor_ms, uint32_t max_ms, uint64_t now_ms);

/* Forgets the past: an administrator acted. */
void backoff_reset(struct backoff *backoff);
