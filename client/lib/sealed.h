/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sealed - bytes that nobody can change any more, to be given away as a descriptor
 *
 * Memory without a name in any file system, with F_SEAL_SEAL, _SHRINK, _GROW and _WRITE. Its pages
 * are locked, if RLIMIT_MEMLOCK allows, and left out of core files for as long as the struct lives;
 * they are gone when the last descriptor is closed, ours or a receiver's.
 */
#pragma once

#include "client/lib/error.h"

struct sealed {
    int fd;
    void *pages; /* a view that only holds them in memory */
    size_t len;
};

#define SEALED_INIT                                                                                \
    {                                                                                              \
        -1, NULL, 0                                                                                \
    }

/*
 * The bytes are copied once, straight into the pages; `len` may be 0. `key_name` is for the message.
 * INTERNAL: no memory, no descriptor, or a kernel that seals nothing.
 */
ks_err sealed_init(struct sealed *sealed, const char *key_name, const void *data, size_t len,
                   struct ks_error *error) KS_MUST_CHECK;

/* For ks_auto; a SEALED_INIT and a half-made one are fine. */
void sealed_deinit(struct sealed *sealed);
