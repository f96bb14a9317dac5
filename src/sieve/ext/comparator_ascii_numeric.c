/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/comparator_ascii_numeric.c - i;ascii-numeric (RFC 4790 section
 * 9.1): digits at the start are a number of any size; what has none is
 * infinite, and all that is infinite is equal.
 */
#include "sieve/ext.h"

static struct str digits(struct str text)
{
	size_t len = 0, zeros = 0;

	while (len < text.len && text.data[len] >= '0' && text.data[len] <= '9')
		len++;
	while (zeros + 1 < len && text.data[zeros] == '0')
		zeros++;
	return str_n(text.data + zeros, len - zeros);
}

static int compare(struct str a, struct str b)
{
	a = digits(a);
	b = digits(b);
	if (a.len == 0 || b.len == 0)
		return a.len == b.len ? 0 : a.len == 0 ? 1 : -1;
	if (a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return str_compare(a, b);
}

static const struct sieve_comparator comparators[] = {
	{.name = "i;ascii-numeric",
	 .flags = SIEVE_COMPARE_ORDER,
	 .compare = compare},
	SIEVE_END,
};

const struct sieve_extension ext_comparator_ascii_numeric = {
	.name = "comparator-i;ascii-numeric", .comparators = comparators};
