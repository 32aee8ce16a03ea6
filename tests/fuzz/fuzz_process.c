/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_process - the files of /proc/PID as `keysvc doctor --program` reads them: a process writes some itself
 *
 * The bytes are the files, each behind two bytes of length: status, cgroup, environ, auxv, maps,
 * comm. Whatever they hold, one process is found, with texts that end where they should.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/doctor.h"
#include "client/cli/doctor_program.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char proc[] = "/tmp/keysvc-fuzz-XXXXXX";
static int folder;
static const char *const FILES[] = {"status", "cgroup", "environ", "auxv", "maps", "comm"};

static void
require(bool truth)
{
    if (!truth)
        abort();
}

static void
remove_proc(void)
{
    char path[sizeof(proc) + 8];

    for (size_t i = 0; i < ARRAY_LEN(FILES); i++)
        unlinkat(folder, FILES[i], 0);
    unlinkat(folder, "exe", 0);
    unlinkat(folder, "root", 0);
    snprintf(path, sizeof(path), "%s/4711", proc);
    rmdir(path);
    rmdir(proc);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char path[sizeof(proc) + 8];

    (void)argc;
    (void)argv;
    require(mkdtemp(proc) != NULL);
    snprintf(path, sizeof(path), "%s/4711", proc);
    require(mkdir(path, 0700) == 0);
    folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    require(folder >= 0);
    require(symlinkat("/usr/sbin/nginx", folder, "exe") == 0);
    require(symlinkat("/", folder, "root") == 0);
    atexit(remove_proc);
    return 0;
}

static void
write_file(const char *name, const uint8_t *data, size_t len)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    require(fd >= 0 && write(fd, data, len) == (ssize_t)len);
    close(fd);
}

#define ENDS(text) require(memchr((text), '\0', sizeof(text)) != NULL)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct program_processes found;

    for (size_t i = 0; i < ARRAY_LEN(FILES); i++) {
        size_t len = 0;

        if (size >= 2) {
            len = (size_t)data[0] << 8 | data[1];
            data += 2;
            size -= 2;
            len = len < size ? len : size;
        }
        write_file(FILES[i], data, len);
        data += len;
        size -= len;
    }
    program_find(proc, "nginx", &found);
    require(found.n <= 1);
    for (size_t i = 0; i < found.n; i++) {
        ENDS(found.list[i].unit);
        ENDS(found.list[i].root);
        ENDS(found.list[i].conf);
        ENDS(found.list[i].modules);
        ENDS(found.list[i].socket);
        (void)program_works(&found, i);
    }
    (void)program_lead(&found);
    program_keep(&found, 4711);
    program_processes_deinit(&found);
    return 0;
}
