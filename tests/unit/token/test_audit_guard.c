/* SPDX-License-Identifier: Apache-2.0 */
#include "token/audit_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <criterion/criterion.h>

static int other; /* a file of the module's own */

static void
set_up(void)
{
    struct fault why = FAULT_INIT;
    char path[] = "/tmp/keysvc-guard-XXXXXX";
    int fd = mkostemp(path, O_APPEND | O_CLOEXEC);

    unlink(path);
    other = memfd_create("other", MFD_CLOEXEC);
    cr_assert(fd >= 0 && other >= 0);
    cr_assert_eq(write(fd, "record\n", 7), 7);
    cr_assert_eq(audit_guard_place(&fd, &why), KS_OK);
    cr_assert_eq(fd, AUDIT_GUARD_FD);
    cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    cr_assert_eq(audit_guard_install(&why), KS_OK, "%s", why.text);
}

TestSuite(audit_guard, .init = set_up);

#define REFUSED(call)                                                                              \
    do {                                                                                           \
        errno = 0;                                                                                 \
        cr_expect((call) < 0 && errno == EPERM, #call);                                            \
    } while (0)

Test(audit_guard, refuses_to_cut_overwrite_unlock_or_copy_the_audit)
{
    char byte = 0;
    struct iovec vector = {.iov_base = &byte, .iov_len = 1};

    REFUSED(ftruncate(AUDIT_GUARD_FD, 0));
    REFUSED(pwrite(AUDIT_GUARD_FD, "x", 1, 0));
    REFUSED(pwritev(AUDIT_GUARD_FD, &vector, 1, 0));
    REFUSED(pwritev2(AUDIT_GUARD_FD, &vector, 1, 0, 0));
    REFUSED(fcntl(AUDIT_GUARD_FD, F_SETFL, 0));
    REFUSED(fcntl(AUDIT_GUARD_FD, F_DUPFD, 0));
    REFUSED(fcntl(AUDIT_GUARD_FD, F_DUPFD_CLOEXEC, 0));
    REFUSED(dup(AUDIT_GUARD_FD));
    REFUSED(dup2(AUDIT_GUARD_FD, 50));
    REFUSED(dup3(AUDIT_GUARD_FD, 50, 0));
    REFUSED(fallocate(AUDIT_GUARD_FD, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1));
    cr_expect_eq(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, AUDIT_GUARD_FD, 0),
                 MAP_FAILED);
    cr_expect_eq(syscall(SYS_ftruncate, 0x100000000UL + AUDIT_GUARD_FD, 0), -1);
}

Test(audit_guard, leaves_appending_and_reading_and_other_files_alone)
{
    char text[16];

    cr_expect_eq(write(AUDIT_GUARD_FD, "more\n", 5), 5);
    cr_expect_eq(fdatasync(AUDIT_GUARD_FD), 0);
    cr_expect_eq(pread(AUDIT_GUARD_FD, text, sizeof(text), 0), 12);
    cr_expect_eq(ftruncate(other, 10), 0);
    cr_expect_eq(pwrite(other, "x", 1, 0), 1);
    cr_expect_geq(fcntl(other, F_SETFL, O_APPEND), 0);
    cr_expect_neq(mmap(NULL, 4096, PROT_READ, MAP_SHARED, other, 0), MAP_FAILED);
}

Test(audit_guard, lets_a_new_file_take_the_place_of_the_old_one)
{
    struct fault why = FAULT_INIT;
    int fd = memfd_create("next", MFD_CLOEXEC);

    cr_expect_eq(audit_guard_place(&fd, &why), KS_OK, "%s", why.text);
    cr_expect_eq(fd, AUDIT_GUARD_FD);
}
