/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "proto/auth.h"

static void test_words_of_a_line(void **state)
{
	struct auth_line line;

	(void)state;
	assert_true(auth_line_parse(
		STR("AUTH\t17\tPLAIN\tservice=imap\tsecured\tresp=QQ=="),
		&line));
	assert_true(str_is(line.command, "AUTH"));
	assert_int_equal(line.id, 17);
	assert_int_equal(line.count, 4);
	assert_true(str_is(line.args[0], "PLAIN"));
	assert_true(str_is(auth_line_value(&line, "service"), "imap"));
	assert_true(str_is(auth_line_value(&line, "resp"), "QQ=="));
	assert_true(str_is(auth_line_value(&line, "secured"), ""));
	assert_null(auth_line_value(&line, "secure").data);
	assert_null(auth_line_value(&line, "serv").data);
}

static void test_commands_without_a_number(void **state)
{
	struct auth_line line;

	(void)state;
	assert_true(auth_line_parse(STR("DONE"), &line));
	assert_int_equal(line.id, 0);
	assert_int_equal(line.count, 0);
	assert_true(auth_line_parse(STR("MECH\tPLAIN\tplaintext"), &line));
	assert_int_equal(line.id, 0);
	assert_int_equal(line.count, 2);
	assert_true(auth_line_parse(STR("AUTH\t99999999999\tx"), &line));
	assert_int_equal(line.id, 0);
}

static void test_malformed_lines(void **state)
{
	CLEANUP(buf_free) struct buf many = buf_init(10000);
	struct auth_line line;

	(void)state;
	assert_false(auth_line_parse(STR(""), &line));
	assert_false(auth_line_parse(STR("\t1"), &line));
	assert_false(auth_line_parse(STR("AU\0TH\t1"), &line));
	buf_add(&many, "AUTH\t1");
	for (int i = 0; i < AUTH_ARGS_MAX; i++)
		buf_add(&many, "\tx");
	assert_true(auth_line_parse(str_n(many.data, many.len), &line));
	buf_add(&many, "\tx");
	assert_false(auth_line_parse(str_n(many.data, many.len), &line));
}

static void test_lines_are_cut_at_lf(void **state)
{
	struct str in = STR("VERSION\t1\t2\nCPID"), line;
	size_t used;

	(void)state;
	assert_true(auth_line_next(in, &line, &used));
	assert_true(str_is(line, "VERSION\t1\t2"));
	assert_int_equal(used, 12);
	assert_false(auth_line_next(str_from(in, used), &line, &used));
	assert_false(auth_line_next(STR(""), &line, &used));
}

static void test_values_are_escaped(void **state)
{
	CLEANUP(buf_free) struct buf out = buf_init(100);

	(void)state;
	auth_write_value(&out, "user", "a\tb\nc\001");
	assert_string_equal(out.data, "\tuser=a\001tb\001nc\0011");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_of_a_line),
		cmocka_unit_test(test_commands_without_a_number),
		cmocka_unit_test(test_malformed_lines),
		cmocka_unit_test(test_lines_are_cut_at_lf),
		cmocka_unit_test(test_values_are_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
