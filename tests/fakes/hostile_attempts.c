/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostile_attempts - what a module that was taken over tries on files, processes and the kernel
 *
 * What has succeeded is taken back, as far as that goes: a test goes on with the same process.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fakes/hostile.h"

#define AUDIT_FD 100 /* token/audit_guard.h */
#define PAGE 4096
#define DISCARD_PORT 9

static int
result_of(long rc)
{
    return rc < 0 ? errno : 0;
}

static int
close_after(long fd)
{
    int error = result_of(fd);

    if (!error)
        close((int)fd);
    return error;
}

/* ---------------------------------------------------------------- files */

static int
read_file(const char *path)
{
    char byte;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    int error = result_of(fd);

    if (!error)
        error = result_of(read(fd, &byte, 1));
    if (fd >= 0)
        close(fd);
    return error;
}

static int
list_folder(const char *path)
{
    return close_after(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int
write_file(const char *path)
{
    return close_after(open(path, O_WRONLY | O_CLOEXEC));
}

static int
create_file(const char *path)
{
    int error = close_after(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));

    if (!error)
        unlink(path);
    return error;
}

static int
remove_file(const char *path)
{
    return result_of(unlink(path));
}

/* ---------------------------------------------------------------- the audit */

static int
audit_truncate(const char *on)
{
    (void)on;
    return result_of(ftruncate(AUDIT_FD, 0));
}

static int
audit_overwrite(const char *on)
{
    (void)on;
    if (fcntl(AUDIT_FD, F_SETFL, 0) < 0)
        return errno;
    return result_of(pwrite(AUDIT_FD, "x", 1, 0));
}

static int
audit_positioned(const char *on)
{
    (void)on;
    return result_of(pwrite(AUDIT_FD, "x", 1, 0));
}

static int
audit_duplicate(const char *on)
{
    (void)on;
    return close_after(dup(AUDIT_FD));
}

static int
audit_map(const char *on)
{
    void *map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, AUDIT_FD, 0);

    (void)on;
    if (map == MAP_FAILED)
        return errno;
    munmap(map, PAGE);
    return 0;
}

static int
audit_reopen(const char *on)
{
    (void)on;
    return close_after(open("/proc/self/fd/100", O_RDWR | O_CLOEXEC));
}

/* Through a socket to itself it gets another number, which the filter does not guard. */
static int
audit_send_itself(const char *on)
{
    char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 0;
    struct iovec iov = {&byte, 1};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    const int audit = AUDIT_FD;
    int ends[2], error;

    (void)on;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return errno;
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &audit, sizeof(audit));
    error = result_of(sendmsg(ends[0], &message, 0));
    if (!error)
        error = result_of(recvmsg(ends[1], &message, MSG_CMSG_CLOEXEC));
    if (!error) {
        int copy;

        memcpy(&copy, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(copy));
        error = result_of(fcntl(copy, F_SETFL, O_APPEND));
        close(copy);
    }
    close(ends[0]);
    close(ends[1]);
    return error;
}

/* ---------------------------------------------------------------- other processes */

static int
read_memory(const char *pid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%s/mem", pid);
    return close_after(open(path, O_RDONLY | O_CLOEXEC));
}

static int
read_environment(const char *pid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%s/environ", pid);
    return read_file(path);
}

static int
list_descriptors(const char *pid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    return list_folder(path);
}

static int
trace(const char *pid)
{
    pid_t other = (pid_t)strtol(pid, NULL, 10);
    int error = result_of(ptrace(PTRACE_SEIZE, other, NULL, NULL));

    if (!error)
        ptrace(PTRACE_DETACH, other, NULL, NULL);
    return error;
}

/* Only asked whether it may. */
static int
signal_process(const char *pid)
{
    return result_of(kill((pid_t)strtol(pid, NULL, 10), 0));
}

