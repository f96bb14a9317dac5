/* SPDX-License-Identifier: MIT */
/*
 * proto/imap_write.c - strings as RFC 3501 section 4.3 writes them.
 */
#include "proto/imap.h"

#include "base/buf.h"

enum form { FORM_ATOM, FORM_QUOTED, FORM_LITERAL };

static enum form form_of_char(unsigned char c)
{
	if (c >= 0x80 || c == '\0' || c == '\r' || c == '\n')
		return FORM_LITERAL;
	if (c <= ' ' || c == 0x7f || strchr("(){%*\"\\", c) != NULL)
		return FORM_QUOTED;
	return FORM_ATOM;
}

static enum form form_of(struct str value)
{
	enum form form = FORM_ATOM;

	if (value.len == 0 || str_case_is(value, "NIL"))
		form = FORM_QUOTED;
	for (size_t i = 0; i < value.len && form != FORM_LITERAL; i++) {
		enum form one = form_of_char(value.data[i]);

		if (one > form)
			form = one;
	}
	return form;
}

static void write_string(struct buf *out, struct str value, enum form form)
{
	if (form == FORM_LITERAL) {
		buf_printf(out, "{%zu}\r\n", value.len);
		buf_add_str(out, value);
	} else {
		buf_add_quoted(out, value);
	}
}

void imap_write_astring(struct buf *out, struct str value)
{
	enum form form = form_of(value);

	if (form == FORM_ATOM)
		buf_add_str(out, value);
	else
		write_string(out, value, form);
}

void imap_write_nstring(struct buf *out, struct str value)
{
	if (value.data == NULL)
		buf_add(out, "NIL");
	else
		write_string(out, value, form_of(value));
}
