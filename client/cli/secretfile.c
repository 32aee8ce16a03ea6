/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secretfile - reading into locked pages
 */
#include "client/cli/secretfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

void
secretfile_deinit(struct secretfile *file)
{
    if (file->data) {
        explicit_bzero(file->data, file->cap);
        munmap(file->data, file->cap);
    }
    memset(file, 0, sizeof(*file));
}

static ks_err
lock_pages(size_t cap, struct secretfile *out, struct fault *why)
{
    void *data = mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (data == MAP_FAILED) {
        fault_set(why, "no memory: %s", strerror(errno));
        return KS_ERR_INTERNAL;
    }
    if (mlock(data, cap) != 0 || madvise(data, cap, MADV_DONTDUMP) != 0) {
        fault_set(why, "%zu bytes of memory cannot be locked: %s", cap, strerror(errno));
        fault_hint(why, "raise the limit of locked memory (ulimit -l)");
        munmap(data, cap);
        return KS_ERR_INTERNAL;
    }
    out->data = data;
    out->cap = cap;
    return KS_OK;
}

ks_err
secretfile_open(const char *path, int *fd, struct fault *why)
{
    *fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                 : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (*fd >= 0)
        return KS_OK;
    fault_set(why, "%s: %s", path, strerror(errno));
    return KS_ERR_USAGE;
}

ks_err
secretfile_fill(int fd, const char *path, void *data, size_t max, size_t *len, struct fault *why)
{
    uint8_t *bytes = data, one_more;
    ssize_t n;

    *len = 0;
    for (;;) {
        size_t room = max - *len;

        n = read(fd, room > 0 ? bytes + *len : &one_more, room > 0 ? room : 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        if (room == 0) {
            explicit_bzero(&one_more, sizeof(one_more));
            fault_set(why, "%s: more than %zu bytes", path, max);
            return KS_ERR_TOO_LARGE;
        }
        *len += (size_t)n;
    }
    if (n == 0)
        return KS_OK;
    fault_set(why, "%s: %s", path, strerror(errno));
    return KS_ERR_USAGE;
}

ks_err
secretfile_read(const char *path, size_t max, struct secretfile *out, struct fault *why)
{
    ks_auto(closep) int fd = -1;
    ks_err err = secretfile_open(path, &fd, why);

    if (!err)
        err = lock_pages(max, out, why);
    if (!err)
        err = secretfile_fill(fd, path, out->data, max, &out->len, why);
    return err;
}
