/* SPDX-License-Identifier: MIT */
#include "mime/content.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "mime/body.h"
#include "mime/header.h"

/* A piece of a value that RFC 2231 section 3 divides. */
struct piece {
	struct str name; /* up to the '*' */
	unsigned number;
	bool extended;
	struct str value;
};

static const char hex[] = "0123456789ABCDEF";

bool content_take_type(struct lex *lex, struct str *type_out,
		       struct str *subtype_out)
{
	if (!lex_skip(lex))
		return false;
	*type_out = lex_token(lex);
	*subtype_out = STR("");
	if (type_out->len == 0 || !lex_skip(lex))
		return false;
	if (lex_peek(lex) == '/') {
		lex_drop(lex);
		if (!lex_skip(lex))
			return false;
		*subtype_out = lex_token(lex);
		if (subtype_out->len == 0 || !lex_skip(lex))
			return false;
	}
	return lex->rest.len == 0 || lex_peek(lex) == ';';
}

/* parameters */

/* "boundary==_x", without quotes: no token, but found in mails. Dovecot takes
 * it, too, and only if it starts so. */
static struct str take_equals(struct lex *lex)
{
	struct str rest = lex->rest;
	size_t len = 0;

	while (len < rest.len && !ascii_is_blank(rest.data[len]) &&
	       rest.data[len] != ';')
		len++;
	lex->rest = str_from(rest, len);
	return str_n(rest.data, len);
}

static bool take_value(const void *ctx, struct lex *lex, struct str *out)
{
	struct str rest = lex->rest;
	CLEANUP(buf_free) struct buf text = buf_init(SIZE_MAX);

	if (lex_peek(lex) == '=') {
		*out = take_equals(lex);
		return true;
	}
	if (lex_peek(lex) != '"') {
		*out = lex_token(lex);
		return true;
	}
	if (!lex_quoted(lex, &text))
		return false;
	rest.len -= lex->rest.len + 2;
	rest.data++;
	if (text.len == rest.len) /* nothing was escaped */
		*out = rest;
	else
		*out = str_n(mem_memdup(ctx, text.data, text.len), text.len);
	return true;
}

/* One parameter behind the next ';'. False when nothing is left; a malformed
 * one has an empty name. The octet where it went wrong is passed over, even if
 * it is a ';': that is how Dovecot goes on. */
static bool take_param(const void *ctx, struct lex *lex,
		       struct content_param *out)
{
	ptrdiff_t semicolon = str_find_char(lex->rest, ';');

	out->name = out->value = STR("");
	if (semicolon < 0)
		return false;
	lex->rest = str_from(lex->rest, semicolon + 1);
	if (!lex_skip(lex))
		return true;
	out->name = lex_token(lex);
	if (!lex_skip(lex) || lex_peek(lex) != '=') {
		out->name = STR("");
		if (lex->rest.len > 0)
			lex_drop(lex);
		return true;
	}
	lex_drop(lex);
	if (!lex_skip(lex) || !take_value(ctx, lex, &out->value) ||
	    !lex_skip(lex))
		out->name = STR("");
	return true;
}

/* "name*", "name*2", "name*2*"; false for any other name. */
static bool split_name(const struct content_param *param, struct piece *out)
{
	ptrdiff_t star = str_find_char(param->name, '*');
	struct str number;

	if (star <= 0)
		return false;
	*out = (struct piece){
		.name = str_n(param->name.data, star),
		.value = param->value,
	};
	number = str_from(param->name, star + 1);
	if (number.len == 0) {
		out->extended = true;
		return true;
	}
	if (number.data[number.len - 1] == '*') {
		out->extended = true;
		number.len--;
	}
	return number.len <= 6 && str_to_unsigned(number, &out->number);
}

static int compare_pieces(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;
	int order = str_compare(x->name, y->name);

	if (order != 0)
		return order;
	return x->number < y->number ? -1 : x->number > y->number;
}

static void add_piece(struct buf *out, const struct piece *piece, bool extend)
{
	for (size_t i = 0; i < piece->value.len; i++) {
		unsigned char c = piece->value.data[i];

		if (!extend || (c >= ' ' && c < 0x7f && c != '%')) {
			buf_putc(out, c);
		} else {
			buf_putc(out, '%');
			buf_putc(out, hex[c >> 4]);
			buf_putc(out, hex[c & 15]);
		}
	}
}

/* Pieces 0, 1, 2... of one name. */
static void join_pieces(const void *ctx, const struct piece *pieces,
			size_t count, struct content_param *out)
{
	CLEANUP(buf_free) struct buf text = buf_init(SIZE_MAX);
	bool extended = false;

	for (size_t i = 0; i < count; i++)
		extended |= pieces[i].extended;
	if (extended && !pieces[0].extended)
		buf_add(&text, "''");
	for (size_t i = 0; i < count; i++)
		add_piece(&text, &pieces[i], extended && !pieces[i].extended);
	out->value = str_n(buf_steal(ctx, &text), text.len);
	out->name = str_of(mem_printf(ctx, "%.*s%s", STR_FMT(pieces[0].name),
				      extended ? "*" : ""));
}

