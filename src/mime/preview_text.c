/* SPDX-License-Identifier: MIT */
#include "mime/preview_text.h"

#include <string.h>

#include "base/buf.h"
#include "base/encode.h"

enum { BYTE_ORDER_MARK = 0xfeff };

/* words */

static void words_init(struct preview_words *words, unsigned max)
{
	words->count = 0;
	words->max = max;
	words->blank = false;
	words->len = 0;
}

static bool words_full(const struct preview_words *words)
{
	return words->count + words->blank >= words->max;
}

static void words_blank(struct preview_words *words)
{
	words->blank = words->count > 0;
}

/* `count` characters in `len` octets, as many as there is room for: all, or of
 * ASCII (count == len) some. */
static void words_add(struct preview_words *words, const char *utf8, size_t len,
		      size_t count)
{
	if (words_full(words))
		return;
	if (words->blank) {
		words->utf8[words->len++] = ' ';
		words->count++;
		words->blank = false;
	}
	if (count > words->max - words->count)
		len = count = words->max - words->count;
	memcpy(words->utf8 + words->len, utf8, len);
	words->len += len;
	words->count += (unsigned)count;
}

/* characters */

static struct preview_words *place(struct preview_text *text)
{
	return text->in_quote || text->block_quotes > 0 ? &text->quoted
							: &text->own;
}

static bool is_graphic(char c)
{
	return c > ' ' && c < 0x7f;
}

/* Most text is words of ASCII. Returns what was used; 0: none of it is that. */
static size_t add_word(struct preview_text *text, struct str in)
{
	size_t len = 0;

	if (in.data[0] == '>' && !text->in_line) {
		text->in_line = text->in_quote = true;
		return 1;
	}
	while (len < in.len && is_graphic(in.data[len]))
		len++;
	if (len > 0) {
		text->in_line = true;
		words_add(place(text), in.data, len, len);
	}
	return len;
}

static void add_other(struct preview_text *text, uint32_t code, struct str utf8)
{
	if (code == '\n' || code == '\r') {
		text->in_line = text->in_quote = false;
		words_blank(&text->own);
		words_blank(&text->quoted);
	} else if (code == ' ' || code == '\t' || code == '\v' ||
		   code == '\f') {
		text->in_line = true;
		words_blank(place(text));
	} else if (code >= 0xa0 && code != BYTE_ORDER_MARK) {
		text->in_line = true;
		words_add(place(text), utf8.data, utf8.len, 1);
	}
}

static void add(struct str utf8, void *ctx)
{
	struct preview_text *text = ctx;

	while (utf8.len > 0 && !preview_text_full(text)) {
		size_t len = add_word(text, utf8);
		uint32_t code;

		if (len == 0) {
			len = utf8_get(utf8, &code);
			if (len > 0)
				add_other(text, code, str_n(utf8.data, len));
			else
				len = 1;
		}
		utf8 = str_from(utf8, len);
	}
}

static void on_tag(const char *name, bool closing, void *ctx)
{
	struct preview_text *text = ctx;

	words_blank(&text->own);
	words_blank(&text->quoted);
	if (strcmp(name, "blockquote") != 0)
		return;
	if (!closing)
		text->block_quotes++;
	else if (text->block_quotes > 0)
		text->block_quotes--;
}

static struct html_sink sink_of(struct preview_text *text)
{
	return (struct html_sink){add, on_tag, text};
}

/* the whole of it */

void preview_text_init(struct preview_text *text, bool html)
{
	words_init(&text->own, PREVIEW_MAX);
	words_init(&text->quoted, PREVIEW_MAX - 1);
	text->html = html;
	text->in_line = text->in_quote = false;
	text->block_quotes = 0;
	text->parser = (struct html){HTML_TEXT};
}

void preview_text_feed(struct preview_text *text, struct str utf8)
{
	const struct html_sink sink = sink_of(text);

	if (text->html)
		html_feed(&text->parser, utf8, &sink);
	else
		add(utf8, text);
}

bool preview_text_full(const struct preview_text *text)
{
	return words_full(&text->own);
}

void preview_text_end(struct preview_text *text, struct buf *out)
{
	const struct html_sink sink = sink_of(text);

	if (text->html)
		html_end(&text->parser, &sink);
	if (text->own.count > 0) {
		buf_append(out, text->own.utf8, text->own.len);
	} else if (text->quoted.count > 0) {
		buf_putc(out, '>');
		buf_append(out, text->quoted.utf8, text->quoted.len);
	}
}
