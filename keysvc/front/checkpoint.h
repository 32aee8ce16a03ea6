/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint - has the head of the front's own chain signed on a token
 *
 * Each audit_checkpoint_s, if there are records since the last one and some token has the key
 * keysvc/audit and a first worker that takes jobs. The tokens take turns; where one fails, the next
 * is asked within a second, and when all have failed, all of them again after a minute. The signed
 * text goes into the chain and to the supervisor, who keeps it elsewhere.
 */
#pragma once

#include "base/err.h"
#include "base/util.h"

struct front;
struct checkpoint;

ks_err checkpoint_new(struct front *front, struct checkpoint **out) KS_MUST_CHECK;
struct checkpoint *checkpoint_free(struct checkpoint *checkpoint);

/* Each second. */
void checkpoint_tick(struct checkpoint *checkpoint);

/* Before the end: now, if there is anything to sign. */
void checkpoint_last(struct checkpoint *checkpoint);
