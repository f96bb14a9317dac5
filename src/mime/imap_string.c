/* SPDX-License-Identifier: MIT */
#include "mime/imap_string.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "mime/imap.h"
#include "mime/lex.h"

/* What an octet asks for; of several, the greatest counts. */
enum form {
	FORM_QUOTED = 0,
	FORM_ESCAPED = 1,
	FORM_LITERAL = 2,
	FORM_NUL = 4,
};

static const unsigned char forms[256] = {
	['\0'] = FORM_NUL,     ['\r'] = FORM_LITERAL,
	['\n'] = FORM_LITERAL, ['"'] = FORM_ESCAPED,
	['\\'] = FORM_ESCAPED, [0x80 ... 0xff] = FORM_LITERAL,
};

/* The least form in which all of it can be sent. No octet is guessed: text goes
 * to and fro between its kinds. */
static enum form form_of(struct str value)
{
	unsigned seen = 0;

	for (size_t i = 0; i < value.len; i++)
		seen |= forms[(unsigned char)value.data[i]];
	if ((seen & FORM_NUL) != 0)
		return FORM_NUL;
	return (seen & FORM_LITERAL) != 0 ? FORM_LITERAL : (enum form)seen;
}

static void write_literal(struct str value, struct buf *out)
{
	buf_putc(out, '{');
	buf_number(out, value.len);
	buf_append(out, "}\r\n", 3);
	buf_add_str(out, value);
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
	write_literal(str_n(text.data, text.len), out);
}

static void write_escaped(struct str value, struct buf *out)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.data[i];

		if (c == '"' || c == '\\')
			buf_putc(out, '\\');
		buf_putc(out, c);
	}
}

void mime_nstring(struct str value, struct buf *out)
{
	enum form form;

	if (value.data == NULL) {
		buf_append(out, "NIL", 3);
		return;
	}
	form = form_of(value);
	if (form == FORM_NUL) {
		write_without_nul(value, out);
		return;
	}
	if (form == FORM_LITERAL) {
		write_literal(value, out);
		return;
	}
	buf_putc(out, '"');
	if (form == FORM_QUOTED)
		buf_add_str(out, value);
	else
		write_escaped(value, out);
	buf_putc(out, '"');
}

void imap_string_field(struct str value, struct buf *scratch, struct buf *out)
{
	if (value.data != NULL)
		value = lex_flat(value, scratch);
	mime_nstring(value, out);
}

static bool is_tidy(struct str value)
{
	if (memchr(value.data, '\t', value.len) != NULL ||
	    ascii_is_blank(value.data[0]) ||
	    ascii_is_blank(value.data[value.len - 1]))
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
		if (!ascii_is_blank(value.data[i]))
			buf_putc(&words, value.data[i]);
		else if (words.len > 0 && i + 1 < value.len &&
			 !ascii_is_blank(value.data[i + 1]))
			buf_putc(&words, ' ');
	}
	mime_nstring(str_n(words.data, words.len), out);
}
