/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "proto/smtp.h"

enum { MAX_LINE = 30 };

/* lines */

static void feed_lines(struct smtp_parser *parser, struct str in,
		       struct buf *out)
{
	while (in.len > 0) {
		struct smtp_line line;
		size_t used;

		switch (smtp_parser_feed(parser, in, &used, &line)) {
		case SMTP_PARSE_MORE:
			assert_int_equal(used, in.len);
			break;
		case SMTP_PARSE_LINE:
			buf_printf(out, "%.*s|%.*s\n", STR_FMT(line.verb),
				   STR_FMT(line.args));
			break;
		case SMTP_PARSE_TOO_LONG:
			buf_add(out, "too long\n");
			break;
		case SMTP_PARSE_BAD:
			buf_add(out, "bad\n");
			break;
		}
		in = str_from(in, used);
	}
}

static void expect_lines(struct str in, const char *expected)
{
	for (size_t cut = 0; cut <= in.len; cut++) {
		CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
		CLEANUP(buf_free) struct buf out = buf_init(1000);
		struct smtp_parser *parser = smtp_parser_new(ctx, MAX_LINE);

		feed_lines(parser, str_n(in.data, cut), &out);
		feed_lines(parser, str_from(in, cut), &out);
		assert_string_equal(out.data, expected);
	}
}

static void test_command_lines(void **state)
{
	(void)state;
	expect_lines(STR("LHLO a.b\r\nDATA\r\nMAIL FROM:<> \r\nX  y z\r\n\r\n"),
		     "LHLO|a.b\nDATA|\nMAIL|FROM:<>\nX| y z\n|\n");
}

static void test_only_crlf_ends_a_line(void **state)
{
	(void)state;
	expect_lines(STR("NOOP\nQUIT\r\n"), "bad\nQUIT|\n");
	expect_lines(STR("NO\rOP\r\nQUIT\r\n"), "bad\nQUIT|\n");
	expect_lines(STR("NOOP\0\r\nQUIT\r\n"), "bad\nQUIT|\n");
	expect_lines(STR("\n\r\n"), "bad\n|\n");
}

static void test_line_length(void **state)
{
	(void)state;
	expect_lines(STR("1234567890123456789012345678\r\nA\r\n"),
		     "1234567890123456789012345678|\nA|\n");
	expect_lines(STR("12345678901234567890123456789\r\nA\r\n"),
		     "too long\nA|\n");
	expect_lines(STR("123456789012345678901234567890123456789012345678901"
			 "23456789012345678901234567890123456789012345678901"
			 "23456789012345678901234567890123456789012345678901"
			 "23456789012345678901234567890123456789012345678901"
			 "23456789012345678901234567890123456789012345678901"
			 "2345678901234567890123456789012345678901\r\nA\r\n"),
		     "too long\nA|\n");
}

/* paths */

static void expect_path(const char *args, const char *address,
			const char *local, const char *domain)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	const char *problem = NULL;
	struct smtp_path path;

	if (!smtp_path_parse(ctx, str_of(args), "FROM", &path, &problem))
		fail_msg("%s: %s", args, problem);
	assert_string_equal(path.address, address);
	if (local == NULL)
		assert_null(path.local);
	else
		assert_string_equal(path.local, local);
	if (domain == NULL)
		assert_null(path.domain);
	else
		assert_string_equal(path.domain, domain);
}

static void test_paths(void **state)
{
	(void)state;
	expect_path("FROM:<a@b.example>", "a@b.example", "a", "b.example");
	expect_path("from:<>", "", NULL, NULL);
	expect_path("FROM:<ann>", "ann", "ann", NULL);
	expect_path("FROM:<\"a \\\"b\"@c>", "\"a \\\"b\"@c", "a \"b", "c");
	expect_path("FROM:<\"a>b\"@c>", "\"a>b\"@c", "a>b", "c");
	expect_path("FROM:<@x,@y.z:a@b>", "a@b", "a", "b");
	expect_path("FROM:<a@[192.0.2.1]>", "a@[192.0.2.1]", "a",
		    "[192.0.2.1]");
	expect_path("FROM:<a+b=c@d>", "a+b=c@d", "a+b=c", "d");
	expect_path("FROM:<\xc3\xa4@\xc3\xb6>", "\xc3\xa4@\xc3\xb6", "\xc3\xa4",
		    "\xc3\xb6");
}

static void expect_problem(const char *args, const char *expected)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	const char *problem = NULL;
	struct smtp_path path;

	assert_false(smtp_path_parse(ctx, str_of(args), "TO", &path, &problem));
	assert_string_equal(problem, expected);
}

