/* SPDX-License-Identifier: MIT */
/*
 * proto/imap_parser.c - commands of RFC 3501 section 9, literals of RFC 7888.
 *
 * Input is gathered until a line is whole, and only then looked at, so that it
 * does not matter how it was cut. A literal announced at the end of a line
 * makes the parser gather its octets and then the next line of the same
 * command. All of a command lies in one buffer; arguments are places in it
 * until the command is complete.
 */
#include "proto/imap.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"

enum {
	KEEP_BUFFER = 4096, /* what an idle connection may hold on to */
	KEEP_ITEMS = 64,
	MAX_NAME = 64,
	LITERAL_MINUS_MAX = 4096, /* RFC 7888 section 5 */
	TAIL = 32,                /* "{18446744073709551615+}" and CRLF */
};

enum state { READ_LINE, READ_LITERAL, STREAMING, SKIP_LINE, SKIP_LITERAL };

struct place {
	size_t start, len;
};

/* An argument on its way; lists stand before what is in them. */
struct item {
	enum imap_arg_kind kind;
	bool binary, sync;
	struct place text;
	uint64_t size;
	size_t end; /* of a list: the index behind its last item */
};

struct imap_parser {
	struct imap_limits limits;
	imap_stream_fn *stream;
	void *stream_ctx;

	enum state state;
	struct buf in;
	size_t line_start;  /* in `in`: of the line being read */
	size_t line_octets; /* of all lines so far */
	uint64_t left;      /* of the literal being read or skipped */
	bool nul;           /* there is one in a literal that may have none */
	char tail[TAIL];    /* the end of a line being skipped */
	size_t tail_len;

	bool has_head;
	struct place tag, name;
	bool uid;
	struct item *items;
	size_t count, cap;
	size_t *open; /* the lists that are open */
	unsigned depth;

	struct imap_arg *args;
	struct imap_command command;
	enum imap_parse result; /* IMAP_PARSE_MORE until there is one */
	char problem[160];
};

static int parser_free(struct imap_parser *parser)
{
	/* LOGIN has a password. */
	if (parser->in.cap > 0)
		mem_wipe(parser->in.data, parser->in.cap);
	buf_free(&parser->in);
	return 0;
}

static struct buf new_buf(const struct imap_limits *limits)
{
	size_t max = limits->max_command + limits->max_line;

	return buf_init(max < limits->max_line ? SIZE_MAX : max);
}

struct imap_parser *imap_parser_new(const void *ctx,
				    const struct imap_limits *limits)
{
	struct imap_parser *parser = mem_new(ctx, struct imap_parser);

	parser->limits = *limits;
	parser->in = new_buf(limits);
	parser->open = mem_array(parser, size_t, limits->max_depth + 1);
	talloc_set_destructor(parser, parser_free);
	imap_parser_reset(parser);
	return parser;
}

void imap_parser_set_stream(struct imap_parser *parser, imap_stream_fn *fn,
			    void *ctx)
{
	parser->stream = fn;
	parser->stream_ctx = ctx;
}

static void forget_args(struct imap_parser *parser)
{
	mem_free(parser->args);
	parser->args = NULL;
	if (parser->cap > KEEP_ITEMS) {
		mem_free(parser->items);
		parser->items = NULL;
		parser->cap = 0;
	}
	parser->count = 0;
	parser->depth = 0;
	parser->nul = false;
}

void imap_parser_reset(struct imap_parser *parser)
{
	if (parser->in.cap > KEEP_BUFFER) {
		buf_free(&parser->in);
		parser->in = new_buf(&parser->limits);
	}
	buf_reset(&parser->in);
	forget_args(parser);
	parser->line_start = 0;
	parser->line_octets = 0;
	parser->has_head = false;
	parser->tag = parser->name = (struct place){0};
	parser->uid = false;
	parser->command =
		(struct imap_command){.tag = STR(""), .name = STR("")};
	parser->result = IMAP_PARSE_MORE;
	parser->problem[0] = '\0';
	if (parser->state != SKIP_LINE && parser->state != SKIP_LITERAL)
		parser->state = READ_LINE;
}

void imap_parser_resume(struct imap_parser *parser)
{
	size_t head = parser->name.start + parser->name.len;

	if (parser->state != STREAMING)
		return;
	forget_args(parser);
	buf_truncate(&parser->in, head);
	parser->line_start = head;
	parser->line_octets = head;
	parser->result = IMAP_PARSE_MORE;
	parser->state = READ_LINE;
}

