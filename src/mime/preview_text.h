/* SPDX-License-Identifier: MIT */
/*
 * mime/preview_text.h - from the text of a part to what a preview shows of it.
 * Only for mime/.
 */
#ifndef MIME_PREVIEW_TEXT_H
#define MIME_PREVIEW_TEXT_H
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "mime/html.h"
#include "mime/preview.h"

struct buf;

/* Characters with blanks folded, up to a number of them. */
struct preview_words {
	unsigned count, max;
	bool blank; /* before the next */
	size_t len;
	char utf8[PREVIEW_MAX * 4];
};

struct preview_text {
	struct preview_words own, quoted;
	bool html;
	bool in_line; /* a character of this line has been seen */
	bool in_quote;
	unsigned block_quotes; /* open ones */
	struct html parser;
};

void preview_text_init(struct preview_text *text, bool html);
/* Whole characters. */
void preview_text_feed(struct preview_text *text, struct str utf8);
/* No more will change what is shown. */
bool preview_text_full(const struct preview_text *text);
/* There is no more. What is shown: the text without what it quotes; if that is
 * all there is, a '>' and what it quotes. */
void preview_text_end(struct preview_text *text, struct buf *out);

#endif
