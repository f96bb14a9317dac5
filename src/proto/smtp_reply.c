/* SPDX-License-Identifier: MIT */
/*
 * proto/smtp_reply.c - replies, as a client reads them (RFC 5321 section 4.2).
 * A bare LF ends a line too: nothing is smuggled in a reply.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "proto/smtp.h"

enum { REPLY_LINE_MAX = 4096, REPLY_MAX = 64 * 1024 };

struct smtp_replies {
	struct buf line, text;
	unsigned code; /* of the lines so far; 0: none */
	bool taken;
};

static int replies_free(struct smtp_replies *replies)
{
	buf_free(&replies->line);
	buf_free(&replies->text);
	return 0;
}

struct smtp_replies *smtp_replies_new(const void *ctx)
{
	struct smtp_replies *replies = mem_new(ctx, struct smtp_replies);

	replies->line = buf_init(REPLY_LINE_MAX);
	replies->text = buf_init(REPLY_MAX);
	talloc_set_destructor(replies, replies_free);
	return replies;
}

/* "250-text", "250 text", "250": its code; 0 if it is none of them. */
static unsigned take_line(struct smtp_replies *replies, bool *last_out)
{
	struct str line = str_n(replies->line.data, replies->line.len);
	unsigned code;

	while (line.len > 0 && (line.data[line.len - 1] == '\n' ||
				line.data[line.len - 1] == '\r'))
		line.len--;
	if (line.len < 3 || !str_to_unsigned(str_n(line.data, 3), &code) ||
	    code < 200 || code > 599 ||
	    (line.len > 3 && line.data[3] != ' ' && line.data[3] != '-'))
		return 0;
	*last_out = line.len == 3 || line.data[3] == ' ';
	if (replies->code != 0)
		buf_putc(&replies->text, '\n');
	for (size_t i = 4; i < line.len; i++) {
		unsigned char c = line.data[i];

		buf_putc(&replies->text, c < ' ' || c == 0x7f ? '?' : (char)c);
	}
	return code;
}

enum smtp_parse smtp_replies_feed(struct smtp_replies *replies, struct str in,
				  size_t *used_out, struct smtp_reply *out)
{
	const char *newline =
		in.len == 0 ? NULL : memchr(in.data, '\n', in.len);
	size_t len = newline == NULL ? in.len : (size_t)(newline - in.data) + 1;
	bool last = false;
	unsigned code;

	if (replies->taken) {
		buf_reset(&replies->text);
		replies->code = 0;
		replies->taken = false;
	}
	buf_append(&replies->line, in.data, len);
	*used_out = len;
	if (replies->line.overflow)
		return SMTP_PARSE_TOO_LONG;
	if (newline == NULL)
		return SMTP_PARSE_MORE;
	code = take_line(replies, &last);
	buf_reset(&replies->line);
	if (code == 0 || (replies->code != 0 && code != replies->code))
		return SMTP_PARSE_BAD;
	if (replies->text.overflow)
		return SMTP_PARSE_TOO_LONG;
	replies->code = code;
	if (!last)
		return SMTP_PARSE_MORE;
	replies->taken = true;
	*out = (struct smtp_reply){.code = code, .text = replies->text.data};
	return SMTP_PARSE_LINE;
}

/* "5.1.1 text" (RFC 3463): how long the status is; 0 if there is none. */
size_t smtp_status_length(const char *text)
{
	size_t len = 0, digits = 0, dots = 0;

	for (; text[len] != '\0' && text[len] != ' '; len++) {
		if (text[len] >= '0' && text[len] <= '9' && digits < 3) {
			digits++;
		} else if (text[len] == '.' && digits > 0 && dots < 2) {
			dots++;
			digits = 0;
		} else {
			return 0;
		}
	}
	return dots == 2 && digits > 0 && text[0] >= '2' && text[0] <= '5' &&
			       text[1] == '.'
		       ? len
		       : 0;
}