static void test_malformed_paths(void **state)
{
	(void)state;
	expect_problem("", "Invalid parameters");
	expect_problem("TO", "Invalid parameters");
	expect_problem("FROM:<a@b>", "Invalid parameters");
	expect_problem("TO:", "Invalid TO: Path is empty string");
	expect_problem("TO: <a@b>",
		       "Invalid TO: Unexpected whitespace before path");
	expect_problem("TO:a@b",
		       "Invalid TO: Missing '<' at beginning of path");
	expect_problem("TO:<a@b", "Invalid TO: Missing '>' at end of path");
	expect_problem("TO:<a@b>x", "Invalid TO: Invalid character in path");
	expect_problem("TO:<a@>", "Invalid TO: Invalid character in path");
	expect_problem("TO:<a@b@c>", "Invalid TO: Invalid character in path");
	expect_problem("TO:<@b>", "Invalid TO: Invalid character in path");
	expect_problem("TO:<\"a@b>", "Invalid TO: Missing '>' at end of path");
	expect_problem("TO:<a@[1>", "Invalid TO: Invalid character in path");
	expect_problem("TO:<a@..>", "Invalid TO: Invalid domain");
	expect_problem("TO:<a@b..c>", "Invalid TO: Invalid domain");
	expect_problem("TO:<a@b.>", "Invalid TO: Invalid domain");
	expect_problem("TO:<a@[]>", "Invalid TO: Invalid domain");
	expect_problem("TO:<a@b> =x",
		       "Invalid RCPT parameter: Unexpected character in "
		       "parameter keyword");
}

static void test_senders_without_an_address(void **state)
{
	static const char *const all[] = {"a@b@c",  "a@",   "@",
					  "a\"b@c", "<a@b", "\xc3\xa4@b"};
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	const char *problem;
	struct smtp_path path;

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		char *args = mem_printf(ctx, "FROM:<%s> SIZE=1", all[i]);

		assert_true(
			smtp_sender_parse(ctx, str_of(args), &path, &problem));
		assert_true(path.broken);
		assert_string_equal(path.address, "");
		assert_string_equal(path.params[0].name, "SIZE");
	}
	assert_true(smtp_sender_parse(ctx, STR("FROM:<\"a>b\"@c>"), &path,
				      &problem));
	assert_false(path.broken);
	assert_false(
		smtp_sender_parse(ctx, STR("FROM:<a b@c>"), &path, &problem));
	assert_false(smtp_sender_parse(ctx, STR("FROM:<a@b"), &path, &problem));
	assert_false(
		smtp_sender_parse(ctx, STR("FROM:<a@b>x"), &path, &problem));
}

static void test_path_length(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");

	(void)state;
	expect_path(mem_printf(ctx, "FROM:<%0998d@b>", 1),
		    mem_printf(ctx, "%0998d@b", 1),
		    mem_printf(ctx, "%0998d", 1), "b");
	expect_problem(mem_printf(ctx, "TO:<%0999d@b>", 1),
		       "Invalid TO: Path is too long");
	expect_problem(mem_printf(ctx, "TO:<%09990d@b>", 1),
		       "Invalid TO: Path is too long");
}

static void test_parameters(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	const char *problem;
	struct smtp_path path;

	(void)state;
	assert_true(smtp_path_parse(ctx, STR("FROM:<> size=9  SMTPUTF8 A="),
				    "FROM", &path, &problem));
	assert_string_equal(path.params[0].name, "SIZE");
	assert_string_equal(path.params[0].value, "9");
	assert_string_equal(path.params[1].name, "SMTPUTF8");
	assert_null(path.params[1].value);
	assert_string_equal(path.params[2].value, "");
	assert_null(path.params[3].name);
}

static void test_xtext(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	CLEANUP(buf_free) struct buf out = buf_init(100);
	char *text;

	(void)state;
	smtp_xtext_encode(STR("a+b=c \xc3"), &out);
	assert_string_equal(out.data, "a+2Bb+3Dc+20+C3");
	assert_null(smtp_xtext_decode(ctx, str_of(out.data), &text));
	assert_string_equal(text, "a+b=c \xc3");
	assert_non_null(smtp_xtext_decode(ctx, STR("a+2"), &text));
	assert_non_null(smtp_xtext_decode(ctx, STR("+00"), &text));
	assert_null(smtp_orcpt_parse(ctx, "RFC822;a+2Bb@c", &text));
	assert_string_equal(text, "a+b@c");
	assert_null(smtp_orcpt_parse(ctx, "x400;a", &text));
	assert_null(text);
	assert_non_null(smtp_orcpt_parse(ctx, "x400;a+0A", &text));
	assert_non_null(smtp_orcpt_parse(ctx, NULL, &text));
	assert_non_null(smtp_orcpt_parse(ctx, "rfc822", &text));
}

static void test_number_of_parameters(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	char *args = mem_strdup(ctx, "TO:<a>");
	const char *problem;
	struct smtp_path path;

	(void)state;
	for (int i = 0; i < 20; i++)
		args = mem_printf(ctx, "%s a=b", args);
	assert_true(smtp_path_parse(ctx, str_of(args), "TO", &path, &problem));
	assert_string_equal(path.params[19].name, "A");
	assert_null(path.params[20].name);
	expect_problem(mem_printf(ctx, "%s a", args),
		       "Invalid RCPT parameter: Too many parameters");
	for (int i = 0; i < 200; i++)
		args = mem_printf(ctx, "%s a=b", args);
	expect_problem(args, "Invalid RCPT parameter: Too many parameters");
}

