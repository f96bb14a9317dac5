/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

static void test_an_empty_buffer_is_an_empty_string(void **state)
{
	CLEANUP(buf_free) struct buf buf = buf_init(10);

	(void)state;
	assert_string_equal(buf.data, "");
	assert_int_equal(buf.len, 0);
	buf_shift(&buf, 5);
	buf_truncate(&buf, 0);
	buf_reset(&buf);
	assert_string_equal(buf.data, "");
}

static void test_the_limit_is_kept_to_the_byte(void **state)
{
	CLEANUP(buf_free) struct buf buf = buf_init(10);

	(void)state;
	buf_append(&buf, "0123456789", 10);
	assert_false(buf.overflow);
	buf_append(&buf, "", 0);
	assert_false(buf.overflow);
	buf_putc(&buf, 'x');
	assert_true(buf.overflow);
	assert_string_equal(buf.data, "0123456789");
}

static void test_after_an_overflow_nothing_is_added_until_reset(void **state)
{
	CLEANUP(buf_free) struct buf buf = buf_init(4);

	(void)state;
	buf_add(&buf, "12345");
	buf_putc(&buf, 'x');
	buf_printf(&buf, "%d", 7);
	assert_int_equal(buf.len, 0);
	assert_null(buf_space(&buf, 1));
	buf_reset(&buf);
	buf_printf(&buf, "%s-%d", "a", 7);
	assert_string_equal(buf.data, "a-7");
	buf_printf(&buf, "%s", "xy");
	assert_true(buf.overflow);
	assert_string_equal(buf.data, "a-7");
}

static void test_it_grows_over_many_appends(void **state)
{
	CLEANUP(buf_free) struct buf buf = buf_init(100000);

	(void)state;
	for (int i = 0; i < 100000; i++)
		buf_putc(&buf, (char)('a' + i % 26));
	assert_false(buf.overflow);
	assert_int_equal(buf.data[99999], 'a' + 99999 % 26);
	assert_int_equal(buf.data[100000], '\0');
}

static void test_shift_and_truncate(void **state)
{
	CLEANUP(buf_free) struct buf buf = buf_init(100);

	(void)state;
	buf_add(&buf, "hello world");
	buf_shift(&buf, 6);
	assert_string_equal(buf.data, "world");
	buf_truncate(&buf, 3);
	assert_string_equal(buf.data, "wor");
	buf_truncate(&buf, 30);
	assert_int_equal(buf.len, 3);
	buf_shift(&buf, 30);
	assert_int_equal(buf.len, 0);
}

static void test_quotes_have_backslashes_within(void **state)
{
	CLEANUP(buf_free) struct buf buf = buf_init(100);

	(void)state;
	buf_add_quoted(&buf, STR(""));
	buf_add_quoted(&buf, (struct str){NULL, 0});
	buf_add_quoted(&buf, STR("a \"b\" \\ '"));
	assert_string_equal(buf.data, "\"\"\"\"\"a \\\"b\\\" \\\\ '\"");
}

static void test_steal_moves_the_text_to_a_context(void **state)
{
	struct buf buf = buf_init(100);
	char *text;

	(void)state;
	buf_append(&buf, "a\0b", 3);
	text = buf_steal(NULL, &buf);
	assert_memory_equal(text, "a\0b", 4);
	assert_int_equal(buf.len, 0);
	mem_free(text);
	text = buf_steal(NULL, &buf);
	assert_string_equal(text, "");
	mem_free(text);
}

static void test_kept_text_goes_with_its_context(void **state)
{
	TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct buf buf = buf_init(100);
	const char *data, *text;

	(void)state;
	buf_append(&buf, "a\0b", 3);
	data = buf.data;
	text = buf_keep(ctx, &buf);
	assert_ptr_equal(text, data);
	assert_int_equal(buf.len, 0);
	buf_add(&buf, "cd");
	assert_memory_equal(text, "a\0b", 4);
	buf_free(&buf);
	assert_string_equal(buf_keep(ctx, &buf), "");
	mem_free(ctx);
}

static void test_space_is_written_to_in_place(void **state)
{
	CLEANUP(buf_free) struct buf buf = buf_init(100);
	char *space = buf_space(&buf, 50);

	(void)state;
	memcpy(space, "abc", 3);
	buf_grew(&buf, 3);
	buf_add_str(&buf, STR("def"));
	assert_string_equal(buf.data, "abcdef");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_buffer_is_an_empty_string),
		cmocka_unit_test(test_the_limit_is_kept_to_the_byte),
		cmocka_unit_test(
			test_after_an_overflow_nothing_is_added_until_reset),
		cmocka_unit_test(test_it_grows_over_many_appends),
		cmocka_unit_test(test_shift_and_truncate),
		cmocka_unit_test(test_quotes_have_backslashes_within),
		cmocka_unit_test(test_steal_moves_the_text_to_a_context),
		cmocka_unit_test(test_kept_text_goes_with_its_context),
		cmocka_unit_test(test_space_is_written_to_in_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
