/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena - memory for one message, taken in small pieces and given back at once
 *
 * Handed to protobuf-c as its allocator: an unpacked message lives until the next arena_start() and
 * is never freed piece by piece. No message can make us allocate more than the budget that was set
 * for it. The first ARENA_BLOCK_LEN bytes stay allocated from message to message.
 *   arena_new() -> { arena_start() -> unpack(arena_allocator()) -> use } ... -> arena_free()
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "base/err.h"
#include "base/util.h"

#define ARENA_BLOCK_LEN (64 * 1024) /* bytes */

struct arena;

ks_err arena_new(struct arena **out) KS_MUST_CHECK; /* INTERNAL: no memory */
struct arena *arena_free(struct arena *arena);
void arena_freep(struct arena **arena);

/* Gives back all that was taken; from here on at most `budget` bytes. */
void arena_start(struct arena *arena, size_t budget);

/* A budget that suffices for unpacking any sensible message of that many bytes: its structs, its
 * fields, and the lists that protobuf-c makes while it parses. */
size_t arena_budget(size_t message_len);

/* Belongs to the arena. */
ProtobufCAllocator *arena_allocator(struct arena *arena);

/* Aligned for any type, not zeroed; NULL: over the budget, or no memory. */
void *arena_alloc(struct arena *arena, size_t len);

/* How many bytes were asked for at `pointer`, which came from an arena. A text that protobuf-c
 * unpacked has one more than its length on the wire: that shows a NUL inside. */
size_t arena_len(const void *pointer);

/* Something was refused since arena_start: an unpack that failed did so for want of room. */
bool arena_exhausted(const struct arena *arena);
