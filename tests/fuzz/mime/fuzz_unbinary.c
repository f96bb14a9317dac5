/* SPDX-License-Identifier: MIT */
/* A mail that came as BODY=BINARYMIME: what it becomes has the same parts. */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "mime/body.h"
#include "mime/content.h"
#include "mime/header.h"
#include "mime/parse.h"
#include "mime/unbinary.h"

enum { OUT_MAX = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool right)
{
	if (!right)
		abort();
}

static void take(void *ctx, const void *data, size_t len)
{
	buf_append(ctx, data, len);
}

static const struct mime_message *parse(const void *ctx, struct str text)
{
	struct mime_parser *parser = mime_parser_new(ctx, &mime_limits_default);

	mime_parser_feed(parser, text.data, text.len);
	return mime_parser_end(parser);
}

static bool says_binary(struct str header)
{
	CLEANUP(buf_free) struct buf flat = buf_init(OUT_MAX);
	struct header_field field;

	return header_find(header, "Content-Transfer-Encoding", &field) &&
	       str_case_is(content_encoding(lex_flat(field.value, &flat)),
			   "binary");
}

static struct str body_of(struct str text, const struct mime_part *part)
{
	return str_n(text.data + part->offset + part->header.physical,
		     (size_t)part->body.physical);
}

/* Without the CRs of line ends. */
static void add_plain(struct str text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] != '\r' || i + 1 == text.len ||
		    text.data[i + 1] != '\n')
			buf_putc(out, text.data[i]);
	}
}

static void check_leaf(struct str in, const struct mime_part *was,
		       struct str out, const struct mime_part *is)
{
	struct body_decoder decoder = {ENCODING_BASE64, {0}};
	CLEANUP(buf_free) struct buf want = buf_init(OUT_MAX);
	CLEANUP(buf_free) struct buf have = buf_init(OUT_MAX);
	struct str body = body_of(in, was);

	if (says_binary(was->header_text)) {
		check(content_encoding_parse(is->header_text) ==
		      ENCODING_BASE64);
		buf_append(&want, body.data, body.len);
		body_decoder_feed(&decoder, body_of(out, is), true, &have);
	} else {
		add_plain(body, &want);
		body = body_of(out, is);
		buf_append(&have, body.data, body.len);
	}
	check(str_equal(str_n(want.data, want.len),
			str_n(have.data, have.len)));
}

static void check_parts(struct str in, const struct mime_part *was,
			struct str out, const struct mime_part *is)
{
	for (; was != NULL && is != NULL; was = was->next, is = is->next) {
		check(was->kind == is->kind);
		check(!says_binary(is->header_text));
		if (was->kind == MIME_TEXT)
			check_leaf(in, was, out, is);
		check_parts(in, was->children, out, is->children);
	}
	check(was == NULL && is == NULL);
}

/* CR CR LF becomes a line end that was none. */
static bool is_odd(struct str in)
{
	for (size_t i = 1; i < in.len; i++) {
		if (in.data[i - 1] == '\r' && in.data[i] == '\r')
			return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "fuzz");
	CLEANUP(buf_free) struct buf text = buf_init(OUT_MAX);
	struct str in = str_n(data, size), out;
	const struct mime_message *message = parse(ctx, in);

	mime_unbinary(in, message, take, &text);
	check(!text.overflow && text.len <= 2 * in.len + 100);
	out = str_n(text.data, text.len);
	if (!is_odd(in))
		check_parts(in, message->root, out, parse(ctx, out)->root);
	return 0;
}
