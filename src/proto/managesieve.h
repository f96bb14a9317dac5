/* SPDX-License-Identifier: MIT */
/*
 * proto/managesieve.h - ManageSieve (RFC 5804 section 4) from bytes and to
 * them: commands with their arguments, strings. No I/O.
 *
 * A script that is announced as too large is told at once, and what follows of
 * it is passed over; so are the rest of a line that makes no sense and the
 * literals that it announces, so that no script is ever taken for commands.
 */
#ifndef PROTO_MANAGESIEVE_H
#define PROTO_MANAGESIEVE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct buf;
struct msieve_parser;

enum { MSIEVE_ARGS_MAX = 8 };

enum msieve_kind { MSIEVE_ATOM, MSIEVE_STRING };

struct msieve_arg {
	enum msieve_kind kind;
	struct str text;
};

struct msieve_command {
	struct str name; /* as sent */
	struct msieve_arg args[MSIEVE_ARGS_MAX];
	size_t count; /* may be higher: those are not kept */
};

struct msieve_limits {
	size_t max_line;     /* all of a command but a script in a literal */
	uint64_t max_script; /* of PUTSCRIPT and CHECKSCRIPT in a literal */
};

enum msieve_parse {
	MSIEVE_MORE,
	MSIEVE_COMMAND,
	/* These are told once for a command, whose name is known and whose rest
	 * is passed over: */
	MSIEVE_BAD, /* msieve_problem() tells what */
	MSIEVE_TOO_LONG,
	MSIEVE_LARGE_SCRIPT, /* its size is msieve_size() */
	/* Answer and close. */
	MSIEVE_LARGE_LITERAL,
};

/* Child of ctx. */
struct msieve_parser *msieve_parser_new(const void *ctx,
					const struct msieve_limits *limits);
/* Take what there is; *used_out is how much of it. What the last command
 * pointed to is gone. */
enum msieve_parse msieve_feed(struct msieve_parser *parser, struct str in,
			      size_t *used_out);
/* Forget and wipe all that was read. */
void msieve_reset(struct msieve_parser *parser);
/* Behind a command: wipe it; the next line is a `response` of AUTHENTICATE,
 * without a name. What is still to be passed over, is. */
void msieve_next(struct msieve_parser *parser, bool response);
/* The command; valid up to the next call. */
const struct msieve_command *msieve_command(const struct msieve_parser *parser);
const char *msieve_problem(const struct msieve_parser *parser);
uint64_t msieve_size(const struct msieve_parser *parser);

/* answers */

/* A quoted string, or a literal if it can't be one. */
void msieve_write_string(struct buf *out, struct str text);
/* The same, always a literal. */
void msieve_write_literal(struct buf *out, struct str text);
/* "OK "text"", "NO (CODE) "text"" with CRLF; code "" for none. */
void msieve_write_reply(struct buf *out, const char *word, const char *code,
			struct str text);
/* The capability EXTLISTS (RFC 6134): the schemes of the lists that there are.
 * `name` tells that of the list with a number, from 1 on; NULL behind the
 * last. */
void msieve_write_extlists(struct buf *out,
			   const char *(*name)(void *ctx, unsigned number),
			   void *ctx);

#endif
