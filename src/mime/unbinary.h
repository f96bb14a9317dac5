/* SPDX-License-Identifier: MIT */
/*
 * mime/unbinary.h - a mail that came as BODY=BINARYMIME (RFC 3030) in a form
 * that every mailbox and server takes: what its fields call binary becomes
 * base64, all else has lines that end with LF.
 */
#ifndef MIME_UNBINARY_H
#define MIME_UNBINARY_H
#include <stddef.h>

#include "base/str.h"

struct mime_message;

/* `message` is what mime_parser_end() made of `in`, with header texts. The
 * outcome is given to `write` piece by piece. */
void mime_unbinary(struct str in, const struct mime_message *message,
		   void (*write)(void *ctx, const void *data, size_t len),
		   void *ctx);

#endif
