/* SPDX-License-Identifier: MIT */
/*
 * mime/parse.c - the tree of a message's parts.
 *
 * Bodies are passed over with memchr(), a line at a time; only a line that
 * starts with "--" is looked at, and only such a line is kept when the input
 * ends in the midst of it. Headers are gathered in one block of memory.
 */
#include "mime/parse.h"

#include "base/mem.h"
#include "mime/body.h"
#include "mime/header.h"
#include "mime/parse_hook.h"

enum {
	BOUNDARY_MAX = 80, /* what is longer is cut, as Dovecot does */
	/* As much of a line as it takes to know whether it is a boundary. */
	LINE_MAX_KEPT = BOUNDARY_MAX + 4,
};

const struct mime_limits mime_limits_default = {
	.max_depth = 100,
	.max_parts = 10000,
	.max_header = 10 << 20,
	.max_header_total = 50 << 20,
	.max_preview = 256 << 10,
};

struct node {
	struct mime_part part;
	struct node *next_made;
	size_t header_at; /* in the message's header texts */
};

/* A part that has begun and not ended. */
struct open_part {
	struct node *node;
	struct mime_size start; /* where its body starts */
	bool in_header;
	bool digest;
	unsigned header_eol; /* octets of the header's last line end */
	struct mime_part *last_child;
	char boundary[BOUNDARY_MAX]; /* of a multipart */
	size_t boundary_len;         /* 0 for none */
};

struct mime_parser {
	struct mime_limits limits;
	struct mime_hook hook;
	struct mime_message *message;
	struct node *first_made, *last_made;

	struct mime_size at; /* up to here */
	bool last_cr;        /* the last octet was CR */
	unsigned eol;        /* octets of the line end before this line */
	bool skip_line;      /* what this line is, is known */
	bool boundary_line;  /* it is a boundary... */
	bool new_part;       /* ...behind which a part begins */
	char line[LINE_MAX_KEPT];
	size_t line_len; /* of a line that is not known yet */

	struct open_part *open; /* from the root inwards */
	unsigned depth, open_cap;
	unsigned boundaries; /* of open parts */

	char *headers;
	size_t headers_len, headers_cap;
};

/* parts */

static struct open_part *innermost(struct mime_parser *parser)
{
	return &parser->open[parser->depth - 1];
}

static void begin_part(struct mime_parser *parser)
{
	struct node *node = mem_new(parser->message, struct node);
	struct open_part *open;

	if (parser->depth == parser->open_cap) {
		parser->open_cap =
			parser->open_cap == 0 ? 4 : parser->open_cap * 2;
		parser->open = mem_resize(parser, parser->open,
					  struct open_part, parser->open_cap);
	}
	if (parser->depth > 0) {
		open = innermost(parser);
		node->part.parent = &open->node->part;
		if (open->last_child == NULL)
			open->node->part.children = &node->part;
		else
			open->last_child->next = &node->part;
		open->last_child = &node->part;
	}
	open = &parser->open[parser->depth++];
	*open = (struct open_part){
		.node = node,
		.start = parser->at,
		.in_header = true,
	};
	node->part.offset = parser->at.physical;
	node->header_at = parser->headers_len;
	if (parser->last_made == NULL)
		parser->first_made = node;
	else
		parser->last_made->next_made = node;
	parser->last_made = node;
	parser->message->parts++;
}

struct mime_parser *mime_parser_new(const void *ctx,
				    const struct mime_limits *limits)
{
	struct mime_parser *parser = mem_new(ctx, struct mime_parser);

	parser->limits = *limits;
	parser->message = mem_new(parser, struct mime_message);
	begin_part(parser);
	parser->message->root = &parser->first_made->part;
	return parser;
}

void mime_parser_set_hook(struct mime_parser *parser,
			  const struct mime_hook *hook)
{
	parser->hook = *hook;
}

static struct mime_size size_between(struct mime_size from, struct mime_size to)
{
	return (struct mime_size){
		.physical = to.physical - from.physical,
		.virtual = to.virtual - from.virtual,
		.lines = to.lines - from.lines,
	};
}

/* headers */

