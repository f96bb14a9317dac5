/* SPDX-License-Identifier: MIT */
/*
 * sieve/parse.h - between lexer.l and grammar.y. Only for sieve/.
 */
#ifndef SIEVE_PARSE_H
#define SIEVE_PARSE_H
#include "base/buf.h"
#include "sieve/tree.h"

struct sieve_arena;
struct sieve_check;

struct sieve_parser {
	struct sieve_check *check; /* gets the errors */
	struct sieve_arena *arena;
	struct sieve_place at;       /* of the lexer, behind the last token */
	struct sieve_node *commands; /* the result */
	unsigned max_depth, max_items;
	size_t max_string;
	bool too_deep;
	bool invalid; /* characters in this command have been told of */
	struct buf string;          /* of a token in work */
	struct sieve_place started; /* that token */
};

/* A list in work, of arguments or of nodes. */
struct sieve_args_list {
	struct sieve_arg *first, *last;
	unsigned count;
};

struct sieve_nodes_list {
	struct sieve_node *first, *last;
	unsigned depth;
};

/* What stands behind a name. */
struct sieve_tail {
	struct sieve_arg *args;
	struct sieve_node *tests;
	bool has_list;
	unsigned depth;
};

/* Parse all of `text`; commands are in parser->commands. Errors have been
 * reported by sieve_error(). */
void sieve_parse(struct sieve_parser *parser, struct str text);

#endif
