/* SPDX-License-Identifier: MIT */
/*
 * mime/header_decode.c - encoded words (RFC 2047).
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "mime/body.h"
#include "mime/charset.h"
#include "mime/header.h"

struct word {
	struct str charset;
	char encoding; /* 'b' or 'q' */
	struct str text;
	size_t len; /* of all of it */
};

/* "=?charset*language?B?text?=" at the start of `in`. */
static bool parse_word(struct str in, struct word *out)
{
	struct str rest = in;
	ptrdiff_t at;

	if (!str_starts(rest, "=?"))
		return false;
	rest = str_from(rest, 2);
	at = str_find_char(rest, '?');
	if (at <= 0 || rest.len - at < 3 || rest.data[at + 2] != '?')
		return false;
	out->charset = str_n(rest.data, at);
	out->encoding = ascii_lower(rest.data[at + 1]);
	rest = str_from(rest, at + 3);
	at = str_find(rest, STR("?="));
	if (at < 0 || (out->encoding != 'b' && out->encoding != 'q'))
		return false;
	out->text = str_n(rest.data, at);
	if (str_find_char(out->text, ' ') >= 0 && out->encoding == 'b')
		return false;
	out->len = rest.data + at + 2 - in.data;
	at = str_find_char(out->charset, '*'); /* RFC 2231 section 5 */
	if (at >= 0)
		out->charset.len = at;
	return out->charset.len > 0;
}

static void decode_q(struct str text, struct buf *out)
{
	struct body_decoder decoder = {.encoding = ENCODING_QUOTED_PRINTABLE};

	while (text.len > 0) {
		ptrdiff_t score = str_find_char(text, '_');
		size_t len = score < 0 ? text.len : (size_t)score;

		body_decoder_feed(&decoder, str_n(text.data, len), true, out);
		text = str_from(text, len);
		if (text.len > 0) {
			buf_putc(out, ' ');
			text = str_from(text, 1);
		}
	}
}

static void decode_text(const struct word *word, struct buf *out)
{
	struct body_decoder decoder = {.encoding = ENCODING_BASE64};

	if (word->encoding == 'q')
		decode_q(word->text, out);
	else
		body_decoder_feed(&decoder, word->text, true, out);
}

static size_t blanks(struct str in)
{
	size_t len = 0;

	while (len < in.len && (in.data[len] == ' ' || in.data[len] == '\t'))
		len++;
	return len;
}

/* The words that follow one another, with blanks only between them. Those of
 * one charset are put together first: some cut characters in two. */
static size_t decode_words(struct str in, struct word word, struct buf *out)
{
	CLEANUP(buf_free) struct buf octets = buf_init(in.len);
	size_t used = 0;

	for (;;) {
		struct str charset = word.charset;
		size_t gap;
		bool more;

		decode_text(&word, &octets);
		used += word.len;
		gap = blanks(str_from(in, used));
		more = parse_word(str_from(in, used + gap), &word);
		if (more)
			used += gap;
		if (more && str_case_equal(charset, word.charset))
			continue;
		charset_to_utf8(charset, str_n(octets.data, octets.len), out);
		buf_reset(&octets);
		if (!more)
			return used;
	}
}

void header_decode(struct str value, struct buf *utf8_out)
{
	CLEANUP(buf_free) struct buf flat = buf_init(value.len * 3 + 1);
	struct str rest;

	header_unfold(value, &flat);
	rest = str_n(flat.data, flat.len);
	while (rest.len > 0) {
		ptrdiff_t start = str_find(rest, STR("=?"));
		size_t plain = start < 0 ? rest.len : (size_t)start;
		struct word word;

		charset_to_utf8(STR("utf-8"), str_n(rest.data, plain),
				utf8_out);
		rest = str_from(rest, plain);
		if (rest.len == 0)
			return;
		if (parse_word(rest, &word)) {
			rest = str_from(rest,
					decode_words(rest, word, utf8_out));
		} else {
			buf_append(utf8_out, "=?", 2);
			rest = str_from(rest, 2);
		}
	}
}
