/* SPDX-License-Identifier: MIT */
/*
 * mime/content.h - values with parameters: Content-Type, Content-Disposition
 * (RFC 2045 section 5.1, RFC 2183, RFC 2231). Only for mime/.
 */
#ifndef MIME_CONTENT_H
#define MIME_CONTENT_H
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "mime/lex.h"

struct content_param {
	struct str name; /* "filename*" has a value in RFC 2231's encoding */
	struct str value;
};

struct content_params {
	struct content_param *list; /* child of the ctx given */
	size_t count;
};

enum { CONTENT_MAX_PARAMS = 1000 };

/* "text/plain" at the start of `lex`: false when it is none. */
bool content_take_type(struct lex *lex, struct str *type_out,
		       struct str *subtype_out);
/* The parameters that are left in `lex`, continuations put together. Points
 * into what `lex` reads, or to children of ctx. */
void content_take_params(const void *ctx, struct lex *lex,
			 struct content_params *out);
/* NULL if there is none of that name. */
const struct content_param *content_find(const struct content_params *params,
					 const char *name);
/* The value of a Content-Transfer-Encoding field; empty when malformed. */
struct str content_encoding(struct str flat);

#endif
