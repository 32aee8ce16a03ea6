/* SPDX-License-Identifier: Apache-2.0 */
/*
 * util - the few words every file uses: scope-bound cleanup, must-check, array length
 *
 * ks_auto(fn) calls fn(&variable) when the variable leaves its scope; ks_steal(&variable) hands its
 * value over and leaves NULL (or, for a descriptor, ks_steal_fd leaves -1), so that the cleanup
 * does nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KS_MUST_CHECK __attribute__((warn_unused_result))
#define KS_PRINTF(text, first) __attribute__((format(printf, text, first)))
#define ks_auto(fn) __attribute__((cleanup(fn)))
#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

#define ks_steal(pointer)                                                                          \
    __extension__({                                                                                \
        __typeof__(*(pointer)) stolen_ = *(pointer);                                               \
        *(pointer) = NULL;                                                                         \
        stolen_;                                                                                   \
    })

static inline int
ks_steal_fd(int *fd)
{
    int stolen = *fd;

    *fd = -1;
    return stolen;
}

/* For ks_auto on anything from malloc(). */
static inline void
freep(void *pointer)
{
    free(*(void **)pointer);
}

/* For ks_auto on a descriptor; negative means none. */
static inline void
closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1; /* by now the number may be another file's */
}

/*
 * Copies a text of at most cap - 1 bytes; false (and an empty text) when it does not fit. A name
 * that was cut silently would be another name.
 */
static inline bool
text_copy(char *out, size_t cap, const char *text)
{
    size_t len = strlen(text);

    if (len >= cap) {
        out[0] = '\0';
        return false;
    }
    memcpy(out, text, len + 1);
    return true;
}
