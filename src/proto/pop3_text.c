/* SPDX-License-Identifier: MIT */
/*
 * proto/pop3_text.c - mails as RETR and TOP send them: a dot at the begin of a
 * line is doubled (RFC 1939 section 3), and TOP ends after some lines of the
 * body.
 *
 * The text of a whole mail is scanned for dots only; lines are looked at one
 * by one where that matters: in the header, and by TOP.
 */
#include <string.h>

#include "proto/pop3.h"

static void seen(struct pop3_text *text, const char *data, size_t len)
{
	if (len == 0)
		return;
	text->last = data[len - 1];
	text->mid_line = text->last != '\n';
	text->only_cr = false;
}

/* A line, or as much of it as there is; its end decides what follows. */
static void seen_line(struct pop3_text *text, const char *data, size_t len)
{
	bool starts = !text->mid_line, only_cr = text->only_cr;
	bool ends = data[len - 1] == '\n';
	bool empty = ends && ((starts && len == 1) ||
			      (starts && len == 2 && data[0] == '\r') ||
			      (only_cr && len == 1));

	seen(text, data, len);
	text->only_cr = starts && len == 1 && data[0] == '\r';
	if (!ends)
		return;
	if (!text->in_body)
		text->in_body = empty;
	else if (text->lines != UINT64_MAX)
		text->lines--;
	text->done = text->in_body && text->lines == 0;
}

static size_t up_to_nul(const struct pop3_text *text, const char *data,
			size_t len)
{
	const char *nul =
		text->no_nuls && len > 0 ? memchr(data, '\0', len) : NULL;

	return nul == NULL ? len : (size_t)(nul - data);
}

/* The first dot that begins a line, the first octet left aside; by memchr(),
 * which is several times as fast as memmem(). */
static size_t up_to_dot(struct str in)
{
	const char *at = in.data, *end = in.data + in.len, *dot;

	while ((dot = memchr(at, '.', (size_t)(end - at))) != NULL) {
		if (dot > in.data && dot[-1] == '\n')
			return (size_t)(dot - in.data);
		at = dot + 1;
	}
	return in.len;
}

static size_t take_body(struct pop3_text *text, struct str in)
{
	size_t len;

	if (!text->mid_line && in.data[0] == '.')
		return 0;
	len = up_to_nul(text, in.data, up_to_dot(in));
	seen(text, in.data, len);
	return len;
}

static size_t take_line(struct pop3_text *text, struct str in)
{
	const char *end;
	size_t len, whole;

	if (!text->mid_line && in.data[0] == '.')
		return 0;
	end = memchr(in.data, '\n', in.len);
	whole = end == NULL ? in.len : (size_t)(end + 1 - in.data);
	len = up_to_nul(text, in.data, whole);
	if (len > 0)
		seen_line(text, in.data, len);
	return len;
}

size_t pop3_text_take(struct pop3_text *text, struct str in)
{
	size_t used = 0, len;

	while (used < in.len && !text->done) {
		struct str rest = str_from(in, used);

		if (text->in_body && text->lines == UINT64_MAX)
			len = take_body(text, rest);
		else
			len = take_line(text, rest);
		if (len == 0)
			break;
		used += len;
	}
	return used;
}

struct str pop3_text_change(struct pop3_text *text, char c)
{
	text->last = c;
	text->mid_line = true;
	text->only_cr = false;
	return c == '.' ? STR("..") : STR("\x80");
}

struct str pop3_text_end(const struct pop3_text *text)
{
	bool eoh = text->end_of_header && !text->in_body;

	if (text->last == '\n')
		return eoh ? STR("\r\n") : STR("");
	return eoh ? STR("\r\n\r\n") : STR("\r\n");
}
