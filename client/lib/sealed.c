/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sealed - memory that is written once
 *
 * A private mapping for reading locks the pages before the first byte is in them, and keeps them
 * locked. Nothing is written through a mapping: what is mapped for writing cannot be sealed, and
 * another thread's fork() at that moment would leave the mapping in its child. (A shared one for
 * reading would do as well, but older kernels count it as writable.)
 */
#include "client/lib/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "base/file.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* kernel 6.3 */
#endif

#define FILE_NAME "keysvc" /* in /proc/PID/fd, and of no other use */
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int make(void);
static bool fill(struct sealed *sealed, const void *data);

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
    void *pages = mmap(NULL, sealed->len, PROT_READ, MAP_PRIVATE, sealed->fd, 0);

    if (pages == MAP_FAILED)
        return false;
    sealed->pages = pages;
    (void)madvise(pages, sealed->len, MADV_DONTDUMP);
    (void)madvise(pages, sealed->len, MADV_DONTFORK);
    /* As well as it can be done: a limit of 0 must not keep anybody from importing. */
    (void)mlock(pages, sealed->len);
    return file_write_all(sealed->fd, data, sealed->len) && lseek(sealed->fd, 0, SEEK_SET) == 0;
}

void
sealed_deinit(struct sealed *sealed)
{
    if (sealed->pages)
        munmap(sealed->pages, sealed->len);
    closep(&sealed->fd);
    *sealed = (struct sealed)SEALED_INIT;
}