/* failing */

static struct str at_place(const struct imap_parser *parser, struct place place)
{
	return str_n(parser->in.data + place.start, place.len);
}

static void set_command(struct imap_parser *parser)
{
	parser->command.tag = at_place(parser, parser->tag);
	parser->command.name = at_place(parser, parser->name);
	parser->command.uid = parser->uid;
}

static enum imap_parse fail(struct imap_parser *parser, const char *why)
{
	char name[MAX_NAME + 1];
	size_t len = parser->name.len;

	if (!parser->has_head && parser->tag.len == 0) {
		snprintf(parser->problem, sizeof(parser->problem),
			 "Error in IMAP tag: %s", why);
		return IMAP_PARSE_BAD;
	}
	for (size_t i = 0; i < len; i++)
		name[i] = ascii_upper(parser->in.data[parser->name.start + i]);
	name[len] = '\0';
	snprintf(parser->problem, sizeof(parser->problem),
		 "Error in IMAP command%s%s%s: %s", parser->uid ? " UID" : "",
		 len > 0 ? " " : "", name, why);
	return IMAP_PARSE_BAD;
}

static enum imap_parse fatal(struct imap_parser *parser, const char *why)
{
	snprintf(parser->problem, sizeof(parser->problem), "%s", why);
	return IMAP_PARSE_FATAL;
}

/* arguments */

static bool is_atom_char(unsigned char c)
{
	return c > ' ' && c < 127 && c != '(' && c != ')' && c != '{' &&
	       c != '"';
}

static bool is_tag_char(unsigned char c)
{
	return is_atom_char(c) && c != '+' && c != '%' && c != '*' && c != '\\';
}

/* NULL when there are too many. */
static struct item *add_item(struct imap_parser *parser,
			     enum imap_arg_kind kind)
{
	struct item *item;

	if (parser->count >= parser->limits.max_args)
		return NULL;
	if (parser->count == parser->cap) {
		parser->cap = parser->cap == 0 ? 16 : parser->cap * 2;
		parser->items = mem_resize(parser, parser->items, struct item,
					   parser->cap);
	}
	item = &parser->items[parser->count++];
	*item = (struct item){.kind = kind};
	return item;
}

static const char too_many_args[] = "Too many arguments";

/* These take what is between *at and `end` in the buffer, and return NULL or
 * what is wrong. */
static const char *take_quoted(struct imap_parser *parser, size_t *at,
			       size_t end)
{
	struct item *item = add_item(parser, IMAP_ARG_STRING);
	char *data = parser->in.data;
	size_t from = *at + 1, to = from;

	if (item == NULL)
		return too_many_args;
	item->text.start = from;
	for (; from < end && data[from] != '"'; from++) {
		if (data[from] == '\\' && ++from == end)
			break;
		if (data[from] == '\0')
			return "NULs not allowed in strings";
		if (data[from] == '\r')
			break;
		data[to++] = data[from];
	}
	if (from >= end || data[from] != '"')
		return "Missing '\"'";
	item->text.len = to - item->text.start;
	*at = from + 1;
	return NULL;
}

static const char *take_atom(struct imap_parser *parser, size_t *at, size_t end)
{
	struct item *item = add_item(parser, IMAP_ARG_ATOM);
	const char *data = parser->in.data;
	size_t start = *at;
	unsigned char c;

	if (item == NULL)
		return too_many_args;
	while (*at < end && is_atom_char(data[*at]))
		*at += 1;
	c = *at < end ? data[*at] : ' ';
	if (c >= 0x80)
		return "8bit data in atom";
	if (c != ' ' && c != ')')
		return "Invalid characters in atom";
	item->text = (struct place){start, *at - start};
	if (str_case_is(at_place(parser, item->text), "NIL"))
		item->kind = IMAP_ARG_NIL;
	return NULL;
}