static int
signal_by_pidfd(const char *pid)
{
    int fd = (int)syscall(SYS_pidfd_open, strtol(pid, NULL, 10), 0);
    int error = result_of(fd);

    if (!error)
        error = result_of(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
    if (fd >= 0)
        close(fd);
    return error;
}

static int
read_by_vm(const char *pid)
{
    char byte;
    struct iovec local = {&byte, 1}, remote = {&hostile_pin, 1};

    return result_of(process_vm_readv((pid_t)strtol(pid, NULL, 10), &local, 1, &remote, 1, 0));
}

static int
change_limits(const char *pid)
{
    const struct rlimit none = {0, 0};

    return result_of(prlimit((pid_t)strtol(pid, NULL, 10), RLIMIT_NOFILE, &none, NULL));
}

/* ---------------------------------------------------------------- sockets */

static int
inet_socket(const char *on)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(DISCARD_PORT),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error = result_of(fd);

    (void)on;
    /* Nobody listens there: whoever hears that has a network. */
    if (!error && connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != ECONNREFUSED)
        error = errno;
    if (fd >= 0)
        close(fd);
    return error;
}

static int
connect_unix(const char *path, bool abstract)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    socklen_t len;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error = result_of(fd);

    snprintf(to.sun_path + abstract, sizeof(to.sun_path) - abstract, "%s", path);
    len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + abstract + strlen(path) + !abstract);
    if (!error)
        error = result_of(connect(fd, (struct sockaddr *)&to, len));
    if (fd >= 0)
        close(fd);
    return error;
}

static int
unix_socket(const char *path)
{
    return connect_unix(path, false);
}

static int
abstract_socket(const char *name)
{
    return connect_unix(name, true);
}

static int
netlink_socket(const char *on)
{
    (void)on;
    return close_after(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
}

/* ---------------------------------------------------------------- programs, and more of itself */

static int
fork_itself(const char *on)
{
    pid_t pid = fork();

    (void)on;
    if (pid == 0)
        _exit(0);
    if (pid < 0)
        return errno;
    waitpid(pid, NULL, 0);
    return 0;
}

/* In a child that shares everything but its number; where there can be none, a program that is not
 * there: ENOENT comes from a call that is allowed. */
static int
execute(const char *program)
{
    char *const argv[] = {(char *)program, NULL}, *const none[] = {NULL};
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        execve(program, argv, none);
        _exit(errno == EACCES || errno == EPERM ? 127 : 126);
    }
    if (pid < 0) {
        execve("/proc/nonexistent/program", argv, none);
        return errno == ENOENT ? 0 : errno;
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 127 ? EACCES : 0;
}

static int
writable_code(const char *on)
{
    void *map =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)on;
    if (map == MAP_FAILED)
        return errno;
    munmap(map, PAGE);
    return 0;
}

static int
lock_much_memory(const char *on)
{
    const size_t len = 1 << 30;
    void *map = mmap(NULL, len, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int error;

    (void)on;
    if (map == MAP_FAILED)
        return errno;
    /* Not libc's: a sanitizer makes that one do nothing. */
    error = result_of(syscall(SYS_mlock, map, len));
    munmap(map, len);
    return error;
}

static int
allow_core_files(const char *on)
{
    const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};

    (void)on;
    return result_of(setrlimit(RLIMIT_CORE, &all));
}

static int
become_dumpable(const char *on)
{
    int error = result_of(prctl(PR_SET_DUMPABLE, 1));

    (void)on;
    if (!error)
        prctl(PR_SET_DUMPABLE, 0);
    return error;
}

static int
allow_privileges(const char *on)
{
    (void)on;
    return result_of(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

static int
become_root(const char *on)
{
    (void)on;
    return result_of(setresuid(0, 0, 0));
}

/* ---------------------------------------------------------------- the kernel */

static int
mount_something(const char *on)
{
    (void)on;
    return result_of(mount("none", "/tmp", "tmpfs", 0, NULL));
}

static int
user_namespace(const char *on)
{
    (void)on;
    return result_of(unshare(CLONE_NEWUSER));
}

static int
load_bpf(const char *on)
{
    union bpf_attr attributes = {
        .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

    (void)on;
    return close_after(syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof(attributes)));
}

static int
use_keyring(const char *on)
{
    (void)on;
    return result_of(syscall(SYS_add_key, "user", "hostile", "x", 1, -2 /* process keyring */));
}

static int
use_io_uring(const char *on)
{
    struct io_uring_params parameters = {0};

    (void)on;
    return close_after(syscall(SYS_io_uring_setup, 1, &parameters));
}

static int
use_userfaultfd(const char *on)
{
    (void)on;
    return close_after(syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* UFFD_USER_MODE_ONLY */));
}

static int
count_events(const char *on)
{
    struct perf_event_attr attributes = {.type = PERF_TYPE_SOFTWARE,
                                         .size = sizeof(attributes),
                                         .config = PERF_COUNT_SW_TASK_CLOCK,
                                         .exclude_kernel = 1,
                                         .exclude_hv = 1};

    (void)on;
    return close_after(syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0));
}

