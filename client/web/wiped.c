/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wiped - growing by copying, wiping what is left
 */
#include "client/web/wiped.h"

#define FIRST_CAP 1024u

static bool wiped_grow(struct wiped *wiped, size_t needed);

void
wiped_deinit(struct wiped *wiped)
{
    if (wiped->data)
        explicit_bzero(wiped->data, wiped->cap);
    free(wiped->data);
    *wiped = (struct wiped){.max = wiped->max};
}

uint8_t *
wiped_reserve(struct wiped *wiped, size_t len)
{
    if (len > wiped->max || wiped->len > wiped->max - len)
        return NULL;
    if (wiped->len + len > wiped->cap && !wiped_grow(wiped, wiped->len + len))
        return NULL;
    return wiped->data + wiped->len;
}

static bool
wiped_grow(struct wiped *wiped, size_t needed)
{
    size_t cap = wiped->cap > 0 ? wiped->cap : FIRST_CAP;
    uint8_t *data;

    while (cap < needed)
        cap *= 2; /* `max` is far from half of what a size_t holds */
    if (cap > wiped->max)
        cap = wiped->max;
    data = malloc(cap);
    if (!data)
        return false;
    if (wiped->len > 0)
        memcpy(data, wiped->data, wiped->len);
    if (wiped->data)
        explicit_bzero(wiped->data, wiped->cap);
    free(wiped->data);
    wiped->data = data;
    wiped->cap = cap;
    return true;
}

bool
wiped_append(struct wiped *wiped, const void *data, size_t len)
{
    uint8_t *at;

    if (len == 0)
        return true;
    at = wiped_reserve(wiped, len);
    if (!at)
        return false;
    memcpy(at, data, len);
    wiped->len += len;
    return true;
}

void
wiped_consume(struct wiped *wiped, size_t len)
{
    if (len == 0)
        return;
    memmove(wiped->data, wiped->data + len, wiped->len - len);
    explicit_bzero(wiped->data + wiped->len - len, len);
    wiped->len -= len;
}
