/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_passed - a client's stream in pieces that carry descriptors, cut into frames that take them or not
 *
 * A piece is the number of its bytes, the number of its descriptors, its bytes. A frame is a length of
 * one byte, zero being none, whose lowest bit says whether it takes descriptors. Each descriptor is
 * taken by a frame that begins in the read that brought it, or closed; none stays open.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "front/passed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The stream's frames, as a reader that gets any pieces sees them. */
struct reader {
    struct passed passed;
    uint64_t at;        /* in the stream */
    size_t left;        /* of the frame that has begun */
    bool takes;         /* it does */
    uint64_t last_read; /* where the last read began */
    bool over;          /* the client has been told of its mistake */
};

static void
require(bool truth)
{
    if (!truth)
        abort();
}

static void
take(struct reader *reader)
{
    struct passed_parcel parcel;

    if (!reader->takes || !passed_take(&reader->passed, &parcel))
        return;
    require(parcel.begin <= reader->passed.frame_begin && reader->passed.frame_begin < parcel.end);
    require(parcel.n_fds <= PASSED_MAX && (parcel.err == KS_OK || parcel.n_fds == 0));
    for (size_t i = 0; i < parcel.n_fds; i++)
        require(close(parcel.fds[i]) == 0);
}

static void
read_piece(struct reader *reader, const uint8_t *data, size_t len, size_t n_fds)
{
    struct passed_fds fds = {.n_fds = n_fds, .cut = n_fds == 7};
    struct fault why = FAULT_INIT;

    for (size_t i = 0; i < n_fds; i++) {
        fds.fds[i] = memfd_create("fuzz", MFD_CLOEXEC);
        require(fds.fds[i] >= 0);
    }
    reader->last_read = reader->at;
    if (passed_put(&reader->passed, len, &fds, n_fds == 6 ? KS_ERR_BUSY : KS_OK, &why) != KS_OK) {
        require(why.text[0] != '\0');
        reader->over = true;
        return;
    }
    for (size_t i = 0; i < len; i++, reader->at++) {
        bool begins = reader->left == 0;

        if (begins) {
            reader->left = 1 + data[i];
            reader->takes = data[i] & 1;
        }
        passed_advance(&reader->passed, 1, begins);
        if (--reader->left == 0)
            take(reader);
    }
    reader->over = passed_stray(&reader->passed, reader->left > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int before = dup(STDIN_FILENO), after;
    struct reader reader = {.at = 0};

    close(before);
    while (size > 2 && !reader.over) {
        size_t len = data[0], n_fds = data[1] % 8;

        if (len == 0 || len > size - 2)
            len = size - 2 < UINT8_MAX ? size - 2 : UINT8_MAX;
        read_piece(&reader, data + 2, len, n_fds);
        data += 2 + len;
        size -= 2 + len;
    }
    (void)passed_clear(&reader.passed);
    /* What is discarded with passed_put() other threads may close. */
    for (int i = 0; i < 5000 && (after = dup(STDIN_FILENO)) >= 0; i++) {
        close(after);
        if (after == before)
            return 0;
        usleep(1000);
    }
    abort();
}
