/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox - capabilities, and calls that change the machine or reach into other processes
 */
#include "supervisor/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/log.h"
#include "sandbox/sandbox.h"

#define KEPT ((1u << CAP_SETUID) | (1u << CAP_SETGID) | (1u << CAP_KILL))

/* clang-format off */
static const struct sandbox_rule forbidden[] = {
    /* other processes */
    {"kcmp"}, {"pidfd_getfd"}, {"process_madvise"}, {"process_vm_readv"}, {"process_vm_writev"}, {"ptrace"},
    /* mounts and namespaces */
    {"chroot"}, {"fsconfig"}, {"fsmount"}, {"fsopen"}, {"fspick"}, {"mount"}, {"mount_setattr"}, {"move_mount"},
    {"open_tree"}, {"pivot_root"}, {"setns"}, {"umount"}, {"umount2"}, {"unshare"},
    {"clone", 0, CLONE_NEWCGROUP, CLONE_NEWCGROUP}, {"clone", 0, CLONE_NEWIPC, CLONE_NEWIPC},
    {"clone", 0, CLONE_NEWNET, CLONE_NEWNET}, {"clone", 0, CLONE_NEWNS, CLONE_NEWNS},
    {"clone", 0, CLONE_NEWPID, CLONE_NEWPID}, {"clone", 0, CLONE_NEWUSER, CLONE_NEWUSER},
    {"clone", 0, CLONE_NEWUTS, CLONE_NEWUTS},
    /* the kernel */
    {"bpf"}, {"create_module"}, {"delete_module"}, {"finit_module"}, {"init_module"}, {"ioperm"}, {"iopl"},
    {"kexec_file_load"}, {"kexec_load"}, {"lookup_dcookie"}, {"perf_event_open"}, {"syslog"}, {"userfaultfd"},
    /* calls that go round the filters */
    {"io_uring_enter"}, {"io_uring_register"}, {"io_uring_setup"}, {"open_by_handle_at"},
    /* the machine */
    {"acct"}, {"adjtimex"}, {"clock_adjtime"}, {"clock_settime"}, {"mknod"}, {"mknodat"}, {"quotactl"},
    {"quotactl_fd"}, {"reboot"}, {"setdomainname"}, {"sethostname"}, {"settimeofday"}, {"stime"}, {"swapoff"},
    {"swapon"}, {"vhangup"},
    /* keys of others */
    {"add_key"}, {"keyctl"}, {"request_key"},
};
/* clang-format on */

/* Its flags are out of a filter's sight; libc goes back to clone. */
static const struct sandbox_rule clone3 = {"clone3"};

static ks_err drop_capabilities(struct fault *why);
static ks_err forbid_calls(struct sandbox_state *state, struct fault *why);

ks_err
supervisor_sandbox_enter(struct sandbox_state *state, struct fault *why)
{
    ks_err err = drop_capabilities(why);

    if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        fault_set(why, "cannot give up new privileges: %m");
        err = KS_ERR_INTERNAL;
    }
    if (!err)
        err = forbid_calls(state, why);
    if (err)
        return err;
    log_info("event=sandbox calls=%s", state->calls ? "on" : "off");
    return KS_OK;
}

/*
 * The bounding set, and that root has capabilities by being root, can be changed with CAP_SETPCAP
 * only. Without it the service manager has seen to the first, and for the second spawn.c clears
 * what a child of another user has.
 */
static ks_err
drop_capabilities(struct fault *why)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

    for (unsigned int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0;
         capability++) {
        if (capability < 32 && (KEPT & (1u << capability)))
            continue;
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno != EPERM) {
            fault_set(why, "cannot drop capability %u: %m", capability);
            return KS_ERR_INTERNAL;
        }
    }
    (void)prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0);
    if (syscall(SYS_capget, &header, data) == 0) {
        data[0].permitted &= KEPT;
        data[0].effective = data[0].permitted;
        data[0].inheritable = 0;
        memset(&data[1], 0, sizeof(data[1]));
        if (syscall(SYS_capset, &header, data) == 0)
            return KS_OK;
    }
    fault_set(why, "cannot drop capabilities: %m");
    return KS_ERR_INTERNAL;
}

static ks_err
forbid_calls(struct sandbox_state *state, struct fault *why)
{
    ks_auto(sandbox_freep) struct sandbox *sandbox = NULL;
    ks_err err = sandbox_new(SANDBOX_FORBIDS, &sandbox);

    if (err)
        return err;
    sandbox_calls(sandbox, forbidden, ARRAY_LEN(forbidden));
    sandbox_expected(sandbox, &clone3, ENOSYS);
    return sandbox_enter(sandbox, state, why);
}
