/* SPDX-License-Identifier: MIT */
#include "proto/pop3.h"

#include <string.h>

#include "base/buf.h"

/* command lines */

static struct str skip_blanks(struct str s)
{
	while (s.len > 0 && s.data[0] == ' ')
		s = str_from(s, 1);
	return s;
}

enum pop3_parse pop3_line_next(struct str in, size_t max_line,
			       struct pop3_line *out, size_t *used_out)
{
	size_t seen = in.len < max_line ? in.len : max_line;
	const char *newline = seen == 0 ? NULL : memchr(in.data, '\n', seen);
	const char *nul;
	struct str line;
	ptrdiff_t blank;

	if (newline == NULL)
		return seen < max_line ? POP3_PARSE_MORE : POP3_PARSE_TOO_LONG;
	line = str_n(in.data, (size_t)(newline - in.data));
	*used_out = line.len + 1;
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	nul = line.len == 0 ? NULL : memchr(line.data, '\0', line.len);
	if (nul != NULL)
		line.len = (size_t)(nul - line.data);
	blank = str_find_char(line, ' ');
	if (blank < 0)
		blank = (ptrdiff_t)line.len;
	out->name = str_n(line.data, (size_t)blank);
	out->text = str_from(line, (size_t)blank);
	if (out->text.len > 0)
		out->text = str_from(out->text, 1);
	out->args = skip_blanks(out->text);
	return POP3_PARSE_LINE;
}

/* numbers; the words are Dovecot's */

static bool complain(struct buf *problem, const char *what, struct str about)
{
	buf_add(problem, what);
	buf_add(problem, ": ");
	buf_add_str(problem, about);
	return false;
}

/* Digits at the start, which are taken off; 0: there are none, -1: too many. */
static int take_number(struct str *in, uint64_t *out)
{
	size_t digits = 0;

	while (digits < in->len && in->data[digits] >= '0' &&
	       in->data[digits] <= '9')
		digits++;
	if (digits == 0)
		return 0;
	if (!str_to_u64(str_n(in->data, digits), out))
		return -1;
	*in = str_from(*in, digits);
	return 1;
}

bool pop3_message_number(struct str *args, uint32_t *out, struct buf *problem)
{
	uint64_t number;
	int found = take_number(args, &number);

	if (found == 0)
		return complain(problem, "Invalid message number", *args);
	if (found < 0 || number > UINT32_MAX)
		return complain(problem, "Message number too large", *args);
	*out = (uint32_t)number;
	return true;
}

bool pop3_line_count(struct str args, uint64_t *out, struct buf *problem)
{
	int found;

	args = skip_blanks(args);
	found = take_number(&args, out);
	if (found == 0)
		return complain(problem, "Invalid size", args);
	if (found < 0)
		return complain(problem, "Size too large", args);
	if (args.len > 0)
		return complain(problem, "Noise after size", args);
	return true;
}

/* answers */

void pop3_write_capabilities(struct buf *out)
{
	buf_add(out, "CAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\n"
		     "AUTH-RESP-CODE\r\nUTF8\r\nLANG\r\n");
}

void pop3_lang(struct str args, struct buf *out)
{
	if (args.len == 0)
		buf_add(out, "+OK Language listing follows:\r\n"
			     "en English\r\ni-default English\r\n.\r\n");
	else if (str_case_is(args, "en"))
		buf_add(out, "+OK en Language is English\r\n");
	else if (str_case_is(args, "*") || str_case_is(args, "i-default"))
		buf_add(out, "+OK i-default Language is English\r\n");
	else
		buf_add(out, "-ERR There is no such language\r\n");
}
