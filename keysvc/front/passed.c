/* SPDX-License-Identifier: Apache-2.0 */
/*
 * passed - receiving descriptors, and finding their frame
 */
#include "front/passed.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "front/discard.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static void collect(struct msghdr *header, struct passed_fds *out);
static bool is_sealed_file(int fd);

ssize_t
passed_receive(int fd, void *data, size_t cap, struct passed_fds *out)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * PASSED_RECEIVE_MAX)];
    } control;
    struct iovec vector = {.iov_base = data, .iov_len = cap};
    struct msghdr header = {.msg_iov = &vector,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof(control.bytes)};
    ssize_t len = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);

    out->n_fds = 0;
    out->cut = false;
    if (len >= 0)
        collect(&header, out);
    return len;
}

static void
collect(struct msghdr *header, struct passed_fds *out)
{
    out->cut = header->msg_flags & MSG_CTRUNC;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        size_t n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
            n_fds > PASSED_RECEIVE_MAX - out->n_fds)
            continue;
        memcpy(out->fds + out->n_fds, CMSG_DATA(c), n_fds * sizeof(int));
        out->n_fds += n_fds;
    }
}

bool
passed_sealed(const struct passed_fds *fds)
{
    for (size_t i = 0; i < fds->n_fds; i++) {
        if (!is_sealed_file(fds->fds[i]))
            return false;
    }
    return true;
}

/* Seals first: only memory files have any, and with these fstat() waits for nobody. */
static bool
is_sealed_file(int fd)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat status;

    return seals >= 0 && (seals & SEALS) == SEALS && fstat(fd, &status) == 0 &&
           S_ISREG(status.st_mode);
}

void
passed_fds_discard(struct passed_fds *fds)
{
    if (fds->n_fds > 0)
        discard(fds->fds, fds->n_fds);
    fds->n_fds = 0;
}

ks_err
passed_put(struct passed *passed, size_t len, struct passed_fds *fds, ks_err err, struct fault *why)
{
    struct passed_parcel parcel = {.begin = passed->n_read, .err = err};
    bool came = fds->n_fds > 0 || fds->cut;

    passed->n_read += len;
    if (!came)
        return KS_OK;
    if (fds->cut || fds->n_fds > PASSED_MAX || passed->n_parcels == ARRAY_LEN(passed->parcels)) {
        fault_set(why, "more than %d descriptors with a request, or than can be received",
                  PASSED_MAX);
        passed_fds_discard(fds);
        return KS_ERR_BAD_REQUEST;
    }
    parcel.end = passed->n_read;
    if (err) {
        passed_fds_discard(fds);
    } else {
        memcpy(parcel.fds, fds->fds, fds->n_fds * sizeof(int));
        parcel.n_fds = fds->n_fds;
        fds->n_fds = 0;
    }
    passed->parcels[passed->n_parcels++] = parcel;
    return KS_OK;
}

void
passed_advance(struct passed *passed, size_t n, bool began)
{
    if (began)
        passed->frame_begin = passed->n_taken;
    passed->n_taken += n;
}

bool
passed_take(struct passed *passed, struct passed_parcel *out)
{
    if (passed->n_parcels == 0 || passed->parcels[0].begin > passed->frame_begin ||
        passed->parcels[0].end <= passed->frame_begin)
        return false;
    *out = passed->parcels[0];
    passed->parcels[0] = passed->parcels[1];
    passed->n_parcels--;
    return true;
}

bool
passed_stray(const struct passed *passed, bool partial)
{
    for (size_t i = 0; i < passed->n_parcels; i++) {
        const struct passed_parcel *parcel = &passed->parcels[i];
        bool begun = partial && passed->frame_begin >= parcel->begin;

        if (!begun && passed->n_taken >= parcel->end)
            return true;
    }
    return false;
}

/* They were found to be memory files: closing them waits for nobody. */
size_t
passed_clear(struct passed *passed)
{
    size_t n_closed = 0;

    for (size_t i = 0; i < passed->n_parcels; i++) {
        for (size_t k = 0; k < passed->parcels[i].n_fds; k++)
            close(passed->parcels[i].fds[k]);
        n_closed += passed->parcels[i].n_fds;
    }
    passed->n_parcels = 0;
    return n_closed;
}
