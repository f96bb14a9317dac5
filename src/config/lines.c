/* SPDX-License-Identifier: MIT */
#include "config/lines.h"

#include <string.h>

/* The length of a quoted string at the start of `s`, with its quotes; a quote
 * that nothing closes reaches to the end. */
static size_t quoted_length(struct str s)
{
	for (size_t i = 1; i < s.len; i++) {
		if (s.data[i] == '\\')
			i++;
		else if (s.data[i] == s.data[0])
			return i + 1;
	}
	return s.len;
}

/* Cut off a comment. */
static struct str uncomment(struct str line, bool *ambiguous)
{
	for (size_t i = 0; i < line.len; i++) {
		char c = line.data[i];

		if (c == '"' || c == '\'') {
			i += quoted_length(str_from(line, i)) - 1;
		} else if (c == '#') {
			if (!ascii_is_blank(line.data[i - 1]))
				*ambiguous = true;
			line.len = i;
		}
	}
	return str_trim(line);
}

/* Put one statement together, which may go on over several lines. */
static bool join_lines(struct lines *lines, struct buf *text,
		       struct statement *statement)
{
	bool more = false;
	struct str line;

	buf_reset(text);
	while (str_split(&lines->rest, '\n', &line)) {
		unsigned number = lines->next++;

		line = str_trim(line);
		if (line.len > 0 && line.data[0] == '#')
			continue;
		if (line.len == 0 && !more)
			continue;
		if (!more)
			statement->line = number;
		line = uncomment(line, &statement->ambiguous_hash);
		more = line.len > 0 && line.data[line.len - 1] == '\\';
		if (more)
			line.len--;
		buf_add_str(text, str_trim(line));
		if (!more)
			return true;
		buf_putc(text, ' ');
	}
	return more;
}

static bool broken(struct statement *statement, const char *why)
{
	statement->kind = STATEMENT_BROKEN;
	statement->value = why;
	return true;
}

/* Take the backslashes out, in place. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text != '\0'; text++) {
		if (*text == '\\' && text[1] != '\0')
			text++;
		*to++ = *text;
	}
	*to = '\0';
}

static char *skip_blanks(char *at)
{
	while (ascii_is_blank(*at))
		at++;
	return at;
}

static bool parse_value(struct statement *statement, char *value)
{
	size_t len;

	value = skip_blanks(value);
	len = strlen(value);
	statement->kind = STATEMENT_VALUE;
	if (value[0] == '<') {
		statement->kind = STATEMENT_FILE;
		value = skip_blanks(value + 1);
	} else if (len > 0 && (value[0] == '"' || value[0] == '\'') &&
		   value[len - 1] == value[0]) {
		/* A quote alone is quoted nothing. */
		statement->kind = STATEMENT_QUOTED;
		value[len - 1] = '\0';
		if (len > 1)
			unescape(++value);
	}
	statement->value = value;
	return true;
}

/* "NAME {", where NAME may be quoted or left out. */
static bool parse_open(struct statement *statement, char *rest)
{
	char *name = rest;

	statement->kind = STATEMENT_OPEN;
	if (*rest == '"' || *rest == '\'') {
		size_t len = quoted_length(str_of(rest));

		rest += len;
		if (len < 2 || rest[-1] != *name)
			return broken(statement, "Missing closing quote");
		rest[-1] = '\0';
		unescape(++name);
	} else if (*rest != '{') {
		rest += strcspn(rest, " \t");
		if (*rest != '\0')
			*rest++ = '\0';
	}
	rest = skip_blanks(rest);
	if (*rest != '{')
		return broken(statement, "Expecting '=' or '{'");
	if (*skip_blanks(rest + 1) != '\0')
		return broken(statement, "Garbage after '{'");
	*rest = '\0';
	statement->value = name;
	return true;
}

static bool parse_include(struct statement *statement, char *value)
{
	statement->value = value;
	if (strcmp(statement->key, "!include") == 0)
		statement->kind = STATEMENT_INCLUDE;
	else if (strcmp(statement->key, "!include_try") == 0)
		statement->kind = STATEMENT_INCLUDE_TRY;
	else
		return broken(statement, "Unknown directive");
	return true;
}

static bool parse_statement(struct statement *statement, char *text)
{
	char *after;

	statement->key = text;
	statement->value = "";
	if (strcmp(text, "}") == 0) {
		statement->kind = STATEMENT_CLOSE;
		return true;
	}
	if (*text == '=')
		return broken(statement, "Missing key name "
					 "('=' at the beginning of line)");
	after = text + strcspn(text, " \t=");
	if (*skip_blanks(after) == '=' && *text != '!') {
		char *value = skip_blanks(after) + 1;

		*after = '\0';
		return parse_value(statement, value);
	}
	if (*after != '\0')
		*after++ = '\0';
	after = skip_blanks(after);
	if (*text == '!')
		return parse_include(statement, after);
	return parse_open(statement, after);
}

bool lines_next(struct lines *lines, struct buf *text,
		struct statement *statement_out)
{
	do {
		*statement_out = (struct statement){0};
		if (!join_lines(lines, text, statement_out))
			return false;
	} while (text->len == 0);
	if (text->overflow)
		return broken(statement_out, "Line is too long");
	return parse_statement(statement_out, text->data);
}
