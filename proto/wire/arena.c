/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena - blocks that are filled from the front
 */
#include "proto/wire/arena.h"

#include <stdalign.h>

#define BUDGET_FACTOR                                                                              \
    16 /* of a message's length: a repeated field of 10 bytes costs 150 unpacked */

struct block {
    struct block *next;
    size_t cap;
    alignas(max_align_t) uint8_t data[];
};

/* Stands before each piece. */
struct piece {
    alignas(max_align_t) size_t len;
};

struct arena {
    ProtobufCAllocator allocator;
    struct block *blocks; /* the one in use first; the last one is kept */
    size_t used;          /* bytes of the block in use */
    size_t left;          /* bytes of the budget */
    bool exhausted;
};

static void *allocator_alloc(void *data, size_t len);
static void allocator_free(void *data, void *pointer);
static struct block *block_new(size_t cap, struct block *next);

ks_err
arena_new(struct arena **out)
{
    struct arena *arena = calloc(1, sizeof(*arena));

    if (!arena)
        return KS_ERR_INTERNAL;
    arena->blocks = block_new(ARENA_BLOCK_LEN, NULL);
    if (!arena->blocks) {
        free(arena);
        return KS_ERR_INTERNAL;
    }
    arena->allocator = (ProtobufCAllocator){allocator_alloc, allocator_free, arena};
    *out = arena;
    return KS_OK;
}

struct arena *
arena_free(struct arena *arena)
{
    if (!arena)
        return NULL;
    arena_start(arena, 0);
    free(arena->blocks);
    free(arena);
    return NULL;
}

void
arena_freep(struct arena **arena)
{
    *arena = arena_free(*arena);
}

void
arena_start(struct arena *arena, size_t budget)
{
    while (arena->blocks->next) {
        struct block *next = arena->blocks->next;

        free(arena->blocks);
        arena->blocks = next;
    }
    arena->used = 0;
    arena->left = budget;
    arena->exhausted = false;
}

size_t
arena_budget(size_t message_len)
{
    return ARENA_BLOCK_LEN + BUDGET_FACTOR * message_len;
}

ProtobufCAllocator *
arena_allocator(struct arena *arena)
{
    return &arena->allocator;
}

bool
arena_exhausted(const struct arena *arena)
{
    return arena->exhausted;
}

void *
arena_alloc(struct arena *arena, size_t len)
{
    struct piece *piece;
    size_t aligned;

    if (__builtin_add_overflow(len, sizeof(*piece) + alignof(max_align_t) - 1, &aligned))
        aligned = SIZE_MAX;
    aligned &= ~(alignof(max_align_t) - 1);
    if (aligned > arena->left) {
        arena->exhausted = true;
        return NULL;
    }
    if (aligned > arena->blocks->cap - arena->used) {
        size_t cap = aligned > ARENA_BLOCK_LEN ? aligned : ARENA_BLOCK_LEN;
        struct block *block = block_new(cap, arena->blocks);

        if (!block) {
            arena->exhausted = true;
            return NULL;
        }
        arena->blocks = block;
        arena->used = 0;
    }
    piece = (struct piece *)(arena->blocks->data + arena->used);
    piece->len = len;
    arena->used += aligned;
    arena->left -= aligned;
    return piece + 1;
}

size_t
arena_len(const void *pointer)
{
    return ((const struct piece *)pointer - 1)->len;
}

static void *
allocator_alloc(void *data, size_t len)
{
    return arena_alloc(data, len);
}

/* Everything goes at once, with the next arena_start(). */
static void
allocator_free(void *data, void *pointer)
{
    (void)data;
    (void)pointer;
}

static struct block *
block_new(size_t cap, struct block *next)
{
    struct block *block = malloc(sizeof(*block) + cap);

    if (!block)
        return NULL;
    block->next = next;
    block->cap = cap;
    return block;
}
