/* SPDX-License-Identifier: MIT */
/*
 * config/vars_if.c - %{if;value;operator;value;then;else}.
 */
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mask.h"
#include "config/vars_internal.h"

enum { FIELDS = 5 };

/* Cut at ';' outside of braces; a backslash takes a character's meaning. How
 * many there are, or FIELDS + 1. */
static size_t split_fields(struct str text, struct str fields[FIELDS])
{
	unsigned depth = 0;
	size_t count = 0, start = 0;

	for (size_t i = 0; i <= text.len; i++) {
		char c = i < text.len ? text.data[i] : ';';

		if (c == '\\' && i + 1 < text.len) {
			i++;
		} else if (c == '{') {
			depth++;
		} else if (c == '}' && depth > 0) {
			depth--;
		} else if (c == ';' && depth == 0) {
			if (count == FIELDS)
				return FIELDS + 1;
			fields[count++] = str_n(text.data + start, i - start);
			start = i + 1;
		}
	}
	return count;
}

/* Expand a field, after "\;" and the like lost their backslash: one may have
 * another condition in it. */
static int expand_field(struct buf *out, struct str field,
			const struct scope *scope, struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(VARS_MAX);
	const struct scope inner = {scope->vars, scope->anyway,
				    scope->depth + 1};

	for (size_t i = 0; i < field.len; i++) {
		if (field.data[i] == '\\' && i + 1 < field.len)
			i++;
		buf_putc(&text, field.data[i]);
	}
	return vars_append(out, str_n(text.data, text.len), &inner, err);
}

enum operator{
	OP_NUMERIC,
	OP_STRING,
	OP_WILDCARD,
	OP_REGEX,
};

static const struct {
	const char *name;
	enum operator op;
	bool less, equal, greater; /* which outcomes make it true */
} operators[] = {
	{"==", OP_NUMERIC, false, true, false},
	{"!=", OP_NUMERIC, true, false, true},
	{"<", OP_NUMERIC, true, false, false},
	{"<=", OP_NUMERIC, true, true, false},
	{">", OP_NUMERIC, false, false, true},
	{">=", OP_NUMERIC, false, true, true},
	{"eq", OP_STRING, false, true, false},
	{"ne", OP_STRING, true, false, true},
	{"lt", OP_STRING, true, false, false},
	{"le", OP_STRING, true, true, false},
	{"gt", OP_STRING, false, false, true},
	{"ge", OP_STRING, false, true, true},
	{"*", OP_WILDCARD, false, true, false},
	{"!*", OP_WILDCARD, true, false, true},
	{"~", OP_REGEX, false, true, false},
	{"!~", OP_REGEX, true, false, true},
};

static int compare_numbers(struct str left, struct str right, int *diff,
			   struct err *err)
{
	long long numbers[2];
	struct str both[2] = {left, right};

	for (int i = 0; i < 2; i++) {
		bool negative = str_starts(both[i], "-");
		uint64_t number;

		if (!str_to_u64(str_from(both[i], negative), &number) ||
		    number > INT64_MAX)
			return err_set(err, ERR_INVALID,
				       "%%{if}: %.*s is no number",
				       STR_FMT(both[i]));
		numbers[i] = negative ? -(long long)number : (long long)number;
	}
	*diff = numbers[0] < numbers[1] ? -1 : numbers[0] > numbers[1];
	return 0;
}

static int compare_regex(struct str text, const char *pattern, int *diff,
			 struct err *err)
{
	regex_t regex;
	int ret = regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB);

	if (ret != 0)
		return err_set(err, ERR_INVALID,
			       "%%{if}: %s is no regular expression", pattern);
	*diff = regexec(&regex, text.data, 0, NULL, 0) != 0;
	regfree(&regex);
	return 0;
}

static int evaluate(const struct buf *left, struct str name,
		    const struct buf *right, bool *out, struct err *err)
{
	struct str a = str_n(left->data, left->len);
	struct str b = str_n(right->data, right->len);
	int diff = 0, ret = 0;
	size_t i = 0, count = sizeof(operators) / sizeof(operators[0]);

	while (i < count && !str_is(name, operators[i].name))
		i++;
	if (i == count)
		return err_set(err, ERR_INVALID,
			       "%%{if}: Unknown operator %.*s", STR_FMT(name));
	switch (operators[i].op) {
	case OP_NUMERIC:
		ret = compare_numbers(a, b, &diff, err);
		break;
	case OP_STRING:
		diff = str_compare(a, b);
		break;
	case OP_WILDCARD:
		diff = !mask_match(right->data, left->data);
		break;
	case OP_REGEX:
		ret = compare_regex(a, right->data, &diff, err);
		break;
	}
	*out = diff == 0  ? operators[i].equal
	       : diff < 0 ? operators[i].less
			  : operators[i].greater;
	return ret;
}

int vars_if(struct buf *out, struct str text, const struct scope *scope,
	    struct err *err)
{
	CLEANUP(buf_free) struct buf left = buf_init(VARS_MAX);
	CLEANUP(buf_free) struct buf right = buf_init(VARS_MAX);
	struct str fields[FIELDS] = {STR(""), STR(""), STR(""), STR(""),
				     STR("")};
	size_t count = split_fields(text, fields);
	bool yes = false;

	/* The last is empty by itself. */
	if (count < FIELDS - 1 || count > FIELDS)
		return err_set(err, ERR_INVALID,
			       "%%{if;%.*s}: Expecting %%{if;value;operator;"
			       "value;then;else}",
			       STR_FMT(text));
	if (expand_field(&left, fields[0], scope, err) < 0 ||
	    expand_field(&right, fields[2], scope, err) < 0 ||
	    evaluate(&left, fields[1], &right, &yes, err) < 0)
		return -1;
	return expand_field(out, fields[yes ? 3 : 4], scope, err);
}
