/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls - how often each PKCS#11 function was called, counted in one file by every process that
 * shares it
 *
 * The file is an array of 64-bit numbers, mapped and incremented atomically: a process that is
 * killed in the middle of a call has already been counted.
 */
#include "tests/fakes/calls.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct calls {
    _Atomic uint64_t counts[FUNCTION_COUNT];
};

#define FORWARD(scope, name, parameters, arguments) [FUNCTION_##name] = #name,
#define OWN FORWARD
static const char *const names[FUNCTION_COUNT] = {
#include "tests/fakes/functions.h"
};
#undef FORWARD
#undef OWN

enum function
calls_function(const char *name)
{
    enum function function = 0;

    while (function < FUNCTION_COUNT && strcmp(names[function], name) != 0)
        function++;
    return function;
}

const char *
calls_name(enum function function)
{
    return names[function];
}

struct calls *
calls_open(const char *folder)
{
    return calls_map(folder, "calls", sizeof(struct calls));
}

void *
calls_map(const char *folder, const char *name, size_t len)
{
    char path[4096];
    void *mapped = MAP_FAILED;
    int fd;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return NULL;
    /* Growing to the size it has already changes nothing, whoever else does the same. */
    if (ftruncate(fd, (off_t)len) == 0)
        mapped = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return mapped == MAP_FAILED ? NULL : mapped;
}

struct calls *
calls_close(struct calls *calls)
{
    if (calls)
        munmap(calls, sizeof(*calls));
    return NULL;
}

uint64_t
calls_count(struct calls *calls, enum function function)
{
    return atomic_fetch_add(&calls->counts[function], 1) + 1;
}

uint64_t
calls_get(const struct calls *calls, enum function function)
{
    return atomic_load(&calls->counts[function]);
}
