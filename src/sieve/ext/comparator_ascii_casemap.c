/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/comparator_ascii_casemap.c - i;ascii-casemap (RFC 4790 section
 * 9.2), the default (RFC 5228 section 2.7.3).
 */
#include "base/cleanup.h"
#include "sieve/ext.h"

static bool same(struct str a, struct str b, size_t *a_len, size_t *b_len)
{
	*a_len = *b_len = 1;
	return ascii_lower(a.data[0]) == ascii_lower(b.data[0]);
}

/* Linear, whatever the key. */
static ptrdiff_t find_long(struct str value, struct str key)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "find");

	return str_find(str_n(str_lower(ctx, value), value.len),
			str_n(str_lower(ctx, key), key.len));
}

/* By its first character in both cases; the rest is compared there. */
static ptrdiff_t find(struct str value, struct str key)
{
	char low = ascii_lower(key.data[0]), high = ascii_upper(key.data[0]);

	if (key.len > 100)
		return key.len > value.len ? -1 : find_long(value, key);
	for (size_t i = 0; i + key.len <= value.len; i++) {
		if ((value.data[i] == low || value.data[i] == high) &&
		    str_case_equal(str_n(value.data + i, key.len), key))
			return (ptrdiff_t)i;
	}
	return -1;
}

const struct sieve_comparator sieve_comparator_default = {
	.name = "i;ascii-casemap",
	.flags = SIEVE_COMPARE_SUBSTRING | SIEVE_COMPARE_ORDER,
	.compare = str_case_compare,
	.same = same,
	.find = find,
};

static const struct sieve_comparator comparators[] = {
	{.name = "i;ascii-casemap",
	 .flags = SIEVE_COMPARE_SUBSTRING | SIEVE_COMPARE_ORDER,
	 .compare = str_case_compare,
	 .same = same,
	 .find = find},
	SIEVE_END,
};

const struct sieve_extension ext_comparator_ascii_casemap = {
	.name = "comparator-i;ascii-casemap",
	.flags = SIEVE_EXT_BASE,
	.comparators = comparators};
