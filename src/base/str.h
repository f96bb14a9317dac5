/* SPDX-License-Identifier: MIT */
/*
 * base/str.h - a piece of text that somebody else owns.
 *
 * Parsed input is a struct str into it: no NUL at its end, maybe some inside.
 * All case folding here is ASCII, whatever the locale.
 */
#ifndef BASE_STR_H
#define BASE_STR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *data;
	size_t len;
};

#define STR(literal) ((struct str){literal, sizeof(literal) - 1})
#define STR_FMT(s) (int)(s).len, (s).data /* for "%.*s" */

static inline struct str str_of(const char *text)
{
	return (struct str){text, strlen(text)};
}

static inline struct str str_n(const void *data, size_t len)
{
	return (struct str){data, len};
}

/* All from `start` on. */
static inline struct str str_from(struct str s, size_t start)
{
	if (start > s.len)
		start = s.len;
	if (start == 0)
		return s; /* whose data may be NULL */
	return str_n(s.data + start, s.len - start);
}

static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static inline char ascii_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* WSP of RFC 5234 */
static inline bool ascii_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool str_equal(struct str a, struct str b);
bool str_is(struct str a, const char *b);
bool str_case_equal(struct str a, struct str b);
bool str_case_is(struct str a, const char *b);
bool str_starts(struct str a, const char *prefix);
bool str_case_starts(struct str a, const char *prefix);
int str_compare(struct str a, struct str b);
int str_case_compare(struct str a, struct str b);
/* Where `needle` starts in `hay`, or -1. */
ptrdiff_t str_find(struct str hay, struct str needle);
ptrdiff_t str_find_char(struct str hay, char c);
/* No octet above 127. */
bool str_is_ascii(struct str s);
/* Without blanks, tabs, CR and LF at either end. */
struct str str_trim(struct str s);
/* Cut *rest at the next `sep`: returns what is before, leaves what is behind.
 * Returns false when *rest was used up (data == NULL) before. */
bool str_split(struct str *rest, char sep, struct str *part_out);
/* The next word between blanks and tabs; false when there is none. */
bool str_word(struct str *rest, struct str *word_out);
/* The same, and commas divide, too. */
bool str_item(struct str *rest, struct str *item_out);
/* Whether `word` is one of them; NULL has none. */
bool str_has_word(const char *words, struct str word);
bool str_has_item(const char *items, struct str item);
bool str_case_has_word(const char *words, struct str word);
/* A decimal number and nothing else; false for sign, blank, overflow. */
bool str_to_u32(struct str s, uint32_t *out);
bool str_to_u64(struct str s, uint64_t *out);
bool str_to_unsigned(struct str s, unsigned *out);
char *str_dup(const void *ctx, struct str s);
char *str_lower(const void *ctx, struct str s);
char *str_upper(const void *ctx, struct str s);
/* Compare secrets in a time that tells only their lengths. */
bool str_equal_secret(struct str a, struct str b);
/* For the log: one line, control characters and bad UTF-8 as '?', at most
 * `max` bytes. */
char *str_sanitize(const void *ctx, struct str s, size_t max);
/* Dovecot's tab escaping of its line protocols: NUL, TAB, CR, LF and \001
 * as \001 and one of 0 t r n 1. */
char *str_tab_escape(const void *ctx, struct str s);
char *str_tab_unescape(const void *ctx, struct str s);
/* Whether `word` may be `known` mistyped, and how far from it. */
bool str_is_near(const char *word, const char *known, unsigned *distance_out);

#endif
