/* SPDX-License-Identifier: MIT */
/*
 * proto/smtp.h - command lines and data of SMTP and LMTP (RFC 5321, 2033) from
 * bytes. Only CRLF ends a line and only CRLF.CRLF ends the data: see
 * dot_feed().
 */
#ifndef PROTO_SMTP_H
#define PROTO_SMTP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct buf;

enum smtp_parse {
	SMTP_PARSE_MORE,
	SMTP_PARSE_LINE,     /* a command */
	SMTP_PARSE_TOO_LONG, /* 500 5.5.2; the line was skipped */
	SMTP_PARSE_BAD,      /* bare CR or LF or NUL in it: 500 5.5.2 */
};

struct smtp_line {
	struct str verb; /* as sent */
	struct str args; /* behind the blank; may be empty */
};

struct smtp_parser;
struct smtp_parser *smtp_parser_new(const void *ctx, size_t max_line);
enum smtp_parse smtp_parser_feed(struct smtp_parser *parser, struct str in,
				 size_t *used_out, struct smtp_line *out);
/* Forget what was fed of a line (after STARTTLS), and overwrite it. */
void smtp_parser_reset(struct smtp_parser *parser);

struct smtp_param {
	const char *name, *value; /* "SIZE", "1000"; value NULL if none */
};

struct smtp_path {
	char *address; /* "" for <>; local part as written, quotes included */
	char *local;   /* unquoted; NULL for <> */
	char *domain;  /* NULL if there is none */
	struct smtp_param *params; /* up to a NULL name */
	bool broken; /* no address was there: see smtp_sender_parse() */
};

/* "FROM:<a@b> SIZE=1" of MAIL, "TO:<a@b>" of RCPT; `keyword` is "FROM" or "TO".
 * On false *problem_out is what to tell the client. Children of ctx. */
bool smtp_path_parse(const void *ctx, struct str args, const char *keyword,
		     struct smtp_path *out, const char **problem_out);
/* The same for "FROM:", where "<a@b@c>", "<a@>" and the like are taken as <>,
 * as Dovecot does: the mail is no worse than its sender, to whom nothing can be
 * sent. So are addresses that SMTPUTF8 is needed for. */
bool smtp_sender_parse(const void *ctx, struct str args, struct smtp_path *out,
		       const char **problem_out);
/* What old clients leave out or put in, made right as far as `workarounds`
 * (words: whitespace-before-path, mailbox-for-path) say so. Child of ctx, or
 * `args` itself. */
struct str smtp_path_tolerate(const void *ctx, struct str args,
			      const char *keyword, const char *workarounds);
/* A name of HELO for Received: what no host name has becomes '?'. */
char *smtp_helo_clean(const void *ctx, struct str name);
/* "1000 LAST" of BDAT (RFC 3030 section 2): NULL, or what is wrong. Even then,
 * *octets_out follow that are no commands; 0 if nobody can tell. */
const char *smtp_bdat_parse(struct str args, uint64_t *octets_out,
			    bool *last_out);

/* parameters */

/* "NAME=value ..." Names come out in upper case. NULL, or what is wrong. */
const char *smtp_params_parse(const void *ctx, struct str in,
			      struct smtp_param **out);
/* xtext (RFC 3461 section 4). Decoding: NULL, or what is wrong. */
void smtp_xtext_encode(struct str in, struct buf *out);
const char *smtp_xtext_decode(const void *ctx, struct str in, char **out);
/* ORCPT: *address_out is NULL if it is no address of mail. NULL, or what to
 * tell the client. */
const char *smtp_orcpt_parse(const void *ctx, const char *value,
			     char **address_out);

/* replies, for clients */

struct smtp_reply {
	unsigned code;    /* 0: none came */
	const char *text; /* lines with LF between; with 0, what happened */
};

struct smtp_replies;
struct smtp_replies *smtp_replies_new(const void *ctx);
/* SMTP_PARSE_LINE: a whole reply, which lives until the next call. Anything
 * else but MORE ends the connection. */
enum smtp_parse smtp_replies_feed(struct smtp_replies *replies, struct str in,
				  size_t *used_out, struct smtp_reply *out);
/* Octets of the status (RFC 3463) in front of a reply's text; 0: none. */
size_t smtp_status_length(const char *text);

/* DATA */

enum dot_state {
	DOT_LINE_START,
	DOT_TEXT,
	DOT_CR,
	DOT_DOT,
	DOT_DOT_CR,
	DOT_END,
};

struct dot {
	enum dot_state state; /* starts as DOT_LINE_START */
	bool keep_crlf;       /* else CRLF becomes LF */
};

/* Undo dot-stuffing. Returns the bytes used; those after DOT_END belong to the
 * next command. The fast path copies whole lines. */
size_t dot_feed(struct dot *dot, const char *in, size_t len, struct buf *out);

/* The other way: LF and CRLF become CRLF, a CR of its own a blank, and a dot
 * that begins a line two. */
struct dot_out {
	bool in_line; /* the last octet ended no line */
	bool cr;      /* the last octet was CR */
};
void dot_write(struct dot_out *dot, const char *in, size_t len,
	       struct buf *out);
/* CRLF if the last line lacks it, and the dot. */
void dot_end(struct dot_out *dot, struct buf *out);

#endif
