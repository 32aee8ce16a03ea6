/* SPDX-License-Identifier: Apache-2.0 */
#include "front/accounts.h"

#include <criterion/criterion.h>

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#define NOBODY_AT_ALL 3999999

Test(accounts, answers_as_libc_does_without_a_process_and_with_one)
{
    struct fault why = FAULT_INIT;
    char name[ACCOUNTS_NAME_MAX + 1];

    accounts_name(0, name);
    cr_expect_str_eq(name, "root");
    cr_assert_eq(accounts_start(&why), KS_OK, "%s", why.text);
    accounts_name(0, name);
    cr_expect_str_eq(name, "root");
    accounts_name(NOBODY_AT_ALL, name);
    cr_expect_str_eq(name, "");
    accounts_name(0, name);
    cr_expect_str_eq(name, "root");
}

/* The process that answers is the only child. */
static pid_t
only_child(void)
{
    char path[64];
    int pid = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    file = fopen(path, "r");
    if (file && fscanf(file, "%d", &pid) != 1)
        pid = 0;
    if (file)
        fclose(file);
    return pid;
}

/* Better no front than one that takes everybody for nobody. */
Test(accounts, without_the_process_that_answers_the_front_ends, .exit_code = 1)
{
    struct fault why = FAULT_INIT;
    char name[ACCOUNTS_NAME_MAX + 1];
    pid_t child;

    cr_assert_eq(accounts_start(&why), KS_OK, "%s", why.text);
    child = only_child();
    cr_assert(child > 0);
    cr_assert_eq(kill(child, SIGKILL), 0);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    accounts_name(0, name);
    cr_assert_fail("an answer from nobody: \"%s\"", name);
}
