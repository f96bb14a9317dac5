/* SPDX-License-Identifier: MIT */
#include "sieve/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "sieve/engine.h"

enum {
	HEAP_LIMIT = 10 << 10 /* kB */,
	MAX_GROUPS = 250 /* as PCRE2 */,
	MAX_GROWTH = 8 /* "\\<" */
};

struct sieve_pattern {
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *context;
};

static int pattern_free(struct sieve_pattern *pattern)
{
	pcre2_match_context_free(pattern->context);
	pcre2_match_data_free(pattern->data);
	pcre2_code_free(pattern->code);
	return 0;
}

static int fail(struct err *err, int code)
{
	PCRE2_UCHAR text[200] = "";

	if (code == PCRE2_ERROR_MATCHLIMIT || code == PCRE2_ERROR_DEPTHLIMIT ||
	    code == PCRE2_ERROR_HEAPLIMIT)
		return err_set(err, ERR_LIMIT,
			       "regular expression takes too many steps "
			       "(sieve_regex_match_limit)");
	pcre2_get_error_message(code, text, sizeof(text));
	return err_set(err, ERR_INVALID, "regular expression: %s",
		       (const char *)text);
}

/* At "[": the length of a bracket expression, or of all if it does not end. */
static size_t bracket_len(struct str text)
{
	size_t i = 1;

	if (i < text.len && text.data[i] == '^')
		i++;
	if (i < text.len && text.data[i] == ']')
		i++;
	while (i < text.len && text.data[i] != ']') {
		char kind = i + 1 < text.len ? text.data[i + 1] : '\0';

		if (text.data[i] == '[' &&
		    (kind == ':' || kind == '.' || kind == '=')) {
			const char end[] = {kind, ']'};
			ptrdiff_t len = str_find(str_from(text, i + 2),
						 str_n(end, sizeof(end)));

			i += len < 0 ? 0 : (size_t)len + 3;
		}
		i++;
	}
	return i < text.len ? i + 1 : i;
}

/* At "[.a.]" or "[=a=]" in brackets. */
static bool is_collating(struct str text)
{
	return text.len >= 5 && text.data[0] == '[' &&
	       (text.data[1] == '.' || text.data[1] == '=') &&
	       text.data[3] == text.data[1] && text.data[4] == ']';
}

/* A backslash is a character there. */
static void put_bracket(struct str bracket, struct buf *out)
{
	for (size_t i = 0; i < bracket.len; i++) {
		bool collating = is_collating(str_from(bracket, i));
		char c = bracket.data[collating ? i + 2 : i];

		if (c == '\\' || (collating && strchr("]^-[", c) != NULL))
			buf_putc(out, '\\');
		buf_putc(out, c);
		i += collating ? 4 : 0;
	}
}

/* What is written of an expression in PCRE2's syntax. */
struct writing {
	struct buf *out;
	size_t starts[MAX_GROUPS]; /* of the open groups */
	unsigned depth;
	size_t atom;            /* where what can be repeated starts, if .. */
	bool is_atom, repeated; /* .. it is one; if it is so already */
};

/* At a backslash and what is behind it. glibc has "\w", "\b"..., the others are
 * the character. */
