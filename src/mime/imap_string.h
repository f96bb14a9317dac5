/* SPDX-License-Identifier: MIT */
/*
 * mime/imap_string.h - strings of ENVELOPE and BODYSTRUCTURE. Only for mime/.
 */
#ifndef MIME_IMAP_STRING_H
#define MIME_IMAP_STRING_H
#include "base/str.h"

struct buf;

/* A field's value without its folds; otherwise as it stands. */
void imap_string_field(struct str value, struct buf *scratch, struct buf *out);
/* For people to read: each run of blanks becomes one, none at the ends. */
void imap_string_words(struct str value, struct buf *scratch, struct buf *out);

#endif
