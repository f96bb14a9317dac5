/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "proto/imap.h"

static void expect_set(const char *text, uint32_t star, const char *expected)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	CLEANUP(buf_free) struct buf out = buf_init(1000);
	struct range_set set = range_set_init(ctx);
	bool ok = imap_sequence_set(str_of(text), star, &set);

	if (expected == NULL) {
		assert_false(ok);
		return;
	}
	assert_true(ok);
	range_set_write(&set, &out);
	assert_string_equal(out.data, expected);
}

static void test_sequence_sets(void **state)
{
	(void)state;
	expect_set("1", 9, "1");
	expect_set("1:3,5:*", 9, "1:3,5:9");
	expect_set("*", 9, "9");
	expect_set("*:4", 9, "4:9");
	expect_set("20:*", 9, "9:20");
	expect_set("7,3,5,4", 9, "3:5,7");
	expect_set("4294967295", 9, "4294967295");
	expect_set("1:4294967295", 9, "1:4294967295");
}

static void test_malformed_sequence_sets(void **state)
{
	static const char *const bad[] = {
		"",    "0",  "1:0",   "1,",         ",1", "1,,2",
		"1:",  ":1", "1:2:3", "4294967296", "-1", "+1",
		"1 2", "x",  "**",    "1:**",       "$",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_set(bad[i], 9, NULL);
}

static void test_dates_with_time(void **state)
{
	int64_t utc;
	int zone;

	(void)state;
	assert_true(
		imap_date_time(STR(" 7-Feb-1994 22:43:04 -0830"), &utc, &zone));
	assert_int_equal(utc, 760691584);
	assert_int_equal(zone, -510);
	assert_true(
		imap_date_time(STR("17-jul-2020 00:00:00 +0000"), &utc, &zone));
	assert_int_equal(utc, 1594944000);
	assert_true(
		imap_date_time(STR("01-Jan-1900 00:00:00 +0000"), &utc, &zone));
	assert_int_equal(utc, -2208988800);
}

static void test_malformed_dates(void **state)
{
	static const char *const bad[] = {
		"",
		"7-Feb-1994",
		" 7-Feb-1994 22:43:04",
		" 7-Feb-1994 22:43:04 -0830 ",
		" 7-Fev-1994 22:43:04 -0830",
		"00-Feb-1994 22:43:04 -0830",
		"32-Jan-1994 22:43:04 -0830",
		" 7-Feb-94 22:43:04 -0830",
		" 7-Feb-1994 24:43:04 -0830",
		" 7-Feb-1994 22:43:04 GMT",
		" 7-Feb-1994 22:43:04 -2400",
	};
	int64_t utc;
	int zone;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(imap_date_time(str_of(bad[i]), &utc, &zone));
}

static void test_days(void **state)
{
	int64_t utc;

	(void)state;
	assert_true(imap_date(STR("1-Feb-1994"), &utc));
	assert_int_equal(utc, 760060800);
	assert_true(imap_date(STR("01-Feb-1994"), &utc));
	assert_int_equal(utc, 760060800);
	assert_false(imap_date(STR("1-Feb-1994 "), &utc));
	assert_false(imap_date(STR("1-2-1994"), &utc));
}

static void expect_astring(struct str value, const char *expected)
{
	CLEANUP(buf_free) struct buf out = buf_init(1000);

	imap_write_astring(&out, value);
	assert_string_equal(out.data, expected);
}

static void test_written_strings(void **state)
{
	CLEANUP(buf_free) struct buf out = buf_init(1000);

	(void)state;
	expect_astring(STR("INBOX"), "INBOX");
	expect_astring(STR("a]b"), "a]b");
	expect_astring(STR(""), "\"\"");
	expect_astring(STR("nil"), "\"nil\"");
	expect_astring(STR("a b"), "\"a b\"");
	expect_astring(STR("a\"\\"), "\"a\\\"\\\\\"");
	expect_astring(STR("a*"), "\"a*\"");
	expect_astring(STR("a\r\n\xc3\xa4"), "{5}\r\na\r\n\xc3\xa4");
	imap_write_nstring(&out, (struct str){NULL, 0});
	buf_putc(&out, ' ');
	imap_write_nstring(&out, STR("x"));
	assert_string_equal(out.data, "NIL \"x\"");
}

static void test_kinds_of_arguments(void **state)
{
	struct imap_arg atom = {.kind = IMAP_ARG_ATOM, .text = STR("12")};
	struct imap_arg string = {.kind = IMAP_ARG_STRING, .text = STR("12")};
	struct imap_arg list = {.kind = IMAP_ARG_LIST};
	struct str text;
	uint32_t number;

	(void)state;
	assert_true(imap_arg_astring(&atom, &text));
	assert_true(imap_arg_astring(&string, &text));
	assert_false(imap_arg_astring(&list, &text));
	assert_true(imap_arg_number(&atom, &number));
	assert_int_equal(number, 12);
	assert_false(imap_arg_number(&string, &number));
	assert_true(imap_arg_atom_is(&atom, "12"));
	assert_false(imap_arg_atom_is(&string, "12"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sequence_sets),
		cmocka_unit_test(test_malformed_sequence_sets),
		cmocka_unit_test(test_dates_with_time),
		cmocka_unit_test(test_malformed_dates),
		cmocka_unit_test(test_days),
		cmocka_unit_test(test_written_strings),
		cmocka_unit_test(test_kinds_of_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
