/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf - a growing run of bytes that never moves past the limit it was given
 *
 * Starts as BUF_INIT (no limit but memory) or with a limit of its own; buf_deinit gives the memory
 * back. A failed append leaves the buffer as it was and sets `failed`, which stays: check it once
 * at the end.
 */
#pragma once

#include "base/util.h"

struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t max; /* bytes; 0: no limit of our own */
    bool failed;
};

#define BUF_INIT                                                                                   \
    {                                                                                              \
        NULL, 0, 0, 0, false                                                                       \
    }

/* For ks_auto, and by hand; the buffer may be used again afterwards. */
void buf_deinit(struct buf *buf);

/* Room for `len` more bytes at data + len of the buffer; NULL when that is too much. buf->len
 * stays. */
uint8_t *buf_reserve(struct buf *buf, size_t len);

void buf_append(struct buf *buf, const void *data, size_t len);

/* Removes `len` bytes at the front. */
void buf_consume(struct buf *buf, size_t len);
