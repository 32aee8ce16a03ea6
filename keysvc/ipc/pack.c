/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack - writing and reading flat values
 */
#include "ipc/pack.h"

#include <endian.h>

#define PACK_TEXT_MAX 65535

void
pack_raw(struct buf *out, const void *data, size_t len)
{
    buf_append(out, data, len);
}

void
pack_u8(struct buf *out, uint8_t value)
{
    buf_append(out, &value, sizeof(value));
}

void
pack_u16(struct buf *out, uint16_t value)
{
    value = htobe16(value);
    buf_append(out, &value, sizeof(value));
}

void
pack_u32(struct buf *out, uint32_t value)
{
    value = htobe32(value);
    buf_append(out, &value, sizeof(value));
}

void
pack_u64(struct buf *out, uint64_t value)
{
    value = htobe64(value);
    buf_append(out, &value, sizeof(value));
}

void
pack_bool(struct buf *out, bool value)
{
    pack_u8(out, value ? 1 : 0);
}

void
pack_blob(struct buf *out, const void *data, size_t len)
{
    if (len > UINT32_MAX) {
        out->failed = true;
        return;
    }
    pack_u32(out, (uint32_t)len);
    buf_append(out, data, len);
}

void
pack_text(struct buf *out, const char *text)
{
    size_t len = strlen(text);

    if (len > PACK_TEXT_MAX) {
        out->failed = true;
        return;
    }
    pack_u16(out, (uint16_t)len);
    buf_append(out, text, len);
}

void
pack_strv(struct buf *out, const struct strv *list)
{
    pack_u32(out, (uint32_t)list->n_items);
    for (size_t i = 0; i < list->n_items; i++)
        pack_text(out, list->items[i]);
}

struct unpacker
unpack_start(const void *data, size_t len)
{
    return (struct unpacker){.at = data, .end = (const uint8_t *)data + len, .bad = false};
}

static const uint8_t *
take(struct unpacker *in, size_t len)
{
    const uint8_t *at = in->at;

    if (in->bad || (size_t)(in->end - in->at) < len) {
        in->bad = true;
        return NULL;
    }
    in->at += len;
    return at;
}

void
unpack_raw(struct unpacker *in, void *out, size_t len)
{
    const uint8_t *data = take(in, len);

    if (data)
        memcpy(out, data, len);
    else
        memset(out, 0, len);
}

uint8_t
unpack_u8(struct unpacker *in)
{
    uint8_t value;

    unpack_raw(in, &value, sizeof(value));
    return value;
}

uint16_t
unpack_u16(struct unpacker *in)
{
    uint16_t value;

    unpack_raw(in, &value, sizeof(value));
    return be16toh(value);
}

uint32_t
unpack_u32(struct unpacker *in)
{
    uint32_t value;

    unpack_raw(in, &value, sizeof(value));
    return be32toh(value);
}

uint64_t
unpack_u64(struct unpacker *in)
{
    uint64_t value;

    unpack_raw(in, &value, sizeof(value));
    return be64toh(value);
}

bool
unpack_bool(struct unpacker *in)
{
    uint8_t value = unpack_u8(in);

    if (value > 1)
        in->bad = true;
    return value == 1;
}

uint32_t
unpack_enum(struct unpacker *in, uint32_t count)
{
    uint32_t value = unpack_u32(in);

    if (value >= count) {
        in->bad = true;
        return 0;
    }
    return value;
}

const uint8_t *
unpack_blob(struct unpacker *in, size_t max, size_t *len)
{
    const uint8_t *data;
    uint32_t want = unpack_u32(in);

    *len = 0;
    if (want > max)
        in->bad = true;
    data = take(in, want);
    if (data)
        *len = want;
    return data;
}

void
unpack_text(struct unpacker *in, char *out, size_t cap)
{
    uint16_t len = unpack_u16(in);
    const uint8_t *data;

    out[0] = '\0';
    if (len >= cap)
        in->bad = true;
    data = take(in, len);
    if (!data)
        return;
    if (memchr(data, '\0', len)) {
        in->bad = true;
        return;
    }
    memcpy(out, data, len);
    out[len] = '\0';
}

void
unpack_strv(struct unpacker *in, size_t max_items, struct strv *out)
{
    uint32_t n_items = unpack_u32(in);
    char text[4096];

    if (n_items > max_items)
        in->bad = true;
    for (uint32_t i = 0; i < n_items && !in->bad; i++) {
        unpack_text(in, text, sizeof(text));
        if (!in->bad && strv_add(out, text) != KS_OK)
            in->bad = true;
    }
}

bool
unpack_done(const struct unpacker *in)
{
    return !in->bad && in->at == in->end;
}
