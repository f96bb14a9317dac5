/* SPDX-License-Identifier: MIT */
/*
 * proto/pop3.h - POP3 (RFC 1939) from bytes and to them: command lines, their
 * numbers, the text of mails on its way out, and the answers that login and
 * session share (RFC 2449 CAPA, RFC 6856 LANG). No I/O.
 */
#ifndef PROTO_POP3_H
#define PROTO_POP3_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct buf;

/* command lines */

struct pop3_line {
	struct str name; /* as sent */
	struct str text; /* behind the first blank */
	struct str args; /* the same without blanks in front */
};

enum pop3_parse {
	POP3_PARSE_MORE,
	POP3_PARSE_LINE,
	POP3_PARSE_TOO_LONG, /* answer and close */
};

/* The next line of `in`, which *out points into; *used_out includes its end:
 * LF, and CR before it. What follows a NUL is not seen. */
enum pop3_parse pop3_line_next(struct str in, size_t max_line,
			       struct pop3_line *out, size_t *used_out);

/* A message number at the start of *args, which becomes what is behind it. On
 * false `problem` is what to tell the client. */
bool pop3_message_number(struct str *args, uint32_t *out, struct buf *problem);
/* TOP's second one, behind a blank. */
bool pop3_line_count(struct str args, uint64_t *out, struct buf *problem);

/* the text of mails */

struct pop3_text {
	uint64_t lines;     /* of the body, still to be sent; UINT64_MAX: all */
	bool no_nuls;       /* 0x80 in their place (outlook-no-nuls) */
	bool end_of_header; /* if the mail has none (oe-ns-eoh) */
	/* its own: */
	bool in_body, done; /* done: no more is wanted */
	bool mid_line;      /* something of the line was seen... */
	bool cr, only_cr;   /* ... which ends with a CR, or is one */
	uint64_t size;      /* octets that were put... */
	uint64_t dots;      /* ... of which so many are not the mail's */
};

/* `in`, a mail as it is stored, goes to `to`, which has room for twice as much.
 * Returns how much it became: less than all when text->done. */
size_t pop3_text_put(struct pop3_text *text, struct str in, char *to);
/* What is between the mail and the last line, ".". */
struct str pop3_text_end(const struct pop3_text *text);

/* answers */

/* The capabilities that hold before login and after it, a line each. */
void pop3_write_capabilities(struct buf *out);
/* LANG: the whole answer. */
void pop3_lang(struct str args, struct buf *out);

#endif
