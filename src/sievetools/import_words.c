/* SPDX-License-Identifier: MIT */
/*
 * sievetools/import_words.c - procmail's variables, and texts as its shell
 * reads them.
 */
#include <string.h>

#include "base/buf.h"
#include "base/encode.h"
#include "base/mem.h"
#include "sievetools/import.h"
#include "sievetools/import_procmail.h"

enum { VALUE_MAX = 64 << 10, MAX_VARIABLES = 1000 };

struct variable {
	struct str name, value; /* value.data NULL: not known here */
	struct variable *next;
};

struct import_words {
	struct import *import;
	struct variable *variables;
	unsigned count;
};

struct import_words *import_words_new(struct import *import)
{
	struct import_words *words = mem_new(import->ctx, struct import_words);

	words->import = import;
	return words;
}

bool import_name_char(char c)
{
	char lower = ascii_lower(c);

	return c == '_' || (lower >= 'a' && lower <= 'z') ||
	       (c >= '0' && c <= '9');
}

void import_assign(struct import_words *words, struct str name,
		   struct str value)
{
	struct variable *v = words->variables;

	while (v != NULL && !str_equal(v->name, name))
		v = v->next;
	if (v == NULL) {
		if (words->count++ >= MAX_VARIABLES)
			return;
		v = mem_new(words->import->ctx, struct variable);
		v->name = name;
		v->next = words->variables;
		words->variables = v;
	}
	v->value = value;
}

bool import_value(const struct import_words *words, struct str name,
		  struct str *out)
{
	const struct variable *v = words->variables;

	while (v != NULL && !str_equal(v->name, name))
		v = v->next;
	if (v == NULL || v->value.data == NULL)
		return false;
	*out = v->value;
	return true;
}

/* Whether "$" and what is behind it stands for something else. */
static bool is_reference(struct str text)
{
	return text.len > 1 && (import_name_char(text.data[1]) ||
				strchr("{?$#@=-", text.data[1]) != NULL);
}

/* "$NAME" or "${NAME}" at the start of `text`: how long that is; 0 if its value
 * is not known here. */
static size_t take_value(const struct import_words *words, struct str text,
			 struct str *out)
{
	bool braces = text.data[1] == '{';
	size_t start = braces ? 2 : 1, end = start;

	while (end < text.len && import_name_char(text.data[end]))
		end++;
	if (end == start ||
	    (braces && (end == text.len || text.data[end] != '}')) ||
	    !import_value(words, str_n(text.data + start, end - start), out))
		return 0;
	return end + braces;
}

/* "$\NAME": the value, which stands for no more than itself. */
static size_t take_escaped(const struct import_words *words, struct str text,
			   struct buf *out)
{
	size_t end = 2;
	struct str value;

	while (end < text.len && import_name_char(text.data[end]))
		end++;
	if (!import_value(words, str_n(text.data + 2, end - 2), &value))
		return 0;
	for (size_t i = 0; i < value.len; i++) {
		if (strchr("\\^$.[]()|*+?", value.data[i]) != NULL)
			buf_putc(out, '\\');
		buf_putc(out, value.data[i]);
	}
	return end;
}

static bool is_blank_char(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* Where a word of a shell ends. */
static bool ends_word(struct str text, size_t i, char quote)
{
	return quote == '\0' && is_blank_char(text.data[i]);
}

bool import_quote_open(struct str text)
{
	char quote = '\0';

	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		if (c == '\\' && quote != '\'')
			i++;
		else if (quote == '\0' && c == '#' && i > 0 &&
			 is_blank_char(text.data[i - 1]))
			return false;
		else if (c == quote)
			quote = '\0';
		else if (quote == '\0' && (c == '"' || c == '\''))
			quote = c;
	}
	return quote != '\0';
}

bool import_word(struct import_words *words, struct str *rest, struct str *out)
{
	struct str text = str_trim(*rest), part;
	struct buf value = buf_init(VALUE_MAX);
	bool known = true;
	char quote = '\0';
	size_t i = 0;

	for (; i < text.len && known && !ends_word(text, i, quote); i++) {
		char c = text.data[i], next = '\0';
		size_t len;

		if (i + 1 < text.len)
			next = text.data[i + 1];
		if (c == quote) {
			quote = '\0';
		} else if (quote == '\0' && (c == '"' || c == '\'')) {
			quote = c;
		} else if (quote == '\'') {
			buf_putc(&value, c);
		} else if (c == '\\' && next != '\0' &&
			   (quote == '\0' || strchr("\"\\$`", next) != NULL)) {
			buf_putc(&value, text.data[++i]);
		} else if (c == '$' && is_reference(str_from(text, i))) {
			len = take_value(words, str_from(text, i), &part);
			/* one word that would be more */
			known = len > 0 &&
				(quote != '\0' || str_find_char(part, ' ') < 0);
			if (known)
				buf_add_str(&value, part);
			i += known ? len - 1 : 0;
		} else {
			known = c != '`';
			buf_putc(&value, c);
		}
	}
	known = known && quote == '\0' && !value.overflow;
	*rest = str_trim(str_from(text, i));
	*out = import_steal(words->import, &value);
	return known;
}

bool import_word_last(struct import_words *words, struct str text,
		      struct str *out)
{
	return import_word(words, &text, out) &&
	       (text.len == 0 || text.data[0] == '#');
}

bool import_expand(struct import_words *words, struct str text, struct str *out)
{
	struct buf value = buf_init(VALUE_MAX);
	bool known = str_find_char(text, '`') < 0;

	for (size_t i = 0; i < text.len && known; i++) {
		struct str from = str_from(text, i), part = STR("");
		size_t len = 1;

		if (from.len > 1 && from.data[0] == '\\' &&
		    strchr("\"\\$", from.data[1]) != NULL) {
			part = str_n(from.data + 1, 1);
			len = 2;
		} else if (str_starts(from, "$\\")) {
			len = take_escaped(words, from, &value);
		} else if (from.data[0] == '$' && is_reference(from)) {
			len = take_value(words, from, &part);
		} else if (from.data[0] != '"') {
			part = str_n(from.data, 1);
		}
		known = len > 0;
		buf_add_str(&value, part);
		i += known ? len - 1 : 0;
	}
	known = known && !value.overflow;
	*out = import_steal(words->import, &value);
	return known;
}
