/* SPDX-License-Identifier: MIT */
/*
 * config/vars_internal.h - the parts of %-expansion, for each other.
 */
#ifndef CONFIG_VARS_INTERNAL_H
#define CONFIG_VARS_INTERNAL_H
#include "base/buf.h"
#include "base/str.h"
#include "config/vars.h"

struct err;

enum { VARS_MAX = 1 << 20, VARS_DEPTH_MAX = 8 };

/* What a format is expanded with; `depth` counts nested conditions. */
struct scope {
	const struct var *vars;
	/* Go on after an error, and keep the first here; NULL: end with it. */
	struct err *anyway;
	unsigned depth;
};

/* Append the expansion of `format`. */
int vars_append(struct buf *out, struct str format, const struct scope *scope,
		struct err *err);
/* "%{if;value;operator;value;then;else}", without its braces. */
int vars_if(struct buf *out, struct str text, const struct scope *scope,
	    struct err *err);
/* The variable of a key or long name, or NULL. */
const struct var *vars_find(const struct var *vars, char key, struct str name);

enum hash_result {
	HASH_NONE, /* it names no digest */
	HASH_OK,
	HASH_BROKEN,
};
/* "md5;rounds=2:user", without its braces. */
enum hash_result vars_hash(struct buf *out, struct str text,
			   const struct scope *scope);

#endif
