/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/relational.c - :value and :count (RFC 5231).
 */
#include "sieve/ext.h"

static bool holds(struct str relation, int order, bool *known_out)
{
	static const struct {
		const char *name;
		bool less, equal, greater;
	} relations[] = {
		{"gt", false, false, true}, {"ge", false, true, true},
		{"lt", true, false, false}, {"le", true, true, false},
		{"eq", false, true, false}, {"ne", true, false, true},
	};

	for (size_t i = 0; i < sizeof(relations) / sizeof(*relations); i++) {
		if (!str_case_is(relation, relations[i].name))
			continue;
		*known_out = true;
		return order < 0    ? relations[i].less
		       : order == 0 ? relations[i].equal
				    : relations[i].greater;
	}
	*known_out = false;
	return false;
}

static void relation_check(struct sieve_check *check,
			   const struct sieve_arg *arg)
{
	bool known;

	(void)holds(arg->text, 0, &known);
	if (!known)
		sieve_error(check, arg->at,
			    "the relation '%.*s' is unknown: expected one of "
			    "gt, ge, lt, le, eq, ne",
			    STR_FMT(arg->text));
}

static int value_match(struct sieve_match *match, struct str value,
		       struct str key, bool *found_out, struct err *)
{
	bool known;

	*found_out = holds(match->param->text,
			   match->comparator->compare(value, key), &known);
	return 0;
}

static int count_match(struct sieve_match *match, uint64_t count,
		       struct str key, bool *found_out, struct err *err)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)count);
	return value_match(match, str_of(text), key, found_out, err);
}

static const struct sieve_match_type type_value = {
	.name = "value", .needs = SIEVE_COMPARE_ORDER, .match = value_match};
static const struct sieve_match_type type_count = {.name = "count",
						   .count = count_match};

static const struct sieve_tag tags[] = {
	SIEVE_MATCH_TAG("value", type_value,
			.param = {"relation", SIEVE_STRING, SIEVE_LITERAL,
				  relation_check}),
	SIEVE_MATCH_TAG("count", type_count,
			.param = {"relation", SIEVE_STRING, SIEVE_LITERAL,
				  relation_check}),
	SIEVE_END,
};

const struct sieve_extension ext_relational = {.name = "relational",
					       .tags = tags};
