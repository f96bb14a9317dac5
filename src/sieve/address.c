/* SPDX-License-Identifier: MIT */
/*
 * sieve/address.c - addresses as SMTP writes them (RFC 5321 section 4.1.2).
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "sieve/message.h"

static bool is_atext(char c)
{
	return (unsigned char)c >= 0x80 ||
	       (c > ' ' && c < 0x7f && strchr("()<>[]:;@\\,.\"", c) == NULL);
}

/* Atoms with single dots between; takes them off *in. */
static bool take_dot_atom(struct str *in, struct str *out)
{
	size_t len = 0;

	while (len < in->len &&
	       (is_atext(in->data[len]) ||
		(in->data[len] == '.' && len > 0 && in->data[len - 1] != '.')))
		len++;
	*out = str_n(in->data, len);
	*in = str_from(*in, len);
	return len > 0 && out->data[len - 1] != '.';
}

static bool take_quoted(struct str *in, struct buf *out)
{
	for (size_t i = 1; i < in->len; i++) {
		char c = in->data[i];

		if (c == '"') {
			*in = str_from(*in, i + 1);
			return true;
		}
		if (c == '\\' && ++i < in->len)
			c = in->data[i];
		if ((unsigned char)c < ' ' && c != '\t')
			return false;
		buf_putc(out, c);
	}
	return false;
}

static bool take_domain(struct str *in)
{
	struct str atom;

	if (in->len > 0 && in->data[0] == '[') {
		ptrdiff_t end = str_find_char(*in, ']');

		if (end < 2)
			return false;
		*in = str_from(*in, (size_t)end + 1);
		return true;
	}
	return take_dot_atom(in, &atom);
}

static bool take_local(const void *ctx, struct str *in,
		       struct sieve_address *out)
{
	CLEANUP(buf_free) struct buf local = buf_init(1000);
	struct str atom;

	if (in->len > 0 && in->data[0] == '"') {
		if (!take_quoted(in, &local) || local.overflow)
			return false;
		atom = str_n(local.data, local.len);
	} else if (!take_dot_atom(in, &atom)) {
		return false;
	}
	out->local = str_n(str_dup(ctx, atom), atom.len);
	return true;
}

bool sieve_address_parse(const void *ctx, struct str text, bool null,
			 struct sieve_address *out)
{
	struct str rest = str_trim(text), domain;

	*out = (struct sieve_address){0};
	if (rest.len >= 2 && rest.data[0] == '<' &&
	    rest.data[rest.len - 1] == '>')
		rest = str_n(rest.data + 1, rest.len - 2);
	out->all = str_n(str_dup(ctx, rest), rest.len);
	if (rest.len == 0) {
		out->local = out->domain = out->all;
		out->valid = null;
		return null;
	}
	if (!take_local(ctx, &rest, out) || rest.len == 0 ||
	    rest.data[0] != '@')
		return false;
	rest = str_from(rest, 1);
	domain = rest;
	if (!take_domain(&rest) || rest.len > 0)
		return false;
	out->domain = str_n(str_dup(ctx, domain), domain.len);
	out->valid = true;
	return true;
}
