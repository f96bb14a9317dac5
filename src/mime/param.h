/* SPDX-License-Identifier: MIT */
/*
 * mime/param.h - a value with parameters, decoded: Content-Type (RFC 2045
 * section 5.1), Content-Disposition (RFC 2183), in UTF-8 (RFC 2231).
 */
#ifndef MIME_PARAM_H
#define MIME_PARAM_H
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct mime_param {
	struct str name, value; /* of "filename*" the name is "filename" */
};

struct mime_value {
	struct str type, subtype; /* subtype is "" if there is none */
	struct mime_param *params;
	size_t count;
};

/* Of a field's value, folded or not. Children of ctx. False if it does not
 * begin with a token. */
bool mime_value_parse(const void *ctx, struct str value,
		      struct mime_value *out);

#endif
