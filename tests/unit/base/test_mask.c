/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mask.h"

static void test_only_star_and_question_mark_are_special(void **state)
{
	(void)state;
	assert_true(mask_match("alice", "alice"));
	assert_true(mask_match("a*e", "alice"));
	assert_true(mask_match("*", ""));
	assert_true(mask_match("?ob", "bob"));
	assert_true(mask_match("*@example.org", "a@b@example.org"));
	assert_false(mask_match("alice", "alic"));
	assert_false(mask_match("alic", "alice"));
	assert_false(mask_match("?", ""));
	assert_false(mask_match("a*b*c", "a-b-d"));
	assert_false(mask_match("[ab]lice", "alice"));
	assert_true(mask_match("\\a[*", "\\a[b"));
}

/* A matcher that tries every way would not come back from this. */
static void test_a_mask_of_many_stars_takes_no_time(void **state)
{
	char mask[201], text[1001];

	(void)state;
	for (size_t i = 0; i < sizeof(mask) - 1; i += 2) {
		mask[i] = '*';
		mask[i + 1] = 'a';
	}
	mask[sizeof(mask) - 2] = 'b';
	mask[sizeof(mask) - 1] = '\0';
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_false(mask_match(mask, text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_star_and_question_mark_are_special),
		cmocka_unit_test(test_a_mask_of_many_stars_takes_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
