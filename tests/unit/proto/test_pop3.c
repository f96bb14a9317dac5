/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "proto/pop3.h"

enum { MAX_LINE = 20 };

/* lines */

static void expect_line(struct str in, const char *name, const char *args,
			size_t used)
{
	struct pop3_line line;
	size_t took;

	assert_int_equal(pop3_line_next(in, MAX_LINE, &line, &took),
			 POP3_PARSE_LINE);
	assert_true(str_is(line.name, name));
	assert_true(str_is(line.args, args));
	assert_true(line.text.len >= line.args.len);
	assert_int_equal(took, used);
}

static void test_lines(void **state)
{
	struct pop3_line line;
	size_t used;

	(void)state;
	expect_line(STR("QUIT\r\nX"), "QUIT", "", 6);
	expect_line(STR("RETR 1\nX"), "RETR", "1", 7);
	expect_line(STR("TOP   1 2 \r\n"), "TOP", "1 2 ", 12);
	expect_line(STR(" LIST\r\n"), "", "LIST", 7);
	expect_line(STR("\r\n"), "", "", 2);
	expect_line(STR("\n"), "", "", 1);
	expect_line(STR("A\r\r\n"), "A\r", "", 4);
	expect_line(STR("A\0B C\r\n"), "A", "", 7);
	expect_line(STR("A B\0C\r\n"), "A", "B", 7);
	assert_int_equal(
		pop3_line_next(STR("PASS  a \r\n"), MAX_LINE, &line, &used),
		POP3_PARSE_LINE);
	assert_true(str_is(line.text, " a "));
}

static void test_a_line_has_a_limit(void **state)
{
	struct str in = STR("12345678901234567890\n");
	struct pop3_line line;
	size_t used;

	(void)state;
	expect_line(STR("1234567890123456789\n"), "1234567890123456789", "",
		    20);
	assert_int_equal(pop3_line_next(in, MAX_LINE, &line, &used),
			 POP3_PARSE_TOO_LONG);
	in.len = MAX_LINE;
	assert_int_equal(pop3_line_next(in, MAX_LINE, &line, &used),
			 POP3_PARSE_TOO_LONG);
	for (size_t len = 0; len < MAX_LINE; len++)
		assert_int_equal(pop3_line_next(str_n(in.data, len), MAX_LINE,
						&line, &used),
				 POP3_PARSE_MORE);
}

/* numbers */

static void expect_number(const char *text, uint32_t number, const char *behind)
{
	CLEANUP(buf_free) struct buf problem = buf_init(100);
	struct str args = str_of(text);
	uint32_t got;

	assert_true(pop3_message_number(&args, &got, &problem));
	assert_int_equal(got, number);
	assert_true(str_is(args, behind));
}

static void expect_no_number(const char *text, const char *why)
{
	CLEANUP(buf_free) struct buf problem = buf_init(100);
	struct str args = str_of(text);
	uint32_t got;

	assert_false(pop3_message_number(&args, &got, &problem));
	assert_string_equal(problem.data, why);
}

static void test_message_numbers(void **state)
{
	(void)state;
	expect_number("1", 1, "");
	expect_number("01 2", 1, " 2");
	expect_number("4294967295x", UINT32_MAX, "x");
	expect_no_number("", "Invalid message number: ");
	expect_no_number("-1", "Invalid message number: -1");
	expect_no_number("+1", "Invalid message number: +1");
	expect_no_number("4294967296 2", "Message number too large:  2");
	expect_no_number("18446744073709551616x",
			 "Message number too large: 18446744073709551616x");
}

static void test_line_counts(void **state)
{
	CLEANUP(buf_free) struct buf problem = buf_init(1000);
	uint64_t lines;

	(void)state;
	assert_true(pop3_line_count(STR("  7"), &lines, &problem));
	assert_int_equal(lines, 7);
	assert_true(pop3_line_count(STR(" 18446744073709551615"), &lines,
				    &problem));
	assert_true(lines == UINT64_MAX);
	assert_false(pop3_line_count(STR(" 7 "), &lines, &problem));
	assert_string_equal(problem.data, "Noise after size:  ");
	buf_reset(&problem);
	assert_false(pop3_line_count(STR(" "), &lines, &problem));
	assert_string_equal(problem.data, "Invalid size: ");
	buf_reset(&problem);
	assert_false(pop3_line_count(STR(" 18446744073709551616"), &lines,
				     &problem));
	assert_string_equal(problem.data,
			    "Size too large: 18446744073709551616");
}

/* text */

static void put(struct pop3_text *text, struct str in, struct buf *out)
{
	buf_grew(out,
		 pop3_text_put(text, in, buf_space(out, 2 * in.len)));
}

