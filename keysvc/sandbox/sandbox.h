/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox - a process gives up what it will not need: system calls, files, the network
 *
 * Filled by a table of the process's own (front/sandbox.c, token/sandbox.c, supervisor/sandbox.c),
 * then entered once, by the only thread, after no_new_privs; there is no way back, and what the
 * process starts afterwards has it too.
 *   sandbox_new() -> sandbox_calls(), sandbox_path(), ... -> sandbox_enter() -> sandbox_free()
 *
 * A call that is not allowed is not made: it fails with EPERM (ENOSYS where not even its name is
 * known, so that a newer libc falls back to an older call), and is named once in the log,
 * event=call-refused. What is forbidden (SANDBOX_FORBIDS) is not: a program that is executed has no
 * handler yet that could, and would be killed. A file that is not allowed answers EACCES, and that stands in no log.
 *
 * Where the kernel has no Landlock, or an older one, files are protected by it less or not at all:
 * the state says so and nothing fails. In builds without a sandbox (sanitizers) off.c takes all of
 * it and does nothing.
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"
#include "base/strv.h"

struct sandbox;

enum sandbox_kind {
    SANDBOX_ALLOWS,  /* what is listed, by sandbox_calls(); anything else is refused */
    SANDBOX_FORBIDS, /* what is listed, for whom we cannot list all that his children need */
};

/* A call, and what one of its arguments must be: (argument & mask) == value; a mask of 0: any. Rows
 * of the same call are alternatives. The kernel looks at the lower half of a number that is an int,
 * and so must the mask; but at the whole of an address. */
struct sandbox_rule {
    const char *call;
    unsigned int argument;
    uint64_t mask, value;
};
#define SANDBOX_INT UINT32_MAX
#define SANDBOX_ADDRESS UINT64_MAX

enum sandbox_access {
    SANDBOX_READ,  /* files and folders, to the bottom */
    SANDBOX_WRITE, /* and make, rename, remove them; devices too */
    SANDBOX_EXECUTE,
};

enum sandbox_reach {
    SANDBOX_NO_TCP = 1 << 0,      /* neither bind() nor connect() */
    SANDBOX_NO_SIGNALS = 1 << 1,  /* to processes outside of the sandbox */
    SANDBOX_NO_ABSTRACT = 1 << 2, /* connections to Unix sockets that are not files */
};

/* What came of it. */
struct sandbox_state {
    bool calls;       /* the filter of system calls is in force */
    bool files;       /* files are restricted, by Landlock */
    unsigned int abi; /* of the kernel's Landlock; 0: it has none */
};

/* INTERNAL: no memory. */
ks_err sandbox_new(enum sandbox_kind kind, struct sandbox **out) KS_MUST_CHECK;
struct sandbox *sandbox_free(struct sandbox *sandbox);
void sandbox_freep(struct sandbox **sandbox);

/* Calls that this kind of machine or an old libseccomp does not know are passed over. A mistake is
 * kept for sandbox_enter(). */
void sandbox_calls(struct sandbox *sandbox, const struct sandbox_rule *rules, size_t n_rules);
/* The same, whatever their arguments. */
void sandbox_call(struct sandbox *sandbox, const char *call);
/* fcntl(), but for what has the kernel send signals to others, of a kind one chooses: a process may
 * own a descriptor of ours that is of the same user. SANDBOX_ALLOWS only. */
void sandbox_fcntl(struct sandbox *sandbox);
/* Fails with that errno and is not logged: what libc tries and does without. */
void sandbox_expected(struct sandbox *sandbox, const struct sandbox_rule *rule, int error);

/* From the first of these on every file that is not named is closed to the process; for
 * SANDBOX_EXECUTE alone only its execution. What is not there when this is called, or opened by
 * another name of the same folder later, stays closed. */
void sandbox_path(struct sandbox *sandbox, const char *path, enum sandbox_access access);
/* All of this kind is closed, also if no path is named. */
void sandbox_close_files(struct sandbox *sandbox);
void sandbox_restrict(struct sandbox *sandbox, enum sandbox_reach reach);

/* Takes effect. INTERNAL: it cannot, and `why` says what. */
ks_err sandbox_enter(struct sandbox *sandbox, struct sandbox_state *state,
                     struct fault *why) KS_MUST_CHECK;

/* Is there a system call of that name? */
bool sandbox_knows_call(const char *call);
