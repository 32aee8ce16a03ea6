/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack - flat values into bytes and back, between our own processes
 *
 * Integers are big-endian. A text is a 16-bit length and its bytes without NUL; a blob has a 32-bit
 * length. The reader checks every bound; the first mistake makes it `bad` and everything after it
 * zero or empty, so check once, at the end, with unpack_done(), which also wants every byte used.
 */
#pragma once

#include "base/buf.h"
#include "base/strv.h"
#include "base/util.h"

void pack_u8(struct buf *out, uint8_t value);
void pack_u16(struct buf *out, uint16_t value);
void pack_u32(struct buf *out, uint32_t value);
void pack_u64(struct buf *out, uint64_t value);
void pack_bool(struct buf *out, bool value);
void pack_raw(struct buf *out, const void *data, size_t len); /* fixed length, known to both */
void pack_blob(struct buf *out, const void *data, size_t len);
void pack_text(struct buf *out, const char *text); /* at most 65535 bytes, else out->failed */
void pack_strv(struct buf *out, const struct strv *list);

struct unpacker {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
};

struct unpacker unpack_start(const void *data, size_t len);
uint8_t unpack_u8(struct unpacker *in);
uint16_t unpack_u16(struct unpacker *in);
uint32_t unpack_u32(struct unpacker *in);
uint64_t unpack_u64(struct unpacker *in);
bool unpack_bool(struct unpacker *in);                     /* 0 or 1, else bad */
uint32_t unpack_enum(struct unpacker *in, uint32_t count); /* a u32 below count, else bad */
void unpack_raw(struct unpacker *in, void *out, size_t len);
const uint8_t *unpack_blob(struct unpacker *in, size_t max,
                           size_t *len); /* borrowed from the input */
void unpack_text(struct unpacker *in, char *out,
                 size_t cap); /* refuses a NUL inside, and what does not fit */
void unpack_strv(struct unpacker *in, size_t max_items,
                 struct strv *out); /* out starts empty; deinit it in any case */

/* True if nothing was wrong and nothing is left over. */
bool unpack_done(const struct unpacker *in);
