/* SPDX-License-Identifier: MIT */
#include "sieve/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"

enum { PAGE = 4096, GROWING = 128 << 10, CHUNK_MAX = 1 << 20 };

struct chunk {
	struct chunk *next;
	size_t size;
	alignas(max_align_t) char data[];
};

struct sieve_arena {
	struct chunk *chunks; /* the first is the one in use */
	size_t used;          /* of it */
	size_t chunk;
	size_t total; /* of all chunks */
};

struct sieve_arena *sieve_arena_new(const void *ctx, size_t chunk)
{
	struct sieve_arena *arena = mem_new(ctx, struct sieve_arena);

	arena->chunk = chunk;
	return arena;
}

/* One call for what would be a page fault each. */
static void populate(char *from, size_t size)
{
	uintptr_t at = ((uintptr_t)from + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
	uintptr_t end = ((uintptr_t)from + size) & ~(uintptr_t)(PAGE - 1);

	if (at < end)
		(void)madvise((char *)at, end - at, MADV_POPULATE_WRITE);
}

/* Of an arena that grows, chunks do, too. */
static void add_chunk(struct sieve_arena *arena, size_t least)
{
	size_t size = arena->chunk;
	struct chunk *chunk;

	if (arena->total >= GROWING)
		size = arena->total < CHUNK_MAX ? arena->total : CHUNK_MAX;
	if (size < arena->chunk)
		size = arena->chunk;
	if (size < least)
		size = least;
	chunk = mem_realloc(arena, NULL, sizeof(*chunk) + size, 1, "chunk");
	if (arena->total >= GROWING && size <= CHUNK_MAX)
		populate(chunk->data, size);
	chunk->size = size;
	arena->total += size;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	arena->used = 0;
}

void *sieve_arena_alloc(struct sieve_arena *arena, size_t size)
{
	void *out;

	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (arena->chunks == NULL || size > arena->chunks->size - arena->used)
		add_chunk(arena, size);
	out = arena->chunks->data + arena->used;
	arena->used += size;
	return memset(out, 0, size);
}

struct str sieve_arena_str(struct sieve_arena *arena, struct str text)
{
	char *out = sieve_arena_alloc(arena, text.len + 1);

	if (text.len > 0)
		memcpy(out, text.data, text.len);
	return str_n(out, text.len);
}

size_t sieve_arena_size(const struct sieve_arena *arena)
{
	return arena->total;
}

void sieve_arena_reset(struct sieve_arena *arena)
{
	struct chunk *chunk = arena->chunks;

	while (chunk != NULL && chunk->next != NULL) {
		arena->chunks = chunk->next;
		arena->total -= chunk->size;
		mem_free(chunk);
		chunk = arena->chunks;
	}
	arena->used = 0;
	if (chunk != NULL && chunk->size > arena->chunk) {
		arena->total -= chunk->size;
		mem_free(chunk);
		arena->chunks = NULL;
	}
}
