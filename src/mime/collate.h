/* SPDX-License-Identifier: MIT */
/*
 * mime/collate.h - the order of texts: i;unicode-casemap (RFC 5051).
 */
#ifndef MIME_COLLATE_H
#define MIME_COLLATE_H
#include "base/str.h"

struct buf;

/* Append what stands for `utf8` in comparisons: two texts are equal if theirs
 * are, octet by octet, and the order of texts is that of theirs (section 2:
 * title case, then decomposed). Bad octets and NUL become U+FFFD, so there is
 * no NUL in it. ASCII is quick. */
void collate(struct str utf8, struct buf *out);

#endif
