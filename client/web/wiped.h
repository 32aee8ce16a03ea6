/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wiped - a growing run of bytes that leaves nothing behind in memory that it gives back
 *
 * Requests hold passwords and keys, answers hold what was made of them. As struct buf of base/, but
 * growing never goes through realloc(), which leaves a copy where it was. Starts as {.max = N}.
 */
#pragma once

#include "base/util.h"

struct wiped {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t max; /* bytes; more is refused */
};

/* May be used again afterwards. */
void wiped_deinit(struct wiped *wiped);

/* Room for `len` more bytes behind the last one; NULL: more than `max`, or no memory. */
uint8_t *wiped_reserve(struct wiped *wiped, size_t len) KS_MUST_CHECK;

/* False: more than `max`, or no memory; nothing was appended. */
bool wiped_append(struct wiped *wiped, const void *data, size_t len) KS_MUST_CHECK;

/* Removes `len` bytes at the front. */
void wiped_consume(struct wiped *wiped, size_t len);