/* "{12}" or "{12+}" at the end of a line. */
static const char *take_literal(struct imap_parser *parser, size_t *at,
				size_t end)
{
	const char *data = parser->in.data;
	bool binary = data[*at] == '~', sync = true;
	size_t digits = *at + (binary ? 2 : 1), close = digits;
	struct item *item;
	uint64_t size = 0;

	while (close < end && data[close] >= '0' && data[close] <= '9')
		close++;
	if (close < end && data[close] == '+')
		sync = false;
	if (close + (sync ? 0 : 1) >= end ||
	    data[close + (sync ? 0 : 1)] != '}' || close == digits)
		return "Invalid literal size";
	/* Too large for 64 bits is too large for every limit. */
	if (!str_to_u64(str_n(data + digits, close - digits), &size))
		size = UINT64_MAX;
	*at = close + (sync ? 1 : 2);
	if (*at != end)
		return "Missing LF after literal size";
	item = add_item(parser, IMAP_ARG_LITERAL);
	if (item == NULL)
		return too_many_args;
	item->binary = binary;
	item->sync = sync;
	item->size = size;
	return NULL;
}

static const char *open_list(struct imap_parser *parser)
{
	if (parser->depth >= parser->limits.max_depth)
		return "Too many '('";
	if (add_item(parser, IMAP_ARG_LIST) == NULL)
		return too_many_args;
	parser->open[parser->depth++] = parser->count - 1;
	return NULL;
}

static const char *close_list(struct imap_parser *parser)
{
	if (parser->depth == 0)
		return "Unexpected ')'";
	parser->depth--;
	parser->items[parser->open[parser->depth]].end = parser->count;
	return NULL;
}

static const char *take_arg(struct imap_parser *parser, size_t *at, size_t end)
{
	const char *data = parser->in.data;

	switch (data[*at]) {
	case ' ':
		*at += 1;
		return NULL;
	case '(':
		*at += 1;
		return open_list(parser);
	case ')':
		*at += 1;
		return close_list(parser);
	case '"':
		return take_quoted(parser, at, end);
	case '{':
		return take_literal(parser, at, end);
	case '~':
		if (*at + 1 < end && data[*at + 1] == '{')
			return take_literal(parser, at, end);
		break;
	}
	return take_atom(parser, at, end);
}

/* the finished form */

static struct imap_arg finish_item(const struct imap_parser *parser,
				   const struct item *item)
{
	return (struct imap_arg){
		.kind = item->kind,
		.binary = item->binary,
		.text = at_place(parser, item->text),
		.stream_size = item->kind == IMAP_ARG_STREAM ? item->size : 0,
		.stream_sync = item->kind == IMAP_ARG_STREAM && item->sync,
	};
}

/* The items from `at` to `end` as an array, taken from *room; as deep as
 * limits.max_depth. */
static struct imap_arg *finish_list(const struct imap_parser *parser, size_t at,
				    size_t end, struct imap_arg **room)
{
	struct imap_arg *list = *room;
	size_t count = 0, i;

	for (i = at; i < end; count++) {
		const struct item *item = &parser->items[i];

		list[count] = finish_item(parser, item);
		i = item->kind == IMAP_ARG_LIST ? item->end : i + 1;
	}
	list[count] = (struct imap_arg){.kind = IMAP_ARG_END};
	*room += count + 1;
	count = 0;
	for (i = at; i < end; count++) {
		const struct item *item = &parser->items[i];

		if (item->kind == IMAP_ARG_LIST)
			list[count].list =
				finish_list(parser, i + 1, item->end, room);
		i = item->kind == IMAP_ARG_LIST ? item->end : i + 1;
	}
	return list;
}

static void finish(struct imap_parser *parser)
{
	size_t lists = 1; /* each has an end */
	struct imap_arg *room;

	for (size_t i = 0; i < parser->count; i++) {
		if (parser->items[i].kind == IMAP_ARG_LIST)
			lists++;
	}
	mem_free(parser->args);
	parser->args =
		mem_array(parser, struct imap_arg, parser->count + lists);
	room = parser->args;
	set_command(parser);
	parser->command.args = finish_list(parser, 0, parser->count, &room);
}

/* lines */

/* The word at *at; false if there is none. */
static bool take_word(struct imap_parser *parser, size_t *at, size_t end,
		      bool (*is_char)(unsigned char), struct place *out)
{
	size_t start = *at;

	while (*at < end && is_char(parser->in.data[*at]))
		*at += 1;
	if (*at == start || (*at < end && parser->in.data[*at] != ' '))
		return false;
	*out = (struct place){start, *at - start};
	return true;
}

