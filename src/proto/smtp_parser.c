/* SPDX-License-Identifier: MIT */
/*
 * proto/smtp_parser.c - command lines (RFC 5321 section 4.1.1).
 *
 * A line that ends with a bare LF is refused, and so is one with a bare CR in
 * it: were it taken, two servers could see different commands.
 */
#include "proto/smtp.h"

#include "base/buf.h"
#include "base/mem.h"

struct smtp_parser {
	struct buf line;
	size_t max_line;
	bool taken;    /* the line was given to the caller */
	bool too_long; /* skip up to its end */
};

static int parser_free(struct smtp_parser *parser)
{
	buf_wipe_free(&parser->line);
	return 0;
}

struct smtp_parser *smtp_parser_new(const void *ctx, size_t max_line)
{
	struct smtp_parser *parser = mem_new(ctx, struct smtp_parser);

	parser->max_line = max_line;
	parser->line = buf_init(max_line);
	talloc_set_destructor(parser, parser_free);
	return parser;
}

void smtp_parser_reset(struct smtp_parser *parser)
{
	if (parser->line.cap > 0)
		mem_wipe(parser->line.data, parser->line.cap);
	buf_reset(&parser->line);
	parser->taken = parser->too_long = false;
}

static enum smtp_parse split_line(const struct buf *line, struct smtp_line *out)
{
	struct str text = str_n(line->data, line->len - 1);
	ptrdiff_t blank;

	if (text.len == 0 || text.data[text.len - 1] != '\r')
		return SMTP_PARSE_BAD;
	text.len--;
	if (text.len > 0 && (memchr(text.data, '\r', text.len) != NULL ||
			     memchr(text.data, '\0', text.len) != NULL))
		return SMTP_PARSE_BAD;
	blank = str_find_char(text, ' ');
	if (blank < 0)
		blank = (ptrdiff_t)text.len;
	out->verb = str_n(text.data, blank);
	out->args = str_trim(str_from(text, blank));
	/* A blank in front of a path is an error of its own. */
	if (out->args.len > 0)
		out->args = str_n(text.data + blank + 1,
				  out->args.data + out->args.len - text.data -
					  blank - 1);
	return SMTP_PARSE_LINE;
}

enum smtp_parse smtp_parser_feed(struct smtp_parser *parser, struct str in,
				 size_t *used_out, struct smtp_line *out)
{
	const char *newline =
		in.len == 0 ? NULL : memchr(in.data, '\n', in.len);
	size_t len = newline == NULL ? in.len : (size_t)(newline - in.data) + 1;

	if (parser->taken)
		smtp_parser_reset(parser);
	if (!parser->too_long)
		buf_append(&parser->line, in.data, len);
	if (parser->line.overflow)
		parser->too_long = true;
	*used_out = len;
	if (newline == NULL)
		return SMTP_PARSE_MORE;
	parser->taken = true;
	if (parser->too_long)
		return SMTP_PARSE_TOO_LONG;
	return split_line(&parser->line, out);
}
