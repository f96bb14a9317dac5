/* SPDX-License-Identifier: MIT */
/*
 * sieve/tree.h - a script as the parser leaves it (RFC 5228 section 8.2) and
 * as the validator completes it. All of it lives in the compiler's arena.
 */
#ifndef SIEVE_TREE_H
#define SIEVE_TREE_H
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct sieve_command;
struct sieve_tag;

enum { SIEVE_MAX_PARAMS = 4 };

enum sieve_type {
	SIEVE_NONE,
	SIEVE_NUMBER,
	SIEVE_STRING,
	SIEVE_STRINGS, /* a string list; as a parameter, one string is one */
	SIEVE_TAG,
};

struct sieve_place {
	unsigned line, column; /* from 1; line 0: none */
};

/* A piece of a string with "${...}" in it. */
struct sieve_piece {
	enum {
		SIEVE_PIECE_TEXT,
		SIEVE_PIECE_VARIABLE, /* of this script: `number` */
		SIEVE_PIECE_MATCH,    /* ${0}...: `number` */
		SIEVE_PIECE_NAMESPACE /* `space` knows `text` */
	} kind;
	struct str text;
	unsigned number;
	const struct sieve_namespace *space;
	struct sieve_piece *next;
};

struct sieve_arg {
	enum sieve_type type;
	struct sieve_place at;
	uint64_t number;
	struct str text;         /* a string's octets; a tag's name, no ':' */
	struct sieve_arg *items; /* of a list, by `next` */
	unsigned count;          /* of items */
	struct sieve_arg *next;
	/* The validator's: */
	struct sieve_piece *pieces; /* NULL for a constant string */
	const struct sieve_tag *tag;
	struct sieve_arg *value; /* of the tag; NULL if it takes none */
};

enum sieve_constant { SIEVE_VARIES, SIEVE_ALWAYS, SIEVE_NEVER };

/* A command or a test. */
struct sieve_node {
	bool is_test, has_block;
	bool has_list; /* tests in parentheses */
	struct sieve_place at;
	struct str name;
	struct sieve_arg *args;
	struct sieve_node *tests, *block; /* by `next` */
	struct sieve_node *next;
	unsigned depth; /* of tests or blocks below */
	/* The validator's: */
	const struct sieve_command *command;
	struct sieve_arg *params[SIEVE_MAX_PARAMS]; /* NULL: left out */
	enum sieve_constant constant;               /* a test's result */
	void *data;                                 /* the extension's own */
};

/* The tag of that name among the arguments, or NULL. */
const struct sieve_arg *sieve_node_tag(const struct sieve_node *node,
				       const char *name);

#endif
