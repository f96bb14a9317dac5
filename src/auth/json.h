/* SPDX-License-Identifier: MIT */
/*
 * auth/json.h - JSON (RFC 8259) from outside as fields, through jansson.
 */
#ifndef AUTH_JSON_H
#define AUTH_JSON_H
#include "base/str.h"

struct err;
struct fields;

enum { JSON_TEXT_MAX = 256 * 1024 };

/* Add the members of the object in `text`, each named `prefix` and its name:
 * strings, numbers, "true" and "false" as they are, arrays of these with a
 * blank between, members of an object in it as "name.member"; nulls are left
 * out. -1 with ERR_INVALID if it is no such object; nothing is added then. */
int json_to_fields(struct str text, const char *prefix, struct fields *out,
		   struct err *err);

#endif
