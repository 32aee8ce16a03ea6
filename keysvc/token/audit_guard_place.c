/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_guard_place - the fixed number of the audit descriptor, with and without a filter
 */
#include <fcntl.h>
#include <unistd.h>

#include "token/audit_guard.h"

ks_err
audit_guard_place(int *fd, struct fault *why)
{
    if (*fd == AUDIT_GUARD_FD)
        return KS_OK;
    if (dup3(*fd, AUDIT_GUARD_FD, O_CLOEXEC) < 0) {
        fault_set(why, "cannot place the audit's descriptor: %m");
        return KS_ERR_INTERNAL;
    }
    close(*fd);
    *fd = AUDIT_GUARD_FD;
    return KS_OK;
}
