/* SPDX-License-Identifier: MIT */
/*
 * mime/body_search.c - SEARCH BODY and TEXT in a message as it streams by.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "mime/body.h"
#include "mime/charset.h"
#include "mime/header.h"
#include "mime/parse_hook.h"

enum {
	/* Text is converted in pieces of whole lines, about that long. */
	PIECE = 8192,
	MAX_PIECE = 65536, /* of one line */
};

struct body_search {
	struct mime_parser *parser;
	const char *const *needles;
	size_t *lens, count, longest;
	bool *found;
	size_t left; /* needles not found so far */
	bool headers;

	bool text; /* the part at hand is searched */
	struct body_decoder decoder;
	char charset[64];
	struct buf octets; /* decoded, not yet converted */
	struct buf utf8, folded;
};

static int search_free(struct body_search *search)
{
	buf_free(&search->octets);
	buf_free(&search->utf8);
	buf_free(&search->folded);
	return 0;
}

/* Look at search->folded, of which only the end is then kept. */
static void find_needles(struct body_search *search)
{
	struct str text = str_n(search->folded.data, search->folded.len);
	size_t keep = search->longest > 0 ? search->longest - 1 : 0;

	for (size_t i = 0; i < search->count; i++) {
		if (!search->found[i] &&
		    memmem(text.data, text.len, search->needles[i],
			   search->lens[i]) != NULL) {
			search->found[i] = true;
			search->left--;
		}
	}
	if (text.len > keep)
		buf_shift(&search->folded, text.len - keep);
}

static void search_text(struct body_search *search, struct str charset,
			struct str text)
{
	buf_reset(&search->utf8);
	charset_to_utf8(charset, text, &search->utf8);
	charset_fold(str_n(search->utf8.data, search->utf8.len),
		     &search->folded);
	find_needles(search);
}

/* What was decoded, up to the end of a line if it is not the last. */
static void search_octets(struct body_search *search, bool last)
{
	struct str text = str_n(search->octets.data, search->octets.len);
	const char *newline;

	if (!last) {
		newline = memrchr(text.data, '\n', text.len);
		if (newline != NULL)
			text.len = newline - text.data + 1;
		else if (text.len < MAX_PIECE)
			return;
		text.len &= ~(size_t)3; /* no unit of UTF-16 or -32 is cut */
	}
	search_text(search, str_of(search->charset), text);
	buf_shift(&search->octets, text.len);
}

static void end_part(struct body_search *search)
{
	if (search->text) {
		body_decoder_feed(&search->decoder, STR(""), true,
				  &search->octets);
		search_octets(search, true);
	}
	buf_reset(&search->folded);
	search->text = false;
}

static void search_header(struct body_search *search, struct str header)
{
	struct header_field field;

	while (search->left > 0 && header_next(&header, &field)) {
		buf_reset(&search->utf8);
		buf_reset(&search->folded);
		buf_add_str(&search->utf8, field.name);
		buf_add(&search->utf8, ": ");
		header_decode(field.value, &search->utf8);
		charset_fold(str_n(search->utf8.data, search->utf8.len),
			     &search->folded);
		find_needles(search);
	}
	buf_reset(&search->folded);
}

static void on_header(const struct mime_part *part, struct str text,
		      const struct content_type *type, void *ctx)
{
	struct body_search *search = ctx;

	end_part(search);
	if (search->left == 0)
		return;
	if (search->headers)
		search_header(search, text);
	if (part->kind != MIME_TEXT)
		return;
	search->text = type->type[0] == '\0' ||
		       strcmp(type->type, "text") == 0 ||
		       strcmp(type->type, "message") == 0;
	search->decoder =
		(struct body_decoder){content_encoding_parse(text), {0}};
	memcpy(search->charset, type->charset, sizeof(search->charset));
	if (search->charset[0] == '\0')
		memcpy(search->charset, "utf-8", sizeof("utf-8"));
}

static void on_body(struct str data, void *ctx)
{
	struct body_search *search = ctx;

	while (search->text && search->left > 0 && data.len > 0) {
		size_t len = data.len < PIECE ? data.len : PIECE;

		body_decoder_feed(&search->decoder, str_n(data.data, len),
				  false, &search->octets);
		data = str_from(data, len);
		if (search->octets.len >= PIECE)
			search_octets(search, false);
	}
}

struct body_search *body_search_new(const void *ctx, const char *const *needles,
				    size_t count, bool headers)
{
	struct body_search *search = mem_new(ctx, struct body_search);
	struct mime_hook hook = {
		.header = on_header,
		.body = on_body,
		.ctx = search,
	};

	search->needles = needles;
	search->count = search->left = count;
	search->lens = mem_array(search, size_t, count + 1);
	search->found = mem_array(search, bool, count + 1);
	search->headers = headers;
	for (size_t i = 0; i < count; i++) {
		search->lens[i] = strlen(needles[i]);
		if (search->lens[i] > search->longest)
			search->longest = search->lens[i];
	}
	search->octets = buf_init(SIZE_MAX);
	search->utf8 = buf_init(SIZE_MAX);
	search->folded = buf_init(SIZE_MAX);
	talloc_set_destructor(search, search_free);
	search->parser = mime_parser_new(search, &mime_limits_default);
	mime_parser_set_hook(search->parser, &hook);
	return search;
}

void body_search_feed(struct body_search *search, struct str in)
{
	if (search->left > 0)
		mime_parser_feed(search->parser, in.data, in.len);
}

bool body_search_end(struct body_search *search, bool *found)
{
	if (search->left > 0) {
		mime_parser_end(search->parser);
		end_part(search);
	}
	if (found != NULL)
		memcpy(found, search->found, search->count * sizeof(bool));
	return search->left == 0;
}
