/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn - fork, give everything away, exec
 *
 * A failure in the child travels back through a close-on-exec pipe as the step's number and errno:
 * an executed program closes it without a byte.
 */
#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ipc/config.h"

#define PATH_VALUE "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define DEBUG_VALUE "KEYSVC_DEBUG=1"
#define FIRST_FD 3
#define OUT_OF_THE_WAY 64 /* descriptors wait above this for their places */
#define MAX_GROUPS 64

enum step {
    STEP_FDS,
    STEP_GROUPS,
    STEP_GID,
    STEP_UID,
    STEP_CAPABILITIES,
    STEP_LIMITS,
    STEP_EXEC,
};

static const char *const step_texts[] = {
    [STEP_FDS] = "cannot arrange its descriptors",
    [STEP_GROUPS] = "cannot set its supplementary groups",
    [STEP_GID] = "cannot change its group",
    [STEP_UID] = "cannot change its user",
    [STEP_CAPABILITIES] = "cannot drop its capabilities",
    [STEP_LIMITS] = "cannot set its limits",
    [STEP_EXEC] = "cannot execute it",
};

struct report {
    enum step step;
    int error;
};

/* All that needs memory or a database is made before fork(). */
struct prepared {
    char **environment;
    gid_t groups[MAX_GROUPS];
    size_t n_groups;
    pid_t parent;
    int report_fd;
};

static ks_err prepare(const struct spawn *spawn, struct prepared *out, struct fault *why);
static ks_err prepare_groups(const struct strv *names, struct prepared *out, struct fault *why);
static ks_err wait_for_exec(const struct spawn *spawn, int fd, struct fault *why);
static void become(const struct spawn *spawn, const struct prepared *prepared, const int *fds,
                   size_t n_fds) __attribute__((noreturn));
static struct report arrange_fds(bool keeps_terminal, int *report_fd, const int *fds, size_t n_fds);
static struct report change_user(const struct spawn *spawn, const struct prepared *prepared);
static struct report drop_capabilities(void);
static struct report set_limits(const struct spawn *spawn, const struct prepared *prepared);

bool
spawn_can_switch_users(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    const uint32_t wanted = (1u << CAP_SETUID) | (1u << CAP_SETGID);

    memset(data, 0, sizeof(data));
    if (syscall(SYS_capget, &header, data) < 0)
        return geteuid() == 0;
    return (data[0].effective & wanted) == wanted;
}

ks_err
spawn_process(const struct spawn *spawn, const int *fds, size_t n_fds, pid_t *pid,
              struct fault *why)
{
    struct prepared prepared = {.parent = getpid()};
    ks_auto(closep) int read_end = -1;
    int ends[2];
    ks_err err;

    err = prepare(spawn, &prepared, why);
    if (err)
        return err;
    if (pipe2(ends, O_CLOEXEC) < 0) {
        fault_set(why, "cannot start %s: pipe: %s", spawn->path, strerror(errno));
        free(prepared.environment);
        return KS_ERR_INTERNAL;
    }
    read_end = ends[0];
    prepared.report_fd = ends[1];
    *pid = fork();
    if (*pid == 0)
        become(spawn, &prepared, fds, n_fds);
    close(ends[1]);
    free(prepared.environment);
    if (*pid < 0) {
        fault_set(why, "cannot start %s: fork: %s", spawn->path, strerror(errno));
        return KS_ERR_INTERNAL;
    }
    err = wait_for_exec(spawn, read_end, why);
    if (err)
        TEMP_FAILURE_RETRY(waitpid(*pid, NULL, 0));
    return err;
}

/* A name stands in an environment once: with two, programs disagree which of them counts. */
static bool
is_given(char *const *environment, const char *variable)
{
    size_t len = strcspn(variable, "=") + 1;

    while (*environment && strncmp(*environment, variable, len) != 0)
        environment++;
    return *environment != NULL;
}

static ks_err
prepare(const struct spawn *spawn, struct prepared *out, struct fault *why)
{
    size_t n_given = spawn->environment ? spawn->environment->n_items : 0;
    size_t n = 0;
    ks_err err = KS_OK;

    if (spawn->switch_user && spawn->groups)
        err = prepare_groups(spawn->groups, out, why);
    if (err)
        return err;
    out->environment = calloc(n_given + 3, sizeof(char *));
    if (!out->environment) {
        fault_set(why, "no memory");
        return KS_ERR_INTERNAL;
    }
    for (size_t i = 0; i < n_given; i++)
        out->environment[n++] = spawn->environment->items[i];
    if (!is_given(out->environment, PATH_VALUE))
        out->environment[n++] = (char *)PATH_VALUE;
    if (spawn->debug && !is_given(out->environment, DEBUG_VALUE))
        out->environment[n++] = (char *)DEBUG_VALUE;
    return KS_OK;
}

