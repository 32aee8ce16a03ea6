/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stop_at - ends a program at its n-th step on a disk, or fills the disk there (LD_PRELOAD)
 *
 * A step is a call that changes a file or folder, or makes a change durable: write, pwrite, ftruncate,
 * fsync, fdatasync, rename, link, symlink, mkdir, unlink, rmdir and their kin; writes to what is no file
 * (sockets, pipes) do not count. $KEYSVC_STOP_AT says which, counted from 1, and $KEYSVC_STOP_AS how:
 *
 *     kill     SIGKILL before the call
 *     torn     SIGKILL after half of the bytes; only writes are counted
 *     full     this and each later call that needs room fails with ENOSPC; only those are counted
 *     unsynced this fsync or fdatasync fails with EIO; only those are counted
 *     a number that signal comes before the call, and the program goes on if it outlives it
 *
 * Whoever raises the number until the program comes to its end has been at each step.
 */
/* pwrite and pwrite64 are two symbols here. */
#undef _FILE_OFFSET_BITS

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum way { SIGNAL, TORN, FULL, UNSYNCED };
enum kind { PLAIN, NEEDS_ROOM, SYNCS };

static unsigned long stop_at;
static enum way way;
static int number;
static atomic_ulong n_steps;

__attribute__((constructor)) static void
read_environment(void)
{
    const char *at = getenv("KEYSVC_STOP_AT"), *as = getenv("KEYSVC_STOP_AS");

    stop_at = at ? strtoul(at, NULL, 10) : 0;
    if (stop_at == 0 || !as)
        abort(); /* a test that believes in a crash must not pass without one */
    if (strcmp(as, "torn") == 0)
        way = TORN;
    else if (strcmp(as, "full") == 0)
        way = FULL;
    else if (strcmp(as, "unsynced") == 0)
        way = UNSYNCED;
    else
        number = strcmp(as, "kill") == 0 ? SIGKILL : atoi(as);
    if (way == SIGNAL && number <= 0)
        abort();
}

static bool
is_file(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* Counts a step. True: it is to fail with errno. */
static bool
step(enum kind kind)
{
    unsigned long n;

    if (way == TORN || (way == FULL && kind != NEEDS_ROOM) || (way == UNSYNCED && kind != SYNCS))
        return false;
    n = atomic_fetch_add(&n_steps, 1) + 1;
    if (n == stop_at && way == SIGNAL)
        raise(number);
    if (n < stop_at || way == SIGNAL || (way == UNSYNCED && n > stop_at))
        return false;
    errno = way == FULL ? ENOSPC : EIO;
    return true;
}

/* Counts a write. True: it is the one of which half is to be done. */
static bool
is_torn(size_t len)
{
    return way == TORN && len > 1 && atomic_fetch_add(&n_steps, 1) + 1 == stop_at;
}

/* clang-format off */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define STEP(kind, type, name, parameters, ...)                                              \
    EXPORT type name parameters;                                                                   \
    EXPORT type name parameters { return step(kind) ? -1 : REAL(name)(__VA_ARGS__); }

#define WRITE(name, parameters, last, ...)                                                         \
    EXPORT ssize_t name parameters;                                                                \
    EXPORT ssize_t name parameters                                                                 \
    {                                                                                              \
        __typeof__(&name) real = REAL(name);                                                       \
        if (!is_file(fd))                                                                          \
            return real(fd, data, len __VA_ARGS__);                                                \
        if (is_torn(len)) {                                                                        \
            (void)!real(fd, data, len / 2 __VA_ARGS__);                                            \
            raise(SIGKILL);                                                                        \
        }                                                                                          \
        return step(NEEDS_ROOM) ? -1 : real(fd, data, len __VA_ARGS__);                                  \
    }

WRITE(write, (int fd, const void *data, size_t len), len)
WRITE(pwrite, (int fd, const void *data, size_t len, off_t at), at, , at)
WRITE(pwrite64, (int fd, const void *data, size_t len, off64_t at), at, , at)
STEP(NEEDS_ROOM, int, ftruncate, (int fd, off_t len), fd, len)
STEP(NEEDS_ROOM, int, ftruncate64, (int fd, off64_t len), fd, len)
STEP(SYNCS, int, fsync, (int fd), fd)
STEP(SYNCS, int, fdatasync, (int fd), fd)
STEP(PLAIN, int, rename, (const char *from, const char *to), from, to)
STEP(PLAIN, int, renameat, (int a, const char *from, int b, const char *to), a, from, b, to)
STEP(PLAIN, int, renameat2, (int a, const char *from, int b, const char *to, unsigned int flags), a, from, b, to, flags)
STEP(NEEDS_ROOM, int, symlink, (const char *target, const char *path), target, path)
STEP(NEEDS_ROOM, int, symlinkat, (const char *target, int at, const char *path), target, at, path)
STEP(NEEDS_ROOM, int, mkdir, (const char *path, mode_t mode), path, mode)
STEP(NEEDS_ROOM, int, mkdirat, (int at, const char *path, mode_t mode), at, path, mode)
STEP(PLAIN, int, unlink, (const char *path), path)
STEP(PLAIN, int, unlinkat, (int at, const char *path, int flags), at, path, flags)
STEP(PLAIN, int, rmdir, (const char *path), path)
STEP(PLAIN, int, fchmod, (int fd, mode_t mode), fd, mode)
/* clang-format on */
