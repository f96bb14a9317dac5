/* SPDX-License-Identifier: MIT */
/*
 * base/buf.h - bytes that grow up to a limit, and remember if they hit it.
 *
 * Append freely, test `overflow` at the end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str;

struct buf {
	char *data; /* data[len] is NUL; there may be NULs before it */
	size_t len, cap;
	size_t max;    /* from a setting or an RFC */
	bool overflow; /* an append did not fit; set until buf_reset() */
};

/* An empty buffer that holds up to `max` bytes; allocates nothing yet. Its
 * memory is malloc()ed, so that it may live on a stack: give it back with
 * buf_free(), usually by CLEANUP. `data` is "" until the first append. */
struct buf buf_init(size_t max);
void buf_free(struct buf *buf);
/* The same for secrets: overwrites them. */
void buf_wipe_free(struct buf *buf);
/* Empty it, keep the memory, forget the overflow. */
void buf_reset(struct buf *buf);
void buf_append(struct buf *buf, const void *src, size_t len);
void buf_add(struct buf *buf, const char *text); /* a C string */
void buf_add_str(struct buf *buf, struct str str);
/* In double quotes, with a backslash in front of each quote and backslash, as
 * mail and its protocols have it (RFC 5322 section 3.2.4). */
void buf_add_quoted(struct buf *buf, struct str str);
/* In decimal. */
void buf_number(struct buf *buf, uint64_t number);
static inline void buf_putc(struct buf *buf, char c)
{
	if (buf->cap - buf->len < 2 || buf->overflow) {
		buf_append(buf, &c, 1);
		return;
	}
	buf->data[buf->len++] = c;
	buf->data[buf->len] = '\0';
}
void buf_printf(struct buf *buf, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *buf, const char *fmt, va_list args)
	__attribute__((format(printf, 2, 0)));
/* Room for `len` more bytes, or overflow. Returns where they start, for the
 * caller to write them and to call buf_grew(); NULL when they don't fit. */
char *buf_space(struct buf *buf, size_t len);
void buf_grew(struct buf *buf, size_t len);
/* Drop the first `len` bytes (at most all). */
void buf_shift(struct buf *buf, size_t len);
/* Keep the first `len` bytes. */
void buf_truncate(struct buf *buf, size_t len);
/* What was appended, NUL at its end, as a child of ctx. */
char *buf_steal(const void *ctx, struct buf *buf);
/* The same, not copied: it goes with ctx, and is not for mem_free(). */
char *buf_keep(const void *ctx, struct buf *buf);

#endif
