/* SPDX-License-Identifier: MIT */
#include "proto/managesieve.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/mem.h"

enum {
	KEEP_BUFFER = 4096, /* what an idle connection may hold on to */
	QUOTED_MAX = 1024,  /* RFC 5804 section 4 */
	EXTLISTS_MAX = 1000,
};

enum state {
	IN_NAME,
	BETWEEN, /* behind a blank */
	BEHIND,  /* behind a string: a blank or the line's end */
	IN_ATOM,
	IN_QUOTED,
	IN_ESCAPE,
	IN_SIZE, /* of a literal, behind the brace */
	BEHIND_PLUS,
	BEHIND_SIZE, /* behind the closing brace */
	BEHIND_SIZE_CR,
	IN_LITERAL,
	AT_CR,
	/* What is passed over. */
	SKIP,
	SKIP_LITERAL,
};

struct place {
	size_t start, len;
};

struct msieve_parser {
	struct msieve_limits limits;
	enum state state;
	struct buf text; /* all of the command, arguments one behind another */
	size_t line;     /* octets of it but those of a script */
	struct place name, places[MSIEVE_ARGS_MAX];
	enum msieve_kind kinds[MSIEVE_ARGS_MAX];
	size_t count, start; /* `start`: of the argument being read */
	uint64_t size, left; /* of a literal */
	unsigned digits;
	enum { NO_BRACE, BRACE, BRACE_PLUS, CLOSED } tail; /* of SKIP */
	bool done; /* the line has been read */
	const char *problem;
	struct msieve_command command;
};

static int parser_free(struct msieve_parser *parser)
{
	if (parser->text.len > 0)
		mem_wipe(parser->text.data, parser->text.len);
	buf_free(&parser->text);
	return 0;
}

static size_t text_max(const struct msieve_limits *limits)
{
	return limits->max_script > SIZE_MAX - limits->max_line
		       ? SIZE_MAX
		       : limits->max_line + (size_t)limits->max_script;
}

struct msieve_parser *msieve_parser_new(const void *ctx,
					const struct msieve_limits *limits)
{
	struct msieve_parser *parser = mem_new(ctx, struct msieve_parser);

	parser->limits = *limits;
	parser->text = buf_init(text_max(limits));
	talloc_set_destructor(parser, parser_free);
	return parser;
}

static void restart(struct msieve_parser *parser, enum state state)
{
	if (parser->text.len > 0)
		mem_wipe(parser->text.data, parser->text.len);
	if (parser->text.cap > KEEP_BUFFER)
		buf_free(&parser->text);
	parser->text.max = text_max(&parser->limits);
	buf_reset(&parser->text);
	parser->state = state;
	parser->name = (struct place){0, 0};
	parser->line = parser->count = 0;
	parser->done = false;
}

void msieve_reset(struct msieve_parser *parser)
{
	restart(parser, IN_NAME);
}

void msieve_next(struct msieve_parser *parser, bool response)
{
	if (parser->done)
		restart(parser, response ? BETWEEN : IN_NAME);
}

/* the result */

static struct str piece(const struct msieve_parser *parser, struct place place)
{
	return str_n(parser->text.data + place.start, place.len);
}

static void gather(struct msieve_parser *parser)
{
	struct msieve_command *command = &parser->command;

	command->name = piece(parser, parser->name);
	command->count = parser->count;
	for (size_t i = 0; i < parser->count && i < MSIEVE_ARGS_MAX; i++)
		command->args[i] = (struct msieve_arg){
			parser->kinds[i], piece(parser, parser->places[i])};
}

const struct msieve_command *msieve_command(const struct msieve_parser *parser)
{
	return &parser->command;
}

const char *msieve_problem(const struct msieve_parser *parser)
{
	return parser->problem;
}

uint64_t msieve_size(const struct msieve_parser *parser)
{
	return parser->size;
}

static enum msieve_parse give(struct msieve_parser *parser,
			      enum msieve_parse result)
{
	gather(parser);
	return result;
}

