/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "front/peer.h"

#define MANY_GIDS 300 /* more than the first try of peer.c has room for */
#define STRANGE_UID 3999999

struct cgroup_case {
    char text[400];
    char unit[100];
};

ParameterizedTestParameters(peer, reads_the_unit_as_systemd_does)
{
    static struct cgroup_case cases[] = {
        {"0::/system.slice/nginx.service\n", "nginx.service"},
        {"0::/system.slice/nginx.service", "nginx.service"},
        {"0::/nginx.service\n", "nginx.service"},
        {"0::/system.slice/system-getty.slice/getty@tty1.service\n", "getty@tty1.service"},
        {"0::/a.slice/a-b.slice/x.scope/inner/y.service\n", "x.scope"},
        {"0::/machine.slice/machine-web.scope/system.slice/nginx.service\n", "machine-web.scope"},
        {"0::/init.scope\n", "init.scope"},
        {"0::/system.slice/dbus.socket\n", "dbus.socket"},
        {"0::/system.slice/mnt-data.mount\n", "mnt-data.mount"},
        {"0::/system.slice/dev-sda\\x2d1.swap\n", "dev-sda\\x2d1.swap"},
        /* A user's own units are the user's manager, whatever they are called. */
        {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/nginx.service\n",
         "user@1000.service"},
        {"0::/user.slice/user-1000.slice/session-3.scope\n", "session-3.scope"},
        /* The component after the slices decides; what is deeper is not systemd's. */
        {"0::/docker/0123abcd/nginx.service\n", ""},
        {"0::/docker/nginx.service\n", ""},
        {"0::/system.slice/evil/nginx.service\n", ""},
        {"0::/../../system.slice/nginx.service\n", ""},
        {"0::/system.slice/nginx.service (deleted)\n", ""},
        {"0::/system.slice/nginx@.service\n", ""},
        {"0::/system.slice/@nginx.service\n", ""},
        {"0::/system.slice/.service\n", ""},
        {"0::/system.slice/nginx.services\n", ""},
        {"0::/system.slice/ng inx.service\n", ""},
        {"0::/system.slice\n", ""},
        {"0::/\n", ""},
        {"0::nginx.service\n", ""},
        {"0:cpu:/nginx.service\n", ""},
        {"1::/nginx.service\n", ""},
        {"10::/nginx.service\n", ""},
        {"nginx.service\n", ""},
        {"::/nginx.service\n", ""},
        {"", ""},
        {"\n\n", ""},
        /* systemd's escape for names that the kernel has itself. */
        {"0::/system.slice/_cpu.service\n", "cpu.service"},
        {"0::/system.slice/__x.service\n", "_x.service"},
        {"0::/_system.slice/x.service\n", "x.service"},
        {"0::/_.slice/x.service\n", ""},
        /* Hybrid and old hierarchies. */
        {"12:cpu,cpuacct:/\n1:name=systemd:/system.slice/nginx.service\n0::/\n", "nginx.service"},
        {"1:name=systemd:/system.slice/old.service\n0::/system.slice/new.service\n", "new.service"},
        {"12:pids:/system.slice/pids.service\n1:name=systemd:/a.scope\n", "a.scope"},
        {"1:name=systemdx:/a.scope\n", ""},
        {"1:name=elogind:/a.scope\n", ""},
    };

    return cr_make_param_array(struct cgroup_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct cgroup_case *c, peer, reads_the_unit_as_systemd_does)
{
    char unit[JOB_UNIT_MAX + 1];

    memset(unit, 'x', sizeof(unit));
    peer_unit_from_cgroup(c->text, unit);
    cr_assert_str_eq(unit, c->unit, "%s", c->text);
}

Test(peer, a_unit_name_one_byte_too_long_is_none)
{
    char text[600], unit[JOB_UNIT_MAX + 1], name[JOB_UNIT_MAX + 2];

    for (size_t len = JOB_UNIT_MAX; len <= JOB_UNIT_MAX + 1; len++) {
        memset(name, 'a', len);
        memcpy(name + len - 8, ".service", 8);
        name[len] = '\0';
        snprintf(text, sizeof(text), "0::/%s\n", name);
        peer_unit_from_cgroup(text, unit);
        cr_assert_str_eq(unit, len == JOB_UNIT_MAX ? name : "");
    }
}

/* A child that connects and waits; its side is closed to end it. */
struct caller {
    pid_t pid;
    int fd;   /* accepted from it */
    int hold; /* closing it lets the child go */
};

static void
become(const gid_t *gids, size_t n_gids, uid_t uid, gid_t gid)
{
    if (n_gids > 0 && setgroups(n_gids, gids) < 0)
        _exit(1);
    if (gid != (gid_t)-1 && setresgid(gid, gid, gid) < 0)
        _exit(1);
    if (uid != (uid_t)-1 && setresuid(uid, uid, uid) < 0)
        _exit(1);
}

static struct caller
caller_start(const gid_t *gids, size_t n_gids, uid_t uid, gid_t gid)
{
    struct caller caller;
    int pair[2], hold[2];
    char byte;

    cr_assert_eq(pipe2(hold, O_CLOEXEC), 0);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    caller.pid = fork();
    cr_assert(caller.pid >= 0);
    if (caller.pid == 0) {
        int own[2];

        close(hold[1]);
        close(pair[0]);
        become(gids, n_gids, uid, gid);
        /* A pair carries the credentials of who made it: make one and send one end over. */
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, own) < 0)
            _exit(1);
        struct iovec part = {&byte, 1};
        char space[CMSG_SPACE(sizeof(int))] = {0};
        struct msghdr message = {.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = space,
                                 .msg_controllen = sizeof(space)};
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);

        byte = 'x';
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &own[0], sizeof(int));
        if (sendmsg(pair[1], &message, 0) != 1)
            _exit(1);
        _exit(read(hold[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(hold[0]);
    close(pair[1]);
    struct iovec part = {&byte, 1};
    char space[CMSG_SPACE(sizeof(int))];
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)};

    cr_assert_eq(recvmsg(pair[0], &message, MSG_CMSG_CLOEXEC), 1);
    memcpy(&caller.fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
    close(pair[0]);
    caller.hold = hold[1];
    return caller;
}

static void
caller_end(struct caller *caller)
{
    int status;

    close(caller->hold);
    cr_assert_eq(waitpid(caller->pid, &status, 0), caller->pid);
    cr_assert_eq(status, 0);
    caller->pid = -1;
}

Test(peer, reads_ids_groups_and_name)
{
    struct caller caller = caller_start(NULL, 0, (uid_t)-1, (gid_t)-1);
    struct fault why = FAULT_INIT;
    struct peer peer = PEER_INIT;
    struct passwd *account = getpwuid(getuid());

    cr_assert_eq(peer_read(caller.fd, &peer, &why), KS_OK, "%s", why.text);
    cr_assert_eq(peer.uid, getuid());
    cr_assert_eq(peer.gid, getgid());
    cr_assert_eq(peer.pid, caller.pid);
    cr_assert_eq(peer.n_gids, 1 + (size_t)getgroups(0, NULL));
    cr_assert_eq(peer.gids[0], getgid());
    cr_assert_str_eq(peer.user, account ? account->pw_name : "");
    peer_deinit(&peer);
    cr_assert_null(peer.gids);
    peer_deinit(&peer);
    caller_end(&caller);
    close(caller.fd);
}

static int n_asked;

/* Stands before the C library's, to count. */
int
getpwuid_r(uid_t uid, struct passwd *account, char *storage, size_t len, struct passwd **result)
{
    int (*real)(uid_t, struct passwd *, char *, size_t, struct passwd **);

    n_asked++;
    *(void **)&real = dlsym(RTLD_NEXT, "getpwuid_r");
    return real(uid, account, storage, len, result);
}

Test(peer, an_accounts_name_is_asked_for_once_in_a_while)
{
    struct caller caller = caller_start(NULL, 0, (uid_t)-1, (gid_t)-1);
    struct fault why = FAULT_INIT;
    struct peer first = PEER_INIT, peer = PEER_INIT;
    int n_first;

    n_asked = 0;
    cr_assert_eq(peer_read(caller.fd, &first, &why), KS_OK, "%s", why.text);
    n_first = n_asked;
    cr_assert_gt(n_first, 0);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(peer_read(caller.fd, &peer, &why), KS_OK);
        cr_assert_str_eq(peer.user, first.user);
        peer_deinit(&peer);
    }
    cr_assert_eq(n_asked, n_first);
    clock_shift(11 * 1000000, 0);
    cr_assert_eq(peer_read(caller.fd, &peer, &why), KS_OK);
    cr_assert_gt(n_asked, n_first);
    peer_deinit(&peer);
    peer_deinit(&first);
    caller_end(&caller);
    close(caller.fd);
}

