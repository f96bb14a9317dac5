/* SPDX-License-Identifier: MIT */
#include "sieve/tree.h"

#include "sieve/ext.h"

const struct sieve_arg *sieve_node_tag(const struct sieve_node *node,
				       const char *name)
{
	for (const struct sieve_arg *arg = node->args; arg; arg = arg->next) {
		if (arg->tag != NULL && strcmp(arg->tag->name, name) == 0)
			return arg;
	}
	return NULL;
}
