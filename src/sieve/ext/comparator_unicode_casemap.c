/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/comparator_unicode_casemap.c - i;unicode-casemap (RFC 5051).
 */
#include "base/cleanup.h"
#include "base/encode.h"
#include "mime/collate.h"
#include "sieve/ext.h"

enum { MAX_COLLATED = 64 << 20 };

static int compare(struct str a, struct str b)
{
	CLEANUP(buf_free) struct buf x = buf_init(MAX_COLLATED);
	CLEANUP(buf_free) struct buf y = buf_init(MAX_COLLATED);

	collate(a, &x);
	collate(b, &y);
	return str_compare(str_n(x.data, x.len), str_n(y.data, y.len));
}

static size_t char_len(struct str text)
{
	uint32_t code;
	size_t len = utf8_get(text, &code);

	return len > 0 ? len : 1;
}

static bool same(struct str a, struct str b, size_t *a_len, size_t *b_len)
{
	*a_len = char_len(a);
	*b_len = char_len(b);
	if ((unsigned char)a.data[0] < 0x80 && (unsigned char)b.data[0] < 0x80)
		return ascii_lower(a.data[0]) == ascii_lower(b.data[0]);
	return compare(str_n(a.data, *a_len), str_n(b.data, *b_len)) == 0;
}

static ptrdiff_t find(struct str value, struct str key)
{
	CLEANUP(buf_free) struct buf x = buf_init(MAX_COLLATED);
	CLEANUP(buf_free) struct buf y = buf_init(MAX_COLLATED);

	collate(value, &x);
	collate(key, &y);
	return str_find(str_n(x.data, x.len), str_n(y.data, y.len));
}

static const struct sieve_comparator comparators[] = {
	{.name = "i;unicode-casemap",
	 .flags = SIEVE_COMPARE_SUBSTRING | SIEVE_COMPARE_ORDER,
	 .compare = compare,
	 .same = same,
	 .find = find},
	SIEVE_END,
};

const struct sieve_extension ext_comparator_unicode_casemap = {
	.name = "comparator-i;unicode-casemap", .comparators = comparators};