/* The same wherever the text is cut. */
static void expect_text(struct pop3_text text, struct str in, struct str wanted)
{
	for (size_t cut = 0; cut <= in.len; cut++) {
		CLEANUP(buf_free) struct buf out = buf_init(1000);
		struct pop3_text copy = text;

		put(&copy, str_n(in.data, cut), &out);
		put(&copy, str_from(in, cut), &out);
		assert_int_equal(copy.size, out.len);
		buf_add_str(&out, pop3_text_end(&copy));
		assert_int_equal(out.len, wanted.len);
		assert_memory_equal(out.data, wanted.data, wanted.len);
	}
}

static const struct pop3_text whole = {.lines = UINT64_MAX};

static void test_dots_are_doubled(void **state)
{
	(void)state;
	expect_text(whole, STR(".a\r\n\r\n.\r\n..\r\na.\r\n.x"),
		    STR("..a\r\n\r\n..\r\n...\r\na.\r\n..x\r\n"));
	expect_text(whole, STR("a\r.b\r\n\r\n\r.\r\n"),
		    STR("a\r.b\r\n\r\n\r.\r\n"));
}

static void test_lines_end_with_crlf(void **state)
{
	struct pop3_text text = whole;
	char out[100];

	(void)state;
	expect_text(whole, STR("a\n\n.b\r\n\r\rc\r\r\nd"),
		    STR("a\r\n\r\n..b\r\n\r\rc\r\r\nd\r\n"));
	expect_text((struct pop3_text){.lines = 1}, STR("A: b\n\r\n.c\nd\n"),
		    STR("A: b\r\n\r\n..c\r\n"));
	/* What the mail's size is: without the dots, and a last CRLF. */
	pop3_text_put(&text, STR("A: b\n\n.c\nd"), out);
	assert_int_equal(text.size - text.dots, 13);
}

static void test_the_last_line_gets_its_end(void **state)
{
	(void)state;
	expect_text(whole, STR(""), STR("\r\n"));
	expect_text(whole, STR("a"), STR("a\r\n"));
	expect_text(whole, STR("a\r"), STR("a\r\r\n"));
	expect_text(whole, STR("a\r\n"), STR("a\r\n"));
}

static void test_top_ends_after_its_lines(void **state)
{
	struct str in = STR("A: b\r\n c\r\n\r\n.1\r\n2\r\n\r\n4");

	(void)state;
	expect_text((struct pop3_text){.lines = 0}, in,
		    STR("A: b\r\n c\r\n\r\n"));
	expect_text((struct pop3_text){.lines = 1}, in,
		    STR("A: b\r\n c\r\n\r\n..1\r\n"));
	expect_text((struct pop3_text){.lines = 3}, in,
		    STR("A: b\r\n c\r\n\r\n..1\r\n2\r\n\r\n"));
	expect_text((struct pop3_text){.lines = 4}, in,
		    STR("A: b\r\n c\r\n\r\n..1\r\n2\r\n\r\n4\r\n"));
	expect_text((struct pop3_text){.lines = 0}, STR("\r\nx\r\n"),
		    STR("\r\n"));
	expect_text((struct pop3_text){.lines = 0}, STR("A: b"),
		    STR("A: b\r\n"));
}

static void test_workarounds(void **state)
{
	(void)state;
	expect_text((struct pop3_text){.lines = UINT64_MAX, .no_nuls = true},
		    STR("a\0b\r\n\r\n\0\0.\r\n\0"),
		    STR("a\x80"
			"b\r\n\r\n\x80\x80.\r\n\x80\r\n"));
	expect_text(
		(struct pop3_text){.lines = UINT64_MAX, .end_of_header = true},
		STR("A: b\r\n"), STR("A: b\r\n\r\n"));
	expect_text((struct pop3_text){.lines = 0, .end_of_header = true},
		    STR("A: b"), STR("A: b\r\n\r\n"));
	expect_text(
		(struct pop3_text){.lines = UINT64_MAX, .end_of_header = true},
		STR("A: b\r\n\r\nc"), STR("A: b\r\n\r\nc\r\n"));
}

static void test_languages(void **state)
{
	static const struct {
		const char *args, *start;
	} cases[] = {
		{"", "+OK Language listing follows:\r\nen "},
		{"EN", "+OK en "},
		{"*", "+OK i-default "},
		{"fi", "-ERR "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP(buf_free) struct buf out = buf_init(1000);

		pop3_lang(str_of(cases[i].args), &out);
		assert_true(
			str_starts(str_n(out.data, out.len), cases[i].start));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_a_line_has_a_limit),
		cmocka_unit_test(test_message_numbers),
		cmocka_unit_test(test_line_counts),
		cmocka_unit_test(test_dots_are_doubled),
		cmocka_unit_test(test_lines_end_with_crlf),
		cmocka_unit_test(test_the_last_line_gets_its_end),
		cmocka_unit_test(test_top_ends_after_its_lines),
		cmocka_unit_test(test_workarounds),
		cmocka_unit_test(test_languages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
