/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "proto/managesieve.h"

static const struct msieve_limits limits = {.max_line = 60, .max_script = 100};

static void show(const struct msieve_parser *parser, enum msieve_parse result,
		 struct buf *out)
{
	const struct msieve_command *command = msieve_command(parser);

	buf_printf(out, "[%.*s", STR_FMT(command->name));
	if (result == MSIEVE_BAD)
		buf_printf(out, ": %s", msieve_problem(parser));
	else if (result == MSIEVE_TOO_LONG)
		buf_add(out, ": too long");
	else if (result == MSIEVE_LARGE_SCRIPT)
		buf_printf(out, ": script %llu",
			   (unsigned long long)msieve_size(parser));
	else if (result == MSIEVE_LARGE_LITERAL)
		buf_add(out, ": literal");
	for (size_t i = 0; result == MSIEVE_COMMAND && i < command->count; i++)
		buf_printf(out,
			   command->args[i].kind == MSIEVE_ATOM ? " %.*s"
								: " <%.*s>",
			   STR_FMT(command->args[i].text));
	buf_add(out, "]");
}

static void feed(struct msieve_parser *parser, struct str in, struct buf *out)
{
	size_t used;

	while (in.len > 0) {
		enum msieve_parse result = msieve_feed(parser, in, &used);

		in = str_from(in, used);
		if (result != MSIEVE_MORE)
			show(parser, result, out);
		if (result == MSIEVE_LARGE_LITERAL)
			return;
	}
}

/* However it is cut. */
static void assert_parsed_n(struct str in, const char *expected)
{
	for (size_t cut = 0; cut <= in.len; cut++) {
		struct msieve_parser *parser = msieve_parser_new(NULL, &limits);
		CLEANUP(buf_free) struct buf out = buf_init(10000);

		feed(parser, str_n(in.data, cut), &out);
		if (!str_is(str_n(out.data, out.len), "[X: literal]"))
			feed(parser, str_from(in, cut), &out);
		assert_string_equal(out.data, expected);
		mem_free(parser);
	}
}

#define assert_parsed(in, expected) assert_parsed_n(STR(in), expected)

static void test_commands(void **state)
{
	(void)state;
	assert_parsed("NOOP\r\n", "[NOOP]");
	assert_parsed("noop\n", "[noop]");
	assert_parsed("\r\n", "[]");
	assert_parsed(" A\r\n", "[ A]");
	assert_parsed("A  \"x y\"   12 b-c.d=e:f  \r\nB\r\n",
		      "[A <x y> 12 b-c.d=e:f][B]");
	assert_parsed("A \"q\\\"\\\\\" \"\"\r\n", "[A <q\"\\> <>]");
	assert_parsed("A \"\xc3\xa9\"\r\n", "[A <\xc3\xa9>]");
}

static void test_literals(void **state)
{
	(void)state;
	assert_parsed("A {3+}\r\nx\r\n {2}\nyz\r\nB\r\n",
		      "[A <x\r\n> <yz>][B]");
	assert_parsed("A {0+}\r\n\r\nB\r\n", "[A <>][B]");
	assert_parsed("A {3+}\r\nxyzB\r\nC\r\n",
		      "[A: Unexpected characters behind a string][C]");
}

static void test_errors_take_one_line(void **state)
{
	(void)state;
	assert_parsed("A (x)\r\nB\r\n", "[A: Invalid characters in atom][B]");
	assert_parsed("A x\"\r\nB\r\n", "[A: Invalid characters in atom][B]");
	assert_parsed("A \"x\nB\r\n",
		      "[A: String contains invalid character.][B]");
	assert_parsed("A \"x\r\nB\r\n",
		      "[A: String contains invalid character.][B]");
	assert_parsed("A \"x\0\"\r\nB\r\n",
		      "[A: NULs not allowed in strings][B]");
	assert_parsed("A \"\xff\"\r\nB\r\n",
		      "[A: Invalid UTF-8 character in quoted-string.][B]");
	assert_parsed("A \"\\x\"\r\nB\r\n",
		      "[A: Escaped quoted-string character is not a "
		      "QUOTED-SPECIAL.][B]");
	assert_parsed("A {x}\r\nB\r\n", "[A: Invalid literal size][B]");
	assert_parsed("A {}\r\nB\r\n", "[A: Invalid literal size][B]");
	assert_parsed("A {1++}\r\nB\r\n", "[A: Invalid literal size][B]");
	assert_parsed("A {1}x\r\nB\r\n",
		      "[A: Missing LF after literal size][B]");
	assert_parsed("A\rB\r\nC\r\n", "[A: CR is not followed by LF][C]");
}

