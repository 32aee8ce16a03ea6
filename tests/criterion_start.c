/* SPDX-License-Identifier: Apache-2.0 */
/*
 * criterion_start - a test's process does not begin by reading this machine's certificates
 *
 * Criterion runs each test in a process of its own and makes libgit2 ready in each, which reads the
 * CAs for HTTPS: half of the time that a short test takes. It is wanted for the differences that
 * asserts of the new form show, those of <criterion/new/assert.h>; ours are of the old.
 */
int git_libgit2_init(void) __attribute__((visibility("default")));
int git_libgit2_shutdown(void) __attribute__((visibility("default")));

int
git_libgit2_init(void)
{
    return 1;
}

int
git_libgit2_shutdown(void)
{
    return 0;
}
