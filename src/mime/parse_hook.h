/* SPDX-License-Identifier: MIT */
/*
 * mime/parse_hook.h - to see bodies pass by while a message is parsed. Only
 * for mime/.
 */
#ifndef MIME_PARSE_HOOK_H
#define MIME_PARSE_HOOK_H
#include "base/str.h"
#include "mime/body.h"
#include "mime/parse.h"

struct mime_hook {
	/* A part's header is whole. */
	void (*header)(const struct mime_part *part, struct str text,
		       const struct content_type *type, void *ctx);
	/* Some of the body of the last such part, if it has no parts inside.
	 * The line end before a boundary comes along. */
	void (*body)(struct str data, void *ctx);
	/* All was parsed. */
	void (*end)(struct mime_message *message, void *ctx);
	void *ctx;
};

void mime_parser_set_hook(struct mime_parser *parser,
			  const struct mime_hook *hook);

#endif
