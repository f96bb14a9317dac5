/* SPDX-License-Identifier: MIT */
/*
 * storage/layout_broken.c - BROKENCHAR=: files whose names are not spelled as
 * the location has them are mailboxes, too.
 *
 * An octet that is no part of a character is the char and two hex digits, as is
 * the char itself. A name has one spelling only: what need not be escaped is
 * not to be, or else '.', '/' and the names of files of ours could be had.
 */
#include "storage/layout.h"

#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/str.h"
#include "storage/driver.h"

/* Clients cannot name it, or it would be a level. */
static bool has_unfit(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (c < ' ' || c == 0x7f || c == '/')
			return true;
	}
	return false;
}

/* "&...-" at the begin of `raw`, and its length; 0 if it is broken. A shift
 * behind another one would be one with it. */
static size_t take_shift(struct str raw, struct buf *out)
{
	size_t start = out->len;
	ptrdiff_t end = str_find_char(raw, '-');
	struct str behind;

	if (end < 0)
		return 0;
	behind = str_from(raw, (size_t)end + 1);
	if ((end == 1 || !str_starts(behind, "&") ||
	     str_starts(behind, "&-")) &&
	    utf7_decode(str_n(raw.data, (size_t)end + 1), out) &&
	    !has_unfit(str_n(out->data + start, out->len - start)))
		return (size_t)end + 1;
	buf_truncate(out, start);
	return 0;
}

/* One character at the begin of `raw`, and its length; 0 if it is broken. */
static size_t take(const struct location *location, struct str raw,
		   struct buf *out)
{
	unsigned char c = (unsigned char)raw.data[0];
	uint32_t code;
	size_t len = 1;

	if (c < ' ' || c == 0x7f || c == (unsigned char)location->broken_char)
		return 0;
	if (c == '&' && !location->utf8)
		return take_shift(raw, out);
	if (c >= 0x80)
		len = location->utf8 ? utf8_get(raw, &code) : 0;
	buf_append(out, raw.data, len);
	return len;
}

void layout_broken_decode(const struct location *location, struct str raw,
			  struct buf *out)
{
	while (raw.len > 0) {
		size_t len = take(location, raw, out);

		if (len == 0) {
			buf_putc(out, location->broken_char);
			hex_encode(str_n(raw.data, 1), out);
			len = 1;
		}
		raw = str_from(raw, len);
	}
}

static bool put_plain(const struct location *location, struct str text,
		      struct buf *out)
{
	if (!location->utf8)
		return utf7_encode(text, out);
	buf_add_str(out, text);
	return true;
}

bool layout_broken_encode(const struct location *location, struct str name,
			  struct buf *out)
{
	CLEANUP(buf_free) struct buf back = buf_init(out->max);
	size_t start = out->len;
	struct str rest = name;

	while (rest.len > 0) {
		ptrdiff_t at = str_find_char(rest, location->broken_char);
		struct str plain = at < 0 ? rest : str_n(rest.data, (size_t)at);

		if (!put_plain(location, plain, out))
			return false;
		if (at < 0)
			break;
		rest = str_from(rest, (size_t)at + 1);
		if (rest.len < 2 || !hex_decode(str_n(rest.data, 2), out))
			return false;
		rest = str_from(rest, 2);
	}
	rest = str_n(out->data + start, out->len - start);
	if (memchr(rest.data, '\0', rest.len) != NULL ||
	    memchr(rest.data, '\n', rest.len) != NULL)
		return false;
	layout_broken_decode(location, rest, &back);
	return !back.overflow && str_equal(name, str_n(back.data, back.len));
}