static void keep_piece(const void *ctx, const struct piece *piece,
		       struct content_param *out)
{
	out->name =
		str_of(mem_printf(ctx, "%.*s*%u%s", STR_FMT(piece->name),
				  piece->number, piece->extended ? "*" : ""));
	out->value = piece->value;
}

static void add_pieces(const void *ctx, struct piece *pieces, size_t count,
		       struct content_params *out)
{
	size_t start = 0, end;

	qsort(pieces, count, sizeof(struct piece), compare_pieces);
	for (; start < count; start = end) {
		bool whole = pieces[start].number == 0;

		for (end = start + 1; end < count; end++) {
			if (!str_case_equal(pieces[end].name,
					    pieces[start].name))
				break;
			whole &= pieces[end].number == end - start;
		}
		if (whole) {
			join_pieces(ctx, pieces + start, end - start,
				    &out->list[out->count++]);
			continue;
		}
		for (size_t i = start; i < end; i++)
			keep_piece(ctx, &pieces[i], &out->list[out->count++]);
	}
}

void content_take_params(const void *ctx, struct lex *lex,
			 struct content_params *out)
{
	size_t cap = 0, count = 0, pieces_count = 0;
	struct content_param param;
	struct piece piece, *pieces = NULL;

	*out = (struct content_params){0};
	for (; count < CONTENT_MAX_PARAMS && take_param(ctx, lex, &param);) {
		if (param.name.len == 0)
			continue;
		if (++count > cap) {
			cap = cap == 0 ? 8 : cap * 2;
			out->list = mem_resize(ctx, out->list,
					       struct content_param, cap);
			pieces = pieces == NULL ? NULL
						: mem_resize(ctx, pieces,
							     struct piece, cap);
		}
		if (!split_name(&param, &piece)) {
			out->list[out->count++] = param;
			continue;
		}
		if (pieces == NULL)
			pieces = mem_array(ctx, struct piece, cap);
		pieces[pieces_count++] = piece;
	}
	if (pieces_count > 0)
		add_pieces(ctx, pieces, pieces_count, out);
}

const struct content_param *content_find(const struct content_params *params,
					 const char *name)
{
	for (size_t i = 0; i < params->count; i++) {
		if (str_case_is(params->list[i].name, name))
			return &params->list[i];
	}
	return NULL;
}

struct str content_encoding(struct str flat)
{
	struct lex lex = {.rest = flat};
	struct str token;

	if (!lex_skip(&lex))
		return STR("");
	token = lex_token(&lex);
	if (!lex_skip(&lex) || lex.rest.len > 0)
		return STR("");
	return token;
}

/* of a header */

static void copy(char *to, size_t size, struct str from, bool lower)
{
	size_t len = from.len < size ? from.len : size - 1;

	for (size_t i = 0; i < len; i++)
		to[i] = lower ? ascii_lower(from.data[i]) : from.data[i];
	to[len] = '\0';
}

static void copy_param(char *to, size_t size,
		       const struct content_params *params, const char *name)
{
	const struct content_param *param = content_find(params, name);

	if (param != NULL)
		copy(to, size, param->value, false);
}

void content_type_parse(struct str header, struct content_type *out)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = NULL;
	CLEANUP(buf_free) struct buf flat = buf_init(SIZE_MAX);
	struct content_params params;
	struct header_field field;
	struct str type, subtype;
	struct lex lex = {0};

	*out = (struct content_type){0};
	if (!header_find(header, "Content-Type", &field))
		return;
	lex.rest = lex_flat(field.value, &flat);
	if (!content_take_type(&lex, &type, &subtype))
		return;
	copy(out->type, sizeof(out->type), type, true);
	copy(out->subtype, sizeof(out->subtype), subtype, true);
	if (lex.rest.len == 0)
		return;
	ctx = mem_ctx(NULL, "content type");
	content_take_params(ctx, &lex, &params);
	copy_param(out->charset, sizeof(out->charset), &params, "charset");
	copy_param(out->boundary, sizeof(out->boundary), &params, "boundary");
}

enum transfer_encoding content_encoding_parse(struct str header)
{
	CLEANUP(buf_free) struct buf flat = buf_init(SIZE_MAX);
	struct header_field field;
	struct str name;

	if (!header_find(header, "Content-Transfer-Encoding", &field))
		return ENCODING_NONE;
	name = content_encoding(lex_flat(field.value, &flat));
	if (str_case_is(name, "base64"))
		return ENCODING_BASE64;
	if (str_case_is(name, "quoted-printable"))
		return ENCODING_QUOTED_PRINTABLE;
	if (name.len == 0 || str_case_is(name, "7bit") ||
	    str_case_is(name, "8bit") || str_case_is(name, "binary"))
		return ENCODING_NONE;
	return ENCODING_UNKNOWN;
}
