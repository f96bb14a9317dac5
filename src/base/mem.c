/* SPDX-License-Identifier: MIT */
#include "base/mem.h"

#include <malloc.h>
#include <stdint.h>
#include <string.h>

#include "base/log.h"

enum {
	EXIT_OUT_OF_MEMORY = 83,
	BLOCK_OVERHEAD = 112, /* talloc's head and malloc's */
};

void mem_fatal(size_t size)
{
	log_fatal(EXIT_OUT_OF_MEMORY, "Out of memory (%zu bytes)", size);
}

static void *checked(void *ptr, size_t size)
{
	if (ptr == NULL)
		mem_fatal(size);
	return ptr;
}

static size_t total(size_t n, size_t size)
{
	if (size != 0 && n > SIZE_MAX / 2 / size)
		mem_fatal(SIZE_MAX);
	return n * size;
}

void *mem_zero(const void *ctx, size_t n, size_t size, const char *name)
{
	size_t len = total(n, size);
	void *ptr = checked(_talloc_zero(ctx, len, name), len);

	return ptr;
}

void *mem_realloc(const void *ctx, void *ptr, size_t n, size_t size,
		  const char *name)
{
	size_t len = total(n, size);

	/* talloc frees for a length of 0, and would give NULL. */
	if (len == 0)
		len = 1;
	return checked(_talloc_realloc(ctx, ptr, len, name), len);
}

TALLOC_CTX *mem_ctx(const void *parent, const char *name)
{
	return checked(talloc_named_const(parent, 0, name), 0);
}

TALLOC_CTX *mem_pool(const void *parent, size_t size)
{
	return checked(talloc_pool(parent, size), size);
}

char *mem_strdup(const void *ctx, const char *text)
{
	return checked(talloc_strdup(ctx, text), strlen(text));
}

char *mem_strndup(const void *ctx, const char *text, size_t len)
{
	return checked(talloc_strndup(ctx, text, len), len);
}

size_t mem_size(const void *ptr)
{
	return talloc_total_size(ptr) +
	       talloc_total_blocks(ptr) * BLOCK_OVERHEAD;
}

void *mem_memdup(const void *ctx, const void *data, size_t len)
{
	return checked(_talloc_memdup(ctx, data, len, "data"), len);
}

char *mem_vprintf(const void *ctx, const char *fmt, va_list args)
{
	return checked(talloc_vasprintf(ctx, fmt, args), strlen(fmt));
}

char *mem_printf(const void *ctx, const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	text = mem_vprintf(ctx, fmt, args);
	va_end(args);
	return text;
}

void mem_free(void *ptr)
{
	if (ptr != NULL)
		talloc_free(ptr);
}

void ctx_free(TALLOC_CTX **ctx)
{
	mem_free(*ctx);
	*ctx = NULL;
}

void mem_wipe(void *data, size_t len)
{
	if (len > 0)
		explicit_bzero(data, len);
}

void mem_keep(size_t size)
{
	mallopt(M_TRIM_THRESHOLD, (int)size);
	mallopt(M_MMAP_THRESHOLD, (int)size);
}

void mem_trim(void)
{
	malloc_trim(0);
}

void mem_trim_above(size_t size)
{
	if (mallinfo2().fordblks > size)
		malloc_trim(0);
}
