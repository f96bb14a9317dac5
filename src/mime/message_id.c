/* SPDX-License-Identifier: MIT */
#include "mime/message_id.h"

#include "base/buf.h"
#include "mime/lex.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* One character, or a comment or string, of an id. False: something does not
 * end, so that nothing behind it can be an id. */
static bool take_some(struct lex *lex, struct buf *out, bool *at_out)
{
	char c = lex_peek(lex);

	if (c == '(')
		return lex_skip(lex);
	if (c == '"')
		return lex_quoted(lex, out);
	lex_drop(lex);
	if (c == '@')
		*at_out = true;
	if (!is_blank(c))
		buf_putc(out, c);
	return true;
}

bool message_id_next(struct str *rest, struct buf *out)
{
	struct lex lex = {.rest = *rest};
	bool inside = false, at = false;

	while (lex.rest.len > 0) {
		char c = lex_peek(&lex);

		if (c == '<') {
			inside = true;
			at = false;
			buf_reset(out);
			lex_drop(&lex);
		} else if (c == '>' && inside && at) {
			lex_drop(&lex);
			inside = false;
			if (out->overflow)
				continue; /* too long to be one */
			*rest = lex.rest;
			return true;
		} else if (c == '>' || !inside) {
			inside = false;
			lex_drop(&lex);
		} else if (!take_some(&lex, out, &at)) {
			break;
		}
	}
	*rest = STR("");
	return false;
}
