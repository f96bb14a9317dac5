/* SPDX-License-Identifier: MIT */
#include "sieve/arena.h"

#include <stdint.h>
#include <sys/mman.h>

#include "base/mem.h"

enum { PAGE = 4096, GROWING = 128 << 10, CHUNK_MAX = 1 << 20, ZEROED = 512 };

struct sieve_chunk {
	struct sieve_chunk *next;
	size_t size;
	alignas(max_align_t) char data[];
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
	struct sieve_chunk *chunk;

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
	arena->at = chunk->data;
	arena->left = 0;
}

/* Several blocks are zeroed at once, not all of a chunk: most need little. */
void sieve_arena_grow(struct sieve_arena *arena, size_t least)
{
	struct sieve_chunk *chunk = arena->chunks;
	size_t room, zeroed = least > ZEROED ? least : ZEROED;

	if (chunk == NULL ||
	    least > (size_t)(chunk->data + chunk->size - arena->at))
		add_chunk(arena, least);
	chunk = arena->chunks;
	room = (size_t)(chunk->data + chunk->size - arena->at);
	if (zeroed > room)
		zeroed = room;
	memset(arena->at + arena->left, 0, zeroed - arena->left);
	arena->left = zeroed;
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
	struct sieve_chunk *chunk = arena->chunks;

	while (chunk != NULL && chunk->next != NULL) {
		arena->chunks = chunk->next;
		arena->total -= chunk->size;
		mem_free(chunk);
		chunk = arena->chunks;
	}
	if (chunk != NULL && chunk->size > arena->chunk) {
		arena->total -= chunk->size;
		mem_free(chunk);
		arena->chunks = chunk = NULL;
	}
	arena->at = chunk == NULL ? NULL : chunk->data;
	arena->left = 0;
}
