/* SPDX-License-Identifier: MIT */
/*
 * proto/pop3_text.c - mails as RETR and TOP send them: lines end with CRLF, a
 * dot at the begin of one is doubled (RFC 1939 section 3), and TOP ends after
 * some lines of the body. All in one walk: the octets of a mail are looked at
 * and copied once.
 */
#include <string.h>

#include "proto/pop3.h"

static char *put(const struct pop3_text *text, const char *from, size_t len,
		 char *to)
{
	memcpy(to, from, len);
	for (size_t i = 0; text->no_nuls && i < len; i++) {
		if (to[i] == '\0')
			to[i] = '\x80';
	}
	return to + len;
}

/* The end of a line decides what follows. */
static void end_line(struct pop3_text *text, bool empty)
{
	if (!text->in_body)
		text->in_body = empty;
	else if (text->lines != UINT64_MAX)
		text->lines--;
	text->done = text->in_body && text->lines == 0;
}

size_t pop3_text_put(struct pop3_text *text, struct str in, char *to)
{
	const char *at = in.data, *end = in.data + in.len, *start = to;

	while (at < end && !text->done) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((newline == NULL ? end : newline) - at);
		bool starts = !text->mid_line;
		bool cr = len > 0 ? at[len - 1] == '\r' : text->cr;
		bool only_cr = cr && (starts ? len == 1
					     : len == 0 && text->only_cr);

		if (starts && *at == '.') {
			*to++ = '.';
			text->dots++;
		}
		to = put(text, at, len, to);
		at += len;
		text->mid_line = newline == NULL;
		text->cr = newline == NULL && cr;
		text->only_cr = only_cr;
		if (newline == NULL)
			break;
		if (!cr)
			*to++ = '\r';
		*to++ = '\n';
		at++;
		end_line(text, only_cr || (starts && len == 0));
	}
	text->size += (uint64_t)(to - start);
	return (size_t)(to - start);
}

struct str pop3_text_end(const struct pop3_text *text)
{
	bool eoh = text->end_of_header && !text->in_body;

	if (text->size > 0 && !text->mid_line)
		return eoh ? STR("\r\n") : STR("");
	return eoh ? STR("\r\n\r\n") : STR("\r\n");
}
