/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attempts - what a process in a sandbox tries, and what comes of it
 *
 * A test's process cannot go into a sandbox itself: the framework in it has to report afterwards. A
 * child does, tries one thing after the other, and leaves the results in shared memory.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct attempt {
    const char *name;
    int (*attempt)(void); /* 0: it was done; else errno */
    int expected;         /* the same */
};

/* `enter` puts the child into its sandbox; not 0: it could not. Each attempt that ends otherwise than
 * expected fails the test, by its name. */
void attempts_run(int (*enter)(void *context), void *context, const struct attempt *attempts,
                  size_t n_attempts);

/* The process of the test, asked for while that was possible. */
extern pid_t attempts_parent;

/* What no process of ours needs, and no sandbox of ours allows. */
extern const struct attempt attempts_of_an_attacker[];
extern const size_t n_attempts_of_an_attacker;
