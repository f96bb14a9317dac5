/* SPDX-License-Identifier: MIT */
/*
 * proto/imap.h - IMAP commands (RFC 3501, 7888) from bytes: tag, name,
 * arguments. Fed what there is, stopped anywhere, no I/O; login uses it with
 * tighter bounds.
 *
 * A command is taken as a whole, but for a literal that the session wants to
 * stream (APPEND): then imap_parser_feed() stops at its start and says so.
 */
#ifndef PROTO_IMAP_H
#define PROTO_IMAP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/range.h"
#include "base/str.h"

struct buf;

struct imap_limits {
	/* imap_max_line_length; a command without literals, with CRLF */
	size_t max_line;
	uint64_t max_literal; /* one literal kept in memory */
	size_t max_command;   /* all of a command, literals included */
	unsigned max_args;
	unsigned max_depth; /* parentheses */
	bool literal_minus; /* non-synchronising ones up to 4096 octets only */
};

enum imap_arg_kind {
	IMAP_ARG_END, /* behind the last one, of each list too */
	IMAP_ARG_NIL,
	IMAP_ARG_ATOM,    /* also numbers, sequence sets, flags */
	IMAP_ARG_STRING,  /* quoted */
	IMAP_ARG_LITERAL, /* kept in memory; binary if announced by ~ */
	IMAP_ARG_LIST,
	/* A literal that is still in the input; only ever the last one. */
	IMAP_ARG_STREAM,
};

struct imap_arg {
	enum imap_arg_kind kind;
	bool binary;             /* literal8 */
	struct str text;         /* atom; string without its escapes; literal */
	uint64_t stream_size;    /* IMAP_ARG_STREAM */
	bool stream_sync;        /* the client waits for "+" */
	struct imap_arg *list;   /* IMAP_ARG_LIST: an array up to END */
};

/* "BODY[HEADER.FIELDS (To)]<0.9>" comes as three arguments: the atom
 * "BODY[HEADER.FIELDS", the list, the atom "]<0.9>". Atoms may have the
 * characters %, *, [, ] and \, which some commands give a meaning. */
struct imap_command {
	struct str tag, name; /* name as sent; "UID" is taken off: see uid */
	bool uid;             /* UID FETCH, UID STORE ... */
	struct imap_arg *args;
};

enum imap_parse {
	IMAP_PARSE_MORE,     /* all used up; feed more */
	IMAP_PARSE_CONTINUE, /* send "+ OK", then go on feeding */
	IMAP_PARSE_COMMAND,  /* one is there; imap_parser_reset() for the next */
	/* It is there up to a literal to stream; its octets come next in the
	 * input and are the caller's. Then imap_parser_resume(). */
	IMAP_PARSE_STREAM,
	IMAP_PARSE_BAD, /* malformed; the rest of its line is skipped. Answer
			   BAD with imap_parser_problem(), then reset */
	IMAP_PARSE_FATAL, /* too much; answer BYE and close */
};

struct imap_parser;
struct imap_parser *imap_parser_new(const void *ctx,
				    const struct imap_limits *limits);
/* Whether the next literal of `command`, of which only the head is there, is to
 * be streamed; `before` arguments stand before it. NULL (the default): never.
 */
typedef bool imap_stream_fn(const struct imap_command *command, size_t before,
			    void *ctx);
void imap_parser_set_stream(struct imap_parser *parser, imap_stream_fn *fn,
			    void *ctx);
/* *used_out: the bytes taken from `in`. */
enum imap_parse imap_parser_feed(struct imap_parser *parser, struct str in,
				 size_t *used_out);
/* After IMAP_PARSE_COMMAND, _STREAM or _BAD (whose tag may be empty). Valid up
 * to imap_parser_reset(). */
const struct imap_command *imap_parser_command(struct imap_parser *parser);
/* For the client, the whole text after BAD or BYE: "Error in IMAP command LIST:
 * Missing '\"'", "Error in IMAP tag: Invalid tag", "Literal size too large". */
const char *imap_parser_problem(struct imap_parser *parser);
/* After the streamed literal: the rest of the command follows (MULTIAPPEND).
 * Tag and name stay; args then has only what came since, and what it had before
 * is no longer valid. */
void imap_parser_resume(struct imap_parser *parser);
void imap_parser_reset(struct imap_parser *parser);

/* arguments */

/* atom, string or literal; false for NIL, lists and streams. */
bool imap_arg_astring(const struct imap_arg *arg, struct str *out);
bool imap_arg_atom_is(const struct imap_arg *arg, const char *word);
bool imap_arg_number(const struct imap_arg *arg, uint32_t *out);
/* "1:3,5:*": `star` is what * stands for. False when malformed; zero is. */
bool imap_sequence_set(struct str text, uint32_t star, struct range_set *out);
/* " 7-Feb-1994 22:43:04 -0800" (date-time of RFC 3501 section 9). */
bool imap_date_time(struct str text, int64_t *utc_out, int *zone_minutes_out);
/* "1-Feb-1994" to days: seconds since 1970 at its midnight UTC. */
bool imap_date(struct str text, int64_t *out);

/* writing */

/* As an atom if it can be one, else quoted, else a literal. */
void imap_write_astring(struct buf *out, struct str value);
/* Quoted or a literal; NIL if value.data is NULL. */
void imap_write_nstring(struct buf *out, struct str value);

#endif
