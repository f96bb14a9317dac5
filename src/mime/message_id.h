/* SPDX-License-Identifier: MIT */
/*
 * mime/message_id.h - the message ids of Message-ID, In-Reply-To and References
 * (RFC 5322 section 3.6.4).
 */
#ifndef MIME_MESSAGE_ID_H
#define MIME_MESSAGE_ID_H
#include <stdbool.h>

#include "base/str.h"

struct buf;

/* The next "<...@...>" of *rest, without brackets, blanks, comments and quotes,
 * so that two ways to write one id give the same (RFC 5256 section 3,
 * REFERENCES). What stands between is not looked at closely: ids that real
 * programs make break the grammar in many ways. Replaces what is in `out`;
 * false when there is none left. All of a field takes linear time. */
bool message_id_next(struct str *rest, struct buf *out);

#endif
