/* SPDX-License-Identifier: MIT */
#include "mime/preview.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "mime/body.h"
#include "mime/charset.h"
#include "mime/parse_hook.h"
#include "mime/preview_text.h"

enum {
	/* Text is converted in pieces of whole lines, about that long; what
	 * most mails show is in the first. */
	PIECE = 512,
	MAX_PIECE = 8192, /* of one line */
};

/* How much a kind of text is wanted; of the same, the first one. */
enum rank { RANK_NONE, RANK_OTHER, RANK_HTML, RANK_PLAIN };

struct preview {
	struct mime_parser *parser;
	/* The outermost multipart/alternative that the part at hand is in. */
	const struct mime_part *alternative;
	enum rank rank; /* of what is in `text` */
	struct preview_text text;
	bool reading; /* the part at hand is it */
	bool done;
	struct body_decoder decoder;
	char charset[64];
	size_t looked, max_look;
	struct buf octets; /* decoded, not yet converted */
	struct buf utf8;
};

static int preview_free(struct preview *preview)
{
	buf_free(&preview->octets);
	buf_free(&preview->utf8);
	return 0;
}

/* text */

static void convert(struct preview *preview, size_t len)
{
	buf_reset(&preview->utf8);
	charset_to_utf8(str_of(preview->charset),
			str_n(preview->octets.data, len), &preview->utf8);
	buf_shift(&preview->octets, len);
	preview_text_feed(&preview->text,
			  str_n(preview->utf8.data, preview->utf8.len));
}

/* How much to convert now: up to the end of a line, so that no character is
 * cut. The same however the input comes. */
static size_t piece_len(const struct preview *preview, bool last)
{
	size_t have = preview->octets.len;
	const char *data = preview->octets.data, *newline;
	size_t len;

	if (have < PIECE)
		return last ? have : 0;
	newline = memrchr(data, '\n', PIECE);
	len = newline == NULL ? 0 : (size_t)(newline - data) + 1;
	len &= ~(size_t)3; /* no unit of UTF-16 or -32 is cut */
	if (len > 0)
		return len;
	if (have >= MAX_PIECE)
		return MAX_PIECE;
	return last ? have : 0;
}

static void convert_all(struct preview *preview, bool last)
{
	size_t len;

	while (!preview_text_full(&preview->text) &&
	       (len = piece_len(preview, last)) > 0)
		convert(preview, len);
}

static void end_part(struct preview *preview)
{
	if (!preview->reading)
		return;
	body_decoder_feed(&preview->decoder, STR(""), true, &preview->octets);
	convert_all(preview, true);
	preview->reading = false;
}

static void on_end(struct mime_message *message, void *ctx)
{
	struct preview *preview = ctx;
	CLEANUP(buf_free) struct buf out = buf_init(PREVIEW_MAX * 4 + 1);

	end_part(preview);
	preview_text_end(&preview->text, &out);
	message->preview = str_n(
		mem_memdup(message, out.data == NULL ? "" : out.data, out.len),
		out.len);
}

/* Nothing more to see: the parser goes on as fast as it can. */
static void finish(struct preview *preview)
{
	const struct mime_hook hook = {.end = on_end, .ctx = preview};

	end_part(preview);
	preview->done = true;
	mime_parser_set_hook(preview->parser, &hook);
}

static void on_body(struct str data, void *ctx)
{
	struct preview *preview = ctx;

	while (preview->reading && data.len > 0) {
		size_t len = data.len < PIECE ? data.len : PIECE;

		if (len > preview->max_look - preview->looked)
			len = preview->max_look - preview->looked;
		body_decoder_feed(&preview->decoder, str_n(data.data, len),
				  false, &preview->octets);
		data = str_from(data, len);
		preview->looked += len;
		convert_all(preview, false);
		if (!preview_text_full(&preview->text) &&
		    preview->looked < preview->max_look)
			continue;
		end_part(preview);
		if (preview->alternative == NULL || preview->rank == RANK_PLAIN)
			finish(preview);
	}
}

/* which part */

static bool is_in(const struct mime_part *part, const struct mime_part *whole)
{
	while (part != NULL && part != whole)
		part = part->parent;
	return part != NULL;
}

static bool in_message(const struct mime_part *part)
{
	for (; part != NULL; part = part->parent) {
		if (part->kind == MIME_MESSAGE)
			return true;
	}
	return false;
}

static enum rank rank_of(const struct content_type *type)
{
	bool text = strcmp(type->type, "text") == 0;

	if (type->type[0] == '\0' ||
	    (text && strcmp(type->subtype, "plain") == 0))
		return RANK_PLAIN;
	if (text && strcmp(type->subtype, "html") == 0)
		return RANK_HTML;
	return text ? RANK_OTHER : RANK_NONE;
}

static void begin_part(struct preview *preview, struct str header,
		       const struct content_type *type, enum rank rank)
{
	preview_text_init(&preview->text, rank == RANK_HTML);
	buf_reset(&preview->octets);
	preview->decoder =
		(struct body_decoder){content_encoding_parse(header), {0}};
	memcpy(preview->charset, type->charset, sizeof(preview->charset));
	if (preview->charset[0] == '\0')
		memcpy(preview->charset, "utf-8", sizeof("utf-8"));
	preview->rank = rank;
	preview->looked = 0;
	preview->reading = preview->decoder.encoding != ENCODING_UNKNOWN;
}

static void on_header(const struct mime_part *part, struct str header,
		      const struct content_type *type, void *ctx)
{
	struct preview *preview = ctx;
	enum rank rank = rank_of(type);

	end_part(preview);
	if (preview->alternative != NULL && !is_in(part, preview->alternative))
		preview->alternative = NULL;
	if (preview->rank != RANK_NONE &&
	    (preview->alternative == NULL || preview->rank == RANK_PLAIN)) {
		finish(preview);
		return;
	}
	if (part->kind == MIME_MULTIPART && preview->alternative == NULL &&
	    strcmp(type->subtype, "alternative") == 0)
		preview->alternative = part;
	if (part->kind == MIME_TEXT && rank > preview->rank &&
	    !in_message(part))
		begin_part(preview, header, type, rank);
}

/* the whole of it */

struct preview *preview_new(struct mime_parser *parser, size_t max_look)
{
	struct preview *preview = mem_new(parser, struct preview);
	const struct mime_hook hook = {on_header, on_body, on_end, preview};

	preview->max_look = max_look;
	preview->parser = parser;
	preview->octets = buf_init(SIZE_MAX);
	preview->utf8 = buf_init(SIZE_MAX);
	preview_text_init(&preview->text, false);
	talloc_set_destructor(preview, preview_free);
	mime_parser_set_hook(parser, &hook);
	return preview;
}

bool preview_done(const struct preview *preview)
{
	return preview->done;
}
