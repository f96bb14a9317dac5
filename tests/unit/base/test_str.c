/* SPDX-License-Identifier: MIT */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static void test_comparing(void **state)
{
	(void)state;
	assert_true(str_equal(STR("ab"), STR("ab")));
	assert_false(str_equal(STR("ab"), STR("abc")));
	assert_false(str_is(STR("ab"), "aB"));
	assert_true(str_case_is(STR("Ab"), "aB"));
	assert_true(str_starts(STR("abc"), "ab"));
	assert_true(str_starts((struct str){NULL, 0}, ""));
	assert_false(str_starts(STR("a"), "ab"));
	assert_true(str_case_starts(STR("ABc"), "ab"));
	assert_true(str_compare(STR("a"), STR("ab")) < 0);
	assert_true(str_compare(STR("b"), STR("ab")) > 0);
	assert_true(str_compare(STR("\xff"), STR("a")) > 0);
	assert_int_equal(str_case_compare(STR("AB"), STR("ab")), 0);
	/* Folding is ASCII only. */
	assert_false(str_case_is(STR("\xc4"), "\xe4"));
}

static void test_finding(void **state)
{
	(void)state;
	assert_int_equal(str_find(STR("hello"), STR("ll")), 2);
	assert_int_equal(str_find(STR("hello"), STR("")), 0);
	assert_int_equal(str_find(STR("he"), STR("hello")), -1);
	assert_int_equal(str_find_char(STR("a\0b"), 'b'), 2);
	assert_int_equal(str_find_char((struct str){NULL, 0}, 'b'), -1);
}

static void test_splitting_keeps_empty_parts(void **state)
{
	static const char *const parts[] = {"a", "", "b", ""};
	struct str rest = STR("a::b:"), part;
	size_t count = 0;

	(void)state;
	while (str_split(&rest, ':', &part))
		assert_true(str_is(part, parts[count++]));
	assert_int_equal(count, 4);
	rest = STR("");
	assert_true(str_split(&rest, ':', &part));
	assert_int_equal(part.len, 0);
	assert_false(str_split(&rest, ':', &part));
}

static void test_words(void **state)
{
	struct str rest = STR("  one\ttwo  "), word;

	(void)state;
	assert_true(str_word(&rest, &word) && str_is(word, "one"));
	assert_true(str_word(&rest, &word) && str_is(word, "two"));
	assert_false(str_word(&rest, &word));
	assert_true(str_has_word("one\ttwo", STR("two")));
	assert_false(str_has_word("one two", STR("Two")));
	assert_false(str_has_word("one two", STR("tw")));
	assert_false(str_has_word("one two", STR("one two")));
	assert_false(str_has_word(NULL, STR("one")));
	assert_true(str_case_has_word(" one Two", STR("tWO")));
	assert_false(str_case_has_word("one", STR("on")));
	assert_true(str_is(str_trim(STR(" \r\n a b\t")), "a b"));
	assert_int_equal(str_trim(STR(" \t")).len, 0);
}

static void test_numbers_are_digits_and_nothing_else(void **state)
{
	uint32_t u32;
	uint64_t u64;

	(void)state;
	assert_true(str_to_u32(STR("4294967295"), &u32));
	assert_int_equal(u32, UINT32_MAX);
	assert_false(str_to_u32(STR("4294967296"), &u32));
	assert_true(str_to_u64(STR("18446744073709551615"), &u64));
	assert_true(u64 == UINT64_MAX);
	assert_false(str_to_u64(STR("18446744073709551616"), &u64));
	assert_false(str_to_u64(STR("99999999999999999999999"), &u64));
	assert_false(str_to_u32(STR(""), &u32));
	assert_false(str_to_u32(STR("+1"), &u32));
	assert_false(str_to_u32(STR("-1"), &u32));
	assert_false(str_to_u32(STR(" 1"), &u32));
	assert_false(str_to_u32(STR("1x"), &u32));
	assert_true(str_to_u32(STR("007"), &u32));
	assert_int_equal(u32, 7);
}

static void test_secrets_compare_like_others(void **state)
{
	(void)state;
	assert_true(str_equal_secret(STR("abc"), STR("abc")));
	assert_false(str_equal_secret(STR("abc"), STR("abd")));
	assert_false(str_equal_secret(STR("abc"), STR("ab")));
	assert_true(str_equal_secret(STR(""), STR("")));
}

static void sanitized(struct str in, size_t max, const char *wanted)
{
	char *out = str_sanitize(NULL, in, max);

	assert_string_equal(out, wanted);
	mem_free(out);
}

static void test_logged_text_is_one_line_of_utf8(void **state)
{
	(void)state;
	sanitized(STR("a\r\nb\0c\x1b[1m"), 100, "a??b?c?[1m");
	sanitized(STR("gr\xc3\xbc\xc3\x9f"), 100, "gr\xc3\xbc\xc3\x9f");
	sanitized(STR("\xff\xc3"), 100, "??");
	/* C1 controls and line separators */
	sanitized(STR("\xc2\x85\xe2\x80\xa8"), 100, "?????");
	/* No half characters. */
	sanitized(STR("ab\xc3\xbc"), 3, "ab");
	sanitized(STR("abcdef"), 4, "abcd");
}

static void test_tab_escaping_is_undone(void **state)
{
	struct str in = STR("a\tb\r\n\001c\0d");
	char *escaped = str_tab_escape(NULL, in);
	char *back = str_tab_unescape(NULL, str_of(escaped));

	(void)state;
	assert_string_equal(escaped, "a\001tb\001r\001n\0011c\0010d");
	assert_memory_equal(back, in.data, in.len);
	mem_free(escaped);
	mem_free(back);
}

static void test_mistyped_words(void **state)
{
	unsigned distance;

	(void)state;
	assert_true(str_is_near("mail_locaton", "mail_location", &distance));
	assert_int_equal(distance, 1);
	assert_true(str_is_near("INXED", "INDEX", &distance));
	assert_true(str_is_near("INDEX", "INDEX", &distance));
	assert_int_equal(distance, 0);
	assert_false(str_is_near("ALT", "INDEX", &distance));
	assert_false(str_is_near("abc", "xyz", &distance));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comparing),
		cmocka_unit_test(test_finding),
		cmocka_unit_test(test_splitting_keeps_empty_parts),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_numbers_are_digits_and_nothing_else),
		cmocka_unit_test(test_secrets_compare_like_others),
		cmocka_unit_test(test_logged_text_is_one_line_of_utf8),
		cmocka_unit_test(test_tab_escaping_is_undone),
		cmocka_unit_test(test_mistyped_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
