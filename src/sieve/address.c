/* SPDX-License-Identifier: MIT */
/*
 * sieve/address.c - addresses as SMTP writes them (RFC 5321 section 4.1.2).
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "mime/address.h"
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

/* Written out of a parsed one. */

static bool needs_quotes(struct str local)
{
	struct str atoms;

	return !take_dot_atom(&local, &atoms) || local.len > 0;
}

static void put_local(struct buf *out, struct str local)
{
	if (needs_quotes(local))
		buf_add_quoted(out, local);
	else
		buf_add_str(out, local);
}

bool sieve_address_put(const struct address *address, struct buf *out)
{
	if (address->kind != ADDRESS_MAILBOX || address->mailbox == NULL ||
	    address->mailbox[0] == '\0' || address->domain == NULL ||
	    address->domain[0] == '\0')
		return false;
	put_local(out, str_of(address->mailbox));
	buf_printf(out, "@%s", address->domain);
	return true;
}

/* as scripts have them */

/* Takes a quoted string or a comment off; false if it has no end. */
static bool take_marked(struct str *in, char end, struct str *out)
{
	size_t depth = 0, i = 0;

	for (; i < in->len; i++) {
		char c = in->data[i];

		if (c == '\\')
			i++;
		else if (c == '(' && end == ')')
			depth++;
		else if (c == end && i > 0 && (end == '"' || --depth == 0))
			break;
	}
	if (i >= in->len)
		return false;
	*out = str_n(in->data, i + 1);
	*in = str_from(*in, i + 1);
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_word(char c)
{
	return c == '"' || is_atext(c);
}

/* Without comments, and with a blank between words only. */
static bool squeeze(struct str in, struct buf *out)
{
	struct str piece;
	bool blank = false;

	while (in.len > 0) {
		char c = in.data[0];

		piece = str_n(in.data, 1);
		if ((c == '"' || c == '(') &&
		    !take_marked(&in, c == '"' ? c : ')', &piece))
			return false;
		if (c != '"' && c != '(')
			in = str_from(in, 1);
		if (is_blank(c) || c == '(') {
			blank = true;
			continue;
		}
		if (blank && out->len > 0 && is_word(c) &&
		    is_word(out->data[out->len - 1]))
			buf_putc(out, ' ');
		buf_add_str(out, piece);
		blank = false;
	}
	return !out->overflow;
}

/* A name (RFC 5322's obs-phrase, with dots) in front of the address in <>. */
static bool take_name(struct str *in)
{
	struct str rest = *in, word;

	while (rest.len > 0 && rest.data[0] != '<') {
		if (rest.data[0] == '"') {
			if (!take_marked(&rest, '"', &word))
				return false;
		} else if (is_atext(rest.data[0]) || rest.data[0] == '.' ||
			   rest.data[0] == ' ') {
			rest = str_from(rest, 1);
		} else {
			return false;
		}
	}
	if (rest.len < 2 || rest.data[rest.len - 1] != '>')
		return false;
	*in = str_n(rest.data + 1, rest.len - 2);
	return true;
}

bool sieve_address_read(const void *ctx, struct str text,
			struct sieve_address *out)
{
	CLEANUP(buf_free) struct buf plain = buf_init(4000);
	CLEANUP(buf_free) struct buf all = buf_init(4000);
	struct str rest;
	size_t len = 0;

	if (sieve_address_parse(ctx, text, false, out))
		return true;
	*out = (struct sieve_address){0};
	if (!squeeze(text, &plain))
		return false;
	rest = str_n(plain.data, plain.len);
	if (take_name(&rest) && rest.len > 0 && rest.data[0] == '<')
		return false;
	while (len < rest.len && (is_atext(rest.data[len]) ||
				  rest.data[len] == '.'))
		len++;
	/* Dots anywhere, as addresses of Japanese telephones had them. */
	if (len > 0 && len < rest.len && rest.data[len] == '@') {
		put_local(&all, str_n(rest.data, len));
		rest = str_from(rest, len);
	}
	buf_add_str(&all, rest);
	return !all.overflow &&
	       sieve_address_parse(ctx, str_n(all.data, all.len), false, out);
}

bool sieve_address_valid(struct str text)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "address");
	struct sieve_address address;

	return sieve_address_read(ctx, text, &address);
}
