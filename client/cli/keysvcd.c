/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keysvcd - where the program is, and its output
 */
#include "client/cli/keysvcd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

#include "build-config.h"

extern char **environ;

/* From the folder that this program is in: installed under some prefix; the build folder. */
static const char *const BESIDE[] = {"keysvcd", "../sbin/keysvcd", "../bin/keysvcd",
                                     "../../keysvc/keysvcd"};
static const char *const ELSEWHERE[] = {"/usr/local/sbin", "/usr/sbin"};

int
keysvcd_option(struct cli *cli, int key, char *value)
{
    static char absolute[PATH_MAX];

    switch (key) {
    case KEYSVCD_KEY_CONFIG:
        /* keysvcd takes absolute paths only; what cannot be found it reports itself. */
        cli->config = realpath(value, absolute) ? absolute : value;
        return 0;
    case KEYSVCD_KEY_KEYSVCD:
        cli->keysvcd = value;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const char *
keysvcd_config(const struct cli *cli)
{
    return cli->config ? cli->config : KEYSVC_CONFIG_FILE;
}

static bool
try_path(char path[static PATH_MAX], const char *folder, size_t folder_len, const char *name)
{
    return (size_t)snprintf(path, PATH_MAX, "%.*s/%s", (int)folder_len, folder, name) < PATH_MAX &&
           access(path, X_OK) == 0;
}

static bool
find_beside(char path[static PATH_MAX])
{
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (len <= 0)
        return false;
    self[len] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(BESIDE); i++) {
        if (try_path(path, self, (size_t)(strrchr(self, '/') - self), BESIDE[i]))
            return true;
    }
    return false;
}

static bool
find_on_path(char path[static PATH_MAX])
{
    const char *folders = getenv("PATH");

    for (size_t len; folders && *folders; folders += len + (folders[len] == ':')) {
        len = strcspn(folders, ":");
        if (folders[0] == '/' && try_path(path, folders, len, "keysvcd"))
            return true;
    }
    return false;
}

ks_err
keysvcd_find(const struct cli *cli, char path[static PATH_MAX], struct fault *why)
{
    if (cli->keysvcd) {
        if (text_copy(path, PATH_MAX, cli->keysvcd) && access(path, X_OK) == 0)
            return KS_OK;
        fault_set(why, "--keysvcd %s: %s", cli->keysvcd, strerror(errno));
        return KS_ERR_USAGE;
    }
    if (find_beside(path))
        return KS_OK;
    for (size_t i = 0; i < ARRAY_LEN(ELSEWHERE); i++) {
        if (try_path(path, ELSEWHERE[i], strlen(ELSEWHERE[i]), "keysvcd"))
            return KS_OK;
    }
    if (find_on_path(path))
        return KS_OK;
    fault_set(why, "there is no keysvcd beside keysvc, in /usr/sbin or on PATH");
    fault_hint(why, "install it, or name it with --keysvcd");
    return KS_ERR_USAGE;
}

/* --- running it --- */

static ks_err
spawn_into(const char *path, const char *const arguments[], bool keeps_input,
           const sigset_t *defaults, int to_out, int to_errors, pid_t *pid, struct fault *why)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error;

    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    if (defaults) {
        posix_spawnattr_setsigdefault(&attributes, defaults);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    }
    if (!keeps_input)
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, to_out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, to_errors, STDERR_FILENO);
    error =
        posix_spawn(pid, path, &actions, &attributes, (char *const *)(uintptr_t)arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (error == 0)
        return KS_OK;
    fault_set(why, "%s: %s", path, strerror(error));
    return KS_ERR_INTERNAL;
}

/* False: the end. What does not fit is read and forgotten, so that the program can end. */
static bool
read_some(int fd, struct buf *out)
{
    char some[4096];
    ssize_t n = read(fd, some, sizeof(some));

    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    if (n > 0)
        buf_append(out, some, (size_t)n);
    return n > 0;
}

/* From both pipes, so that the program never waits for us in one while we wait in the other. */
static void
read_both(int fd_out, struct buf *out, int fd_errors, struct buf *errors)
{
    struct pollfd fds[] = {{.fd = fd_out, .events = POLLIN}, {.fd = fd_errors, .events = POLLIN}};
    struct buf *const bufs[] = {out, errors};

    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
            return;
        for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
            if (fds[i].fd >= 0 && fds[i].revents != 0 && !read_some(fds[i].fd, bufs[i]))
                fds[i].fd = -1;
            fds[i].revents = 0;
        }
    }
}

static void
wait_for(pid_t pid, int *status)
{
    while (waitpid(pid, status, 0) < 0 && errno == EINTR)
        ;
}

ks_err
keysvcd_run(const char *const arguments[], struct buf *out, int *status, struct fault *why)
{
    int ends[2];
    pid_t pid;
    ks_err err;

    if (pipe2(ends, O_CLOEXEC) != 0) {
        fault_set(why, "no pipe: %s", strerror(errno));
        return KS_ERR_INTERNAL;
    }
    err = spawn_into(arguments[0], arguments, false, NULL, ends[1], ends[1], &pid, why);
    close(ends[1]);
    if (!err) {
        while (read_some(ends[0], out))
            ;
        wait_for(pid, status);
    }
    close(ends[0]);
    return err;
}

/* Ctrl-C is for those who ask on the terminal; whoever waits for us finds it as they leave it. */
static void
stay(struct sigaction *old, sigset_t *defaults)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};

    sigemptyset(defaults);
    sigaction(SIGINT, &ignore, old);
    if (old->sa_handler != SIG_IGN)
        sigaddset(defaults, SIGINT);
}

ks_err
keysvcd_attend(const char *path, const char *const arguments[], struct buf *out, struct buf *errors,
               int *status, struct fault *why)
{
    ks_auto(closep) int from_out = -1;
    ks_auto(closep) int from_errors = -1;
    int to_out[2], to_errors[2];
    struct sigaction old;
    sigset_t defaults;
    pid_t pid;
    ks_err err;

    if (pipe2(to_out, O_CLOEXEC) != 0) {
        fault_set(why, "no pipe: %s", strerror(errno));
        return KS_ERR_INTERNAL;
    }
    from_out = to_out[0];
    if (pipe2(to_errors, O_CLOEXEC) != 0) {
        fault_set(why, "no pipe: %s", strerror(errno));
        close(to_out[1]);
        return KS_ERR_INTERNAL;
    }
    from_errors = to_errors[0];
    stay(&old, &defaults);
    err = spawn_into(path, arguments, true, &defaults, to_out[1], to_errors[1], &pid, why);
    close(to_out[1]);
    close(to_errors[1]);
    if (!err) {
        read_both(from_out, out, from_errors, errors);
        wait_for(pid, status);
    }
    sigaction(SIGINT, &old, NULL);
    if (!err && WIFSIGNALED(*status) && WTERMSIG(*status) == SIGINT)
        raise(SIGINT);
    return err;
}
