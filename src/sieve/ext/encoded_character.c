/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/encoded_character.c - "${hex: 40}" and "${unicode: 40}" (RFC 5228
 * section 2.4.2.4). What is not well-formed stays as it is; a code point that
 * is none is an error.
 */
#include "base/cleanup.h"
#include "base/encode.h"
#include "sieve/ext.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Hex digits, of an octet at most two; what is far beyond all characters gets
 * no larger. */
static bool take_number(struct str *in, bool unicode, uint32_t *out)
{
	unsigned count = 0;

	*out = 0;
	while (count < in->len && hex_digit(in->data[count]) >= 0) {
		if (*out < 1U << 24)
			*out = *out << 4 | (uint32_t)hex_digit(in->data[count]);
		count++;
	}
	*in = str_from(*in, count);
	return count > 0 && (unicode || count <= 2);
}

static bool skip_blanks(struct str *in)
{
	size_t len = 0;

	while (len < in->len && is_blank(in->data[len]))
		len++;
	*in = str_from(*in, len);
	return len > 0;
}

static bool is_character(uint32_t code)
{
	return code <= 0x10ffff && (code < 0xd800 || code >= 0xe000);
}

/* From behind the colon up to and with the brace. A number out of range is an
 * error only where all is well-formed (RFC 5228 section 2.4.2.4). */
static bool take_list(struct sieve_check *check, const struct sieve_arg *arg,
		      struct str *in, bool unicode, struct buf *out)
{
	uint32_t code, wrong = 0;
	unsigned count = 0;
	bool blank = true;

	skip_blanks(in);
	while (in->len > 0 && in->data[0] != '}') {
		if (!blank || !take_number(in, unicode, &code))
			return false;
		blank = skip_blanks(in);
		count++;
		if (!unicode)
			buf_putc(out, (char)code);
		else if (is_character(code))
			utf8_put(out, code);
		else if (wrong == 0)
			wrong = code;
	}
	if (count == 0 || in->len == 0)
		return false;
	if (wrong != 0)
		sieve_error(check, arg->at,
			    "invalid unicode character 0x%08x in encoded "
			    "character substitution",
			    wrong);
	*in = str_from(*in, 1);
	return true;
}

static bool take_substitution(struct sieve_check *check,
			      const struct sieve_arg *arg, struct str *in,
			      struct buf *out)
{
	bool hex = str_case_starts(*in, "${hex:");
	struct str rest = str_from(*in, hex ? 6 : 10);
	size_t before = out->len;

	if (!hex && !str_case_starts(*in, "${unicode:"))
		return false;
	if (!take_list(check, arg, &rest, !hex, out)) {
		buf_truncate(out, before);
		return false;
	}
	*in = rest;
	return true;
}

static void substitute(struct sieve_check *check, struct sieve_arg *arg)
{
	CLEANUP(buf_free) struct buf out = buf_init(arg->text.len + 1);
	struct str rest = arg->text;

	if (str_find(rest, STR("${")) < 0)
		return;
	while (rest.len > 0) {
		if (rest.data[0] == '$' &&
		    take_substitution(check, arg, &rest, &out))
			continue;
		buf_putc(&out, rest.data[0]);
		rest = str_from(rest, 1);
	}
	arg->text = sieve_arena_str(sieve_check_arena(check),
				    str_n(out.data, out.len));
}

const struct sieve_extension ext_encoded_character = {
	.name = "encoded-character", .string = substitute};
