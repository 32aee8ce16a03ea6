/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slow_sync - a disk that takes its time to say that it has written (LD_PRELOAD)
 *
 * fdatasync() takes $KEYSVC_SLOW_SYNC_MS longer. Only this call: it is the one that a front and a
 * worker make while they serve (base/chain.c).
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static long delay_ms;

__attribute__((constructor)) static void
read_delay(void)
{
    const char *text = getenv("KEYSVC_SLOW_SYNC_MS");

    delay_ms = text ? strtol(text, NULL, 10) : 0;
    if (delay_ms <= 0)
        abort(); /* a test that believes in a slow disk must not pass on a fast one */
}

EXPORT int
fdatasync(int fd)
{
    const struct timespec delay = {delay_ms / 1000, (delay_ms % 1000) * 1000000};

    nanosleep(&delay, NULL);
    return (int)syscall(SYS_fdatasync, fd);
}
