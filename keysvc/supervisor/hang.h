/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hang - decides from a worker's pulse page whether its module hangs
 *
 * The page is the worker's word: a lie costs or saves only the liar. A call counts as hung when it
 * is seen beyond its bound twice in a row, so that a page read in the middle of a change decides
 * nothing.
 */
#pragma once

#include "ipc/config.h"
#include "ipc/pulse.h"

#define HANG_POLL_MS 250 /* a hang is found this much after its bound */
/* The bound of PULSE_GATE: more than STORE_GATE_TIMEOUT_MS (token/store.h). */
#define HANG_GATE_MS 30000

enum hang_verdict {
    HANG_NONE = 0,
    HANG_KILL,  /* beyond its bound */
    HANG_SPARE, /* beyond its bound, but to kill it now could destroy the token */
};

/* What was seen at the last look; starts as {0}, again for each new process. */
struct hang {
    uint64_t n_calls;
    uint32_t phase;
    bool over;
};

/* `ready`: it has reported READY. *phase and *age_ms say what hangs and for how long. */
enum hang_verdict hang_check(struct hang *hang, const struct pulse *pulse,
                             const struct config_profile *profile, bool ready, uint64_t now_ms,
                             enum pulse_phase *phase, uint64_t *age_ms);

/* It has been idle, in no call and not at the gate, for `ms` or longer. Between two calls it is not. */
bool hang_idle(const struct pulse *pulse, uint64_t ms, uint64_t now_ms);

/* "call", "generate", "login", "gate", "idle" */
const char *hang_phase_name(enum pulse_phase phase);
