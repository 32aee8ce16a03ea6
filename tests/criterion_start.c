/* SPDX-License-Identifier: Apache-2.0 */
/*
 * criterion_start - a test's process begins soon, and begins at all
 *
 * Criterion runs each test in a process of its own and makes libgit2 ready in each, which reads the
 * CAs for HTTPS: half of the time that a short test takes. It is wanted for the differences that
 * asserts of the new form show, those of <criterion/new/assert.h>; ours are of the old.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

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

#ifdef __SANITIZE_ADDRESS__
/*
 * gcc 12's AddressSanitizer does not take its allocator's locks around fork(), and while criterion's main
 * thread forks, others of its process (nanomsg's, boxfort's) allocate: a child made while one of them held
 * a lock would wait for it in its own malloc() for ever, and the suite for the child. Boxfort calls malloc()
 * three times there before it executes the test's process, and frees nothing. That memory comes from libc,
 * whose locks fork() takes.
 */
void *malloc(size_t size) __attribute__((visibility("default")));
void *__interceptor_malloc(size_t size); /* AddressSanitizer's own */
void *__libc_malloc(size_t size);

static bool forked;

static void
set_forked(void)
{
    forked = true;
}

/* In criterion's process only: to a test's boxfort gives the variable, and what a test forks is watched as ever. */
__attribute__((constructor)) static void
watch_forks(void)
{
    if (!getenv("BXFI_MAP"))
        pthread_atfork(NULL, NULL, set_forked);
}

/*
 * Runs before the sanitizers are ready. Compiled to a jump (meson.build optimises it), so that they see who called:
 * LeakSanitizer knows by that what belongs to the dynamic linker.
 */
__attribute__((no_sanitize("address", "undefined"))) void *
malloc(size_t size)
{
    return forked ? __libc_malloc(size) : __interceptor_malloc(size);
}
#endif
