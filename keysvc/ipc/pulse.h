/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pulse - one shared page in which a token process shows the call it is in, so that the supervisor
 * sees a hang, and that it is of use, so that it is soon back when it dies
 *
 * The token process writes, and the supervisor takes nothing in it for granted: the worst a lie achieves is
 * that the liar is killed, or is not. The other way the page says at once, also to a process that is in a
 * call, what jobs the configuration of the moment no longer covers.
 */
#pragma once

#include <stdatomic.h>

#include "base/err.h"
#include "base/util.h"

enum pulse_phase {
    PULSE_IDLE = 0,     /* not inside the module */
    PULSE_CALL = 1,     /* hang-timeout */
    PULSE_GENERATE = 2, /* generate-timeout */
    PULSE_LOGIN = 3,    /* not killed where the profile says so */
    PULSE_GATE = 4,     /* not inside the module either, but waiting for the store's gate */
};

struct pulse {
    _Atomic uint32_t phase;
    _Atomic uint64_t since_ms; /* clock_mono_ms() at the start of the phase, of IDLE, too */
    _Atomic uint64_t n_calls;
    _Atomic uint64_t n_done; /* jobs that were answered with what they asked for */
    _Atomic uint64_t
        generation; /* the supervisor's: of the configuration that counts; 0: said by SETUP */
};

/* Supervisor: a sealed memfd, and its own view of it. */
ks_err pulse_new(int *fd, struct pulse **out) KS_MUST_CHECK;
/* Token process: takes `fd`. BAD_REQUEST: not such a page. */
ks_err pulse_map(int fd, struct pulse **out) KS_MUST_CHECK;
struct pulse *pulse_unmap(struct pulse *pulse);

void pulse_enter(struct pulse *pulse, enum pulse_phase phase);
void pulse_leave(struct pulse *pulse);
void pulse_done(struct pulse *pulse);

/* Supervisor: jobs of generations before this one are not to be begun. Token process: is this one over? */
void pulse_end_before(struct pulse *pulse, uint64_t generation);
bool pulse_is_over(const struct pulse *pulse, uint64_t generation);