Test(peer, the_group_list_grows_to_what_the_kernel_wants)
{
    gid_t gids[PEER_MAX_GIDS + 1];
    struct fault why = FAULT_INIT;
    struct peer peer = PEER_INIT;
    struct caller caller;

    if (getuid() != 0)
        cr_skip("needs root");
    for (size_t i = 0; i < ARRAY_LEN(gids); i++)
        gids[i] = (gid_t)(100000 + i);
    caller = caller_start(gids, MANY_GIDS, STRANGE_UID, 4711);
    cr_assert_eq(peer_read(caller.fd, &peer, &why), KS_OK, "%s", why.text);
    cr_assert_eq(peer.uid, STRANGE_UID);
    cr_assert_eq(peer.gid, 4711);
    cr_assert_eq(peer.n_gids, MANY_GIDS + 1);
    cr_assert_eq(peer.gids[0], 4711);
    cr_assert_eq(peer.gids[MANY_GIDS], 100000 + MANY_GIDS - 1);
    cr_assert_str_eq(peer.user, "", "an account that does not exist has no name");
    peer_deinit(&peer);
    caller_end(&caller);
    close(caller.fd);

    caller = caller_start(gids, ARRAY_LEN(gids), (uid_t)-1, (gid_t)-1);
    cr_assert_eq(peer_read(caller.fd, &peer, &why), KS_ERR_DENIED);
    cr_assert(why.text[0]);
    caller_end(&caller);
    close(caller.fd);
}