static void put_escape(struct writing *w, char c)
{
	if (c == '<')
		buf_add(w->out, "\\b(?=\\w)");
	else if (c == '>')
		buf_add(w->out, "\\b(?<=\\w)");
	else if (c == '`')
		buf_add(w->out, "\\A");
	else if (c == '\'')
		buf_add(w->out, "\\z");
	else if (c >= '0' && c <= '9')
		buf_printf(w->out, "\\g{%c}", c);
	else if (((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) &&
		 strchr("wWsSbB", c) == NULL)
		buf_putc(w->out, c);
	else
		buf_printf(w->out, "\\%c", c);
}

/* At "*", "+", "?" or "{1,2}": its length; else 0. */
static size_t repeat_len(struct str text)
{
	size_t i = 1;

	if (text.data[0] == '*' || text.data[0] == '+' || text.data[0] == '?')
		return 1;
	if (text.data[0] != '{')
		return 0;
	while (i < text.len && (text.data[i] == ',' ||
				(text.data[i] >= '0' && text.data[i] <= '9')))
		i++;
	return i > 1 && i < text.len && text.data[i] == '}' ? i + 1 : 0;
}

/* A group around what is from `at` on. */
static void put_around(struct buf *out, size_t at)
{
	static const char open[] = {'(', '?', ':'};
	size_t len = out->len - at;

	buf_append(out, open, sizeof(open));
	memmove(out->data + at + sizeof(open), out->data + at, len);
	memcpy(out->data + at, open, sizeof(open));
	buf_putc(out, ')');
}

/* What PCRE2 has for another kind of repetition ("a+?", "a++"), or for none
 * ("a**"), repeats the repetition. "{,n}" counts from 0. */
static void put_repeat(struct writing *w, struct str text)
{
	if (w->is_atom && w->repeated)
		put_around(w->out, w->atom);
	if (str_starts(text, "{,")) {
		buf_add(w->out, "{0");
		text = str_from(text, 1);
	}
	buf_add_str(w->out, text);
	w->repeated = true;
}

static void put_atom(struct writing *w, struct str text)
{
	char c = text.data[0];

	w->is_atom = c != '(' && c != '|';
	w->repeated = false;
	w->atom = w->out->len;
	if (c == '[') {
		put_bracket(text, w->out);
	} else if (c == '\\' && text.len > 1) {
		put_escape(w, text.data[1]);
	} else if (c == ')' && w->depth == 0) { /* a character, then */
		buf_add(w->out, "\\)");
	} else {
		buf_add_str(w->out, text);
	}
	if (c == '(' && w->depth < MAX_GROUPS)
		w->starts[w->depth++] = w->atom;
	else if (c == ')' && w->depth > 0)
		w->atom = w->starts[--w->depth];
}

/* From POSIX's syntax. */
static void translate(struct str text, struct buf *out)
{
	struct writing w = {.out = out};

	while (text.len > 0) {
		size_t len = repeat_len(text);

		if (len > 0) {
			put_repeat(&w, str_n(text.data, len));
		} else {
			len = text.data[0] == '[' ? bracket_len(text)
			      : text.data[0] == '\\' && text.len > 1 ? 2
								     : 1;
			put_atom(&w, str_n(text.data, len));
		}
		text = str_from(text, len);
	}
}

static int compile(struct sieve_pattern *pattern, struct str text,
		   bool any_case, struct err *err)
{
	CLEANUP(buf_free) struct buf posix = buf_init(text.len * MAX_GROWTH);
	uint32_t options = PCRE2_UTF | PCRE2_NEVER_UCP |
			   PCRE2_NEVER_BACKSLASH_C | PCRE2_MATCH_INVALID_UTF |
			   PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY |
			   (any_case ? PCRE2_CASELESS : 0);
	PCRE2_UCHAR why[200] = "";
	size_t at = 0;
	int code = 0;

	translate(text, &posix);
	pattern->code = pcre2_compile(posix.len > 0 ? (PCRE2_SPTR)posix.data
						    : (PCRE2_SPTR) "",
				      posix.len, options, &code, &at, NULL);
	if (pattern->code != NULL)
		return 0;
	pcre2_get_error_message(code, why, sizeof(why));
	return err_set(err, ERR_INVALID,
		       "invalid regular expression '%.*s': %s (behind '%.*s')",
		       (int)(text.len > 100 ? 100 : text.len), text.data,
		       (const char *)why, (int)(at > 100 ? 100 : at),
		       posix.data);
}

int sieve_pattern_new(const void *ctx, const struct sieve_settings *set,
		      struct str text, bool any_case,
		      struct sieve_pattern **out, struct err *err)
{
	struct sieve_pattern *pattern;

	if (text.len > set->sieve_regex_max_pattern_size)
		return err_set(
			err, ERR_LIMIT,
			"regular expression is too long (maximum %llu "
			"octets)",
			(unsigned long long)set->sieve_regex_max_pattern_size);
	pattern = mem_new(ctx, struct sieve_pattern);
	talloc_set_destructor(pattern, pattern_free);
	if (compile(pattern, text, any_case, err) < 0) {
		mem_free(pattern);
		return -1;
	}
	pattern->data = pcre2_match_data_create(SIEVE_MAX_GROUPS, NULL);
	pattern->context = pcre2_match_context_create(NULL);
	if (pattern->data == NULL || pattern->context == NULL)
		mem_fatal(0);
	pcre2_set_match_limit(pattern->context, set->sieve_regex_match_limit);
	pcre2_set_depth_limit(pattern->context, set->sieve_regex_match_limit);
	pcre2_set_heap_limit(pattern->context, HEAP_LIMIT);
	*out = pattern;
	return 0;
}

int sieve_pattern_match(struct sieve_pattern *pattern, struct str value,
			struct str *captures, unsigned max, unsigned *count_out,
			bool *found_out, struct err *err)
{
	const size_t *at = pcre2_get_ovector_pointer(pattern->data);
	int count =
		pcre2_match(pattern->code, (PCRE2_SPTR)value.data, value.len, 0,
			    0, pattern->data, pattern->context);
	/* 0: there were more groups than there is place for. */
	unsigned groups = count == 0 ? SIEVE_MAX_GROUPS : (unsigned)count;

	*found_out = count >= 0;
	*count_out = 0;
	if (count == PCRE2_ERROR_NOMATCH)
		return 0;
	if (count < 0)
		return fail(err, count);
	while (*count_out < max && *count_out < groups) {
		size_t from = at[*count_out * 2], to = at[*count_out * 2 + 1];

		captures[(*count_out)++] =
			from == PCRE2_UNSET || to < from
				? (struct str){NULL, 0}
				: str_n(value.data + from, to - from);
	}
	return 0;
}
