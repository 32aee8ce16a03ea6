/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body - a request's body, of a length that was said before or in chunks
 */
#pragma once

#include "client/web/head.h"
#include "client/web/wiped.h"

enum body_state {
    BODY_LENGTH, /* so many bytes are left */
    BODY_CHUNK_SIZE,
    BODY_CHUNK_EXTENSION, /* which nobody reads */
    BODY_CHUNK_SIZE_END,
    BODY_CHUNK,
    BODY_CHUNK_CR,
    BODY_CHUNK_LF,
    BODY_TRAILER, /* at the beginning of a line */
    BODY_TRAILER_LINE,
    BODY_TRAILER_LF,
    BODY_END_LF,
    BODY_WHOLE,
};

struct body {
    struct wiped data;
    enum body_state state;
    uint64_t left;   /* of the body, or of the chunk */
    size_t n_digits; /* of the chunk's size */
    size_t n_waste;  /* bytes of extensions and trailers */
};

/* 413: it says that it is longer than `max`. Release with body_deinit() either way. */
int body_init(struct body *body, const struct head *head, size_t max) KS_MUST_CHECK;
void body_deinit(struct body *body);

/*
 * Takes what belongs to the body from the `len` bytes; *taken may be less: the rest is the next
 * request's. 0, or the status to answer with: 400, 413, 431; 500: no memory.
 */
int body_take(struct body *body, const uint8_t *data, size_t len, size_t *taken) KS_MUST_CHECK;

static inline bool
body_whole(const struct body *body)
{
    return body->state == BODY_WHOLE;
}