static void keep_header(struct mime_parser *parser, const char *data,
			size_t len)
{
	const struct node *node = innermost(parser)->node;
	size_t have = parser->headers_len - node->header_at;
	size_t room = parser->limits.max_header - have;

	if (room > parser->limits.max_header_total - parser->headers_len)
		room = parser->limits.max_header_total - parser->headers_len;
	if (len > room)
		len = room;
	if (len > parser->headers_cap - parser->headers_len) {
		size_t cap = parser->headers_cap * 2;

		if (cap < parser->headers_len + len)
			cap = parser->headers_len + len + 2048;
		parser->headers =
			mem_resize(parser->message, parser->headers, char, cap);
		parser->headers_cap = cap;
	}
	if (len > 0)
		memcpy(parser->headers + parser->headers_len, data, len);
	parser->headers_len += len;
}

static void set_boundary(struct mime_parser *parser, struct open_part *open,
			 const char *boundary)
{
	open->boundary_len = strnlen(boundary, BOUNDARY_MAX);
	memcpy(open->boundary, boundary, open->boundary_len);
	if (open->boundary_len > 0)
		parser->boundaries++;
}

static void forget_boundary(struct mime_parser *parser, struct open_part *open)
{
	if (open->boundary_len > 0)
		parser->boundaries--;
	open->boundary_len = 0;
}

static enum mime_kind kind_of(const struct mime_parser *parser,
			      struct str header, struct content_type *type)
{
	struct header_field field;

	content_type_parse(header, type);
	if (strcmp(type->type, "multipart") == 0 && type->subtype[0] != '\0')
		return MIME_MULTIPART;
	if (strcmp(type->type, "message") == 0 &&
	    strcmp(type->subtype, "rfc822") == 0)
		return MIME_MESSAGE;
	/* RFC 2046 section 5.1.5 */
	if (parser->depth > 1 && parser->open[parser->depth - 2].digest &&
	    !header_find(header, "Content-Type", &field))
		return MIME_MESSAGE;
	return MIME_TEXT;
}

static void set_kind(struct mime_parser *parser, struct open_part *open,
		     struct str header, struct content_type *type)
{
	struct mime_part *part = &open->node->part;
	enum mime_kind kind;

	if (parser->depth >= parser->limits.max_depth) {
		content_type_parse(header, type);
		return;
	}
	kind = kind_of(parser, header, type);
	if (kind == MIME_MESSAGE &&
	    parser->message->parts >= parser->limits.max_parts)
		return;
	part->kind = kind;
	if (kind == MIME_MULTIPART) {
		set_boundary(parser, open, type->boundary);
		open->digest = strcmp(type->subtype, "digest") == 0;
	}
}

/* The innermost part's header is whole: what is its body? */
static void end_header(struct mime_parser *parser)
{
	struct open_part *open = innermost(parser);
	struct mime_part *part = &open->node->part;
	size_t start = open->node->header_at;
	struct str header = STR("");
	struct content_type type;

	open->in_header = false;
	open->header_eol = parser->eol;
	part->header = size_between(open->start, parser->at);
	open->start = parser->at;
	part->header_text.len = parser->headers_len - start;
	if (part->header_text.len > 0)
		header = str_n(parser->headers + start, part->header_text.len);
	set_kind(parser, open, header, &type);
	if (parser->hook.header != NULL)
		parser->hook.header(part, header, &type, parser->hook.ctx);
	if (part->kind == MIME_MESSAGE)
		begin_part(parser);
}

/* End what is open from `depth` on inwards. */
static void end_parts(struct mime_parser *parser, unsigned depth,
		      struct mime_size end)
{
	while (parser->depth > depth) {
		struct open_part *open = innermost(parser);

		if (end.physical > open->start.physical)
			open->node->part.body = size_between(open->start, end);
		forget_boundary(parser, open);
		parser->depth--;
	}
}

/* lines */

/* How well a line fits to a boundary: it may start with those of several
 * parts, as "--b--" does with "b" and "b-". */
enum fit { FIT_NONE, FIT_START, FIT_END, FIT_EXACT };

static enum fit boundary_fit(const struct open_part *open, struct str line)
{
	size_t len = open->boundary_len;

	if (len == 0 || len > line.len ||
	    memcmp(line.data, open->boundary, len) != 0)
		return FIT_NONE;
	if (line.len == len)
		return FIT_EXACT;
	return line.len == len + 2 && memcmp(line.data + len, "--", 2) == 0
		       ? FIT_END
		       : FIT_START;
}

