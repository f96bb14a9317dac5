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
struct sieve_source;

struct sieve_parser {
	struct sieve_check *check; /* gets the errors */
	struct sieve_arena *arena;   /* for what is parsed from here on */
	struct sieve_place token;    /* the last one */
	struct sieve_place behind;   /* the end of the one before it */
	struct sieve_place at;       /* behind it */
	/* A command that stands in no block, with all that belongs to it. */
	void (*command)(struct sieve_parser *parser, struct sieve_node *node);
	unsigned max_depth, max_items;
	size_t max_string;
	bool too_deep;
	bool invalid; /* characters in this command have been told of */
	struct buf string;          /* of a token in work */
	struct sieve_place started; /* that token */
};

/* Parse all of a script. Errors have been reported by sieve_error(). */
void sieve_parse(struct sieve_parser *parser,
		 const struct sieve_source *source);

#endif
