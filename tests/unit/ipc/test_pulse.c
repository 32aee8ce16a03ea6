/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "ipc/pulse.h"

Test(pulse, the_supervisor_sees_the_call_a_worker_is_in)
{
    struct pulse *reader, *writer;
    uint64_t end_ms;
    int fd;

    cr_assert_eq(pulse_new(&fd, &reader), KS_OK);
    cr_assert_eq(pulse_map(fd, &writer), KS_OK);
    cr_assert_eq(atomic_load(&reader->phase), PULSE_IDLE);
    pulse_enter(writer, PULSE_LOGIN);
    cr_assert_eq(atomic_load(&reader->phase), PULSE_LOGIN);
    cr_assert(atomic_load(&reader->since_ms) <= clock_mono_ms());
    usleep(2000);
    end_ms = clock_mono_ms();
    pulse_leave(writer);
    cr_assert_eq(atomic_load(&reader->phase), PULSE_IDLE);
    cr_assert_eq(atomic_load(&reader->n_calls), 1);
    cr_assert_geq(atomic_load(&reader->since_ms), end_ms, "since when it is idle");
    pulse_unmap(writer);
    pulse_unmap(reader);
}

Test(pulse, a_page_that_could_shrink_is_refused)
{
    struct pulse *pulse;
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    cr_assert_eq(ftruncate(fd, sizeof(struct pulse)), 0);
    cr_assert_eq(pulse_map(fd, &pulse), KS_ERR_BAD_REQUEST);
}
