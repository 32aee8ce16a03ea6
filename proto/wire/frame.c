/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame - cutting a stream of bytes into frames
 */
#include "proto/wire/frame.h"

#include <endian.h>

static ks_err take_header(struct frame_reader *reader, const uint8_t **data, size_t *len);
static ks_err take_body(struct frame_reader *reader, const uint8_t **data, size_t *len,
                        const uint8_t **frame);
static void restart(struct frame_reader *reader);

void
frame_reader_deinit(struct frame_reader *reader)
{
    buf_deinit(&reader->body);
    restart(reader);
}

bool
frame_partial(const struct frame_reader *reader)
{
    return !reader->handed_out && reader->header_len > 0;
}

size_t
frame_announced(const struct frame_reader *reader)
{
    return frame_partial(reader) && reader->header_len == FRAME_HEADER_LEN ? reader->len : 0;
}

void
frame_header(uint8_t out[static FRAME_HEADER_LEN], size_t len)
{
    uint32_t be_len = htobe32((uint32_t)len);

    memcpy(out, &be_len, sizeof(be_len));
}

ks_err
frame_next(struct frame_reader *reader, const uint8_t **data, size_t *len, const uint8_t **frame,
           size_t *frame_len)
{
    ks_err err;

    *frame = NULL;
    *frame_len = 0;
    if (reader->handed_out)
        frame_reader_deinit(reader);
    err = take_header(reader, data, len);
    if (err || reader->header_len < FRAME_HEADER_LEN)
        return err;
    err = take_body(reader, data, len, frame);
    if (err || !*frame)
        return err;
    *frame_len = reader->len;
    return KS_OK;
}

static ks_err
take_header(struct frame_reader *reader, const uint8_t **data, size_t *len)
{
    size_t want = FRAME_HEADER_LEN - reader->header_len;
    size_t n = want < *len ? want : *len;
    uint32_t be_len;

    if (want == 0 || n == 0)
        return KS_OK;
    memcpy(reader->header + reader->header_len, *data, n);
    reader->header_len += n;
    *data += n;
    *len -= n;
    if (n < want)
        return KS_OK;
    memcpy(&be_len, reader->header, sizeof(be_len));
    reader->len = be32toh(be_len);
    if (reader->len == 0)
        return KS_ERR_BAD_REQUEST;
    return reader->len > FRAME_MAX_LEN ? KS_ERR_TOO_LARGE : KS_OK;
}

static ks_err
take_body(struct frame_reader *reader, const uint8_t **data, size_t *len, const uint8_t **frame)
{
    size_t want = reader->len - reader->body.len;
    size_t n = want < *len ? want : *len;

    if (reader->body.len == 0 && n == reader->len) {
        *frame = *data;
        restart(reader);
    } else {
        buf_append(&reader->body, *data, n);
        if (reader->body.failed)
            return KS_ERR_INTERNAL;
        reader->handed_out = n == want;
        *frame = reader->handed_out ? reader->body.data : NULL;
    }
    *data += n;
    *len -= n;
    return KS_OK;
}

/* Keeps `len`: it is still the length of the frame that was handed out. */
static void
restart(struct frame_reader *reader)
{
    reader->header_len = 0;
    reader->handed_out = false;
}
