/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backoff - how long a child that died waits for its next start
 *
 * The first restart comes at once. A child that dies again within BACKOFF_QUICK_MS of its start
 * waits twice as long each time, up to BACKOFF_MAX_MS; one that lived BACKOFF_HEALTHY_MS has paid
 * everything back. Time is passed in. Starts as {0}.
 */
#pragma once

#include "base/util.h"

#define BACKOFF_FIRST_MS 50        /* the second restart in a row */
#define BACKOFF_MAX_MS 30000       /* what keeps dying is tried again within half a minute */
#define BACKOFF_ABSENT_MAX_MS 5000 /* who plugs a token in waits this long at most */
#define BACKOFF_QUICK_MS 10000     /* dying sooner than this after the start is dying again */
#define BACKOFF_HEALTHY_MS 60000   /* living longer than this is health */
#define BACKOFF_NO_TOKEN_MS 1000   /* an absent token is looked for once a second at most */

struct backoff {
    uint64_t started_ms;
    uint32_t wait_ms; /* what was given last */
    bool died_before;
};

void backoff_started(struct backoff *backoff, uint64_t now_ms);

/* It died: milliseconds until it may start again, at least `floor_ms` and at most `max_ms`. */
uint32_t backoff_died(struct backoff *backoff, uint32_t floor_ms, uint32_t max_ms, uint64_t now_ms);

/* Forgets the past: an administrator acted. */
void backoff_reset(struct backoff *backoff);
