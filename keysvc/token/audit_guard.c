/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_guard - the system call filter on the audit's descriptor
 *
 * The kernel looks at the lower 32 bits of a descriptor argument only, so the filter does too:
 * otherwise 2^32 + 100 would pass it and still be the audit.
 */
#include "token/audit_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>

#include "base/util.h"

#define LOWER_32 0xffffffffu
#define MMAP_FD_ARGUMENT 4

/* Calls that are refused when their first argument is the audit. */
static const int by_first[] = {
    SCMP_SYS(dup),     SCMP_SYS(dup2),      SCMP_SYS(dup3),     SCMP_SYS(fallocate),
    SCMP_SYS(ioctl),   SCMP_SYS(ftruncate), SCMP_SYS(lseek),    SCMP_SYS(pwrite64),
    SCMP_SYS(pwritev), SCMP_SYS(pwritev2),  SCMP_SYS(sendfile),
};

/* fcntl commands that are refused on it. */
static const unsigned int fcntl_commands[] = {F_DUPFD, F_DUPFD_CLOEXEC, F_SETFL};

/* Ways around all of it, which no module was seen to need. */
static const int always[] = {SCMP_SYS(io_uring_setup), SCMP_SYS(pidfd_getfd)};

static int add_rules(scmp_filter_ctx filter);

ks_err
audit_guard_install(struct fault *why)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int rc = filter ? add_rules(filter) : -ENOMEM;

    if (rc == 0)
        rc = seccomp_load(filter);
    seccomp_release(filter);
    if (rc == 0)
        return KS_OK;
    errno = -rc;
    fault_set(why, "cannot install the system call filter: %m");
    return KS_ERR_INTERNAL;
}

static int
add_rules(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp is_audit = SCMP_A0(SCMP_CMP_MASKED_EQ, LOWER_32, AUDIT_GUARD_FD);
    const struct scmp_arg_cmp maps_audit =
        SCMP_CMP(MMAP_FD_ARGUMENT, SCMP_CMP_MASKED_EQ, LOWER_32, AUDIT_GUARD_FD);
    int rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(mmap), 1, maps_audit);

    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(by_first); i++)
        rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), by_first[i], 1, is_audit);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(fcntl_commands); i++)
        rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(fcntl), 2, is_audit,
                              SCMP_A1(SCMP_CMP_MASKED_EQ, LOWER_32, fcntl_commands[i]));
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(always); i++)
        rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), always[i], 0);
    return rc;
}