static enum imap_parse parse_head(struct imap_parser *parser, size_t *at,
				  size_t end)
{
	static const char bad_name[] = "Invalid command name";
	struct place word;

	if (!take_word(parser, at, end, is_tag_char, &parser->tag))
		return fail(parser, "Invalid tag");
	*at += *at < end ? 1 : 0;
	if (!take_word(parser, at, end, is_atom_char, &word) ||
	    word.len > MAX_NAME)
		return fail(parser, bad_name);
	if (str_case_is(at_place(parser, word), "UID")) {
		*at += *at < end ? 1 : 0;
		if (!take_word(parser, at, end, is_atom_char, &word) ||
		    word.len > MAX_NAME)
			return fail(parser, bad_name);
		parser->uid = true;
	}
	parser->name = word;
	parser->has_head = true;
	return IMAP_PARSE_MORE;
}

static bool wants_stream(struct imap_parser *parser)
{
	if (parser->stream == NULL || parser->depth > 0)
		return false;
	/* To show what comes before each of many would cost their square. */
	set_command(parser);
	return parser->stream(&parser->command, parser->count - 1,
			      parser->stream_ctx);
}

static enum imap_parse begin_literal(struct imap_parser *parser)
{
	struct item *item = &parser->items[parser->count - 1];

	if (parser->limits.literal_minus && !item->sync &&
	    item->size > LITERAL_MINUS_MAX)
		return fatal(parser, "Literal size too large");
	if (wants_stream(parser)) {
		item->kind = IMAP_ARG_STREAM;
		finish(parser);
		parser->state = STREAMING;
		return IMAP_PARSE_STREAM;
	}
	if (item->size > parser->limits.max_literal ||
	    item->size > parser->limits.max_command ||
	    parser->in.len > parser->limits.max_command - item->size)
		return fatal(parser, "Literal size too large");
	item->text = (struct place){parser->in.len, item->size};
	parser->left = item->size;
	parser->state = READ_LITERAL;
	return item->sync ? IMAP_PARSE_CONTINUE : IMAP_PARSE_MORE;
}

static enum imap_parse parse_args(struct imap_parser *parser, size_t at,
				  size_t end)
{
	size_t had = parser->count;
	const char *problem;

	while (at < end) {
		problem = take_arg(parser, &at, end);
		if (problem != NULL)
			return fail(parser, problem);
	}
	if (parser->count > had &&
	    parser->items[parser->count - 1].kind == IMAP_ARG_LITERAL)
		return begin_literal(parser);
	if (parser->depth > 0)
		return fail(parser, "Missing ')'");
	finish(parser);
	return IMAP_PARSE_COMMAND;
}

/* The line that ends at the end of the buffer is whole. */
static enum imap_parse parse_line(struct imap_parser *parser)
{
	size_t at = parser->line_start, end = parser->in.len - 1;
	enum imap_parse result;

	if (end > at && parser->in.data[end - 1] == '\r')
		end--;
	if (!parser->has_head) {
		result = parse_head(parser, &at, end);
		if (result != IMAP_PARSE_MORE)
			return result;
	}
	return parse_args(parser, at, end);
}

/* skipping */

static void tail_add(struct imap_parser *parser, const char *data, size_t len)
{
	size_t keep;

	if (len >= TAIL) {
		memcpy(parser->tail, data + len - TAIL, TAIL);
		parser->tail_len = TAIL;
		return;
	}
	keep = parser->tail_len < TAIL - len ? parser->tail_len : TAIL - len;
	memmove(parser->tail, parser->tail + parser->tail_len - keep, keep);
	memcpy(parser->tail + keep, data, len);
	parser->tail_len = keep + len;
}

/* A malformed line may announce a literal that comes without being asked for;
 * were its octets taken for commands, a client could be made to send some. */
static enum imap_parse end_skip(struct imap_parser *parser)
{
	struct str line = str_trim(str_n(parser->tail, parser->tail_len));
	size_t digits = line.len;

	parser->tail_len = 0;
	parser->state = READ_LINE;
	if (line.len < 4 || line.data[line.len - 1] != '}' ||
	    line.data[line.len - 2] != '+')
		return IMAP_PARSE_MORE;
	digits = line.len - 2;
	while (digits > 0 && line.data[digits - 1] >= '0' &&
	       line.data[digits - 1] <= '9')
		digits--;
	if (digits == 0 || line.data[digits - 1] != '{' ||
	    digits == line.len - 2)
		return IMAP_PARSE_MORE;
	if (!str_to_u64(str_n(line.data + digits, line.len - 2 - digits),
			&parser->left) ||
	    parser->left > parser->limits.max_literal)
		return fatal(parser, "Literal size too large");
	parser->state = SKIP_LITERAL;
	return IMAP_PARSE_MORE;
}

