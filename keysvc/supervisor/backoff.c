/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backoff - doubling waits between restarts
 */
#include "supervisor/backoff.h"

void
backoff_started(struct backoff *backoff, uint64_t now_ms)
{
    backoff->started_ms = now_ms;
    backoff->ready_ms = 0;
    backoff->useful = false;
}

void
backoff_ready(struct backoff *backoff, uint64_t now_ms)
{
    backoff->ready_ms = now_ms;
}

void
backoff_useful(struct backoff *backoff)
{
    backoff->useful = true;
}

uint32_t
backoff_died(struct backoff *backoff, uint32_t floor_ms, uint32_t max_ms, uint64_t now_ms)
{
    uint64_t lived_ms = now_ms > backoff->started_ms ? now_ms - backoff->started_ms : 0;

    uint64_t served_ms =
        backoff->ready_ms && now_ms > backoff->ready_ms ? now_ms - backoff->ready_ms : 0;

    if (lived_ms >= BACKOFF_HEALTHY_MS)
        backoff_reset(backoff);
    if (!backoff->died_before) {
        backoff->died_before = true;
        backoff->wait_ms = floor_ms;
        return backoff->wait_ms;
    }
    if (lived_ms < BACKOFF_QUICK_MS)
        backoff->wait_ms = backoff->wait_ms ? backoff->wait_ms * 2 : BACKOFF_FIRST_MS;
    if (backoff->useful && backoff->wait_ms > BACKOFF_USEFUL_MAX_MS)
        backoff->wait_ms = BACKOFF_USEFUL_MAX_MS;
    if (served_ms > 0 && served_ms >= backoff->wait_ms)
        backoff->wait_ms = 0;
    if (backoff->wait_ms < floor_ms)
        backoff->wait_ms = floor_ms;
    if (backoff->wait_ms > max_ms)
        backoff->wait_ms = max_ms;
    return backoff->wait_ms;
}

void
backoff_reset(struct backoff *backoff)
{
    backoff->died_before = false;
    backoff->wait_ms = 0;
}