/* The rest of the line, whose next octet is `c`, is not looked at. */
static enum msieve_parse bad(struct msieve_parser *parser, char c,
			     const char *problem)
{
	parser->problem = problem;
	if (c == '\n') {
		parser->done = true;
	} else {
		parser->state = SKIP;
		parser->tail = NO_BRACE;
	}
	return give(parser, problem == NULL ? MSIEVE_TOO_LONG : MSIEVE_BAD);
}

/* arguments */

static void begin_arg(struct msieve_parser *parser, enum state state)
{
	parser->start = parser->text.len;
	parser->state = state;
}

static void end_arg(struct msieve_parser *parser, enum msieve_kind kind,
		    enum state state)
{
	if (parser->count < MSIEVE_ARGS_MAX) {
		parser->places[parser->count] = (struct place){
			parser->start, parser->text.len - parser->start};
		parser->kinds[parser->count] = kind;
	}
	parser->count++;
	parser->state = state;
}

static enum msieve_parse end_line(struct msieve_parser *parser)
{
	parser->done = true;
	return give(parser, MSIEVE_COMMAND);
}

/* The line's end, or CR before it. */
static enum msieve_parse line_end(struct msieve_parser *parser, char c)
{
	if (c == '\n')
		return end_line(parser);
	parser->state = AT_CR;
	return MSIEVE_MORE;
}

static enum msieve_parse in_name(struct msieve_parser *parser, char c)
{
	if (c != ' ' && c != '\r' && c != '\n') {
		buf_putc(&parser->text, c);
		return MSIEVE_MORE;
	}
	parser->name = (struct place){0, parser->text.len};
	if (c != ' ')
		return line_end(parser, c);
	parser->state = BETWEEN;
	return MSIEVE_MORE;
}

/* IMAP's, from which Dovecot's parser comes. */
static bool is_atom_char(char c)
{
	return c > ' ' && c < 0x7f && strchr("(){\"%*\\", c) == NULL;
}

static enum msieve_parse between(struct msieve_parser *parser, char c)
{
	switch (c) {
	case ' ':
		return MSIEVE_MORE;
	case '\r':
	case '\n':
		return line_end(parser, c);
	case '"':
		begin_arg(parser, IN_QUOTED);
		return MSIEVE_MORE;
	case '{':
		begin_arg(parser, IN_SIZE);
		parser->size = 0;
		parser->digits = 0;
		return MSIEVE_MORE;
	}
	if (!is_atom_char(c))
		return bad(parser, c, "Invalid characters in atom");
	begin_arg(parser, IN_ATOM);
	buf_putc(&parser->text, c);
	return MSIEVE_MORE;
}

static enum msieve_parse in_atom(struct msieve_parser *parser, char c)
{
	if (is_atom_char(c)) {
		buf_putc(&parser->text, c);
		return MSIEVE_MORE;
	}
	if (c != ' ' && c != '\r' && c != '\n')
		return bad(parser, c, "Invalid characters in atom");
	end_arg(parser, MSIEVE_ATOM, BETWEEN);
	return c == ' ' ? MSIEVE_MORE : line_end(parser, c);
}

static enum msieve_parse end_quoted(struct msieve_parser *parser)
{
	struct str text = str_n(parser->text.data + parser->start,
				parser->text.len - parser->start);

	if (!utf8_valid(text))
		return bad(parser, '"',
			   "Invalid UTF-8 character in quoted-string.");
	end_arg(parser, MSIEVE_STRING, BEHIND);
	return MSIEVE_MORE;
}

static enum msieve_parse in_quoted(struct msieve_parser *parser, char c)
{
	if (c == '\r' || c == '\n')
		return bad(parser, c, "String contains invalid character.");
	if (c == '\0')
		return bad(parser, c, "NULs not allowed in strings");
	if (parser->state == IN_ESCAPE) {
		if (c != '"' && c != '\\')
			return bad(parser, c,
				   "Escaped quoted-string character is not a "
				   "QUOTED-SPECIAL.");
		parser->state = IN_QUOTED;
	} else if (c == '"') {
		return end_quoted(parser);
	} else if (c == '\\') {
		parser->state = IN_ESCAPE;
		return MSIEVE_MORE;
	}
	buf_putc(&parser->text, c);
	return MSIEVE_MORE;
}

