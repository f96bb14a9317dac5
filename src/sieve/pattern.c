/* SPDX-License-Identifier: MIT */
#include "sieve/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/err.h"
#include "base/mem.h"

enum {
	MATCH_LIMIT = 100000, /* steps of one match */
	DEPTH_LIMIT = 1000,
	HEAP_LIMIT = 1024, /* kB */
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

static int fail(struct err *err, const char *what, int code)
{
	PCRE2_UCHAR text[200] = "";

	pcre2_get_error_message(code, text, sizeof(text));
	return err_set(err,
		       code == PCRE2_ERROR_MATCHLIMIT ||
				       code == PCRE2_ERROR_DEPTHLIMIT ||
				       code == PCRE2_ERROR_HEAPLIMIT
			       ? ERR_LIMIT
			       : ERR_INVALID,
		       "%s: %s", what, (const char *)text);
}

int sieve_pattern_new(const void *ctx, struct str text, bool any_case,
		      struct sieve_pattern **out, struct err *err)
{
	uint32_t options = PCRE2_UTF | PCRE2_NEVER_UCP |
			   PCRE2_NEVER_BACKSLASH_C | PCRE2_MATCH_INVALID_UTF |
			   PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY |
			   (any_case ? PCRE2_CASELESS : 0);
	struct sieve_pattern *pattern = mem_new(ctx, struct sieve_pattern);
	size_t at = 0;
	int code = 0;

	talloc_set_destructor(pattern, pattern_free);
	pattern->code = pcre2_compile((PCRE2_SPTR)text.data, text.len, options,
				      &code, &at, NULL);
	if (pattern->code == NULL) {
		fail(err, "invalid regular expression", code);
		mem_free(pattern);
		return err_wrap(err, "at %zu", at);
	}
	pattern->data =
		pcre2_match_data_create_from_pattern(pattern->code, NULL);
	pattern->context = pcre2_match_context_create(NULL);
	if (pattern->data == NULL || pattern->context == NULL) {
		mem_free(pattern);
		return err_set(err, ERR_TEMPORARY, "out of memory");
	}
	pcre2_set_match_limit(pattern->context, MATCH_LIMIT);
	pcre2_set_depth_limit(pattern->context, DEPTH_LIMIT);
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

	*found_out = count > 0;
	*count_out = 0;
	if (count == PCRE2_ERROR_NOMATCH)
		return 0;
	if (count < 0)
		return fail(err, "regular expression", count);
	while (*count_out < max && *count_out < (unsigned)count) {
		size_t from = at[*count_out * 2], to = at[*count_out * 2 + 1];

		captures[(*count_out)++] =
			from == PCRE2_UNSET || to < from
				? (struct str){NULL, 0}
				: str_n(value.data + from, to - from);
	}
	return 0;
}
