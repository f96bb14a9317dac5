/* SPDX-License-Identifier: MIT */
/*
 * base/mem.h - talloc whose functions never return NULL.
 *
 * Out of memory ends the process with one log line. No input can cause it:
 * sizes from outside are held against their limits before anything is
 * allocated. What allocates takes `ctx` first and its result is a child of
 * that; mem_steal() is the one way to outlive it.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H
#include <stdarg.h>
#include <stddef.h>
#include <talloc.h>

/* A zeroed T, or n zeroed Ts; NULL for `ctx` makes a top-level block. */
#define mem_new(ctx, T) ((T *)mem_zero(ctx, 1, sizeof(T), #T))
#define mem_array(ctx, T, n) ((T *)mem_zero(ctx, n, sizeof(T), #T))
/* Grow or shrink to n Ts; what is new is not zeroed. */
#define mem_resize(ctx, ptr, T, n) \
	((T *)mem_realloc(ctx, ptr, n, sizeof(T), #T))

void *mem_zero(const void *ctx, size_t n, size_t size, const char *name);
void *mem_realloc(const void *ctx, void *ptr, size_t n, size_t size,
		  const char *name);
/* An empty context below `parent`. */
TALLOC_CTX *mem_ctx(const void *parent, const char *name);
/* One with room for `size` octets of small blocks, which then cost little. */
TALLOC_CTX *mem_pool(const void *parent, size_t size);
char *mem_strdup(const void *ctx, const char *text);
char *mem_strndup(const void *ctx, const char *text, size_t len);
void *mem_memdup(const void *ctx, const void *data, size_t len);
char *mem_printf(const void *ctx, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
char *mem_vprintf(const void *ctx, const char *fmt, va_list args)
	__attribute__((format(printf, 2, 0)));
/* Move `ptr` (may be NULL) below `ctx`; returns it. */
#define mem_steal(ctx, ptr) talloc_steal(ctx, ptr)
/* Octets that `ptr` and all below it take, about: malloc's part included. */
size_t mem_size(const void *ptr);
/* Free `ptr` (may be NULL) and all below it. */
void mem_free(void *ptr);
/* For CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "command"). */
void ctx_free(TALLOC_CTX **ctx);
/* Overwrite a secret in a way that no compiler leaves out. */
void mem_wipe(void *data, size_t len);
/* Keep up to `size` octets that are free for the next blocks: they would go to
 * the kernel and come back as empty pages with every larger mail. */
void mem_keep(size_t size);
/* Give the pages that are free back to the kernel: before a long rest. */
void mem_trim(void);
/* The same if there are more than `size` octets of them: they cost less to keep
 * than to get again. */
void mem_trim_above(size_t size);
/* End the process: "fmt" goes to the log as Fatal, exit status 83 as
 * Dovecot's for out of memory. */
_Noreturn void mem_fatal(size_t size);

#endif
