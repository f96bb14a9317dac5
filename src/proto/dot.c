/* SPDX-License-Identifier: MIT */
/*
 * proto/dot.c - undo dot-stuffing of SMTP and LMTP data (RFC 5321 section
 * 4.5.2). Only CRLF ends a line: were a bare LF enough, "\n.\n" could end a
 * mail early and smuggle in another one (RFC 5321 section 2.3.8).
 */
#include "base/buf.h"
#include "proto/smtp.h"

static enum dot_state end_of_line(const struct dot *dot, struct buf *out)
{
	if (dot->keep_crlf)
		buf_append(out, "\r\n", 2);
	else
		buf_putc(out, '\n');
	return DOT_LINE_START;
}

static enum dot_state text(char c, struct buf *out)
{
	if (c == '\r')
		return DOT_CR; /* written when it is clear what follows */
	buf_putc(out, c);
	return DOT_TEXT;
}

static enum dot_state step(const struct dot *dot, char c, struct buf *out)
{
	switch (dot->state) {
	case DOT_LINE_START:
		return c == '.' ? DOT_DOT : text(c, out);
	case DOT_TEXT:
		return text(c, out);
	case DOT_CR:
		if (c == '\n')
			return end_of_line(dot, out);
		buf_putc(out, '\r');
		return text(c, out);
	case DOT_DOT:
		if (c == '\r')
			return DOT_DOT_CR;
		/* The first dot of a line is not part of it. */
		return text(c, out);
	case DOT_DOT_CR:
		if (c == '\n')
			return DOT_END;
		buf_putc(out, '\r'); /* it was text after all */
		return text(c, out);
	case DOT_END:
		break;
	}
	return DOT_END;
}

/* Whole lines without a dot or a bare CR in the way: as many as there are. */
static size_t copy_lines(const struct dot *dot, const char *in, size_t len,
			 struct buf *out)
{
	const char *at = in, *end = in + len;

	while (at < end && *at != '.') {
		const char *newline = memchr(at, '\n', end - at);
		size_t size;

		if (newline == NULL || newline == at || newline[-1] != '\r')
			break;
		size = newline - at - 1;
		if (memchr(at, '\r', size) != NULL)
			break;
		buf_append(out, at, dot->keep_crlf ? size + 2 : size);
		if (!dot->keep_crlf)
			buf_putc(out, '\n');
		at = newline + 1;
	}
	return at - in;
}

/* Up to where a line may end. */
static size_t copy_text(const char *in, size_t len, struct buf *out)
{
	const char *cr = memchr(in, '\r', len);

	if (cr != NULL)
		len = cr - in;
	buf_append(out, in, len);
	return len;
}

size_t dot_feed(struct dot *dot, const char *in, size_t len, struct buf *out)
{
	size_t used = 0;

	while (used < len && dot->state != DOT_END) {
		if (dot->state == DOT_LINE_START) {
			used += copy_lines(dot, in + used, len - used, out);
			if (used == len)
				break;
		} else if (dot->state == DOT_TEXT) {
			used += copy_text(in + used, len - used, out);
			if (used == len)
				break;
		}
		dot->state = step(dot, in[used++], out);
	}
	return used;
}