static enum msieve_parse behind(struct msieve_parser *parser, char c)
{
	if (c == '\r' || c == '\n')
		return line_end(parser, c);
	if (c != ' ')
		return bad(parser, c, "Unexpected characters behind a string");
	parser->state = BETWEEN;
	return MSIEVE_MORE;
}

/* literals */

static bool is_script(const struct msieve_parser *parser)
{
	struct str name = piece(parser, parser->name);

	return (str_case_is(name, "PUTSCRIPT") && parser->count == 1) ||
	       (str_case_is(name, "CHECKSCRIPT") && parser->count == 0);
}

static bool take_digit(struct msieve_parser *parser, char c)
{
	uint64_t digit = (uint64_t)(c - '0');

	if (parser->size > (UINT64_MAX - digit) / 10)
		return false;
	parser->size = parser->size * 10 + digit;
	parser->digits++;
	return true;
}

/* RFC 5804 section 4: clients send "{n+}" only; servers do as well with
 * "{n}". */
static enum msieve_parse in_size(struct msieve_parser *parser, char c)
{
	if (c >= '0' && c <= '9' && parser->state == IN_SIZE)
		return take_digit(parser, c)
			       ? MSIEVE_MORE
			       : give(parser, MSIEVE_LARGE_LITERAL);
	if (parser->digits == 0 ||
	    (c != '}' && (c != '+' || parser->state == BEHIND_PLUS)))
		return bad(parser, c, "Invalid literal size");
	parser->state = c == '+' ? BEHIND_PLUS : BEHIND_SIZE;
	return MSIEVE_MORE;
}

static enum msieve_parse begin_literal(struct msieve_parser *parser)
{
	parser->left = parser->size;
	if (is_script(parser)) {
		if (parser->size > parser->limits.max_script) {
			parser->state = SKIP_LITERAL;
			return give(parser, MSIEVE_LARGE_SCRIPT);
		}
	} else if (parser->size > parser->limits.max_line - parser->line) {
		return give(parser, MSIEVE_LARGE_LITERAL);
	} else {
		parser->line += (size_t)parser->size;
	}
	parser->state = IN_LITERAL;
	if (parser->left == 0)
		end_arg(parser, MSIEVE_STRING, BEHIND);
	return MSIEVE_MORE;
}

static enum msieve_parse behind_size(struct msieve_parser *parser, char c)
{
	if (c == '\n')
		return begin_literal(parser);
	if (c != '\r' || parser->state == BEHIND_SIZE_CR)
		return bad(parser, c, "Missing LF after literal size");
	parser->state = BEHIND_SIZE_CR;
	return MSIEVE_MORE;
}

static size_t take_literal(struct msieve_parser *parser, struct str in)
{
	size_t len = in.len < parser->left ? in.len : (size_t)parser->left;

	buf_append(&parser->text, in.data, len);
	parser->left -= len;
	if (parser->left == 0)
		end_arg(parser, MSIEVE_STRING, BEHIND);
	return len;
}

/* passing over */

/* A literal at the line's end is passed over, too. */
static void skip_line(struct msieve_parser *parser, char c)
{
	if (c == '{') {
		parser->tail = BRACE;
		parser->size = 0;
		parser->digits = 0;
	} else if (c >= '0' && c <= '9' && parser->tail == BRACE) {
		if (!take_digit(parser, c))
			parser->tail = NO_BRACE;
	} else if (c == '+' && parser->tail == BRACE) {
		parser->tail = BRACE_PLUS;
	} else if (c == '}' && parser->digits > 0 &&
		   (parser->tail == BRACE || parser->tail == BRACE_PLUS)) {
		parser->tail = CLOSED;
	} else if (c == '\n' && parser->tail == CLOSED) {
		parser->left = parser->size;
		parser->state = SKIP_LITERAL;
		parser->tail = NO_BRACE;
	} else if (c == '\n') {
		parser->done = true;
	} else if (c != '\r' || parser->tail != CLOSED) {
		parser->tail = NO_BRACE;
	}
}

