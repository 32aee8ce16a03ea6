/* SPDX-License-Identifier: Apache-2.0 */
#include "front/sandbox.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "sandbox/landlock.h"
#include "unit/sandbox/attempts.h"

static int listener, client; /* made before: in the sandbox there is no socket() */

static int
enter(void *context)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct fault why = FAULT_INIT;
    struct sandbox_state state;

    (void)context;
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    client = socket(AF_UNIX, SOCK_STREAM, 0);
    /* The kernel chooses a name. */
    if (listener < 0 || client < 0 ||
        bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)) < 0 ||
        listen(listener, 1) < 0)
        return 1;
    return front_sandbox_enter(&state, &why) != KS_OK;
}

static int
try_open(const char *path, int flags)
{
    int fd = open(path, flags, 0600);

    if (fd >= 0)
        close(fd);
    return fd < 0 ? errno : 0;
}

static int
read_a_peers_cgroup(void)
{
    char path[64], text[16];
    int fd;

    /* The parent: whoever runs the tests. */
    snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)attempts_parent);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 || read(fd, text, sizeof(text)) < 0 ? errno : 0;
}

static int
read_an_account(void)
{
    return try_open("/etc/passwd", O_RDONLY);
}

static int
read_a_folder(void)
{
    return try_open("/tmp", O_RDONLY | O_DIRECTORY);
}

static int
make_a_file(void)
{
    return try_open("/tmp/keysvc-never", O_WRONLY | O_CREAT);
}

static int
write_below_proc(void)
{
    return try_open("/proc/self/comm", O_RDWR);
}

static int
remove_a_file(void)
{
    return unlink("/tmp/keysvc-never") < 0 ? errno : 0;
}

static int
connect_a_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t len = sizeof(address);

    if (getsockname(listener, (struct sockaddr *)&address, &len) < 0)
        return -1;
    return connect(client, (struct sockaddr *)&address, len) < 0 ? errno : 0;
}

static int
listen_on_a_socket(void)
{
    return listen(client, 1) < 0 ? errno : 0;
}

static int
cut_a_file(void)
{
    return ftruncate(STDERR_FILENO, 0) < 0 ? errno : 0;
}

static int
map_code(void)
{
    void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return code == MAP_FAILED ? errno : 0;
}

static void *
do_nothing(void *data)
{
    return data;
}

static int
start_a_thread(void)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, do_nothing, NULL);

    return error ? error : pthread_join(thread, NULL);
}

static int
take_memory(void)
{
    void *memory = malloc(64 << 20);

    free(memory);
    return memory ? 0 : errno;
}

Test(front_sandbox, refuses_what_an_attacker_would_do)
{
    attempts_run(enter, NULL, attempts_of_an_attacker, n_attempts_of_an_attacker);
}

Test(front_sandbox, refuses_to_write_to_connect_and_to_run_code)
{
    static const struct attempt attempts[] = {
        {"make a file", make_a_file, EPERM},
        {"open for writing below /proc", write_below_proc, EPERM},
        {"remove a file", remove_a_file, EPERM},
        {"cut a file", cut_a_file, EPERM},
        {"connect a socket", connect_a_socket, EPERM},
        {"listen on a socket", listen_on_a_socket, EPERM},
        {"map code", map_code, EPERM},
    };

    attempts_run(enter, NULL, attempts, ARRAY_LEN(attempts));
}

Test(front_sandbox, reads_below_proc_and_nothing_else)
{
    static const struct attempt attempts[] = {
        {"read a peer's cgroup", read_a_peers_cgroup, 0},
        {"read an account", read_an_account, EACCES},
        {"read a folder", read_a_folder, EACCES},
    };

    if (landlock_abi() == 0)
        cr_skip_test("this kernel has no Landlock");
    attempts_run(enter, NULL, attempts, ARRAY_LEN(attempts));
}

Test(front_sandbox, leaves_threads_and_memory_alone)
{
    static const struct attempt attempts[] = {
        {"start a thread", start_a_thread, 0},
        {"take memory", take_memory, 0},
    };

    attempts_run(enter, NULL, attempts, ARRAY_LEN(attempts));
}
