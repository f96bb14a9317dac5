/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/copy.c - :copy (RFC 3894).
 */
#include "sieve/ext.h"

static int copy_apply(struct sieve_run *, const struct sieve_value *,
		      struct sieve_action *action, struct err *)
{
	action->copy = true;
	return 0;
}

static const struct sieve_tag tags[] = {
	{.name = "copy", .of = "fileinto redirect pipe", .apply = copy_apply},
	SIEVE_END,
};

const struct sieve_extension ext_copy = {.name = "copy", .tags = tags};
