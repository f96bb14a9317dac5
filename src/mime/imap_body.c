/* SPDX-License-Identifier: MIT */
/*
 * mime/imap_body.c - BODY from BODYSTRUCTURE: the same, but for what stands
 * behind the fields that BODY has (RFC 3501 section 9, body-ext-*).
 */
#include "base/buf.h"
#include "mime/imap.h"

enum { MAX_DEPTH = 1000 };

struct scan {
	struct str rest;
	struct buf *out;
	unsigned depth;
};

/* A quoted string at the start; 0 when it does not end. */
static size_t quoted_len(struct str text)
{
	for (size_t i = 1; i < text.len; i++) {
		if (text.data[i] == '\\')
			i++;
		else if (text.data[i] == '"')
			return i + 1;
	}
	return 0;
}

/* "{3}\r\nabc" */
static size_t literal_len(struct str text)
{
	ptrdiff_t close = str_find_char(text, '}');
	uint64_t size;

	if (close < 1 || !str_to_u64(str_n(text.data + 1, close - 1), &size) ||
	    text.len - close < 3 || size > text.len - close - 3)
		return 0;
	return close + 3 + size;
}

/* A string, a number or NIL. */
static size_t word_len(struct str text)
{
	size_t len = 0;

	if (text.len == 0)
		return 0;
	if (text.data[0] == '"')
		return quoted_len(text);
	if (text.data[0] == '{')
		return literal_len(text);
	while (len < text.len && strchr(" ()\"{", text.data[len]) == NULL)
		len++;
	return len;
}

static bool take_char(struct scan *scan, char c, bool keep)
{
	if (scan->rest.len == 0 || scan->rest.data[0] != c)
		return false;
	if (keep)
		buf_putc(scan->out, c);
	scan->rest = str_from(scan->rest, 1);
	return true;
}

/* A word, or a list with all that is in it. */
static bool take_item(struct scan *scan, bool keep)
{
	size_t depth = 0;

	do {
		if (scan->rest.len == 0)
			return false;
		if (take_char(scan, '(', keep)) {
			depth++;
		} else if (depth > 0 && take_char(scan, ')', keep)) {
			depth--;
		} else if (depth == 0 || !take_char(scan, ' ', keep)) {
			size_t len = word_len(scan->rest);

			if (len == 0)
				return false;
			if (keep)
				buf_append(scan->out, scan->rest.data, len);
			scan->rest = str_from(scan->rest, len);
		}
	} while (depth > 0);
	return true;
}

static bool take_items(struct scan *scan, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (!take_char(scan, ' ', true) || !take_item(scan, true))
			return false;
	}
	return true;
}

static bool word_is(struct str text, size_t len, const char *quoted)
{
	return str_case_is(str_n(text.data, len), quoted);
}

static bool take_body(struct scan *scan);

static bool take_single(struct scan *scan)
{
	struct str type = scan->rest, subtype;
	size_t type_len = word_len(type), subtype_len;

	if (!take_item(scan, true) || scan->rest.len == 0)
		return false;
	subtype = str_from(scan->rest, 1);
	subtype_len = word_len(subtype);
	if (!take_items(scan, 6))
		return false;
	if (word_is(type, type_len, "\"text\""))
		return take_items(scan, 1);
	if (!word_is(type, type_len, "\"message\"") ||
	    !word_is(subtype, subtype_len, "\"rfc822\""))
		return true;
	return take_items(scan, 1) && take_char(scan, ' ', true) &&
	       take_body(scan) && take_items(scan, 1);
}

static bool take_body(struct scan *scan)
{
	bool good;

	if (scan->depth == MAX_DEPTH || !take_char(scan, '(', true))
		return false;
	scan->depth++;
	if (scan->rest.len > 0 && scan->rest.data[0] == '(') {
		do {
			good = take_body(scan);
		} while (good && scan->rest.len > 0 &&
			 scan->rest.data[0] == '(');
		good = good && take_items(scan, 1);
	} else {
		good = take_single(scan);
	}
	scan->depth--;
	while (good && take_char(scan, ' ', false))
		good = take_item(scan, false);
	return good && take_char(scan, ')', true);
}

bool mime_body_of_structure(struct str structure, struct buf *out)
{
	struct scan scan = {.rest = structure, .out = out};

	return take_body(&scan) && scan.rest.len == 0;
}
