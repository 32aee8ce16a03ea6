/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock_shift - another wall clock for a whole program, moved while it runs (LD_PRELOAD)
 *
 * $KEYSVC_CLOCK_SHIFT is a file of 8 bytes: seconds, signed, that this process sees the wall clock
 * ahead. It is mapped before main(), so that no filter or sandbox of the program comes in between,
 * and read at each look at the clock. The monotonic clock stays as it is, as when somebody sets the
 * time. Only tests load it: base/clock.h has a seam of its own for one process, and none for a
 * service that is installed.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static const volatile int64_t *shift_s;

__attribute__((constructor)) static void
map_shift(void)
{
    const char *path = getenv("KEYSVC_CLOCK_SHIFT");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *page;

    if (fd < 0)
        abort(); /* a test that believes in another time must not pass in this one */
    page = mmap(NULL, sizeof(*shift_s), PROT_READ, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        abort();
    shift_s = page;
    close(fd);
}

EXPORT int
clock_gettime(clockid_t id, struct timespec *now)
{
    int rc = (int)syscall(SYS_clock_gettime, id, now);

    if (rc == 0 && shift_s && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        now->tv_sec += *shift_s;
    return rc;
}

EXPORT int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec exact;

    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &exact) < 0)
        return -1;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

EXPORT time_t
time(time_t *out)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}
