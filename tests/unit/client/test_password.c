/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <stdio.h>
#include <sys/stat.h>

#include "client/cli/password.h"
#include "client/cli/secretfile.h"

static char path[] = "/tmp/keysvc-test-XXXXXX";
static const struct cli cli = {.command = "key import"};

static void
start(void)
{
    int fd = mkstemp(path);

    cr_assert_geq(fd, 0);
    close(fd);
}

static void
stop(void)
{
    unlink(path);
}

TestSuite(password, .init = start, .fini = stop, .timeout = 60);
TestSuite(secretfile, .init = start, .fini = stop);

static void
write_bytes(const void *data, size_t len)
{
    FILE *file = fopen(path, "we");

    cr_assert_eq(fwrite(data, 1, len, file), len);
    cr_assert_eq(fclose(file), 0);
}

typedef ks_err (*read_fn)(const struct cli *, const char *, struct secret **, struct fault *);

/* `wanted` NULL: refused with `err`. */
static void
expect_from(read_fn read, const char *bytes, size_t len, const char *wanted, ks_err err)
{
    ks_auto(secret_freep) struct secret *secret = NULL;
    struct fault why = FAULT_INIT;

    write_bytes(bytes, len);
    cr_assert_eq(read(&cli, path, &secret, &why), err, "%s", why.text);
    if (!wanted)
        return;
    cr_assert_eq(secret->len, strlen(wanted));
    cr_assert_str_eq(secret->text, wanted);
}

#define EXPECT(read, bytes, wanted, err) expect_from(read, bytes, sizeof(bytes) - 1, wanted, err)

Test(password, the_first_line_counts)
{
    EXPECT(password_first_line, "secret\nmore\n", "secret", KS_OK);
    EXPECT(password_first_line, "secret\r\n", "secret", KS_OK);
    EXPECT(password_first_line, "secret", "secret", KS_OK);
    EXPECT(password_first_line, " two words ", " two words ", KS_OK);
    EXPECT(password_first_line, "\nmore", NULL, KS_ERR_USAGE);
    EXPECT(password_first_line, "", NULL, KS_ERR_USAGE);
}

Test(password, of_a_whole_file_one_line_break_is_cut)
{
    EXPECT(password_whole, "secret\n", "secret", KS_OK);
    EXPECT(password_whole, "secret\n\n", "secret\n", KS_OK);
    EXPECT(password_whole, "two\nlines\r\n", "two\nlines", KS_OK);
    EXPECT(password_whole, "", "", KS_OK);
    EXPECT(password_whole, "\n", "", KS_OK);
    EXPECT(password_whole, "a\0b", NULL, KS_ERR_USAGE);
}

Test(password, has_a_longest_length)
{
    static char bytes[SECRET_MAX_LEN + 1];

    memset(bytes, 'x', sizeof(bytes));
    expect_from(password_whole, bytes, SECRET_MAX_LEN, NULL, KS_OK);
    expect_from(password_whole, bytes, SECRET_MAX_LEN + 1, NULL, KS_ERR_TOO_LARGE);
}

Test(password, a_file_that_is_missing_is_named)
{
    ks_auto(secret_freep) struct secret *secret = NULL;
    struct fault why = FAULT_INIT;

    cr_assert_eq(password_whole(&cli, "/proc/nonexistent/p", &secret, &why), KS_ERR_USAGE);
    cr_assert_not_null(strstr(why.text, "/proc/nonexistent/p"));
    cr_assert_null(secret);
}

/* --- secretfile --- */

/* AddressSanitizer takes mlock() away: nothing is locked in its builds. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LOCKED_KIB 0
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define LOCKED_KIB 0
#endif
#ifndef LOCKED_KIB
#define LOCKED_KIB 8
#endif

/* The line "VmLck: 8 kB" of this process. */
static unsigned long
locked_kib(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    unsigned long kib = 0;

    while (fgets(line, sizeof(line), file))
        sscanf(line, "VmLck: %lu", &kib);
    fclose(file);
    return kib;
}

Test(secretfile, is_locked_while_it_is_held)
{
    struct secretfile file = {0};
    struct fault why = FAULT_INIT;
    unsigned long before = locked_kib();

    write_bytes("abc", 3);
    cr_assert_eq(secretfile_read(path, 8192, &file, &why), KS_OK, "%s", why.text);
    cr_assert_eq(file.len, 3);
    cr_assert_arr_eq(file.data, "abc", 3);
    cr_assert_eq(locked_kib(), before + LOCKED_KIB);
    secretfile_deinit(&file);
    cr_assert_null(file.data);
    cr_assert_eq(locked_kib(), before);
}

Test(secretfile, has_a_limit)
{
    struct secretfile file = {0};
    struct fault why = FAULT_INIT;

    write_bytes("abcde", 5);
    cr_assert_eq(secretfile_read(path, 5, &file, &why), KS_OK);
    secretfile_deinit(&file);
    cr_assert_eq(secretfile_read(path, 4, &file, &why), KS_ERR_TOO_LARGE);
    cr_assert_not_null(strstr(why.text, "4 bytes"));
    secretfile_deinit(&file);
    cr_assert_eq(secretfile_read("/", 4, &file, &why), KS_ERR_USAGE, "a folder is no file");
    secretfile_deinit(&file);
}
