/* SPDX-License-Identifier: Apache-2.0 */
/*
 * landlock - the kernel's rules on files, TCP ports, signals, by system call
 *
 * The headers of Debian 12 end at ABI 2 and there is no wrapper in libc: constants and structure
 * are ours, and what the running kernel does not know is left out.
 */
#pragma once

#include "sandbox/sandbox.h"

struct landlock {
    unsigned int abi;
    int ruleset;
    uint64_t handled; /* rights to files that have to be granted */
};

/* 0: the kernel has none, or it is switched off. */
unsigned int landlock_abi(void);

/* `reach` as sandbox.h. With abi 0, or nothing to restrict, ruleset stays -1 and that is no error. */
ks_err landlock_open(struct landlock *landlock, uint64_t handled, unsigned int reach,
                     struct fault *why) KS_MUST_CHECK;

/* What is not there is passed over. */
ks_err landlock_allow(const struct landlock *landlock, const char *path, uint64_t rights,
                      struct fault *why) KS_MUST_CHECK;

ks_err landlock_enter(const struct landlock *landlock, struct fault *why) KS_MUST_CHECK;

/* Rights that SANDBOX_READ, ... stand for, and all rights. */
uint64_t landlock_rights(enum sandbox_access access);
uint64_t landlock_all(void);
