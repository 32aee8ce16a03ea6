/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keyfile - from a sealed memfd to locked memory
 *
 * The front passes the descriptor on and is trusted less than this process: what it is, is proved
 * here before the first byte is read.
 */
#include "token/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static ks_err check(int fd, size_t max, const char *what, size_t *len, struct fault *why);

void
keyfile_deinit(struct keyfile *file)
{
    if (file->data) {
        explicit_bzero(file->data, file->cap);
        munmap(file->data, file->cap);
    }
    *file = (struct keyfile)KEYFILE_INIT;
}

ks_err
keyfile_new(size_t cap, struct keyfile *out, struct fault *why)
{
    void *memory = mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        fault_set(why, "no memory for a private key: %m");
        return KS_ERR_INTERNAL;
    }
    *out = (struct keyfile){memory, 0, cap};
    if (mlock(memory, cap) == 0 && madvise(memory, cap, MADV_DONTDUMP) == 0)
        return KS_OK;
    fault_set(why, "cannot lock memory for a private key: %m");
    fault_hint(why, "raise RLIMIT_MEMLOCK of the service");
    keyfile_deinit(out);
    return KS_ERR_INTERNAL;
}

ks_err
keyfile_read(int fd, size_t max, const char *what, struct keyfile *out, struct fault *why)
{
    ks_auto(keyfile_deinit) struct keyfile file = KEYFILE_INIT;
    size_t len = 0;
    ks_err err;

    err = check(fd, max, what, &len, why);
    if (err)
        return err;
    err = keyfile_new(len > 0 ? len : 1, &file, why);
    while (!err && file.len < len) {
        /* The offset is shared with whoever sent it: never rely on it. */
        ssize_t n = pread(fd, file.data + file.len, len - file.len, (off_t)file.len);

        if (n <= 0 && !(n < 0 && errno == EINTR)) {
            fault_set(why, "%s cannot be read", what);
            err = KS_ERR_BAD_REQUEST;
        }
        file.len += n > 0 ? (size_t)n : 0;
    }
    if (err)
        return err;
    *out = file;
    file = (struct keyfile)KEYFILE_INIT;
    return KS_OK;
}

static ks_err
check(int fd, size_t max, const char *what, size_t *len, struct fault *why)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat status;

    if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &status) < 0 ||
        !S_ISREG(status.st_mode)) {
        fault_set(why, "%s did not come in sealed memory", what);
        return KS_ERR_BAD_REQUEST;
    }
    if (status.st_size < 0 || (uint64_t)status.st_size > max) {
        fault_set(why, "%s has %lld bytes, at most %zu are read", what, (long long)status.st_size,
                  max);
        return KS_ERR_BAD_REQUEST;
    }
    *len = (size_t)status.st_size;
    return KS_OK;
}
