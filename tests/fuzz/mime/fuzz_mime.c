/* SPDX-License-Identifier: MIT */
/* A message: parsed whole and in pieces, and all that is told of it. */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/mem.h"
#include "mime/body.h"
#include "mime/charset.h"
#include "mime/date.h"
#include "mime/header.h"
#include "mime/imap.h"
#include "mime/parse.h"
#include "mime/preview.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mime_message *parse(const void *ctx, const uint8_t *data,
					size_t size, size_t piece)
{
	struct mime_parser *parser = mime_parser_new(ctx, &mime_limits_default);

	preview_new(parser, 256 * 1024);
	for (size_t at = 0; at < size; at += piece)
		mime_parser_feed(parser, data + at,
				 size - at < piece ? size - at : piece);
	return mime_parser_end(parser);
}

static void check(bool right)
{
	if (!right)
		abort();
}

static void check_structure(const struct mime_message *message)
{
	CLEANUP(buf_free) struct buf structure = buf_init(64 << 20);
	CLEANUP(buf_free) struct buf body = buf_init(64 << 20);
	CLEANUP(buf_free) struct buf short_body = buf_init(64 << 20);

	mime_envelope(message->root->header_text, &structure);
	buf_reset(&structure);
	mime_body_structure(message, true, &structure);
	mime_body_structure(message, false, &body);
	check(mime_body_of_structure(str_n(structure.data, structure.len),
				     &short_body));
	check(str_equal(str_n(body.data, body.len),
			str_n(short_body.data, short_body.len)));
}

static void check_header(struct str header)
{
	CLEANUP(buf_free) struct buf out = buf_init(64 << 20);
	CLEANUP(buf_free) struct buf folded = buf_init(64 << 20);
	struct header_field field;
	time_t utc;
	int zone;

	while (header_next(&header, &field)) {
		buf_reset(&out);
		header_decode(field.value, &out);
		charset_fold(str_n(out.data, out.len), &folded);
		date_parse(field.value, &utc, &zone);
	}
}

/* What a client may show, and the same of any pieces. */
static void check_preview(struct str preview, struct str of_pieces)
{
	unsigned characters = 0;

	check(str_equal(preview, of_pieces));
	while (preview.len > 0) {
		uint32_t code;
		size_t len = utf8_get(preview, &code);

		check(len > 0 && code >= ' ' && code != 0x7f);
		check(++characters <= PREVIEW_MAX);
		preview = str_from(preview, len);
	}
}

static void check_search(const void *ctx, const uint8_t *data, size_t size)
{
	static const char *const needles[] = {"never to be found", "x"};
	struct body_search *search = body_search_new(ctx, needles, 2, true);

	body_search_feed(search, str_n(data, size));
	body_search_end(search, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "fuzz");
	CLEANUP(buf_free) struct buf whole = buf_init(64 << 20);
	CLEANUP(buf_free) struct buf pieces = buf_init(64 << 20);
	const struct mime_message *message, *in_pieces;
	size_t piece;

	if (size < 1)
		return 0;
	piece = data[0] + 1U;
	data++;
	size--;
	message = parse(ctx, data, size, size + 1);
	mime_pack(message, &whole);
	in_pieces = parse(ctx, data, size, piece);
	mime_pack(in_pieces, &pieces);
	check_preview(message->preview, in_pieces->preview);
	check(str_equal(str_n(whole.data, whole.len),
			str_n(pieces.data, pieces.len)));
	check(mime_unpack(ctx, str_n(whole.data, whole.len)) != NULL);
	mime_unpack(ctx, str_n(data, size));
	check_structure(message);
	check_header(message->root->header_text);
	check_search(ctx, data, size);
	return 0;
}
