/* SPDX-License-Identifier: MIT */
#include "mime/param.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/mem.h"
#include "mime/charset.h"
#include "mime/content.h"
#include "mime/header.h"
#include "mime/lex.h"

/* "charset'language'text%20..." (RFC 2231 section 4) */
static struct str decode_extended(const void *ctx, struct str value)
{
	CLEANUP(buf_free) struct buf octets = buf_init(value.len + 1);
	struct buf text = buf_init(value.len * 4 + 4);
	struct str charset, language, rest = value;
	size_t len;

	if (!str_split(&rest, '\'', &charset) ||
	    !str_split(&rest, '\'', &language) || rest.data == NULL)
		return value;
	for (size_t i = 0; i < rest.len; i++) {
		char c = rest.data[i];

		if (c == '%' && i + 2 < rest.len &&
		    hex_digit(rest.data[i + 1]) >= 0 &&
		    hex_digit(rest.data[i + 2]) >= 0) {
			c = (char)(hex_digit(rest.data[i + 1]) << 4 |
				   hex_digit(rest.data[i + 2]));
			i += 2;
		}
		buf_putc(&octets, c);
	}
	charset_to_utf8(charset, str_n(octets.data, octets.len), &text);
	len = text.len;
	return str_n(buf_steal(ctx, &text), len);
}

/* Encoded words are not allowed in parameters, but common. */
static struct str decode_words(const void *ctx, struct str value)
{
	struct buf text = buf_init(value.len * 4 + 4);
	size_t len;

	header_decode(value, &text);
	len = text.len;
	return str_n(buf_steal(ctx, &text), len);
}

static void decode(const void *ctx, const struct content_param *from,
		   struct mime_param *to)
{
	to->name = from->name;
	if (to->name.len > 0 && to->name.data[to->name.len - 1] == '*') {
		to->name.len--;
		to->value = decode_extended(ctx, from->value);
	} else {
		to->value = decode_words(ctx, from->value);
	}
}

bool mime_value_parse(const void *ctx, struct str value, struct mime_value *out)
{
	CLEANUP(buf_free) struct buf flat = buf_init(value.len + 1);
	struct content_params params;
	struct lex lex = {0};
	struct str text;

	*out = (struct mime_value){0};
	text = lex_flat(value, &flat);
	lex.rest = str_n(mem_memdup(ctx, text.data, text.len), text.len);
	if (!content_take_type(&lex, &out->type, &out->subtype))
		return false;
	content_take_params(ctx, &lex, &params);
	out->params = mem_array(ctx, struct mime_param, params.count + 1);
	out->count = params.count;
	for (size_t i = 0; i < params.count; i++)
		decode(out->params, &params.list[i], &out->params[i]);
	return true;
}
