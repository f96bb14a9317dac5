/* SPDX-License-Identifier: MIT */
/*
 * mime/header_encode.c - text into a field's value: encoded words (RFC 2047)
 * where it is not ASCII, each short enough, none with half a character.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "mime/header.h"

enum { WORD_OCTETS = 45 };

static bool is_plain(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = text.data[i];

		if (c < ' ' || c >= 0x7f)
			return false;
	}
	return str_find(text, STR("=?")) < 0;
}

/* As much as fits into one word. */
static size_t piece(struct str text)
{
	size_t len = text.len < WORD_OCTETS ? text.len : WORD_OCTETS;

	while (len > 0 && len < text.len &&
	       ((unsigned char)text.data[len] & 0xc0) == 0x80)
		len--;
	return len > 0 ? len : text.len < WORD_OCTETS ? text.len : WORD_OCTETS;
}

static void clean(struct str text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = text.data[i];

		if (c == '\r' ||
		    (c == '\n' && i > 0 && text.data[i - 1] == '\r'))
			continue;
		buf_putc(out, c < ' ' || c == 0x7f ? ' ' : (char)c);
	}
}

void header_encode(struct str utf8, struct buf *out)
{
	CLEANUP(buf_free) struct buf text = buf_init(utf8.len + 1);
	struct str rest;
	bool first = true;

	clean(utf8, &text);
	rest = str_n(text.data, text.len);
	if (is_plain(rest)) {
		buf_add_str(out, rest);
		return;
	}
	while (rest.len > 0) {
		size_t len = piece(rest);

		if (!first)
			buf_add(out, "\n ");
		first = false;
		buf_add(out, "=?utf-8?b?");
		base64_encode(str_n(rest.data, len), out);
		buf_add(out, "?=");
		rest = str_from(rest, len);
	}
}
