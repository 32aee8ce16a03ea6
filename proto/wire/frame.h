/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame - where one message ends and the next begins on the socket between clients and front
 *
 * A frame is a 4-byte big-endian length and that many bytes, 1 to FRAME_MAX_LEN. The reader takes
 * bytes in pieces of any size, single ones too. A frame that lies whole in one piece is not copied;
 * only a frame cut in two costs a buffer, which grows with what has arrived and not with what was
 * announced, and is given back as soon as the frame after it begins.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#define FRAME_HEADER_LEN 4          /* bytes */
#define FRAME_MAX_LEN (1024 * 1024) /* bytes; a CSR with 1000 names fits */

/* Starts as FRAME_READER_INIT; frame_reader_deinit in any case. */
struct frame_reader {
    uint8_t header[FRAME_HEADER_LEN];
    size_t header_len; /* bytes of the header that have come */
    size_t len;        /* announced, once the header is whole */
    struct buf body;   /* of a frame that came in pieces */
    bool handed_out;   /* body was given to the caller: drop it first */
};

#define FRAME_READER_INIT                                                                          \
    {                                                                                              \
        {0}, 0, 0, BUF_INIT, false                                                                 \
    }

void frame_reader_deinit(struct frame_reader *reader);

/*
 * The next whole frame of *data, which is moved on behind it. *frame is NULL when more bytes are
 * wanted: all of *data has been taken then. The frame is borrowed, from *data or from the reader,
 * until the next call. TOO_LARGE: more than FRAME_MAX_LEN announced; BAD_REQUEST: an empty frame;
 * the stream is of no more use after either. INTERNAL: no memory.
 */
ks_err frame_next(struct frame_reader *reader, const uint8_t **data, size_t *len,
                  const uint8_t **frame, size_t *frame_len) KS_MUST_CHECK;

/* A frame has begun and is not whole. */
bool frame_partial(const struct frame_reader *reader);

/* Bytes that the frame which has begun will have; 0: none has begun or its header is not whole. */
size_t frame_announced(const struct frame_reader *reader);

/* Writes the header of a frame of `len` bytes. */
void frame_header(uint8_t out[static FRAME_HEADER_LEN], size_t len);
