/* SPDX-License-Identifier: MIT */
/*
 * Masks of user names, and the words of line protocols.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "doveadm/client.h"
#include "doveadm/mask.h"

static void test_masks_match_as_in_a_shell(void **state)
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

static void test_words_between_tabs_are_unescaped(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct str line = STR("a\tb\001tc\t\td");

	(void)state;
	assert_string_equal(line_word(ctx, line, 0), "a");
	assert_string_equal(line_word(ctx, line, 1), "b\tc");
	assert_string_equal(line_word(ctx, line, 2), "");
	assert_string_equal(line_word(ctx, line, 3), "d");
	assert_string_equal(line_word(ctx, line, 4), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_masks_match_as_in_a_shell),
		cmocka_unit_test(test_a_mask_of_many_stars_takes_no_time),
		cmocka_unit_test(test_words_between_tabs_are_unescaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