static size_t skip_line(struct imap_parser *parser, struct str in)
{
	const char *newline = memchr(in.data, '\n', in.len);
	size_t len = newline == NULL ? in.len : (size_t)(newline - in.data) + 1;

	tail_add(parser, in.data, len);
	if (newline != NULL)
		parser->result = end_skip(parser);
	return len;
}

/* feeding */

/* As much of a line as may be is there, and it goes on. */
static enum imap_parse too_long(struct imap_parser *parser)
{
	size_t at = parser->line_start, end = parser->in.len;

	if (!parser->has_head)
		parse_head(parser, &at, end);
	if (parser->tag.start + parser->tag.len == end)
		parser->tag = (struct place){0};
	parser->state = SKIP_LINE;
	tail_add(parser, parser->in.data + parser->line_start,
		 end - parser->line_start);
	return fail(parser, "Too long argument");
}

static size_t read_line(struct imap_parser *parser, struct str in)
{
	const char *newline = memchr(in.data, '\n', in.len);
	size_t len = newline == NULL ? in.len : (size_t)(newline - in.data) + 1;
	size_t room = parser->limits.max_line - parser->line_octets;

	if (len > room) {
		buf_append(&parser->in, in.data, room);
		parser->result = too_long(parser);
		return room;
	}
	buf_append(&parser->in, in.data, len);
	parser->line_octets += len;
	if (newline == NULL)
		return len;
	parser->result = parse_line(parser);
	if (parser->result == IMAP_PARSE_BAD) {
		size_t size = parser->in.len - parser->line_start;

		tail_add(parser, parser->in.data + parser->line_start, size);
		if (end_skip(parser) == IMAP_PARSE_FATAL)
			parser->result = IMAP_PARSE_FATAL;
	}
	return len;
}

static size_t read_literal(struct imap_parser *parser, struct str in)
{
	size_t len = in.len < parser->left ? in.len : (size_t)parser->left;

	if (len > 0 && !parser->items[parser->count - 1].binary &&
	    memchr(in.data, '\0', len) != NULL)
		parser->nul = true;
	buf_append(&parser->in, in.data, len);
	parser->left -= len;
	if (parser->left > 0)
		return len;
	parser->line_start = parser->in.len;
	parser->state = READ_LINE;
	if (parser->nul) {
		parser->result = fail(parser, "NULs not allowed in strings");
		parser->state = SKIP_LINE;
	}
	return len;
}

static size_t skip_literal(struct imap_parser *parser, struct str in)
{
	size_t len = in.len < parser->left ? in.len : (size_t)parser->left;

	parser->left -= len;
	if (parser->left == 0)
		parser->state = SKIP_LINE;
	return len;
}

static size_t step(struct imap_parser *parser, struct str in)
{
	switch (parser->state) {
	case READ_LINE:
		return read_line(parser, in);
	case READ_LITERAL:
		return read_literal(parser, in);
	case SKIP_LINE:
		return skip_line(parser, in);
	case SKIP_LITERAL:
		return skip_literal(parser, in);
	case STREAMING:
		break;
	}
	return 0;
}

enum imap_parse imap_parser_feed(struct imap_parser *parser, struct str in,
				 size_t *used_out)
{
	size_t used = 0;

	if (parser->result == IMAP_PARSE_CONTINUE)
		parser->result = IMAP_PARSE_MORE;
	while (parser->result == IMAP_PARSE_MORE &&
	       (used < in.len ||
		(parser->state == READ_LITERAL && parser->left == 0)))
		used += step(parser, str_from(in, used));
	if (parser->result == IMAP_PARSE_BAD ||
	    parser->result == IMAP_PARSE_FATAL)
		set_command(parser);
	*used_out = used;
	return parser->result;
}

const struct imap_command *imap_parser_command(struct imap_parser *parser)
{
	return &parser->command;
}

const char *imap_parser_problem(struct imap_parser *parser)
{
	return parser->problem;
}
