/* SPDX-License-Identifier: Apache-2.0 */
/* A password in a configuration file gives way to something else. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "client/agent/upload/conf_replace.h"

#define OPTION "certificate-password"

static char folder[] = "/tmp/keysvc-replace-XXXXXX";
static char path[sizeof(folder) + 16];

static void
set_up(void)
{
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/agent.conf", folder);
}

static void
tear_down(void)
{
    char command[sizeof(folder) + 16];

    snprintf(command, sizeof(command), "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(conf_replace, .init = set_up, .fini = tear_down);

static void
write_file(const char *text)
{
    FILE *file = fopen(path, "w");

    cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static const char *
read_file(void)
{
    static char text[2000];
    FILE *file = fopen(path, "r");
    size_t len;

    cr_assert(file);
    len = fread(text, 1, sizeof(text) - 1, file);
    text[len] = '\0';
    fclose(file);
    return text;
}

Test(conf_replace, exchanges_the_value_and_nothing_else)
{
    static const struct {
        const char *before, *after;
    } cases[] = {
        {"listener { " OPTION " = \"secret\" port = 0 }",
         "listener { " OPTION " = \"NEW\" port = 0 }"},
        {OPTION "=secret}\n", OPTION "=\"NEW\"}\n"},
        {OPTION " = 's\\'e } #cret' # why\n", OPTION " = \"NEW\" # why\n"},
        {"# " OPTION " = old\n/* " OPTION " = older */ // " OPTION " = x\n" OPTION "\n=\n\"s\"\n",
         "# " OPTION " = old\n/* " OPTION " = older */ // " OPTION " = x\n" OPTION
         "\n=\n\"NEW\"\n"},
        {"a = \"" OPTION " = b\"\n" OPTION " /* it */ = \"\"",
         "a = \"" OPTION " = b\"\n" OPTION " /* it */ = \"NEW\""},
        {"x-" OPTION " = a\n" OPTION " = \"a\\\"b\"\n", "x-" OPTION " = a\n" OPTION " = \"NEW\"\n"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fault why = FAULT_INIT;

        write_file(cases[i].before);
        cr_expect_eq(conf_replace(path, OPTION, "NEW", &why), KS_OK, "%zu: %s", i, why.text);
        cr_expect_str_eq(read_file(), cases[i].after);
    }
}

Test(conf_replace, leaves_a_file_alone_in_which_it_does_not_stand_once)
{
    static const char *const cases[] = {"", "# " OPTION " = a", OPTION,
                                        OPTION " = a\n" OPTION " = b"};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fault why = FAULT_INIT;

        write_file(cases[i]);
        cr_expect_eq(conf_replace(path, OPTION, "NEW", &why), KS_ERR_NOT_FOUND, "%zu", i);
        cr_expect_str_eq(read_file(), cases[i]);
    }
}

Test(conf_replace, keeps_the_mode_and_wipes_what_was_there)
{
    struct fault why = FAULT_INIT;
    char old[64] = "";
    struct stat st;
    int fd;

    write_file(OPTION " = secret");
    cr_assert_eq(chmod(path, 0640), 0);
    fd = open(path, O_RDONLY);
    cr_assert_eq(conf_replace(path, OPTION, "NEW", &why), KS_OK, "%s", why.text);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0640);
    cr_assert_eq(read(fd, old, sizeof(old)), (ssize_t)strlen(OPTION " = secret"));
    for (size_t i = 0; i < strlen(OPTION " = secret"); i++)
        cr_expect_eq(old[i], 0);
    close(fd);
}

Test(conf_replace, wipes_nothing_that_has_another_name)
{
    struct fault why = FAULT_INIT;
    char beside[sizeof(path) + 8], old[64] = "";
    int fd;

    write_file(OPTION " = secret");
    snprintf(beside, sizeof(beside), "%s.bak", path);
    cr_assert_eq(link(path, beside), 0);
    cr_assert_eq(conf_replace(path, OPTION, "NEW", &why), KS_OK, "%s", why.text);
    fd = open(beside, O_RDONLY);
    cr_assert_gt(read(fd, old, sizeof(old) - 1), 0);
    cr_assert_str_eq(old, OPTION " = secret");
    close(fd);
}
