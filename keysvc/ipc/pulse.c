/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pulse - the shared page: made, mapped and written
 */
#include "ipc/pulse.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/clock.h"

#define PULSE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

ks_err
pulse_new(int *fd, struct pulse **out)
{
    ks_auto(closep) int page = memfd_create("keysvc-pulse", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    void *map;

    if (page < 0 || ftruncate(page, sizeof(struct pulse)) < 0 ||
        fcntl(page, F_ADD_SEALS, PULSE_SEALS) < 0)
        return KS_ERR_INTERNAL;
    map = mmap(NULL, sizeof(struct pulse), PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
    if (map == MAP_FAILED)
        return KS_ERR_INTERNAL;
    *out = map;
    *fd = ks_steal_fd(&page);
    return KS_OK;
}

ks_err
pulse_map(int fd, struct pulse **out)
{
    ks_auto(closep) int page = fd;
    struct stat info;
    void *map;

    /* The seals matter: a page that shrinks later would kill us with SIGBUS. */
    if (fstat(page, &info) < 0 || info.st_size != sizeof(struct pulse) ||
        fcntl(page, F_GET_SEALS) != PULSE_SEALS)
        return KS_ERR_BAD_REQUEST;
    map = mmap(NULL, sizeof(struct pulse), PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
    if (map == MAP_FAILED)
        return KS_ERR_INTERNAL;
    *out = map;
    return KS_OK;
}

struct pulse *
pulse_unmap(struct pulse *pulse)
{
    if (pulse)
        munmap(pulse, sizeof(*pulse));
    return NULL;
}

/* The time first: a reader that sees the phase never sees the time of the call before. */
void
pulse_enter(struct pulse *pulse, enum pulse_phase phase)
{
    atomic_store_explicit(&pulse->since_ms, clock_mono_ms(), memory_order_relaxed);
    atomic_fetch_add_explicit(&pulse->n_calls, 1, memory_order_relaxed);
    atomic_store_explicit(&pulse->phase, phase, memory_order_release);
}

void
pulse_leave(struct pulse *pulse)
{
    atomic_store_explicit(&pulse->since_ms, clock_mono_ms(), memory_order_relaxed);
    atomic_store_explicit(&pulse->phase, PULSE_IDLE, memory_order_release);
}

void
pulse_done(struct pulse *pulse)
{
    atomic_fetch_add_explicit(&pulse->n_done, 1, memory_order_relaxed);
}

void
pulse_end_before(struct pulse *pulse, uint64_t generation)
{
    atomic_store_explicit(&pulse->generation, generation, memory_order_release);
}

bool
pulse_is_over(const struct pulse *pulse, uint64_t generation)
{
    return generation < atomic_load_explicit(&pulse->generation, memory_order_acquire);
}
