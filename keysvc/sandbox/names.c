/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names - of system calls, in every build: a profile is right or wrong whoever reads it
 */
#include "sandbox/sandbox.h"

#include <seccomp.h>

bool
sandbox_knows_call(const char *call)
{
    return seccomp_syscall_resolve_name(call) != __NR_SCMP_ERROR;
}
