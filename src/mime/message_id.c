/* SPDX-License-Identifier: MIT */
#include "mime/message_id.h"

#include "base/buf.h"
#include "mime/lex.h"

/* What may stand in an id and means nothing. */
static size_t plain_len(struct str s)
{
	size_t len = 0;

	while (len < s.len && strchr("<>()\"@ \t\r\n", s.data[len]) == NULL)
		len++;
	return len;
}

/* Some of an id: text, a comment or a string. False: something does not end, so
 * that nothing behind it can be an id. */
static bool take_some(struct lex *lex, struct buf *out, bool *at_out)
{
	size_t len = plain_len(lex->rest);
	char c = lex_peek(lex);

	if (len > 0) {
		buf_append(out, lex->rest.data, len);
		lex->rest = str_from(lex->rest, len);
		return true;
	}
	if (c == '(')
		return lex_skip(lex);
	if (c == '"')
		return lex_quoted(lex, out);
	lex_drop(lex);
	if (c == '@')
		*at_out = true;
	if (c == '@' || c == ')')
		buf_putc(out, c);
	return true;
}

/* From the next '<' on; false if there is none. */
static bool find_start(struct lex *lex, struct buf *out)
{
	ptrdiff_t at = str_find_char(lex->rest, '<');

	if (at < 0)
		return false;
	lex->rest = str_from(lex->rest, (size_t)at + 1);
	buf_reset(out);
	return true;
}

bool message_id_next(struct str *rest, struct buf *out)
{
	struct lex lex = {.rest = *rest};
	bool at = false;

	*rest = STR("");
	if (!find_start(&lex, out))
		return false;
	while (lex.rest.len > 0) {
		char c = lex_peek(&lex);

		if (c == '>' && at && !out->overflow) {
			*rest = str_from(lex.rest, 1);
			return true;
		}
		if (c == '<' || c == '>') { /* it was none */
			at = false;
			if (!find_start(&lex, out))
				return false;
		} else if (!take_some(&lex, out, &at)) {
			return false;
		}
	}
	return false;
}
