/* SPDX-License-Identifier: Apache-2.0 */
/*
 * accounts - the names of users, asked by a process beside the front
 *
 * libc answers from /etc/passwd, or by whatever module /etc/nsswitch.conf names: sockets, files and
 * libraries that the front's sandbox has no place for. So a process is forked before the front is
 * in it, which sees numbers only, answers names, and ends with the front.
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"

#define ACCOUNTS_NAME_MAX 255 /* bytes */

/* Once, at the start: while there is one thread and no descriptor of a client's. INTERNAL. */
ks_err accounts_start(struct fault *why) KS_MUST_CHECK;

/* Empty: there is no such account, or a longer name, or no answer. Without accounts_start() this
 * process asks libc itself. */
void accounts_name(uint32_t uid, char name[static ACCOUNTS_NAME_MAX + 1]);
