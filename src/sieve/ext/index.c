/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/index.c - :index and :last (RFC 5260 section 6). What they choose,
 * sieve_fields_begin() knows.
 */
#include "sieve/ext.h"

static void index_check(struct sieve_check *check, struct sieve_node *node,
			const struct sieve_arg *tag)
{
	if (tag->value->number == 0)
		sieve_error(check, tag->value->at,
			    "the :index tag for the %s test cannot be zero",
			    node->command->name);
}

static void last_check(struct sieve_check *check, struct sieve_node *node,
		       const struct sieve_arg *tag)
{
	if (sieve_node_tag(node, "index") == NULL)
		sieve_error(check, tag->at,
			    "the :last tag for the %s test cannot be "
			    "specified without the :index tag",
			    node->command->name);
}

static const struct sieve_tag tags[] = {
	{.name = "index",
	 .of = "@fields",
	 .param = {"number of a field", SIEVE_NUMBER, 0, NULL},
	 .check = index_check},
	{.name = "last", .of = "@fields", .check = last_check},
	SIEVE_END,
};

const struct sieve_extension ext_index = {.name = "index", .tags = tags};
