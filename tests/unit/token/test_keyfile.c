/* SPDX-License-Identifier: Apache-2.0 */
#include "token/keyfile.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <criterion/criterion.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

#define NOBODY 65534

static struct fault why;

static int
memory(const char *text, int seals)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    cr_assert_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

Test(keyfile, reads_the_whole_of_sealed_memory_wherever_its_offset_is)
{
    ks_auto(keyfile_deinit) struct keyfile file = KEYFILE_INIT;
    ks_auto(closep) int fd = memory("a text", SEALS);

    cr_assert_eq(keyfile_read(fd, 100, "the file", &file, &why), KS_OK, "%s", why.text);
    cr_assert_eq(file.len, strlen("a text"));
    cr_assert_arr_eq(file.data, "a text", strlen("a text"));
}

Test(keyfile, refuses_what_could_change_while_it_is_read)
{
    static const int seals[] = {0, F_SEAL_SHRINK | F_SEAL_GROW, F_SEAL_GROW | F_SEAL_WRITE,
                                F_SEAL_SHRINK | F_SEAL_WRITE};
    ks_auto(closep) int plain = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    ks_auto(closep) int device = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    struct keyfile file = KEYFILE_INIT;

    for (size_t i = 0; i < ARRAY_LEN(seals); i++) {
        ks_auto(closep) int fd = memory("a text", seals[i]);

        cr_expect_eq(keyfile_read(fd, 100, "the file", &file, &why), KS_ERR_BAD_REQUEST, "%zu", i);
    }
    cr_expect_eq(keyfile_read(plain, 1u << 30, "the file", &file, &why), KS_ERR_BAD_REQUEST);
    cr_expect_eq(keyfile_read(device, 100, "the file", &file, &why), KS_ERR_BAD_REQUEST);
    cr_expect_eq(keyfile_read(-1, 100, "the file", &file, &why), KS_ERR_BAD_REQUEST);
    cr_expect_null(file.data);
}

Test(keyfile, refuses_more_than_its_bound_and_not_the_bound_itself)
{
    ks_auto(keyfile_deinit) struct keyfile file = KEYFILE_INIT;
    ks_auto(closep) int fd = memory("a text", SEALS);

    cr_assert_eq(keyfile_read(fd, 5, "the file", &file, &why), KS_ERR_BAD_REQUEST);
    cr_assert(strstr(why.text, "at most 5"), "%s", why.text);
    cr_assert_eq(keyfile_read(fd, 6, "the file", &file, &why), KS_OK);
}

#ifndef __SANITIZE_ADDRESS__ /* it makes mlock() do nothing */
Test(keyfile, keeps_nothing_in_memory_that_could_be_swapped)
{
    const struct rlimit none = {0, 0};
    struct keyfile file = KEYFILE_INIT;

    if (geteuid() == 0) /* who may lock whatever it likes */
        cr_assert_eq(setresuid(NOBODY, NOBODY, NOBODY), 0);
    cr_assert_eq(setrlimit(RLIMIT_MEMLOCK, &none), 0);
    cr_assert_eq(keyfile_new(100, &file, &why), KS_ERR_INTERNAL);
    cr_assert_null(file.data);
}
#endif
