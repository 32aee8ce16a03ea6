/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock - reading the clocks
 */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t shift_mono_us;
static int64_t shift_wall_us;

static uint64_t
read_us(clockid_t id, int64_t shift_us)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (uint64_t)((int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 + shift_us);
}

uint64_t
clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC, shift_mono_us);
}

uint64_t
clock_mono_ms(void)
{
    return clock_mono_us() / 1000;
}

uint64_t
clock_wall_us(void)
{
    return read_us(CLOCK_REALTIME, shift_wall_us);
}

void
clock_text(uint64_t wall_us, char out[static CLOCK_TEXT_LEN])
{
    time_t seconds = (time_t)(wall_us / 1000000);
    char text[64];
    struct tm tm;
    size_t len;

    memset(&tm, 0, sizeof(tm));
    gmtime_r(&seconds, &tm);
    len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + len, sizeof(text) - len, ".%06uZ", (unsigned int)(wall_us % 1000000));
    if (!text_copy(out, CLOCK_TEXT_LEN, text))
        text_copy(out, CLOCK_TEXT_LEN, "9999-12-31T23:59:59.999999Z");
}

void
clock_shift(int64_t mono_us, int64_t wall_us)
{
    shift_mono_us = mono_us;
    shift_wall_us = wall_us;
}
