/* SPDX-License-Identifier: MIT */
/*
 * mime/charset.h - charsets to UTF-8, and text made equal for searching.
 * ICU lives here and nowhere else.
 */
#ifndef MIME_CHARSET_H
#define MIME_CHARSET_H
#include <stdbool.h>

#include "base/str.h"

struct buf;

/* Whether a charset is known (SEARCH CHARSET, BADCHARSET). */
bool charset_known(struct str name);
/* Convert to UTF-8; bad input becomes U+FFFD. False: unknown charset, and the
 * text was taken as UTF-8 or, if it is none, as ISO-8859-1. */
bool charset_to_utf8(struct str charset, struct str in, struct buf *out);
/* What two texts must have in common to match in SEARCH: decomposed, folded
 * (RFC 5051, i;unicode-casemap). ASCII is quick. */
void charset_fold(struct str utf8, struct buf *out);

#endif
