/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wipe - malloc, realloc and free for libcrypto
 */
#include "token/wipe.h"

#include <malloc.h>
#include <string.h>

#include <openssl/crypto.h>

static void *wipe_malloc(size_t len, const char *file, int line);
static void *wipe_realloc(void *block, size_t len, const char *file, int line);
static void wipe_free(void *block, const char *file, int line);

bool
wipe_install(void)
{
    return CRYPTO_set_mem_functions(wipe_malloc, wipe_realloc, wipe_free) == 1;
}

static void *
wipe_malloc(size_t len, const char *file, int line)
{
    (void)file;
    (void)line;
    return len > 0 ? malloc(len) : NULL;
}

/* The library's own realloc would leave the old block behind when it moves. */
static void *
wipe_realloc(void *block, size_t len, const char *file, int line)
{
    size_t old_len;
    void *moved;

    if (!block)
        return wipe_malloc(len, file, line);
    if (len == 0) {
        wipe_free(block, file, line);
        return NULL;
    }
    old_len = malloc_usable_size(block);
    if (len <= old_len && len >= old_len / 2)
        return block;
    moved = malloc(len);
    if (!moved)
        return NULL;
    memcpy(moved, block, len < old_len ? len : old_len);
    wipe_free(block, file, line);
    return moved;
}

static void
wipe_free(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    if (!block)
        return;
    explicit_bzero(block, malloc_usable_size(block));
    free(block);
}
