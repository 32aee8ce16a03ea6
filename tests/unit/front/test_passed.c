/* SPDX-License-Identifier: Apache-2.0 */
/* Which frame descriptors belong to, without a socket: reads and frames as numbers. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "front/passed.h"

static struct passed passed;
static struct fault why;

static int
file(void)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    cr_assert_geq(fd, 0);
    return fd;
}

static ks_err
put(size_t len, size_t n_fds)
{
    struct passed_fds fds = {.n_fds = n_fds};

    for (size_t i = 0; i < n_fds; i++)
        fds.fds[i] = file();
    return passed_put(&passed, len, &fds, KS_OK, &why);
}

/* A whole frame of `len` bytes, header and all, that lies within what was read. */
static void
frame(size_t len)
{
    passed_advance(&passed, len, true);
}

static size_t
take(void)
{
    struct passed_parcel parcel;

    if (!passed_take(&passed, &parcel))
        return 0;
    for (size_t i = 0; i < parcel.n_fds; i++)
        close(parcel.fds[i]);
    return parcel.n_fds;
}

Test(passed, belongs_to_a_frame_that_begins_within_its_read)
{
    cr_assert_eq(put(30, 2), KS_OK);
    frame(10);
    cr_assert_not(passed_stray(&passed, false), "two more frames may begin in it");
    frame(10);
    cr_assert_not(passed_stray(&passed, false));
    frame(10);
    cr_assert_eq(take(), 2);
    cr_assert_not(passed_stray(&passed, false));
}

Test(passed, is_stray_once_no_frame_can_begin_within_its_read)
{
    cr_assert_eq(put(20, 1), KS_OK);
    frame(10);
    cr_assert_not(passed_stray(&passed, false));
    frame(10);
    cr_assert(passed_stray(&passed, false));
    cr_assert_eq(passed_clear(&passed), 1);
    cr_assert_not(passed_stray(&passed, false));
}

Test(passed, waits_for_the_rest_of_its_frame)
{
    cr_assert_eq(put(1, 2), KS_OK);
    frame(1);
    cr_assert_not(passed_stray(&passed, true));
    for (int i = 0; i < 9; i++) {
        cr_assert_not(passed_stray(&passed, true));
        cr_assert_eq(put(1, 0), KS_OK);
        passed_advance(&passed, 1, false);
    }
    cr_assert_eq(take(), 2);
    cr_assert_not(passed_stray(&passed, false));
}

Test(passed, does_not_belong_to_a_frame_that_began_before_its_read)
{
    cr_assert_eq(put(5, 0), KS_OK);
    frame(5);
    cr_assert_eq(put(5, 1), KS_OK);
    passed_advance(&passed, 5, false);
    cr_assert_eq(take(), 0);
    cr_assert(passed_stray(&passed, false));
    cr_assert_eq(passed_clear(&passed), 1);
}

Test(passed, does_not_belong_to_a_frame_that_begins_behind_its_read)
{
    cr_assert_eq(put(5, 1), KS_OK);
    frame(5);
    cr_assert_eq(put(5, 0), KS_OK);
    frame(5);
    cr_assert_eq(take(), 0);
    cr_assert(passed_stray(&passed, false));
    cr_assert_eq(passed_clear(&passed), 1);
}

Test(passed, in_the_midst_of_a_frame_is_stray)
{
    cr_assert_eq(put(5, 0), KS_OK);
    frame(5);
    cr_assert_eq(put(5, 1), KS_OK);
    passed_advance(&passed, 5, false);
    cr_assert(passed_stray(&passed, true));
    passed_clear(&passed);
}

Test(passed, two_in_a_row_keep_their_order)
{
    /* The first frame's end comes with the second frame's beginning. */
    cr_assert_eq(put(6, 1), KS_OK);
    frame(6);
    cr_assert_not(passed_stray(&passed, true));
    cr_assert_eq(put(14, 2), KS_OK);
    passed_advance(&passed, 4, false);
    cr_assert_eq(take(), 1);
    cr_assert_not(passed_stray(&passed, false));
    frame(10);
    cr_assert_eq(take(), 2);
    cr_assert_not(passed_stray(&passed, false));
}