/* The open part to which a line is a boundary; NULL if it is none. */
static struct open_part *find_boundary(struct mime_parser *parser,
				       const char *data, size_t len)
{
	struct open_part *best = NULL;
	enum fit best_fit = FIT_NONE;
	struct str line;

	if (parser->boundaries == 0 || len < 3 || memcmp(data, "--", 2) != 0)
		return NULL;
	line = str_n(data + 2, len - 2);
	if (line.data[line.len - 1] == '\n')
		line.len--;
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	for (unsigned i = parser->depth; i-- > 0;) {
		struct open_part *open = &parser->open[i];
		enum fit fit = boundary_fit(open, line);

		if (fit > best_fit ||
		    (fit == best_fit && fit != FIT_NONE &&
		     open->boundary_len > best->boundary_len)) {
			best = open;
			best_fit = fit;
		}
	}
	return best;
}

static void shorten(struct mime_size *size, unsigned eol)
{
	if (eol > 0 && size->physical >= eol) {
		size->physical -= eol;
		size->virtual -= 2;
		size->lines--;
	}
}

/* A boundary ends what is inside of part `depth`. The line end before it
 * belongs to it (RFC 2046 section 5.1.1), even if that leaves a header without
 * its empty line. */
static void end_at_boundary(struct mime_parser *parser, unsigned depth)
{
	struct mime_size end = parser->at;
	struct open_part *open;

	while (innermost(parser)->in_header)
		end_header(parser); /* which may begin an enclosed message */
	open = innermost(parser);
	while (open->start.physical == end.physical &&
	       open->node->part.header.physical == 0 &&
	       open - parser->open > (ptrdiff_t)depth)
		open--; /* an enclosed message of nothing at all */
	if (open->start.physical == end.physical && parser->depth > depth)
		shorten(&open->node->part.header, open->header_eol);
	else
		shorten(&end, parser->eol);
	end_parts(parser, depth, end);
}

/* Act on a line of which enough is there. True if it is a boundary. */
static bool take_boundary(struct mime_parser *parser, const char *line,
			  size_t len)
{
	struct open_part *open = find_boundary(parser, line, len);
	const char *behind;
	bool last;

	if (open == NULL)
		return false;
	behind = line + 2 + open->boundary_len;
	last = line + len - behind >= 2 && memcmp(behind, "--", 2) == 0;
	if (!last && parser->message->parts >= parser->limits.max_parts)
		return false;
	end_at_boundary(parser, open - parser->open + 1);
	if (last)
		forget_boundary(parser, innermost(parser));
	parser->boundary_line = true;
	parser->new_part = !last;
	return true;
}

/* Count octets of one line, with its LF or without. */
static void count(struct mime_parser *parser, const char *data, size_t len)
{
	bool cr = len > 1 ? data[len - 2] == '\r' : parser->last_cr;

	if (len == 0)
		return;
	parser->at.physical += len;
	parser->at.virtual += len;
	parser->last_cr = data[len - 1] == '\r';
	if (data[len - 1] != '\n')
		return;
	parser->at.lines++;
	parser->eol = cr ? 2 : 1;
	if (!cr)
		parser->at.virtual ++;
}

static void end_line(struct mime_parser *parser)
{
	parser->skip_line = false;
	if (parser->boundary_line)
		parser->eol = 0; /* it belongs to this boundary, not the next */
	if (parser->new_part)
		begin_part(parser);
	parser->boundary_line = parser->new_part = false;
}

static void show_body(struct mime_parser *parser, const char *data, size_t len)
{
	if (parser->hook.body != NULL &&
	    innermost(parser)->node->part.kind == MIME_TEXT)
		parser->hook.body(str_n(data, len), parser->hook.ctx);
}

static void add_octets(struct mime_parser *parser, const char *data, size_t len)
{
	count(parser, data, len);
	if (parser->boundary_line)
		return;
	if (innermost(parser)->in_header)
		keep_header(parser, data, len);
	else
		show_body(parser, data, len);
}

static bool is_empty_line(const char *line, size_t len)
{
	return (len == 1 && line[0] == '\n') ||
	       (len == 2 && line[0] == '\r' && line[1] == '\n');
}

