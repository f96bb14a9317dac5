/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/comparator_octet.c - i;octet (RFC 4790 section 9.3).
 */
#include "sieve/ext.h"

static bool same(struct str a, struct str b, size_t *a_len, size_t *b_len)
{
	*a_len = *b_len = 1;
	return a.data[0] == b.data[0];
}

static ptrdiff_t find(struct str value, struct str key)
{
	return str_find(value, key);
}

static const struct sieve_comparator comparators[] = {
	{.name = "i;octet",
	 .flags = SIEVE_COMPARE_SUBSTRING | SIEVE_COMPARE_ORDER,
	 .compare = str_compare,
	 .same = same,
	 .find = find},
	SIEVE_END,
};

const struct sieve_extension ext_comparator_octet = {
	.name = "comparator-i;octet",
	.flags = SIEVE_EXT_BASE,
	.comparators = comparators};
