/* SPDX-License-Identifier: MIT */
/*
 * proto/dot_out.c - dot-stuffing (RFC 5321 section 4.5.2). What leaves has no
 * bare CR and no bare LF, whatever came in: no server behind us can see another
 * end of the mail than we do.
 */
#include "base/buf.h"
#include "proto/smtp.h"

/* Up to where something must be done. */
static size_t plain_length(const char *in, size_t len)
{
	const char *newline = memchr(in, '\n', len), *cr;

	if (newline != NULL)
		len = newline - in;
	cr = memchr(in, '\r', len);
	return cr == NULL ? len : (size_t)(cr - in);
}

void dot_write(struct dot_out *dot, const char *in, size_t len, struct buf *out)
{
	size_t at = 0;

	while (at < len) {
		size_t plain;

		if (dot->cr && in[at] != '\n')
			buf_putc(out, ' ');
		dot->cr = in[at] == '\r';
		if (dot->cr) {
			dot->in_line = true;
			at++;
			continue;
		}
		if (in[at] == '\n') {
			buf_append(out, "\r\n", 2);
			dot->in_line = false;
			at++;
			continue;
		}
		if (in[at] == '.' && !dot->in_line)
			buf_putc(out, '.');
		plain = plain_length(in + at, len - at);
		buf_append(out, in + at, plain);
		dot->in_line = true;
		at += plain;
	}
}

void dot_end(struct dot_out *dot, struct buf *out)
{
	if (dot->cr)
		buf_putc(out, ' ');
	if (dot->in_line)
		buf_append(out, "\r\n", 2);
	buf_append(out, ".\r\n", 3);
	*dot = (struct dot_out){0};
}
