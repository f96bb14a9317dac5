/* SPDX-License-Identifier: MIT */
/*
 * sieve/part.h - what is in the parts of a message (RFC 5173, RFC 5703).
 *
 * A `part` belongs to sieve_message_mime() of the message that it is given
 * with.
 */
#ifndef SIEVE_PART_H
#define SIEVE_PART_H
#include <stdbool.h>

#include "base/str.h"

struct buf;
struct mime_part;
struct sieve_message;

/* The next part after `part` (the root for NULL), parents before children;
 * NULL at the end. `top` bounds the walk: it and what is in it. */
const struct mime_part *sieve_part_next(const struct mime_part *top,
					const struct mime_part *part);
/* The header of a part, with the empty line; its body as it stands. */
struct str sieve_part_header(const struct sieve_message *message,
			     const struct mime_part *part);
struct str sieve_part_body(const struct sieve_message *message,
			   const struct mime_part *part);
/* Append the body without its transfer encoding, lines ending in CRLF (a
 * message on disk may have LF); text in UTF-8. `out` overflows if it is too
 * long. */
void sieve_part_decode(const struct sieve_message *message,
		       const struct mime_part *part, struct buf *out);
/* The same, of HTML only the text. */
void sieve_part_text(const struct sieve_message *message,
		     const struct mime_part *part, struct buf *out);
/* Of a multipart: what is before its first and behind its last part. */
struct str sieve_part_prologue(const struct sieve_message *message,
			       const struct mime_part *part);
struct str sieve_part_epilogue(const struct sieve_message *message,
			       const struct mime_part *part);
/* Whether its media type is "", "TYPE" or "TYPE/SUBTYPE" (RFC 5173 section
 * 5.2); a wrong one matches nothing. */
bool sieve_part_is(const struct mime_part *part, struct str type);

#endif
