/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "storage/list_core.h"

static bool match_name(const char *pattern, const struct list_name *name)
{
	uint64_t steps = 10000000;

	return list_match(pattern, name, &steps);
}

static bool match(const char *pattern, const char *text)
{
	struct list_name name = {.text = text, .separator = '.'};

	return match_name(pattern, &name);
}

static void test_percent_stays_in_its_level(void **state)
{
	(void)state;
	assert_true(match("%", "abc"));
	assert_false(match("%", "a.b"));
	assert_true(match("a.%", "a.b"));
	assert_true(match("%.%", "a.b"));
	assert_false(match("%.%", "a.b.c"));
	assert_true(match("%b%.c", "xbxb.c"));
	assert_true(match("a.%.c", "a..c"));
}

static void test_star_matches_all(void **state)
{
	(void)state;
	assert_true(match("*", ""));
	assert_true(match("*", "a.b.c"));
	assert_true(match("a*c", "a.b.c"));
	assert_true(match("*.c", "a.c.c"));
	assert_false(match("*.d", "a.c.c"));
	assert_true(match("*%", "a.b"));
	assert_true(match("%*", "a.b"));
	assert_true(match("*a%c", "aa.abc"));
	assert_false(match("*a%c", "aa.c"));
}

static void test_many_wildcards_take_no_time(void **state)
{
	char pattern[2001], text[4001];

	(void)state;
	for (unsigned i = 0; i < 2000; i += 2) {
		pattern[i] = i % 4 == 0 ? '*' : '%';
		pattern[i + 1] = 'a';
	}
	pattern[1999] = 'b';
	pattern[2000] = '\0';
	for (unsigned i = 0; i < 4000; i++)
		text[i] = 'a';
	text[4000] = '\0';
	assert_false(match(pattern, text));
}

static void test_inbox_in_any_case(void **state)
{
	struct list_name inbox = {"INBOX", '.', true};
	struct list_name below = {"INBOX.Sub", '.', true};
	struct list_name other = {"INBOXES", '.', false};

	(void)state;
	assert_true(match_name("inbox", &inbox));
	assert_true(match_name("InBox.%", &below));
	assert_false(match_name("inbox.sub", &below));
	assert_false(match_name("inboxes", &other));
}

static void simplified(const char *pattern, const char *expected)
{
	char copy[64];

	snprintf(copy, sizeof(copy), "%s", pattern);
	list_pattern_simplify(copy);
	assert_string_equal(copy, expected);
}

static void test_needless_wildcards_go(void **state)
{
	(void)state;
	simplified("*%*%", "*");
	simplified("%%a%%", "%a%");
	simplified("a%*b**", "a*b*");
	simplified("", "");
	simplified("a.b", "a.b");
}

static void test_hostile_patterns_end(void **state)
{
	char text[256], pattern[105];
	struct list_name name = {.text = text, .separator = '.'};
	uint64_t steps = 100000;

	(void)state;
	memset(text, 'a', 255);
	text[255] = '\0';
	memcpy(pattern, "*a%", 3);
	memset(pattern + 3, 'a', 100);
	memcpy(pattern + 103, "b", 2);
	assert_false(list_match(pattern, &name, &steps));
	assert_int_equal(steps, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_percent_stays_in_its_level),
		cmocka_unit_test(test_star_matches_all),
		cmocka_unit_test(test_many_wildcards_take_no_time),
		cmocka_unit_test(test_inbox_in_any_case),
		cmocka_unit_test(test_needless_wildcards_go),
		cmocka_unit_test(test_hostile_patterns_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
