/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader - a connection's bytes become requests, however they are cut into pieces
 *
 * Knows no socket. One for each connection:
 *   reader_space(), reader_filled() -> reader_step() -> READER_WHOLE: serve it -> reader_next()
 * After READER_REFUSED the connection ends: nobody knows where the next request would begin.
 */
#pragma once

#include "client/web/body.h"
#include "client/web/head.h"

#define READER_SPACE 16384u /* a whole TLS record's data: none of it stays in OpenSSL's memory */

enum reader_result {
    READER_MORE,
    READER_WHOLE,
    READER_REFUSED, /* reader_code() */
};

struct reader;

/* NULL: no memory. Takes NULL, returns NULL; everything is wiped. */
struct reader *reader_new(size_t max_headers_len, size_t max_body_len);
struct reader *reader_free(struct reader *reader);

/* READER_SPACE bytes, after READER_MORE. NULL: no memory. */
uint8_t *reader_space(struct reader *reader);
void reader_filled(struct reader *reader, size_t len);

enum reader_result reader_step(struct reader *reader);

/* The request's, valid until reader_next(); after READER_REFUSED what was understood of it. */
const struct head *reader_head(const struct reader *reader);
const void *reader_body(const struct reader *reader, size_t *len);
/* 400, 413, 414, 417, 431, 500, 501, 505 */
int reader_code(const struct reader *reader);

/* True once for each request whose client waits for "100 Continue", when its body may come. */
bool reader_continue(struct reader *reader);

/* True once for each request whose head is there and whose body is not yet. */
bool reader_asks(struct reader *reader);
/* No more is read; reader_step() says READER_REFUSED. */
void reader_refuse(struct reader *reader);

/* False: no byte of a request is there. */
bool reader_begun(const struct reader *reader);

/* Wipes the request; what came behind it stays. */
void reader_next(struct reader *reader);
