/* SPDX-License-Identifier: MIT */
/*
 * sieve/arena.h - many small blocks that go together: a tree, an instruction's
 * operands.
 */
#ifndef SIEVE_ARENA_H
#define SIEVE_ARENA_H
#include <stdalign.h>
#include <stddef.h>
#include <string.h>

#include "base/str.h"

struct sieve_arena {
	char *at;                   /* the next block */
	size_t left;                /* octets there that are zeroed and free */
	struct sieve_chunk *chunks; /* the first is the one in use */
	size_t chunk;
	size_t total; /* of all chunks */
};

/* Child of ctx, and so is what is allocated from it. */
struct sieve_arena *sieve_arena_new(const void *ctx, size_t chunk);
/* Make `left` at least `least`. */
void sieve_arena_grow(struct sieve_arena *arena, size_t least);
/* Zeroed; lives until sieve_arena_reset(). The caller has held the size
 * against a limit. */
static inline void *sieve_arena_alloc(struct sieve_arena *arena, size_t size)
{
	void *out;

	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (size > arena->left || arena->at == NULL)
		sieve_arena_grow(arena, size);
	out = arena->at;
	arena->at += size;
	arena->left -= size;
	return out;
}
#define sieve_arena_new_of(arena, T) ((T *)sieve_arena_alloc(arena, sizeof(T)))
#define sieve_arena_array(arena, T, n)                                         \
	((T *)sieve_arena_alloc(arena, (n) * sizeof(T)))
/* With a NUL at its end, which does not count. */
struct str sieve_arena_str(struct sieve_arena *arena, struct str text);
/* Octets that it has taken. */
size_t sieve_arena_size(const struct sieve_arena *arena);
/* Forget all; one chunk is kept for what comes next. */
void sieve_arena_reset(struct sieve_arena *arena);

#endif
