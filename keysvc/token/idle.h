/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idle - a look at a token that nobody has asked anything for a while
 *
 * Without it a token that was pulled out would be called ready until somebody wants a signature.
 * What the look finds is judged as after a job (worker.h): an absent token ends the process, a lost
 * session is opened again. A healthy token is asked for two facts that every module knows, which
 * need no login and no PIN. It is a PKCS#11 call like any other, so a module that hangs in it is
 * seen by the supervisor (ipc/pulse.h).
 *
 * One vague answer is none: a SoftHSM that looks while another process logs in reads a file that is
 * just being written. The look is repeated soon, and the IDLE_VAGUE_MAX-th in a row counts.
 *
 * Any call into the module counts as a look: a process with work never looks. The page of the pulse
 * holds when the last one began; a worker without one (unit tests) never looks either.
 */
#pragma once

#include "token/worker.h"

#define IDLE_VAGUE_MAX 3
#define IDLE_AGAIN_MS 250 /* behind a vague answer */

/* The shorter of `ms` (-1: for ever) and what is left until the next look. */
int idle_timeout_ms(const struct worker *worker, int ms);

/* Looks if that is due. Sets exit_code as worker_judge() does. */
void idle_check(struct worker *worker);
