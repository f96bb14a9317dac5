/* SPDX-License-Identifier: MIT */
#include "base/str.h"

#include "base/mem.h"

static int fold_compare(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char x = (unsigned char)ascii_lower(a[i]);
		unsigned char y = (unsigned char)ascii_lower(b[i]);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return 0;
}

static int by_length(size_t a, size_t b)
{
	return a < b ? -1 : a > b;
}

int str_compare(struct str a, struct str b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int diff = len == 0 ? 0 : memcmp(a.data, b.data, len);

	return diff != 0 ? diff : by_length(a.len, b.len);
}

int str_case_compare(struct str a, struct str b)
{
	int diff = fold_compare(a.data, b.data, a.len < b.len ? a.len : b.len);

	return diff != 0 ? diff : by_length(a.len, b.len);
}

bool str_equal(struct str a, struct str b)
{
	return a.len == b.len && str_compare(a, b) == 0;
}

bool str_is(struct str a, const char *b)
{
	return str_equal(a, str_of(b));
}

bool str_case_equal(struct str a, struct str b)
{
	return a.len == b.len && fold_compare(a.data, b.data, a.len) == 0;
}

/* Most of what is compared differs in its first octet. */
bool str_case_is(struct str a, const char *b)
{
	for (size_t i = 0; i < a.len; i++) {
		if (b[i] == '\0' || ascii_lower(a.data[i]) != ascii_lower(b[i]))
			return false;
	}
	return b[a.len] == '\0';
}

bool str_starts(struct str a, const char *prefix)
{
	size_t len = strlen(prefix);

	return len == 0 || (a.len >= len && memcmp(a.data, prefix, len) == 0);
}

bool str_case_starts(struct str a, const char *prefix)
{
	size_t len = strlen(prefix);

	return a.len >= len && fold_compare(a.data, prefix, len) == 0;
}

ptrdiff_t str_find(struct str hay, struct str needle)
{
	const char *at;

	if (needle.len == 0)
		return 0;
	if (hay.len < needle.len)
		return -1;
	at = memmem(hay.data, hay.len, needle.data, needle.len);
	return at == NULL ? -1 : at - hay.data;
}

ptrdiff_t str_find_char(struct str hay, char c)
{
	const char *at = hay.len == 0 ? NULL : memchr(hay.data, c, hay.len);

	return at == NULL ? -1 : at - hay.data;
}

static bool is_blank_or_comma(char c)
{
	return ascii_is_blank(c) || c == ',';
}

static bool is_space(char c)
{
	return ascii_is_blank(c) || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
	while (s.len > 0 && is_space(s.data[0]))
		s = str_from(s, 1);
	while (s.len > 0 && is_space(s.data[s.len - 1]))
		s.len--;
	return s;
}

bool str_split(struct str *rest, char sep, struct str *part_out)
{
	ptrdiff_t at;

	if (rest->data == NULL)
		return false;
	at = str_find_char(*rest, sep);
	if (at < 0) {
		*part_out = *rest;
		*rest = (struct str){NULL, 0};
		return true;
	}
	*part_out = str_n(rest->data, (size_t)at);
	*rest = str_from(*rest, (size_t)at + 1);
	return true;
}

static bool next_word(struct str *rest, bool (*divides)(char c),
		      struct str *out)
{
	size_t len = 0;

	while (rest->len > 0 && divides(rest->data[0]))
		*rest = str_from(*rest, 1);
	while (len < rest->len && !divides(rest->data[len]))
		len++;
	if (len == 0)
		return false;
	*out = str_n(rest->data, len);
	*rest = str_from(*rest, len);
	return true;
}

bool str_word(struct str *rest, struct str *word_out)
{
	return next_word(rest, ascii_is_blank, word_out);
}

bool str_item(struct str *rest, struct str *item_out)
{
	return next_word(rest, is_blank_or_comma, item_out);
}

static bool has_word(const char *words, struct str word,
		     bool (*next)(struct str *, struct str *),
		     bool (*equal)(struct str, struct str))
{
	struct str rest = str_n(words, words == NULL ? 0 : strlen(words)), one;

	while (next(&rest, &one)) {
		if (equal(one, word))
			return true;
	}
	return false;
}

bool str_has_word(const char *words, struct str word)
{
	return has_word(words, word, str_word, str_equal);
}

bool str_has_item(const char *items, struct str item)
{
	return has_word(items, item, str_item, str_equal);
}

bool str_case_has_word(const char *words, struct str word)
{
	return has_word(words, word, str_word, str_case_equal);
}

bool str_is_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.data[i] > 0x7f)
			return false;
	}
	return true;
}

static bool parse_decimal(struct str s, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned)(s.data[i] - '0');

		if (s.data[i] < '0' || s.data[i] > '9')
			return false;
		if (value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return true;
}

bool str_to_u32(struct str s, uint32_t *out)
{
	uint64_t value;

	if (!parse_decimal(s, UINT32_MAX, &value))
		return false;
	*out = (uint32_t)value;
	return true;
}

bool str_to_u64(struct str s, uint64_t *out)
{
	return parse_decimal(s, UINT64_MAX, out);
}

bool str_to_unsigned(struct str s, unsigned *out)
{
	uint32_t value;

	if (!str_to_u32(s, &value))
		return false;
	*out = value;
	return true;
}

char *str_dup(const void *ctx, struct str s)
{
	char *copy = mem_array(ctx, char, s.len + 1);

	if (s.len > 0)
		memcpy(copy, s.data, s.len);
	return copy;
}

char *str_lower(const void *ctx, struct str s)
{
	char *copy = str_dup(ctx, s);

	for (size_t i = 0; i < s.len; i++)
		copy[i] = ascii_lower(copy[i]);
	return copy;
}

char *str_upper(const void *ctx, struct str s)
{
	char *copy = str_dup(ctx, s);

	for (size_t i = 0; i < s.len; i++)
		copy[i] = ascii_upper(copy[i]);
	return copy;
}

bool str_equal_secret(struct str a, struct str b)
{
	unsigned char diff = 0;

	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		diff |= (unsigned char)(a.data[i] ^ b.data[i]);
	/* Read through a volatile, so that no compiler ends the loop early. */
	return *(volatile unsigned char *)&diff == 0;
}
