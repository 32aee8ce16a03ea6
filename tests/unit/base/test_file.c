/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/file.h"

static char folder[] = "/tmp/keysvc-test-XXXXXX";
static char path[64];

static void
start(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/out", folder);
}

static void
stop(void)
{
    unlink(path);
    rmdir(folder);
}

TestSuite(file, .init = start, .fini = stop);

static unsigned int
files_in_folder(void)
{
    DIR *dir = opendir(folder);
    unsigned int n = 0;

    while (readdir(dir))
        n++;
    closedir(dir);
    return n - 2;
}

static void
expect_content(const char *wanted)
{
    ks_auto(buf_deinit) struct buf data = BUF_INIT;
    struct fault why = FAULT_INIT;

    cr_assert_eq(file_read(path, &data, &why), KS_OK, "%s", why.text);
    cr_assert_eq(data.len, strlen(wanted));
    cr_assert_arr_eq(data.data, wanted, data.len);
}

Test(file, writes_and_replaces)
{
    struct fault why = FAULT_INIT;
    struct stat st;

    umask(027);
    cr_assert_eq(file_replace(path, FILE_MODE_ALL, "one", 3, &why), KS_OK, "%s", why.text);
    expect_content("one");
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0640, "as the umask says");
    cr_assert_eq(file_replace(path, FILE_MODE_ALL, "two, longer", 11, &why), KS_OK);
    expect_content("two, longer");
    cr_assert_eq(files_in_folder(), 1);
}

Test(file, leaves_the_old_file_whole_when_the_new_one_does_not_fit)
{
    const struct rlimit small = {.rlim_cur = 4096, .rlim_max = 4096};
    static char large[10000];
    struct fault why = FAULT_INIT;

    cr_assert_eq(file_replace(path, FILE_MODE_ALL, "old", 3, &why), KS_OK);
    cr_assert_neq(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    cr_assert_eq(file_replace(path, FILE_MODE_ALL, large, sizeof(large), &why), KS_ERR_INTERNAL);
    expect_content("old");
    cr_assert_eq(files_in_folder(), 1, "a temporary file was left behind");
}

Test(file, says_which_folder_is_missing)
{
    struct fault why = FAULT_INIT;

    cr_assert_eq(file_replace("/proc/nonexistent/out", FILE_MODE_ALL, "x", 1, &why),
                 KS_ERR_INTERNAL);
    cr_assert_not_null(strstr(why.text, "/proc/nonexistent/out"));
}

Test(file, says_before_whether_it_could_be_written)
{
    struct fault why = FAULT_INIT;
    char name[PATH_MAX + 8];

    cr_assert_eq(file_check_replace(path, &why), KS_OK);
    cr_assert_eq(file_check_replace("no-folder-named", &why), KS_OK, "%s", why.text);
    cr_assert_eq(file_check_replace("/dev/null", &why), KS_OK);
    cr_assert_eq(files_in_folder(), 0, "nothing is made for that");
    cr_assert_eq(file_check_replace(folder, &why), KS_ERR_USAGE);
    cr_assert_eq(file_check_replace("/proc/nonexistent/out", &why), KS_ERR_USAGE);
    cr_assert_not_null(strstr(why.text, "/proc/nonexistent/out"));
    cr_assert_eq(file_check_replace("/dev/null/out", &why), KS_ERR_USAGE, "no folder");
    cr_assert_eq(file_check_replace("", &why), KS_ERR_USAGE);
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    cr_assert_eq(file_check_replace(name, &why), KS_ERR_USAGE);
}

Test(file, writes_to_a_device_in_place)
{
    struct fault why = FAULT_INIT;
    struct stat st;

    cr_assert_eq(file_replace("/dev/null", FILE_MODE_ALL, "x", 1, &why), KS_OK);
    cr_assert_eq(stat("/dev/null", &st), 0);
    cr_assert(S_ISCHR(st.st_mode));
}

Test(file, reads_up_to_the_limit_and_no_further)
{
    struct buf data = {.max = 4};
    struct fault why = FAULT_INIT;

    cr_assert_eq(file_replace(path, FILE_MODE_ALL, "four", 4, &why), KS_OK);
    cr_assert_eq(file_read(path, &data, &why), KS_OK);
    cr_assert_eq(data.len, 4);
    buf_deinit(&data);
    cr_assert_eq(file_replace(path, FILE_MODE_ALL, "fives", 5, &why), KS_OK);
    cr_assert_eq(file_read(path, &data, &why), KS_ERR_TOO_LARGE);
    buf_deinit(&data);
    cr_assert_eq(file_read("/proc/nonexistent", &data, &why), KS_ERR_USAGE);
    cr_assert_eq(file_read(folder, &data, &why), KS_ERR_USAGE, "a folder is no file");
    buf_deinit(&data);
}
