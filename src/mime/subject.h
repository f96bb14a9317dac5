/* SPDX-License-Identifier: MIT */
/*
 * mime/subject.h - what of a subject is the same in all answers (RFC 5256
 * section 2.1).
 */
#ifndef MIME_SUBJECT_H
#define MIME_SUBJECT_H
#include <stdbool.h>

#include "base/str.h"

struct buf;

/* Step 1's other half: each run of blanks becomes one. */
void subject_words(struct str decoded, struct buf *out);
/* Steps 2 to 6 on such a text: the base subject, a part of it, and whether what
 * was taken away says that it is a reply or forwarded. Takes linear time. */
struct str subject_base(struct str words, bool *reply_out);

#endif