/* data */

static void expect_data(const char *in, bool keep_crlf, const char *expected,
			const char *rest)
{
	for (size_t cut = 0; cut <= strlen(in); cut++) {
		struct dot dot = {DOT_LINE_START, keep_crlf};
		CLEANUP(buf_free) struct buf out = buf_init(100);
		size_t used = dot_feed(&dot, in, cut, &out);

		used += dot_feed(&dot, in + used, strlen(in) - used, &out);
		assert_string_equal(out.data, expected);
		assert_string_equal(in + used, rest);
	}
}

static void expect_tolerated(const char *args, const char *workarounds,
			     const char *expected)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct str out =
		smtp_path_tolerate(ctx, str_of(args), "TO", workarounds);

	assert_string_equal(str_dup(ctx, out), expected);
}

static void test_workarounds_for_old_clients(void **state)
{
	const char *blank = "whitespace-before-path";
	const char *both = "whitespace-before-path mailbox-for-path";

	(void)state;
	expect_tolerated("TO: <a@b> X", "", "TO: <a@b> X");
	expect_tolerated("TO:  <a@b> X", blank, "TO:<a@b> X");
	expect_tolerated("TO: a@b", blank, "TO:a@b");
	expect_tolerated("TO: a@b X=1", both, "TO:<a@b>  X=1");
	expect_tolerated("TO:a@b", "mailbox-for-path", "TO:<a@b>");
	expect_tolerated("TO: a@b", "mailbox-for-path", "TO: a@b");
	expect_tolerated("TO:<a@b>", both, "TO:<a@b>");
	expect_tolerated("TO:", both, "TO:");
	expect_tolerated("T", both, "T");
	expect_tolerated("", both, "");
}

static void test_names_of_helo(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");

	(void)state;
	assert_string_equal(smtp_helo_clean(ctx, STR("[192.0.2.1]")),
			    "[192.0.2.1]");
	assert_string_equal(
		smtp_helo_clean(ctx, STR("a (b);c\r\n\"\\<@>,\xc3")),
		"a??b??c?????????");
}

static void expect_bdat(const char *args, const char *problem, uint64_t octets,
			bool last)
{
	uint64_t seen;
	bool seen_last;
	const char *what = smtp_bdat_parse(str_of(args), &seen, &seen_last);

	assert_string_equal(what == NULL ? "" : what, problem);
	assert_int_equal(seen, octets);
	assert_int_equal(seen_last, last);
}

static void test_arguments_of_bdat(void **state)
{
	static const char size[] = "Invalid chunk size parameter";

	(void)state;
	expect_bdat("0", "", 0, false);
	expect_bdat("10 last", "", 10, true);
	expect_bdat("18446744073709551615  LAST ", "", UINT64_MAX, true);
	expect_bdat("18446744073709551616", size, 0, false);
	expect_bdat("", size, 0, false);
	expect_bdat("-1", size, 0, false);
	expect_bdat("1x LAST", size, 0, false);
	expect_bdat("1 LAST x", "Invalid parameters", 1, false);
	expect_bdat("1 FIRST", "Invalid end marker parameter", 1, false);
}

static void test_any_cut_gives_the_same_data(void **state)
{
	(void)state;
	expect_data("a\r\n..b\r\n.c\n.\n\r\n.\r\nQUIT\r\n", true,
		    "a\r\n.b\r\nc\n.\n\r\n", "QUIT\r\n");
	expect_data("a\r\n\r\nb\r\n.\r\n", false, "a\n\nb\n", "");
	expect_data(".\r\n", false, "", "");
	expect_data("a\r\r\n.\r\n", false, "a\r\n", "");
}

static void test_only_crlf_dot_crlf_ends_the_data(void **state)
{
	(void)state;
	expect_data("a\n.\nb\r\n.\r\n", false, "a\n.\nb\n", "");
	expect_data("a\r\n.\nb\r\n.\r\n", false, "a\n\nb\n", "");
	expect_data("a\n.\r\nb\r\n.\r\n", false, "a\n.\nb\n", "");
	expect_data("a\r.\r\nb\r\n.\r\n", false, "a\r.\nb\n", "");
	expect_data("a\r\n.\rb\r\n.\r\n", false, "a\n\rb\n", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_command_lines),
		cmocka_unit_test(test_only_crlf_ends_a_line),
		cmocka_unit_test(test_line_length),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_malformed_paths),
		cmocka_unit_test(test_senders_without_an_address),
		cmocka_unit_test(test_path_length),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_xtext),
		cmocka_unit_test(test_number_of_parameters),
		cmocka_unit_test(test_workarounds_for_old_clients),
		cmocka_unit_test(test_names_of_helo),
		cmocka_unit_test(test_arguments_of_bdat),
		cmocka_unit_test(test_any_cut_gives_the_same_data),
		cmocka_unit_test(test_only_crlf_dot_crlf_ends_the_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
