/* SPDX-License-Identifier: MIT */
/*
 * mime/parse.h - a message (RFC 5322, 2045-2046) to the tree of its parts.
 *
 * The parser is fed what there is and keeps no body: the tree has offsets into
 * the message as stored ("physical", LF or CRLF line ends) and sizes as clients
 * see them ("virtual", all line ends CRLF). Depth, parts and header size are
 * bounded; what is beyond a bound becomes text of the part it is in.
 */
#ifndef MIME_PARSE_H
#define MIME_PARSE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct buf;
struct mime_parser;

struct mime_limits {
	unsigned max_depth;      /* 100 */
	unsigned max_parts;      /* 10,000 */
	size_t max_header;       /* kept of one part's header; 10 MB */
	size_t max_header_total; /* of all parts together; 50 MB */
	size_t max_preview;      /* of a part, for its preview; 256 kB */
};
extern const struct mime_limits mime_limits_default;

struct mime_size {
	uint64_t physical, virtual;
	uint64_t lines;
};

enum mime_kind {
	MIME_TEXT, /* and whatever has no parts */
	MIME_MULTIPART,
	MIME_MESSAGE, /* message/rfc822, message/global */
};

struct mime_part {
	struct mime_part *parent, *children, *next;
	enum mime_kind kind;
	/* Where the part's header starts; the body follows the header. For the
	 * child of a MIME_MESSAGE, the header is the enclosed message's own. */
	uint64_t offset;
	struct mime_size header, body;
	/* The header as it stands, with the empty line; may be cut at
	 * max_header, and is {NULL, 0} in an unpacked tree. */
	struct str header_text;
};

struct mime_message {
	struct mime_part *root;
	struct mime_size size; /* of all of it */
	unsigned parts;
	bool has_nul;
	bool cut_off; /* its last line has no end */
	/* What mime/preview.h is for; data is NULL if nobody asked. */
	struct str preview;
};

/* Children of ctx. */
struct mime_parser *mime_parser_new(const void *ctx,
				    const struct mime_limits *limits);
/* Any cut of the input gives the same tree. */
void mime_parser_feed(struct mime_parser *parser, const void *data, size_t len);
/* The tree is the parser's child: mem_steal() it or keep the parser. */
const struct mime_message *mime_parser_end(struct mime_parser *parser);

/* The tree without its header texts, for the cache; about 20 octets a part. */
void mime_pack(const struct mime_message *message, struct buf *out);
/* NULL when `in` is no such tree. Child of ctx. */
struct mime_message *mime_unpack(const void *ctx, struct str in);

#endif