static int
take_descriptor(const char *pid)
{
    int fd = (int)syscall(SYS_pidfd_open, strtol(pid, NULL, 10), 0);
    int error = result_of(fd);

    if (!error)
        error = close_after(syscall(SYS_pidfd_getfd, fd, 3, 0));
    if (fd >= 0)
        close(fd);
    return error;
}

/* ---------------------------------------------------------------- the PIN */

static int
see_pin(const char *on)
{
    (void)on;
    return hostile_pin.len > 0 ? 0 : ENOENT;
}

static bool
holds_pin(const unsigned char *from, const unsigned char *to)
{
    size_t matching = 0;

    for (; from < to; from++) {
        matching = (*from ^ HOSTILE_MASK) == hostile_pin.masked[matching] ? matching + 1 : 0;
        if (matching == hostile_pin.len)
            return true;
    }
    return false;
}

/* ENOENT: it is nowhere in what this process can read of itself. */
static int
find_pin(const char *on)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[PATH_MAX + 100];
    int error = ENOENT;

    (void)on;
    if (!maps || hostile_pin.len == 0)
        return EINVAL;
    while (error && fgets(line, sizeof(line), maps)) {
        unsigned long from, to;

        if (sscanf(line, "%lx-%lx rw", &from, &to) == 2 && strstr(line, " rw") &&
            holds_pin((const unsigned char *)from, (const unsigned char *)to))
            error = 0;
    }
    fclose(maps);
    return error;
}

/* clang-format off */
static const struct {
    const char *word;
    hostile_attempt attempt;
} attempts[] = {
    {"read",             read_file},
    {"list",             list_folder},
    {"write",            write_file},
    {"create",           create_file},
    {"remove",           remove_file},
    {"audit-truncate",   audit_truncate},
    {"audit-overwrite",  audit_overwrite},
    {"audit-positioned", audit_positioned},
    {"audit-duplicate",  audit_duplicate},
    {"audit-map",        audit_map},
    {"audit-reopen",     audit_reopen},
    {"audit-send-itself", audit_send_itself},
    {"memory",           read_memory},
    {"environment",      read_environment},
    {"descriptors",      list_descriptors},
    {"take-descriptor",  take_descriptor},
    {"trace",            trace},
    {"signal",           signal_process},
    {"signal-pidfd",     signal_by_pidfd},
    {"vm-read",          read_by_vm},
    {"limits",           change_limits},
    {"inet",             inet_socket},
    {"unix",             unix_socket},
    {"abstract",         abstract_socket},
    {"netlink",          netlink_socket},
    {"fork",             fork_itself},
    {"execute",          execute},
    {"writable-code",    writable_code},
    {"lock-memory",      lock_much_memory},
    {"core-files",       allow_core_files},
    {"dumpable",         become_dumpable},
    {"privileges",       allow_privileges},
    {"root",             become_root},
    {"mount",            mount_something},
    {"user-namespace",   user_namespace},
    {"bpf",              load_bpf},
    {"keyring",          use_keyring},
    {"io-uring",         use_io_uring},
    {"userfaultfd",      use_userfaultfd},
    {"perf",             count_events},
    {"see-pin",          see_pin},
    {"find-pin",         find_pin},
};
/* clang-format on */

hostile_attempt
hostile_attempt_find(const char *word)
{
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        if (strcmp(attempts[i].word, word) == 0)
            return attempts[i].attempt;
    }
    return NULL;
}
