/* SPDX-License-Identifier: MIT */
#include "sieve/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "sieve/engine.h"

enum { HEAP_LIMIT = 10 << 10 /* kB */ };

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

static void put_bracket(struct str bracket, struct buf *out)
{
	for (size_t i = 0; i < bracket.len; i++) {
		if (bracket.data[i] == '\\')
			buf_putc(out, '\\');
		buf_putc(out, bracket.data[i]);
	}
}

/* What POSIX has otherwise: a backslash in brackets is one, "{,n}" counts from
 * 0, and a parenthesis that closes nothing is a character. */
static void translate(struct str text, struct buf *out)
{
	unsigned depth = 0;

	while (text.len > 0) {
		char c = text.data[0];
		size_t len = c == '['                    ? bracket_len(text)
			     : c == '\\' && text.len > 1 ? 2
							 : 1;
		struct str piece = str_n(text.data, len);

		if (c == ')' && depth == 0)
			buf_putc(out, '\\');
		depth += c == '(';
		depth -= c == ')' && depth > 0;
		if (c == '[')
			put_bracket(piece, out);
		else
			buf_add_str(out, piece);
		if (str_starts(text, "{,"))
			buf_putc(out, '0');
		text = str_from(text, len);
	}
}

static int compile(struct sieve_pattern *pattern, struct str text,
		   bool any_case, struct err *err)
{
	CLEANUP(buf_free) struct buf posix = buf_init(text.len * 2);
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
