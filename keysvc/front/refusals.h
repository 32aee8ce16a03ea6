/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refusals - how many refusals of one caller are written down, and how many reads
 *
 * A caller who is refused again and again, or reads the same again and again, must fill neither the
 * audit's disk nor the log: after REFUSALS_PER_SECOND of them the rest of the second is only
 * counted. Jobs are never counted here: each has its record.
 */
#pragma once

#include "base/err.h"
#include "front/peer.h"

#define REFUSALS_PER_SECOND 20

struct refusals;

/* Told once a second per caller of how many were not written down; the peer holds uid and unit
 * only. */
typedef void (*refusals_report)(void *data, const struct peer *caller, uint32_t n_swallowed);

ks_err refusals_new(refusals_report report, void *data, struct refusals **out) KS_MUST_CHECK;
struct refusals *refusals_free(struct refusals *refusals);

/* May this one be written down? If not, it has been counted. */
bool refusals_allowed(struct refusals *refusals, const struct peer *peer);

/* Each second, and before the end: reports what was swallowed in seconds that are over. */
void refusals_sweep(struct refusals *refusals);
