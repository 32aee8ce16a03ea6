/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sealed - memory that is written once
 *
 * It is written through a mapping and not by write(): a mapping can be locked before the first byte
 * is in it. A memory with a writable mapping cannot be sealed, so that this one goes; a private one
 * for reading, made before, keeps the same pages locked. (A shared one for reading would do as
 * well, but older kernels count it as writable.)
 */
#include "client/lib/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* kernel 6.3 */
#endif

#define FILE_NAME "keysvc" /* in /proc/PID/fd, and of no other use */
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int make(void);
static bool fill(struct sealed *sealed, const void *data);
static void *map_locked(const struct sealed *sealed, int protection, int flags);

ks_err
sealed_init(struct sealed *sealed, const char *key_name, const void *data, size_t len,
            struct ks_error *error)
{
    *sealed = (struct sealed){.fd = make(), .len = len};
    if (sealed->fd < 0 || ftruncate(sealed->fd, (off_t)len) != 0 ||
        (len > 0 && !fill(sealed, data)) || fcntl(sealed->fd, F_ADD_SEALS, SEALS) != 0) {
        int cause = errno;

        sealed_deinit(sealed);
        return error_set(error, KS_ERR_INTERNAL, "%s: no sealed memory for what is imported: %s",
                         key_name, strerror(cause));
    }
    return KS_OK;
}

/* Where vm.memfd_noexec is 2, only what can never be executed is given out. */
static int
make(void)
{
    int fd = memfd_create(FILE_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

    if (fd < 0 && errno == EINVAL)
        fd = memfd_create(FILE_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd;
}

static bool
fill(struct sealed *sealed, const void *data)
{
    void *room = map_locked(sealed, PROT_READ | PROT_WRITE, MAP_SHARED);

    if (!room)
        return false;
    memcpy(room, data, sealed->len);
    sealed->pages = map_locked(sealed, PROT_READ, MAP_PRIVATE);
    munmap(room, sealed->len);
    return sealed->pages != NULL;
}

/* Locking is done as well as it can be: a limit of 0 must not keep anybody from importing. */
static void *
map_locked(const struct sealed *sealed, int protection, int flags)
{
    void *pages = mmap(NULL, sealed->len, protection, flags, sealed->fd, 0);

    if (pages == MAP_FAILED)
        return NULL;
    (void)madvise(pages, sealed->len, MADV_DONTDUMP);
    (void)madvise(pages, sealed->len, MADV_DONTFORK);
    (void)mlock(pages, sealed->len);
    return pages;
}

void
sealed_deinit(struct sealed *sealed)
{
    if (sealed->pages)
        munmap(sealed->pages, sealed->len);
    closep(&sealed->fd);
    *sealed = (struct sealed)SEALED_INIT;
}
