/* SPDX-License-Identifier: MIT */
/*
 * auth/fields.h - an ordered list of "key=value", as passdbs and userdbs give
 * and as the auth protocol sends them.
 */
#ifndef AUTH_FIELDS_H
#define AUTH_FIELDS_H
#include <stddef.h>

#include "base/str.h"

struct buf;

enum { FIELDS_MAX = 256 };

struct field {
	const char *key, *value; /* value "" for a bare key */
};

struct fields {
	struct field *list; /* child of ctx */
	size_t count;
	const void *ctx;
};

/* An empty list that allocates below ctx; nothing is to be freed. */
struct fields fields_init(const void *ctx);
/* The same fields in a list of its own. */
struct fields fields_copy(const struct fields *fields);
/* Set, or replace where it is. Beyond FIELDS_MAX it is dropped. */
void fields_set(struct fields *fields, const char *key, const char *value);
/* "key=value", or a bare key, as it is in a file. */
void fields_set_text(struct fields *fields, struct str text);
void fields_remove(struct fields *fields, const char *key);
/* NULL if it is not there. */
const char *fields_get(const struct fields *fields, const char *key);
/* Append "\tkey=value" of each, escaped for the auth protocol. */
void fields_write(const struct fields *fields, struct buf *out);
/* The other way: everything in `in`, "key=value\tkey=value". */
void fields_parse(struct fields *fields, struct str in);

#endif