/* What a line announces that is passed over is no command. */
static void test_literals_are_passed_over(void **state)
{
	(void)state;
	assert_parsed("A (x) {5+}\r\nLOG\r\n {3}\r\n\r\nX\r\nB\r\n",
		      "[A: Invalid characters in atom][B]");
	assert_parsed("A ( {x{4}}\r\nB\r\n",
		      "[A: Invalid characters in atom][B]");
	assert_parsed("A ( {99999999999999999999}\r\nB\r\n",
		      "[A: Invalid characters in atom][B]");
}

static void test_limits(void **state)
{
	static const char sixty[] =
		"A \"0123456789012345678901234567890123456789012345678901\"";

	(void)state;
	assert_int_equal(strlen(sixty), 56);
	CLEANUP(buf_free) struct buf in = buf_init(1000), out = buf_init(1000);
	struct msieve_parser *parser = msieve_parser_new(NULL, &limits);

	buf_printf(&in, "%s x\r\n%s xy\r\nB\r\n", sixty, sixty);
	feed(parser, str_n(in.data, in.len), &out);
	assert_non_null(strstr(out.data, "901> x][A: too long][B]"));
	mem_free(parser);
	assert_parsed("X {53+}\r\n", "[X: literal]");
	assert_parsed("X {99999999999999999999}\r\n", "[X: literal]");
	assert_parsed("A 1 2 3 4 5 6 7 8\r\n", "[A 1 2 3 4 5 6 7 8]");
}

static void test_scripts(void **state)
{
	CLEANUP(buf_free) struct buf in = buf_init(1000);

	(void)state;
	assert_parsed("PUTSCRIPT \"a\" {4+}\r\nkeep\r\n",
		      "[PUTSCRIPT <a> <keep>]");
	for (unsigned size = 99; size <= 101; size++) {
		struct msieve_parser *parser = msieve_parser_new(NULL, &limits);
		CLEANUP(buf_free) struct buf out = buf_init(1000);

		buf_reset(&in);
		buf_printf(&in, "CHECKSCRIPT {%u+}\r\n%*s\r\nB\r\n", size,
			   (int)size, "\n\n");
		feed(parser, str_n(in.data, in.len), &out);
		if (size > 100)
			assert_string_equal(out.data,
					    "[CHECKSCRIPT: script 101][B]");
		else
			assert_true(str_starts(str_n(out.data, out.len),
					       "[CHECKSCRIPT <"));
		mem_free(parser);
	}
	assert_parsed("putscript {1+}\r\na {101+}\r\nxx",
		      "[putscript: script 101]");
}

static void test_response(void **state)
{
	struct msieve_parser *parser = msieve_parser_new(NULL, &limits);
	CLEANUP(buf_free) struct buf out = buf_init(1000);

	(void)state;
	feed(parser, STR("A\r\n"), &out);
	msieve_next(parser, true);
	feed(parser, STR("{2+}\r\nab\r\nB\r\n"), &out);
	msieve_next(parser, true);
	feed(parser, STR("*\r\n"), &out);
	assert_string_equal(out.data, "[A][ <ab>][B][: Invalid characters in "
				      "atom]");
	mem_free(parser);
}

static void test_writing(void **state)
{
	CLEANUP(buf_free) struct buf out = buf_init(10000);
	char longest[1025];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	msieve_write_string(&out, STR("a\\b\"c"));
	msieve_write_string(&out, STR("a\nb"));
	msieve_write_reply(&out, "NO", "QUOTA", STR("full"));
	msieve_write_reply(&out, "OK", "", STR(""));
	assert_string_equal(out.data, "\"a\\\\b\\\"c\"{3}\r\na\nb"
				      "NO (QUOTA) \"full\"\r\nOK \"\"\r\n");
	buf_reset(&out);
	msieve_write_string(&out, str_n(longest, 1024));
	assert_int_equal(out.data[0], '"');
	buf_reset(&out);
	msieve_write_string(&out, str_n(longest, 1025));
	assert_int_equal(out.data[0], '{');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_literals),
		cmocka_unit_test(test_errors_take_one_line),
		cmocka_unit_test(test_literals_are_passed_over),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_response),
		cmocka_unit_test(test_writing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