static ks_err
prepare_groups(const struct strv *names, struct prepared *out, struct fault *why)
{
    for (size_t i = 0; i < names->n_items; i++) {
        const struct group *group = getgrnam(names->items[i]);

        if (!group || out->n_groups == MAX_GROUPS) {
            fault_set(why, "the profile's group \"%s\" does not exist", names->items[i]);
            fault_hint(why, "install the token's software, or make the group");
            return KS_ERR_INTERNAL;
        }
        out->groups[out->n_groups++] = group->gr_gid;
    }
    return KS_OK;
}

static ks_err
wait_for_exec(const struct spawn *spawn, int fd, struct fault *why)
{
    struct report report;
    ssize_t len = TEMP_FAILURE_RETRY(read(fd, &report, sizeof(report)));

    if (len == 0)
        return KS_OK;
    if (len != (ssize_t)sizeof(report) || (size_t)report.step >= ARRAY_LEN(step_texts))
        fault_set(why, "cannot start %s", spawn->path);
    else
        fault_set(why, "%s: %s: %s", spawn->path, step_texts[report.step], strerror(report.error));
    return KS_ERR_INTERNAL;
}

/* In the child, to the end. */
static void
become(const struct spawn *spawn, const struct prepared *prepared, const int *fds, size_t n_fds)
{
    int report_fd = prepared->report_fd;
    struct report report = arrange_fds(spawn->keeps_terminal, &report_fd, fds, n_fds);

    if (!report.error)
        report = change_user(spawn, prepared);
    if (!report.error)
        report = drop_capabilities();
    if (!report.error)
        report = set_limits(spawn, prepared);
    if (!report.error) {
        execve(spawn->path, (char *const *)spawn->argv, prepared->environment);
        report = (struct report){STEP_EXEC, errno};
    }
    if (write(report_fd, &report, sizeof(report)) < 0)
        _exit(126);
    _exit(127);
}

static struct report
arrange_fds(bool keeps_terminal, int *report_fd, const int *fds, size_t n_fds)
{
    const struct report failed = {STEP_FDS, EBADF};
    int moved[SPAWN_MAX_FDS];
    int report_place = FIRST_FD + (int)n_fds;
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int moved_report = fcntl(*report_fd, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);

    if (n_fds > SPAWN_MAX_FDS || null_fd < 0 || moved_report < 0)
        return failed;
    *report_fd = moved_report;
    if (!keeps_terminal &&
        (dup2(null_fd, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0))
        return failed;
    for (size_t i = 0; i < n_fds; i++) {
        moved[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
        if (moved[i] < 0)
            return failed;
    }
    for (size_t i = 0; i < n_fds; i++) {
        if (dup2(moved[i], FIRST_FD + (int)i) < 0)
            return failed;
    }
    if (dup3(moved_report, report_place, O_CLOEXEC) < 0)
        return failed;
    *report_fd = report_place;
    if (close_range((unsigned int)report_place + 1, ~0U, 0) < 0)
        return failed;
    return (struct report){STEP_FDS, 0};
}

static struct report
change_user(const struct spawn *spawn, const struct prepared *prepared)
{
    if (!spawn->switch_user)
        return (struct report){STEP_UID, 0};
    if (setgroups(prepared->n_groups, prepared->groups) < 0)
        return (struct report){STEP_GROUPS, errno};
    if (spawn->gid != CONFIG_NO_ID && setresgid(spawn->gid, spawn->gid, spawn->gid) < 0)
        return (struct report){STEP_GID, errno};
    if (spawn->uid != CONFIG_NO_ID && setresuid(spawn->uid, spawn->uid, spawn->uid) < 0)
        return (struct report){STEP_UID, errno};
    return (struct report){STEP_UID, 0};
}

/*
 * Changing from one ordinary user to another keeps what an ambient-capability supervisor has: take
 * it away by hand. Root that stays root (development) keeps nothing inheritable either.
 */
static struct report
drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

    memset(none, 0, sizeof(none));
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
        return (struct report){STEP_CAPABILITIES, errno};
    if (geteuid() != 0 && syscall(SYS_capset, &header, none) < 0)
        return (struct report){STEP_CAPABILITIES, errno};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return (struct report){STEP_CAPABILITIES, errno};
    return (struct report){STEP_CAPABILITIES, 0};
}

/* After change_user(): a change of user forgets the death signal. */
static struct report
set_limits(const struct spawn *spawn, const struct prepared *prepared)
{
    const struct rlimit none = {0, 0};
    sigset_t empty;

    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigemptyset(&empty);
    if (sigprocmask(SIG_SETMASK, &empty, NULL) < 0 || setrlimit(RLIMIT_CORE, &none) < 0 ||
        chdir("/") < 0)
        return (struct report){STEP_LIMITS, errno};
    umask(0077);
    if (!spawn->keeps_terminal)
        setsid();
    if (!spawn->dies_with_us)
        return (struct report){STEP_LIMITS, 0};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        return (struct report){STEP_LIMITS, errno};
    if (getppid() != prepared->parent)
        _exit(127); /* we were orphaned before the signal was armed */
    return (struct report){STEP_LIMITS, 0};
}
