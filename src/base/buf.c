/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum { BUF_FIRST = 256 };

/* What `data` is before the first append; never written to. */
static char empty[1] = "";

struct buf buf_init(size_t max)
{
	/* One more is allocated, for the NUL. */
	if (max == SIZE_MAX)
		max--;
	return (struct buf){.data = empty, .max = max};
}

void buf_free(struct buf *buf)
{
	if (buf->cap > 0)
		free(buf->data);
	/* One by one: a whole struct is made elsewhere and waited for. */
	buf->data = empty;
	buf->len = buf->cap = 0;
	buf->overflow = false;
}

void buf_wipe_free(struct buf *buf)
{
	if (buf->cap > 0)
		mem_wipe(buf->data, buf->cap);
	buf_free(buf);
}

void buf_reset(struct buf *buf)
{
	buf_truncate(buf, 0);
	buf->overflow = false;
}

/* Room for `len` more; the caller has held it against the maximum. */
static void reserve(struct buf *buf, size_t len)
{
	size_t need = buf->len + len + 1;
	size_t cap = buf->cap < BUF_FIRST ? BUF_FIRST : buf->cap;
	char *data;

	if (need <= buf->cap)
		return;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	if (cap > buf->max + 1)
		cap = buf->max + 1;
	data = realloc(buf->cap > 0 ? buf->data : NULL, cap);
	if (data == NULL)
		mem_fatal(cap);
	buf->data = data;
	buf->cap = cap;
	buf->data[buf->len] = '\0';
}

char *buf_space(struct buf *buf, size_t len)
{
	if (buf->overflow || len > buf->max - buf->len) {
		buf->overflow = true;
		return NULL;
	}
	reserve(buf, len);
	return buf->data + buf->len;
}

void buf_grew(struct buf *buf, size_t len)
{
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void buf_append(struct buf *buf, const void *src, size_t len)
{
	char *space;

	if (len == 0)
		return;
	if (len < buf->cap - buf->len && !buf->overflow)
		space = buf->data + buf->len;
	else
		space = buf_space(buf, len);
	if (space == NULL)
		return;
	memcpy(space, src, len);
	buf_grew(buf, len);
}

void buf_add(struct buf *buf, const char *text)
{
	buf_append(buf, text, strlen(text));
}

void buf_add_str(struct buf *buf, struct str str)
{
	buf_append(buf, str.data, str.len);
}

void buf_add_quoted(struct buf *buf, struct str str)
{
	buf_putc(buf, '"');
	for (size_t i = 0; i < str.len; i++) {
		if (str.data[i] == '"' || str.data[i] == '\\')
			buf_putc(buf, '\\');
		buf_putc(buf, str.data[i]);
	}
	buf_putc(buf, '"');
}

void buf_number(struct buf *buf, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	buf_append(buf, digits + at, sizeof(digits) - at);
}

void buf_vprintf(struct buf *buf, const char *fmt, va_list args)
{
	va_list again;
	char *space;
	int len;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len <= 0)
		return;
	space = buf_space(buf, (size_t)len);
	if (space == NULL)
		return;
	vsnprintf(space, (size_t)len + 1, fmt, args);
	buf_grew(buf, (size_t)len);
}

void buf_printf(struct buf *buf, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	buf_vprintf(buf, fmt, args);
	va_end(args);
}

void buf_shift(struct buf *buf, size_t len)
{
	if (len >= buf->len) {
		buf_truncate(buf, 0);
		return;
	}
	if (len == 0)
		return;
	memmove(buf->data, buf->data + len, buf->len - len);
	buf_truncate(buf, buf->len - len);
}

void buf_truncate(struct buf *buf, size_t len)
{
	if (buf->cap == 0 || len > buf->len)
		return;
	buf->len = len;
	buf->data[len] = '\0';
}

char *buf_steal(const void *ctx, struct buf *buf)
{
	char *copy = mem_memdup(ctx, buf->data, buf->len + 1);

	buf_free(buf);
	return copy;
}

struct kept {
	char *data;
};

static int free_kept(struct kept *kept)
{
	free(kept->data);
	return 0;
}

char *buf_keep(const void *ctx, struct buf *buf)
{
	char *data = buf->data;

	if (buf->cap > 0) {
		struct kept *kept = mem_new(ctx, struct kept);

		kept->data = data;
		talloc_set_destructor(kept, free_kept);
	}
	*buf = buf_init(buf->max);
	return data;
}
