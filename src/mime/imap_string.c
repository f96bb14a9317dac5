/* SPDX-License-Identifier: MIT */
#include "mime/imap_string.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "mime/imap.h"
#include "mime/lex.h"

static bool needs_literal(struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = value.data[i];

		if (c >= 0x80 || c == '\0' || c == '\r' || c == '\n')
			return true;
	}
	return false;
}

static bool needs_escape(struct str value)
{
	return value.len > 0 && (memchr(value.data, '"', value.len) != NULL ||
				 memchr(value.data, '\\', value.len) != NULL);
}

/* IMAP has no NUL. */
static void write_without_nul(struct str value, struct buf *out)
{
	CLEANUP(buf_free) struct buf text = buf_init(SIZE_MAX);

	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] == '\0')
			buf_add(&text, "\xef\xbf\xbd");
		else
			buf_putc(&text, value.data[i]);
	}
	buf_printf(out, "{%zu}\r\n", text.len);
	buf_append(out, text.data, text.len);
}

void mime_nstring(struct str value, struct buf *out)
{
	if (value.data == NULL) {
		buf_append(out, "NIL", 3);
		return;
	}
	if (value.len > 0 && memchr(value.data, '\0', value.len) != NULL) {
		write_without_nul(value, out);
		return;
	}
	if (needs_literal(value)) {
		buf_printf(out, "{%zu}\r\n", value.len);
		buf_add_str(out, value);
		return;
	}
	buf_putc(out, '"');
	if (!needs_escape(value)) {
		buf_add_str(out, value);
	} else {
		for (size_t i = 0; i < value.len; i++) {
			char c = value.data[i];

			if (c == '"' || c == '\\')
				buf_putc(out, '\\');
			buf_putc(out, c);
		}
	}
	buf_putc(out, '"');
}

void imap_string_field(struct str value, struct buf *scratch, struct buf *out)
{
	if (value.data != NULL)
		value = lex_flat(value, scratch);
	mime_nstring(value, out);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_tidy(struct str value)
{
	if (memchr(value.data, '\t', value.len) != NULL ||
	    is_blank(value.data[0]) || is_blank(value.data[value.len - 1]))
		return false;
	return memmem(value.data, value.len, "  ", 2) == NULL;
}

void imap_string_words(struct str value, struct buf *scratch, struct buf *out)
{
	CLEANUP(buf_free) struct buf words = buf_init(SIZE_MAX);

	if (value.data != NULL)
		value = lex_flat(value, scratch);
	if (value.len == 0 || is_tidy(value)) {
		mime_nstring(value, out);
		return;
	}
	for (size_t i = 0; i < value.len; i++) {
		if (!is_blank(value.data[i]))
			buf_putc(&words, value.data[i]);
		else if (words.len > 0 && i + 1 < value.len &&
			 !is_blank(value.data[i + 1]))
			buf_putc(&words, ' ');
	}
	mime_nstring(str_n(words.data, words.len), out);
}
