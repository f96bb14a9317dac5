/* SPDX-License-Identifier: MIT */
/*
 * The words of line protocols.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "doveadm/client.h"

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
		cmocka_unit_test(test_words_between_tabs_are_unescaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
