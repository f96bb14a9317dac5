/* SPDX-License-Identifier: MIT */
/*
 * mime/body.h - the decoded text of a part: transfer encodings, charset.
 */
#ifndef MIME_BODY_H
#define MIME_BODY_H
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct buf;

enum transfer_encoding {
	ENCODING_NONE, /* 7bit, 8bit, binary */
	ENCODING_BASE64,
	ENCODING_QUOTED_PRINTABLE,
	ENCODING_UNKNOWN,
};

/* Of a part's header: "text/plain", lower case, "" type if missing. */
struct content_type {
	char type[32], subtype[64];
	char charset[64]; /* "" if none */
	char boundary[256];
};
void content_type_parse(struct str header, struct content_type *out);
enum transfer_encoding content_encoding_parse(struct str header);

/* Undo a transfer encoding piece by piece; bad input is skipped (base64) or
 * kept (quoted-printable). */
struct body_decoder {
	enum transfer_encoding encoding;
	unsigned char state[8]; /* body.c knows */
};
void body_decoder_feed(struct body_decoder *decoder, struct str in, bool last,
		       struct buf *out);

/* Search a whole message piece by piece for `needle` (folded UTF-8,
 * charset_fold()): in the decoded text parts, and in headers if `headers`.
 * Parts that are not text are passed over. */
struct body_search;
struct body_search *body_search_new(const void *ctx, const char *const *needles,
				    size_t count, bool headers);
void body_search_feed(struct body_search *search, struct str in);
/* True when all needles were found; `found` (may be NULL) has one entry a
 * needle. */
bool body_search_end(struct body_search *search, bool *found);

#endif