static size_t skip_literal(struct msieve_parser *parser, struct str in)
{
	size_t len = in.len < parser->left ? in.len : (size_t)parser->left;

	parser->left -= len;
	if (parser->left == 0) {
		parser->state = SKIP;
		parser->tail = NO_BRACE;
	}
	return len;
}

/* feeding */

static enum msieve_parse step(struct msieve_parser *parser, char c)
{
	if (parser->state != SKIP && ++parser->line > parser->limits.max_line)
		return bad(parser, c, NULL);
	switch (parser->state) {
	case IN_NAME:
		return in_name(parser, c);
	case BETWEEN:
		return between(parser, c);
	case BEHIND:
		return behind(parser, c);
	case IN_ATOM:
		return in_atom(parser, c);
	case IN_QUOTED:
	case IN_ESCAPE:
		return in_quoted(parser, c);
	case IN_SIZE:
	case BEHIND_PLUS:
		return in_size(parser, c);
	case BEHIND_SIZE:
	case BEHIND_SIZE_CR:
		return behind_size(parser, c);
	case AT_CR:
		return c == '\n' ? end_line(parser)
				 : bad(parser, c, "CR is not followed by LF");
	case SKIP:
		skip_line(parser, c);
		return MSIEVE_MORE;
	case IN_LITERAL:
	case SKIP_LITERAL:
		break;
	}
	return MSIEVE_MORE;
}

enum msieve_parse msieve_feed(struct msieve_parser *parser, struct str in,
			      size_t *used_out)
{
	enum msieve_parse result = MSIEVE_MORE;
	size_t at = 0;

	while (at < in.len && result == MSIEVE_MORE) {
		if (parser->done)
			msieve_reset(parser);
		/* A literal that is passed over may have no octets. */
		if (parser->state == SKIP_LITERAL)
			at += skip_literal(parser, str_from(in, at));
		else if (parser->state == IN_LITERAL)
			at += take_literal(parser, str_from(in, at));
		else
			result = step(parser, in.data[at++]);
	}
	*used_out = at;
	return result;
}

/* answers */

void msieve_write_literal(struct buf *out, struct str text)
{
	buf_printf(out, "{%zu}\r\n", text.len);
	buf_add_str(out, text);
}

static bool can_be_quoted(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '\r' || text.data[i] == '\n' ||
		    text.data[i] == '\0')
			return false;
	}
	return text.len <= QUOTED_MAX && utf8_valid(text);
}

void msieve_write_string(struct buf *out, struct str text)
{
	if (!can_be_quoted(text)) {
		msieve_write_literal(out, text);
		return;
	}
	buf_add_quoted(out, text);
}

void msieve_write_reply(struct buf *out, const char *word, const char *code,
			struct str text)
{
	buf_add(out, word);
	if (code[0] != '\0')
		buf_printf(out, " (%s)", code);
	buf_putc(out, ' ');
	msieve_write_string(out, text);
	buf_add(out, "\r\n");
}

/* ":addrbook:default" is short for a URN, which can always be. */
void msieve_write_extlists(struct buf *out,
			   const char *(*name)(void *ctx, unsigned number),
			   void *ctx)
{
	CLEANUP(buf_free) struct buf all = buf_init(EXTLISTS_MAX);
	const char *list;

	buf_add(&all, "urn");
	for (unsigned n = 1; (list = name(ctx, n)) != NULL; n++) {
		struct str scheme = str_n(list, strcspn(list, ":"));

		if (scheme.len == 0 || str_case_has_word(all.data, scheme) ||
		    all.len + scheme.len >= EXTLISTS_MAX)
			continue;
		buf_putc(&all, ' ');
		buf_add_str(&all, scheme);
	}
	buf_add(out, "\"EXTLISTS\" ");
	msieve_write_string(out, str_n(all.data, all.len));
	buf_add(out, "\r\n");
}
