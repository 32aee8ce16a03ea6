/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "proto/wire/arena.h"

Test(arena, gives_aligned_pieces_that_do_not_overlap)
{
    ks_auto(arena_freep) struct arena *arena = NULL;
    unsigned char *last = NULL;

    cr_assert_eq(arena_new(&arena), KS_OK);
    arena_start(arena, 1024 * 1024);
    for (size_t len = 1; len < 2000; len += 7) {
        unsigned char *piece = arena_alloc(arena, len);

        cr_assert_not_null(piece);
        cr_assert_eq((uintptr_t)piece % _Alignof(max_align_t), 0);
        cr_assert_eq(arena_len(piece), len);
        memset(piece, (int)(len & 0xff), len);
        if (last)
            cr_assert_eq(last[0], (len - 7) & 0xff);
        last = piece;
    }
    cr_assert_not(arena_exhausted(arena));
}

Test(arena, refuses_what_is_over_the_budget_and_says_so)
{
    ks_auto(arena_freep) struct arena *arena = NULL;

    cr_assert_eq(arena_new(&arena), KS_OK);
    arena_start(arena, 100);
    cr_assert_not_null(arena_alloc(arena, 50));
    cr_assert_null(arena_alloc(arena, 50));
    cr_assert(arena_exhausted(arena));
    cr_assert_null(arena_alloc(arena, SIZE_MAX));
    arena_start(arena, 100);
    cr_assert_not(arena_exhausted(arena));
    cr_assert_not_null(arena_alloc(arena, 50));
}

Test(arena, serves_pieces_larger_than_a_block)
{
    ks_auto(arena_freep) struct arena *arena = NULL;
    ProtobufCAllocator *allocator;
    uint8_t *piece;

    cr_assert_eq(arena_new(&arena), KS_OK);
    arena_start(arena, arena_budget(1024 * 1024));
    allocator = arena_allocator(arena);
    piece = allocator->alloc(allocator->allocator_data, 1024 * 1024);
    cr_assert_not_null(piece);
    memset(piece, 1, 1024 * 1024);
    allocator->free(allocator->allocator_data, piece);
    cr_assert_not_null(arena_alloc(arena, 10));
}

Test(arena, a_budget_that_is_not_set_is_nothing)
{
    ks_auto(arena_freep) struct arena *arena = NULL;

    cr_assert_eq(arena_new(&arena), KS_OK);
    cr_assert_null(arena_alloc(arena, 1));
}