Test(passed, a_third_parcel_and_a_third_descriptor_are_too_many)
{
    struct passed_fds cut = {.n_fds = 1, .cut = true};

    cr_assert_eq(put(6, PASSED_MAX + 1), KS_ERR_BAD_REQUEST);
    cut.fds[0] = file();
    cr_assert_eq(passed_put(&passed, 1, &cut, KS_OK, &why), KS_ERR_BAD_REQUEST);
    cut.n_fds = 0;
    cr_assert_eq(passed_put(&passed, 1, &cut, KS_OK, &why), KS_ERR_BAD_REQUEST);
    cr_assert_eq(put(6, 1), KS_OK);
    cr_assert_eq(put(6, 1), KS_OK);
    cr_assert_eq(put(6, 1), KS_ERR_BAD_REQUEST);
    cr_assert_eq(passed_clear(&passed), 2);
}

Test(passed, what_is_not_kept_is_closed_and_still_stands_in_its_place)
{
    struct passed_fds fds = {.n_fds = 1};
    struct passed_parcel parcel;
    int kept;

    fds.fds[0] = file();
    kept = dup(fds.fds[0]);
    close(fds.fds[0]);
    fds.fds[0] = kept;
    cr_assert_eq(passed_put(&passed, 10, &fds, KS_ERR_BUSY, &why), KS_OK);
    cr_assert_eq(fds.n_fds, 0);
    frame(10);
    cr_assert(passed_take(&passed, &parcel));
    cr_assert_eq(parcel.n_fds, 0);
    cr_assert_eq(parcel.err, KS_ERR_BUSY);
}

Test(passed, only_files_in_memory_with_all_seals_will_do)
{
    static const int needed[] = {F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE};
    struct passed_fds fds = {.n_fds = 1};

    for (size_t left_out = 0; left_out <= ARRAY_LEN(needed); left_out++) {
        fds.fds[0] = file();
        for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
            if (i != left_out)
                cr_assert_eq(fcntl(fds.fds[0], F_ADD_SEALS, needed[i]), 0);
        }
        cr_assert_eq(passed_sealed(&fds), left_out == ARRAY_LEN(needed));
        close(fds.fds[0]);
    }
    fds.fds[0] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    cr_assert_not(passed_sealed(&fds));
    close(fds.fds[0]);
    fds.fds[0] = open("/", O_RDONLY | O_CLOEXEC);
    cr_assert_not(passed_sealed(&fds));
    close(fds.fds[0]);
}

/* What the whole of this module goes by. */
Test(passed, the_kernel_ends_a_read_where_what_came_with_descriptors_ends)
{
    struct passed_fds fds;
    char data[64];
    int ends[2], sent = file();
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.align = {.cmsg_level = SOL_SOCKET,
                           .cmsg_type = SCM_RIGHTS,
                           .cmsg_len = CMSG_LEN(sizeof(int))}};
    struct iovec vector = {.iov_base = (void *)"bbb", .iov_len = 3};
    struct msghdr header = {.msg_iov = &vector,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof(control.bytes)};

    memcpy(CMSG_DATA(&control.align), &sent, sizeof(sent));
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    cr_assert_eq(send(ends[0], "aa", 2, 0), 2);
    cr_assert_eq(sendmsg(ends[0], &header, 0), 3);
    cr_assert_eq(send(ends[0], "cccc", 4, 0), 4);
    cr_assert_eq(passed_receive(ends[1], data, sizeof(data), &fds), 5);
    cr_assert_eq(fds.n_fds, 1);
    cr_assert_eq(fcntl(fds.fds[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    passed_fds_discard(&fds);
    cr_assert_eq(passed_receive(ends[1], data, sizeof(data), &fds), 4);
    cr_assert_eq(fds.n_fds, 0);
    /* And they come with the first byte, however few are read. */
    cr_assert_eq(sendmsg(ends[0], &header, 0), 3);
    cr_assert_eq(passed_receive(ends[1], data, 1, &fds), 1);
    cr_assert_eq(fds.n_fds, 1);
    passed_fds_discard(&fds);
    close(sent);
    close(ends[0]);
    close(ends[1]);
}