Test(peer, refuses_what_is_no_unix_socket)
{
    struct fault why = FAULT_INIT;
    struct peer peer = PEER_INIT;
    int pipes[2], inet = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(pipe2(pipes, O_CLOEXEC), 0);
    cr_assert_eq(peer_read(pipes[0], &peer, &why), KS_ERR_DENIED);
    cr_assert_eq(peer_read(inet, &peer, &why), KS_ERR_DENIED);
    cr_assert_eq(peer_read(-1, &peer, &why), KS_ERR_DENIED);
    cr_assert_null(peer.gids);
    close(pipes[0]);
    close(pipes[1]);
    close(inet);
}

Test(peer, refuses_a_socket_nobody_connected_to)
{
    struct fault why = FAULT_INIT;
    struct peer peer = PEER_INIT;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(peer_read(fd, &peer, &why), KS_ERR_DENIED);
    close(fd);
}

/* A cgroup called like a service, for as long as the test runs; "": not possible here. */
static void
cgroup_make(char *dir, size_t cap, pid_t pid)
{
    static const char *const roots[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};
    char path[300];

    for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
        FILE *procs;

        snprintf(dir, cap, "%s/keysvctest%d.service", roots[i], getpid());
        snprintf(path, sizeof(path), "%s/cgroup.controllers", roots[i]);
        if (access(path, F_OK) < 0 || mkdir(dir, 0755) < 0)
            continue;
        snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
        procs = fopen(path, "we");
        if (procs && fprintf(procs, "%d\n", pid) > 0 && fclose(procs) == 0)
            return;
        rmdir(dir);
    }
    dir[0] = '\0';
}

static void
cgroup_remove(const char *dir)
{
    /* The kernel empties it a moment after the process has been reaped. */
    for (int i = 0; i < 200 && rmdir(dir) < 0 && errno == EBUSY; i++)
        usleep(10000);
}

Test(peer, a_unit_is_proven_by_the_pidfd_only)
{
    struct fault why = FAULT_INIT;
    struct peer peer = PEER_INIT;
    struct caller caller;
    char dir[200], expected[100];
    bool has_pidfd;
    int pidfd = -1;
    socklen_t len = sizeof(pidfd);

    if (getuid() != 0)
        cr_skip("needs root");
    caller = caller_start(NULL, 0, (uid_t)-1, (gid_t)-1);
    cgroup_make(dir, sizeof(dir), caller.pid);
    if (!dir[0]) {
        caller_end(&caller);
        cr_skip("no cgroup can be made here");
    }
    snprintf(expected, sizeof(expected), "keysvctest%d.service", getpid());
    has_pidfd = getsockopt(caller.fd, SOL_SOCKET, 77 /* SO_PEERPIDFD */, &pidfd, &len) == 0;
    if (has_pidfd)
        close(pidfd);

    cr_expect_eq(peer_read(caller.fd, &peer, &why), KS_OK);
    cr_expect_str_eq(peer.unit, expected);
    cr_expect_eq(peer.unit_proven, has_pidfd);
    peer_deinit(&peer);

    peer_forget_pidfd(true);
    cr_expect_eq(peer_read(caller.fd, &peer, &why), KS_OK);
    cr_expect_str_eq(peer.unit, expected);
    cr_expect_not(peer.unit_proven);
    peer_deinit(&peer);
    peer_forget_pidfd(false);

    /* It has ended: its number may be another's by now. */
    caller_end(&caller);
    cr_expect_eq(peer_read(caller.fd, &peer, &why), KS_OK);
    cr_expect_str_eq(peer.unit, "");
    cr_expect_not(peer.unit_proven);
    cr_expect_eq(peer.uid, 0);
    peer_deinit(&peer);
    close(caller.fd);
    cgroup_remove(dir);
}
