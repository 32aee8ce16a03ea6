/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf - growing, appending and consuming bytes
 */
#include "base/buf.h"

#define BUF_FIRST_CAP 256

void
buf_deinit(struct buf *buf)
{
    size_t max = buf->max;

    free(buf->data);
    *buf = (struct buf)BUF_INIT;
    buf->max = max;
}

uint8_t *
buf_reserve(struct buf *buf, size_t len)
{
    size_t want, cap = buf->cap ? buf->cap : BUF_FIRST_CAP;
    uint8_t *data;

    if (__builtin_add_overflow(buf->len, len, &want) || (buf->max && want > buf->max) ||
        want > SIZE_MAX / 2) {
        buf->failed = true;
        return NULL;
    }
    if (want <= buf->cap)
        return buf->data + buf->len;
    while (cap < want)
        cap *= 2;
    data = realloc(buf->data, cap);
    if (!data) {
        buf->failed = true;
        return NULL;
    }
    buf->data = data;
    buf->cap = cap;
    return data + buf->len;
}

void
buf_append(struct buf *buf, const void *data, size_t len)
{
    uint8_t *room;

    if (len == 0)
        return;
    room = buf_reserve(buf, len);
    if (!room)
        return;
    memcpy(room, data, len);
    buf->len += len;
}

void
buf_consume(struct buf *buf, size_t len)
{
    if (len >= buf->len) {
        buf->len = 0;
        return;
    }
    memmove(buf->data, buf->data + len, buf->len - len);
    buf->len -= len;
}
