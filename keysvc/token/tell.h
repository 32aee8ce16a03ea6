/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tell - what a token process tells without being asked: its keys and its audit's state to the front,
 * what the keys are for to its audit
 *
 * Keys are worker 1's to tell. What cannot be sent is logged, and ends the process if it was the whole
 * list, without which the front gives it no job; a front that is gone shows up in the next read.
 */
#pragma once

#include "token/worker.h"

/* All keys; nothing if there is no front, or by another than worker 1. */
void tell_directory(struct worker *worker);

/* Those that were made, or turned out to be others or gone, since this was called last; their
 * purposes are recorded. For worker 1, with a front. */
void tell_changes(struct worker *worker);

/* Records each key whose purpose is not the one recorded last; worker 1 only. */
void tell_purposes(struct worker *worker);

/* How the audit stands; the second only if it was synced, or failed, since it was told last: the
 * front knows of records from the answers, but not when they came to the disk. */
void tell_stats(struct worker *worker);
void tell_new_stats(struct worker *worker);
