/* SPDX-License-Identifier: MIT */
#include "mime/lex.h"

#include "base/buf.h"

enum { ATOM = 1, TOKEN = 2, BOTH = ATOM | TOKEN };

/* What a character may be part of; 8-bit ones may be of anything. */
static const unsigned char classes[256] = {
	['!'] = BOTH,
	['#' ... '\''] = BOTH,
	['*'] = BOTH,
	['+'] = BOTH,
	['-'] = BOTH,
	['.'] = TOKEN,
	['/'] = ATOM,
	['0' ... '9'] = BOTH,
	['='] = ATOM,
	['?'] = ATOM,
	['A' ... 'Z'] = BOTH,
	['^' ... '~'] = BOTH,
	[0x80 ... 0xff] = BOTH,
};

static unsigned char_class(char c)
{
	return classes[(unsigned char)c];
}

/* Up to the first CR or LF. */
static size_t line_len(struct str text)
{
	const char *newline = memchr(text.data, '\n', text.len);
	size_t len = newline == NULL ? text.len : (size_t)(newline - text.data);
	const char *cr = memchr(text.data, '\r', len);

	return cr == NULL ? len : (size_t)(cr - text.data);
}

struct str lex_flat(struct str value, struct buf *scratch)
{
	size_t len;

	while (value.len > 0 && (value.data[0] == ' ' || value.data[0] == '\t'))
		value = str_from(value, 1);
	len = value.len == 0 ? 0 : line_len(value);
	if (len == value.len)
		return value;
	buf_reset(scratch);
	for (;;) {
		buf_append(scratch, value.data, len);
		value = str_from(value, len);
		if (value.len == 0)
			return str_n(scratch->data, scratch->len);
		if (value.data[0] == '\r' && value.len > 1 &&
		    value.data[1] != '\n')
			buf_putc(scratch, ' ');
		value = str_from(value, 1);
		len = value.len == 0 ? 0 : line_len(value);
	}
}

static bool skip_comment(struct lex *lex)
{
	const char *data = lex->rest.data;
	size_t depth = 0;

	for (size_t i = 0; i < lex->rest.len; i++) {
		if (data[i] == '\\') {
			i++;
		} else if (data[i] == '(') {
			depth++;
		} else if (data[i] == ')' && --depth == 0) {
			lex->comment = str_n(data + 1, i - 1);
			lex->rest = str_from(lex->rest, i + 1);
			return true;
		}
	}
	lex->rest = str_from(lex->rest, lex->rest.len);
	return false;
}

bool lex_skip(struct lex *lex)
{
	for (;;) {
		char c = lex_peek(lex);

		if (c == '(') {
			if (!skip_comment(lex))
				return false;
		} else if (c == ' ' || c == '\t') {
			lex_drop(lex);
		} else {
			return true;
		}
	}
}

struct str lex_atom(struct lex *lex, bool dots)
{
	struct str rest = lex->rest;
	size_t len = 0;

	while (len < rest.len && ((char_class(rest.data[len]) & ATOM) != 0 ||
				  (dots && rest.data[len] == '.')))
		len++;
	lex->rest = str_from(rest, len);
	return str_n(rest.data, len);
}

struct str lex_token(struct lex *lex)
{
	struct str rest = lex->rest;
	size_t len = 0;

	while (len < rest.len && (char_class(rest.data[len]) & TOKEN) != 0)
		len++;
	lex->rest = str_from(rest, len);
	return str_n(rest.data, len);
}

void lex_unescape(struct str text, struct buf *out)
{
	while (text.len > 0) {
		ptrdiff_t slash = str_find_char(text, '\\');

		if (slash < 0) {
			buf_add_str(out, text);
			return;
		}
		buf_append(out, text.data, slash);
		text = str_from(text, slash + 1);
		if (text.len > 0) {
			buf_putc(out, text.data[0]);
			text = str_from(text, 1);
		}
	}
}

bool lex_quoted(struct lex *lex, struct buf *out)
{
	struct str rest = str_from(lex->rest, 1);

	for (size_t i = 0; i < rest.len; i++) {
		if (rest.data[i] == '\\') {
			i++;
		} else if (rest.data[i] == '"') {
			lex_unescape(str_n(rest.data, i), out);
			lex->rest = str_from(rest, i + 1);
			return true;
		}
	}
	lex->rest = str_from(rest, rest.len);
	return false;
}

bool lex_domain_literal(struct lex *lex, struct buf *out)
{
	struct str rest = lex->rest;

	for (size_t i = 1; i < rest.len; i++) {
		if (rest.data[i] == '\\') {
			i++;
		} else if (rest.data[i] == ']') {
			buf_append(out, rest.data, i + 1);
			lex->rest = str_from(rest, i + 1);
			return true;
		} else if (rest.data[i] == '[') {
			break;
		}
	}
	lex->rest = str_from(rest, rest.len);
	return false;
}
