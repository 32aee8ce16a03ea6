/* SPDX-License-Identifier: Apache-2.0 */
/*
 * landlock - by system call
 */
#include "sandbox/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* What came after the headers of Debian 12. */
#define FS_TRUNCATE (1ULL << 14)  /* ABI 3 */
#define FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */
#define NET_BIND_TCP (1ULL << 0)  /* ABI 4 */
#define NET_CONNECT_TCP (1ULL << 1)
#define SCOPE_ABSTRACT (1ULL << 0) /* ABI 6 */
#define SCOPE_SIGNAL (1ULL << 1)

#define ABI_WITH_NET 4
#define ABI_WITH_SCOPES 6

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_CHANGE                                                                                  \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                               \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |  \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM |   \
     LANDLOCK_ACCESS_FS_REFER | FS_TRUNCATE | FS_IOCTL_DEV)
#define FS_DEVICES (LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK)
/* Of the above, those that a rule on what is no folder may grant. */
#define FS_OF_FILES                                                                                \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |   \
     FS_TRUNCATE | FS_IOCTL_DEV)

struct attributes {
    uint64_t fs, net, scopes;
};

unsigned int
landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    return abi < 0 ? 0 : (unsigned int)abi;
}

uint64_t
landlock_rights(enum sandbox_access access)
{
    switch (access) {
    case SANDBOX_WRITE:
        return FS_READ | FS_CHANGE;
    case SANDBOX_EXECUTE:
        return LANDLOCK_ACCESS_FS_EXECUTE;
    case SANDBOX_READ:
    default:
        return FS_READ;
    }
}

uint64_t
landlock_all(void)
{
    return FS_READ | FS_CHANGE | FS_DEVICES | LANDLOCK_ACCESS_FS_EXECUTE;
}

static uint64_t
known_rights(unsigned int abi)
{
    uint64_t known = landlock_all();

    if (abi < 2)
        known &= ~(uint64_t)LANDLOCK_ACCESS_FS_REFER;
    if (abi < 3)
        known &= ~FS_TRUNCATE;
    if (abi < 5)
        known &= ~FS_IOCTL_DEV;
    return known;
}

ks_err
landlock_open(struct landlock *landlock, uint64_t handled, unsigned int reach, struct fault *why)
{
    struct attributes attributes = {0};
    size_t len = sizeof(attributes.fs);

    landlock->abi = landlock_abi();
    landlock->ruleset = -1;
    landlock->handled = handled & known_rights(landlock->abi);
    attributes.fs = landlock->handled;
    if (landlock->abi >= ABI_WITH_NET) {
        len = 2 * sizeof(uint64_t);
        attributes.net = reach & SANDBOX_NO_TCP ? NET_BIND_TCP | NET_CONNECT_TCP : 0;
    }
    if (landlock->abi >= ABI_WITH_SCOPES) {
        len = sizeof(attributes);
        attributes.scopes = (reach & SANDBOX_NO_SIGNALS ? SCOPE_SIGNAL : 0) |
                            (reach & SANDBOX_NO_ABSTRACT ? SCOPE_ABSTRACT : 0);
    }
    if (landlock->abi == 0 || !(attributes.fs || attributes.net || attributes.scopes))
        return KS_OK;
    landlock->ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, len, 0);
    if (landlock->ruleset >= 0)
        return KS_OK;
    fault_set(why, "cannot make a set of Landlock rules: %m");
    return KS_ERR_INTERNAL;
}

ks_err
landlock_allow(const struct landlock *landlock, const char *path, uint64_t rights,
               struct fault *why)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = rights & landlock->handled};
    ks_auto(closep) int fd = -1;
    struct stat status;

    if (landlock->ruleset < 0)
        return KS_OK;
    fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return KS_OK;
    if (fstat(fd, &status) == 0 && !S_ISDIR(status.st_mode))
        rule.allowed_access &= FS_OF_FILES;
    rule.parent_fd = fd;
    if (rule.allowed_access == 0 || syscall(SYS_landlock_add_rule, landlock->ruleset,
                                            LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0)
        return KS_OK;
    fault_set(why, "cannot allow %s in the Landlock rules: %m", path);
    return KS_ERR_INTERNAL;
}

ks_err
landlock_enter(const struct landlock *landlock, struct fault *why)
{
    if (landlock->ruleset < 0 || syscall(SYS_landlock_restrict_self, landlock->ruleset, 0) == 0)
        return KS_OK;
    fault_set(why, "cannot take on the Landlock rules: %m");
    return KS_ERR_INTERNAL;
}
