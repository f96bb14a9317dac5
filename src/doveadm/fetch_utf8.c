/* SPDX-License-Identifier: MIT */
/*
 * doveadm/fetch_utf8.c - text.utf8: headers decoded (RFC 2047), contents
 * decoded and in UTF-8; what stands around the parts of a multipart is left
 * out.
 */
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "doveadm/fetch.h"
#include "doveadm/print.h"
#include "mime/body.h"
#include "mime/charset.h"
#include "mime/header.h"
#include "mime/parse.h"
#include "storage/storage.h"

enum { PIECE = 32768, VALUE_MAX = 16 << 20, LINE_MAX_LEN = 1 << 20 };

static int parse(const struct fetch *fetch, struct mime_parser *parser,
		 struct err *err)
{
	uint64_t offset = 0;
	struct str piece;

	do {
		if (mail_text(fetch->mail, offset, PIECE, &piece, err) < 0)
			return -1;
		mime_parser_feed(parser, piece.data, piece.len);
		offset += piece.len;
	} while (piece.len > 0);
	return 0;
}

static void print_header(const struct fetch *fetch, struct str block)
{
	CLEANUP(buf_free) struct buf out = buf_init(VALUE_MAX);
	struct header_field field;

	while (header_next(&block, &field)) {
		buf_reset(&out);
		buf_printf(&out, "%.*s: ", STR_FMT(field.name));
		header_decode(field.value, &out);
		buf_putc(&out, '\n');
		print_piece(fetch->printer, out.data, out.len);
	}
	print_piece(fetch->printer, "\n", 1);
}

/* What is decoded, up to where it can be cut: behind a line. */
static void print_text(const struct fetch *fetch, const char *charset,
		       struct buf *text, bool last)
{
	CLEANUP(buf_free) struct buf utf8 = buf_init(LINE_MAX_LEN * 8);
	size_t len = text->len;

	while (!last && len > 0 && text->data[len - 1] != '\n')
		len--;
	if (len == 0 && text->len > LINE_MAX_LEN / 2)
		len = text->len;
	charset_to_utf8(str_of(charset), str_n(text->data, len), &utf8);
	print_piece(fetch->printer, utf8.data, utf8.len);
	buf_shift(text, len);
}

static int print_content(const struct fetch *fetch,
			 const struct mime_part *part, struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(LINE_MAX_LEN);
	struct body_decoder decoder = {
		.encoding = content_encoding_parse(part->header_text)};
	uint64_t at = part->offset + part->header.physical;
	uint64_t end = at + part->body.physical;
	struct content_type type;
	struct str piece;
	bool is_text;

	content_type_parse(part->header_text, &type);
	is_text = type.type[0] == '\0' || strcmp(type.type, "text") == 0;
	while (at < end) {
		size_t room = end - at < PIECE ? (size_t)(end - at) : PIECE;

		if (mail_text(fetch->mail, at, room, &piece, err) < 0)
			return -1;
		if (piece.len == 0)
			return 0;
		at += piece.len;
		body_decoder_feed(&decoder, piece, at == end, &text);
		if (is_text) {
			print_text(fetch, type.charset, &text, at == end);
			continue;
		}
		print_piece(fetch->printer, text.data, text.len);
		buf_reset(&text);
	}
	return 0;
}

/* Depth is bounded by the parser's limits. */
static int print_part(const struct fetch *fetch, const struct mime_part *part,
		      struct err *err)
{
	print_header(fetch, part->header_text);
	if (part->children == NULL)
		return part->kind == MIME_MULTIPART
			       ? 0
			       : print_content(fetch, part, err);
	for (const struct mime_part *child = part->children; child != NULL;
	     child = child->next) {
		if (print_part(fetch, child, err) < 0)
			return -1;
	}
	return 0;
}

int fetch_utf8(const struct fetch *fetch, const struct fetch_field *,
	       struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "text.utf8");
	struct mime_parser *parser = mime_parser_new(ctx, &mime_limits_default);

	if (parse(fetch, parser, err) < 0)
		return -1;
	return print_part(fetch, mime_parser_end(parser)->root, err);
}
