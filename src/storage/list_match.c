/* SPDX-License-Identifier: MIT */
/*
 * storage/list_match.c - patterns of LIST (RFC 3501 section 6.3.8).
 *
 * On a mismatch the last "%" takes one octet more, then the last "*". Earlier
 * ones need not be tried again: what they could take, the last ones can, since
 * a "%" never crosses a separator. A hostile pattern may still need the square
 * of a name's length, and there may be many names: who asks says how much is
 * enough.
 */
#include "storage/list_core.h"

#include <string.h>

#include "base/str.h"
#include "storage/list.h"

enum { NAME_STEPS_MAX = 10000000 }; /* for one name alone */

struct retry {
	const char *pattern, *name; /* NULL: none */
};

static bool equal(const struct list_name *name, const char *at, char pattern)
{
	if (*at == pattern)
		return true;
	return name->inbox && at - name->text < 5 &&
	       ascii_lower(*at) == ascii_lower(pattern);
}

void list_pattern_simplify(char *pattern)
{
	char *out = pattern;

	for (char *p = pattern; *p != '\0';) {
		size_t run = strspn(p, "*%");

		if (run == 0)
			*out++ = *p++;
		else
			*out++ = memchr(p, '*', run) != NULL ? '*' : '%';
		p += run;
	}
	*out = '\0';
}

bool list_match(const char *pattern, const struct list_name *name,
		uint64_t *steps)
{
	struct retry level = {NULL, NULL}, any = {NULL, NULL};
	const char *p = pattern, *n = name->text;

	for (;;) {
		if (*steps == 0)
			return false;
		(*steps)--;
		if (*p == '*') {
			any = (struct retry){++p, n};
			level.name = NULL;
		} else if (*p == '%') {
			level = (struct retry){++p, n};
		} else if (*n != '\0' && *p != '\0' && equal(name, n, *p)) {
			p++;
			n++;
		} else if (*n == '\0' && *p == '\0') {
			return true;
		} else if (level.name != NULL && *level.name != '\0' &&
			   *level.name != name->separator) {
			p = level.pattern;
			n = ++level.name;
		} else if (any.name != NULL && *any.name != '\0') {
			p = any.pattern;
			n = ++any.name;
			level.name = NULL;
		} else {
			return false;
		}
	}
}

bool mailbox_name_match(const char *pattern, const char *name, char separator)
{
	struct str text = str_of(name);
	const struct list_name listed = {
		.text = name,
		.separator = separator,
		.inbox = str_case_starts(text, "INBOX") &&
			 (text.len == 5 || name[5] == separator),
	};
	uint64_t steps = NAME_STEPS_MAX;

	return list_match(pattern, &listed, &steps);
}

/* One "*" is tried at a time, as above. */
bool wildcard_match(const char *pattern, const char *name)
{
	const char *star = NULL, *from = NULL;

	while (*name != '\0') {
		if (*pattern == '*') {
			star = ++pattern;
			from = name;
		} else if (*pattern == '?' || *pattern == *name) {
			pattern++;
			name++;
		} else if (star != NULL) {
			pattern = star;
			name = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}
