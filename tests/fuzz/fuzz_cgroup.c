/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_cgroup - the text of /proc/PID/cgroup, whose paths a process may have named itself
 *
 * Whatever comes out is empty or a unit's name that stands in the text between two slashes.
 */
#include "front/peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = calloc(1, size + 1);
    char unit[JOB_UNIT_MAX + 1];
    const char *found;

    if (!text)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    memset(unit, 'x', sizeof(unit));
    peer_unit_from_cgroup(text, unit);
    if (!memchr(unit, '\0', sizeof(unit)))
        abort();
    if (unit[0] != '\0') {
        found = strstr(text, unit);
        if (!found || strpbrk(unit, "/\n ") || !strchr(unit, '.'))
            abort();
    }
    free(text);
    return 0;
}
