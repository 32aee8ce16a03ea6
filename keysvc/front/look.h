/* SPDX-License-Identifier: Apache-2.0 */
/*
 * look - after a change on one token of a group, the others are asked what they show now
 *
 * The tokens of a group share their keys by means of their own, at once or a moment later. A key that
 * one of them tells to be new, another, or gone is looked for on each that shows it otherwise: now, and
 * with growing pauses until it shows the same or a minute is over. Until then the key is used where it
 * is known to be.
 */
#pragma once

#include "base/err.h"
#include "ipc/job.h"

struct front;
struct look;

ks_err look_new(struct front *front, struct look **out) KS_MUST_CHECK;
struct look *look_free(struct look *look);

/* A token tells of this key, and the directory has it already. */
void look_news(struct look *look, const char *token, const struct job_key *key);

/* Each second. */
void look_tick(struct look *look);
