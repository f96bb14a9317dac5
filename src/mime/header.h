/* SPDX-License-Identifier: MIT */
/*
 * mime/header.h - the fields of a header block (RFC 5322 section 2.2).
 *
 * A block is bytes with LF or CRLF line ends; nothing is copied.
 */
#ifndef MIME_HEADER_H
#define MIME_HEADER_H
#include <stdbool.h>

#include "base/str.h"

struct buf;

struct header_field {
	struct str name; /* without colon and blanks before it */
	struct str
		value;   /* all after the colon, folded, without the last EOL */
	struct str full; /* the field as it stands, with its EOL */
};

/* Where the header at the start of `text` ends, with the empty line; 0 if it
 * does not end there. */
size_t header_end(struct str text);
/* The next field of *rest; false at the end of the block (an empty line or
 * none left). A line that is no field is skipped. */
bool header_next(struct str *rest, struct header_field *out);
/* The first field of that name; false if there is none. */
bool header_find(struct str block, const char *name, struct header_field *out);
/* The value on one line: folds become one blank (RFC 5322 section 2.2.3), CR
 * and LF are gone, blanks at both ends too. */
void header_unfold(struct str value, struct buf *out);
/* Unfolded, encoded words (RFC 2047) decoded, and in UTF-8. What cannot be
 * decoded stays as it was, with bad bytes as U+FFFD. */
void header_decode(struct str value, struct buf *utf8_out);

#endif