/* As much of the line as it takes is in parser->line. */
static void take_line(struct mime_parser *parser)
{
	size_t len = parser->line_len;
	bool whole = len > 0 && parser->line[len - 1] == '\n';

	parser->line_len = 0;
	take_boundary(parser, parser->line, len);
	add_octets(parser, parser->line, len);
	parser->skip_line = true;
	if (!whole)
		return;
	if (innermost(parser)->in_header && !parser->boundary_line &&
	    is_empty_line(parser->line, len)) {
		end_header(parser);
		parser->eol = 0;
	}
	end_line(parser);
}

/* feeding */

/* Whether a line that starts with `c` may be more than text. */
static bool is_special(const struct mime_parser *parser, char c)
{
	if (c == '-')
		return parser->boundaries > 0;
	return (c == '\r' || c == '\n') &&
	       parser->open[parser->depth - 1].in_header;
}

/* Gather a special line up to its end, or up to where it is known. */
static size_t gather_line(struct mime_parser *parser, const char *data,
			  size_t len)
{
	size_t room = LINE_MAX_KEPT - parser->line_len;
	size_t take = len < room ? len : room;
	const char *newline = memchr(data, '\n', take);

	if (newline != NULL)
		take = newline - data + 1;
	memcpy(parser->line + parser->line_len, data, take);
	parser->line_len += take;
	if (newline != NULL || parser->line_len == LINE_MAX_KEPT)
		take_line(parser);
	return take;
}

/* Whole lines of a body up to one that may be a boundary. */
static size_t pass_body(struct mime_parser *parser, const char *data,
			size_t len)
{
	bool check = parser->boundaries > 0;
	const char *at = data, *end = data + len;
	uint64_t lines = 0, bare = 0;
	unsigned eol = parser->eol;

	while (at < end && !(check && *at == '-')) {
		const char *newline = memchr(at, '\n', end - at);
		bool cr;

		if (newline == NULL)
			break;
		cr = newline > at && newline[-1] == '\r';
		eol = cr ? 2 : 1;
		bare += !cr;
		lines++;
		at = newline + 1;
	}
	parser->eol = eol;
	if (at > data)
		parser->last_cr = false;
	parser->at.physical += at - data;
	parser->at.virtual += at - data + bare;
	parser->at.lines += lines;
	show_body(parser, data, at - data);
	return at - data;
}

static size_t pass_line(struct mime_parser *parser, const char *data,
			size_t len)
{
	const char *newline = memchr(data, '\n', len);
	size_t take = newline == NULL ? len : (size_t)(newline - data) + 1;

	parser->skip_line = true;
	add_octets(parser, data, take);
	if (newline != NULL)
		end_line(parser);
	return take;
}

static size_t step(struct mime_parser *parser, const char *data, size_t len)
{
	size_t passed = 0;

	if (parser->skip_line)
		return pass_line(parser, data, len);
	if (parser->line_len > 0 || is_special(parser, data[0]))
		return gather_line(parser, data, len);
	if (!innermost(parser)->in_header)
		passed = pass_body(parser, data, len);
	return passed > 0 ? passed : pass_line(parser, data, len);
}

void mime_parser_feed(struct mime_parser *parser, const void *data, size_t len)
{
	const char *at = data;

	if (len == 0)
		return;
	if (!parser->message->has_nul && memchr(data, '\0', len) != NULL)
		parser->message->has_nul = true;
	parser->message->cut_off = at[len - 1] != '\n';
	while (len > 0) {
		size_t used = step(parser, at, len);

		at += used;
		len -= used;
	}
}

const struct mime_message *mime_parser_end(struct mime_parser *parser)
{
	struct mime_message *message = parser->message;

	if (parser->line_len > 0)
		take_line(parser);
	/* Nothing begins behind a boundary without a line end. */
	parser->new_part = false;
	end_line(parser);
	while (innermost(parser)->in_header)
		end_header(parser);
	end_parts(parser, 0, parser->at);
	message->size = parser->at;
	for (struct node *node = parser->first_made; node != NULL;
	     node = node->next_made) {
		if (node->part.header_text.len > 0)
			node->part.header_text.data =
				parser->headers + node->header_at;
	}
	if (parser->hook.end != NULL)
		parser->hook.end(message, parser->hook.ctx);
	return message;
}
