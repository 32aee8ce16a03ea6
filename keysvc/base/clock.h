/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock - the two clocks, behind one seam for tests
 *
 * Deadlines, back-off and rates use the monotonic clock only; the wall clock stands in records and
 * is trusted for nothing.
 */
#pragma once

#include "base/util.h"

#define CLOCK_TEXT_LEN 28 /* "2026-11-22T00:18:16.123456Z" and its NUL */

uint64_t clock_mono_us(void);
uint64_t clock_mono_ms(void);
uint64_t clock_wall_us(void);

/* UTC, RFC 3339 with microseconds. */
void clock_text(uint64_t wall_us, char out[static CLOCK_TEXT_LEN]);

/* Tests only: moves both clocks as this process sees them, forwards or back. */
void clock_shift(int64_t mono_us, int64_t wall_us);
