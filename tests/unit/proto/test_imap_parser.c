/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/duration.h"
#include "base/mem.h"
#include "proto/imap.h"

static const struct imap_limits limits = {
	.max_line = 200,
	.max_literal = 100,
	.max_command = 300,
	.max_args = 20,
	.max_depth = 4,
};

/* a command as text, to compare */

static void show_args(const struct imap_arg *arg, struct buf *out)
{
	static const char *const kinds[] = {
		"", "nil", "a:", "s:", "l:", "", "stream:"};

	for (; arg->kind != IMAP_ARG_END; arg++) {
		buf_putc(out, ' ');
		if (arg->kind == IMAP_ARG_LIST) {
			buf_putc(out, '(');
			show_args(arg->list, out);
			buf_add(out, " )");
			continue;
		}
		buf_add(out, kinds[arg->kind]);
		if (arg->binary)
			buf_putc(out, '~');
		if (arg->kind == IMAP_ARG_STREAM)
			buf_printf(out, "%llu%s",
				   (unsigned long long)arg->stream_size,
				   arg->stream_sync ? "" : "+");
		else if (arg->kind != IMAP_ARG_NIL)
			buf_add_str(out, arg->text);
	}
}

static void show(struct imap_parser *parser, enum imap_parse result,
		 struct buf *out)
{
	const struct imap_command *command = imap_parser_command(parser);

	switch (result) {
	case IMAP_PARSE_MORE:
		return;
	case IMAP_PARSE_CONTINUE:
		buf_add(out, "+\n");
		return;
	case IMAP_PARSE_BAD:
	case IMAP_PARSE_FATAL:
		buf_printf(out, "%.*s %s %s\n", STR_FMT(command->tag),
			   result == IMAP_PARSE_BAD ? "BAD" : "BYE",
			   imap_parser_problem(parser));
		return;
	case IMAP_PARSE_COMMAND:
	case IMAP_PARSE_STREAM:
		break;
	}
	buf_printf(out, "%.*s %s%.*s", STR_FMT(command->tag),
		   command->uid ? "uid " : "", STR_FMT(command->name));
	show_args(command->args, out);
	buf_putc(out, '\n');
}

struct run {
	struct imap_parser *parser;
	struct buf *out;
	uint64_t streaming; /* octets of a streamed literal still to come */
	bool dead;
};

static void run_feed(struct run *run, struct str in)
{
	while (!run->dead) {
		size_t used = 0;
		enum imap_parse result;

		if (run->streaming > 0) {
			used = in.len < run->streaming ? in.len
						       : run->streaming;
			run->streaming -= used;
			in = str_from(in, used);
			if (run->streaming > 0)
				return;
			imap_parser_resume(run->parser);
		}
		result = imap_parser_feed(run->parser, in, &used);
		in = str_from(in, used);
		show(run->parser, result, run->out);
		if (result == IMAP_PARSE_MORE) {
			assert_int_equal(in.len, 0);
			return;
		}
		if (result == IMAP_PARSE_FATAL)
			run->dead = true;
		else if (result == IMAP_PARSE_STREAM) {
			const struct imap_arg *arg =
				imap_parser_command(run->parser)->args;

			while (arg->kind != IMAP_ARG_STREAM)
				arg++;
			run->streaming = arg->stream_size;
			if (run->streaming == 0)
				imap_parser_resume(run->parser);
		} else if (result != IMAP_PARSE_CONTINUE) {
			imap_parser_reset(run->parser);
		}
	}
}

static bool append_streams(const struct imap_command *so_far, size_t before,
			   void *ctx)
{
	(void)before;
	(void)ctx;
	return str_case_is(so_far->name, "APPEND");
}

static void parse(const struct imap_limits *with, struct str in, size_t cut,
		  struct buf *out)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct run run = {.parser = imap_parser_new(ctx, with), .out = out};

	imap_parser_set_stream(run.parser, append_streams, NULL);
	run_feed(&run, str_n(in.data, cut));
	run_feed(&run, str_from(in, cut));
}

/* `in` cut in two at each place, and octet by octet, gives `expected`. */
static void expect_with(const struct imap_limits *with, struct str in,
			const char *expected)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	CLEANUP(buf_free) struct buf out = buf_init(100000);
	struct run run = {.parser = imap_parser_new(ctx, with), .out = &out};

	imap_parser_set_stream(run.parser, append_streams, NULL);
	for (size_t i = 0; i < in.len; i++)
		run_feed(&run, str_n(in.data + i, 1));
	assert_string_equal(out.data, expected);
	for (size_t cut = 0; cut <= in.len; cut++) {
		buf_reset(&out);
		parse(with, in, cut, &out);
		assert_string_equal(out.data, expected);
	}
}

static void expect(const char *in, const char *expected)
{
	expect_with(&limits, str_of(in), expected);
}

/* tests */

static void test_commands_with_arguments(void **state)
{
	(void)state;
	expect("a NOOP\r\n", "a NOOP\n");
	expect("a noop\n", "a noop\n");
	expect("a noop \r\n", "a noop\n");
	expect("1 list \"\" %\r\n", "1 list s: a:%\n");
	expect("a.1 LOGIN al\\ice \"p\\\"w\\\\d\"\r\n",
	       "a.1 LOGIN a:al\\ice s:p\"w\\d\n");
	expect("a store 1:* +FLAGS (\\Seen $Work)\r\n",
	       "a store a:1:* a:+FLAGS ( a:\\Seen a:$Work )\n");
	expect("a uid fetch 1 (flags (a (b)) ())\r\n",
	       "a uid fetch a:1 ( a:flags ( a:a ( a:b ) ) ( ) )\n");
	expect("a id nil\r\nb id (\"x\" NIL)\r\n",
	       "a id nil\nb id ( s:x nil )\n");
	expect("a[b noop\r\n", "a[b noop\n");
}

static void test_section_with_fields_is_three_arguments(void **state)
{
	(void)state;
	expect("a fetch 1 body[header.fields (To \"X y\")]<0.9>\r\n",
	       "a fetch a:1 a:body[header.fields ( a:To s:X y ) a:]<0.9>\n");
	expect("a fetch 1 (body.peek[1.mime] rfc822.size)\r\n",
	       "a fetch a:1 ( a:body.peek[1.mime] a:rfc822.size )\n");
}

static void test_literals(void **state)
{
	(void)state;
	expect("a login {3}\r\nbob {2}\r\npw\r\nb noop\r\n",
	       "+\n+\na login l:bob l:pw\nb noop\n");
	expect("a login {3+}\r\nbob {2+}\r\npw\r\n", "a login l:bob l:pw\n");
	expect("a x {0}\r\n\r\n", "+\na x l:\n");
	expect("a x {0+}\r\n (b)\r\n", "a x l: ( a:b )\n");
	expect("a x ({3+}\r\na\r\n {00001}\r\nb) c\r\n",
	       "+\na x ( l:a\r\n l:b ) a:c\n");
	expect("a x ~{2+}\r\nab\r\n", "a x l:~ab\n");
	expect("a x {2+}\nab\n", "a x l:ab\n");
}

static void test_streamed_literals(void **state)
{
	(void)state;
	expect("a APPEND in (\\Seen) {5}\r\nhello\r\nb noop\r\n",
	       "a APPEND a:in ( a:\\Seen ) stream:5\na APPEND\nb noop\n");
	expect("a append x {3+}\r\nabc (\\Seen) ~{4+}\r\n\r\n\r\n {1}\r\nx\r\n",
	       "a append a:x stream:3+\n"
	       "a append ( a:\\Seen ) stream:~4+\n"
	       "a append stream:1\na append\n");
	expect("a append {1+}\r\nx {900000}\r\n",
	       "a append stream:1+\na append stream:900000\n");
	expect("a append x {0+}\r\n\r\nb noop\r\n",
	       "a append a:x stream:0+\na append\nb noop\n");
}

static void test_malformed_lines_are_skipped(void **state)
{
	(void)state;
	expect("\r\na noop\r\n", " BAD Error in IMAP tag: Invalid tag\n"
				 "a noop\n");
	expect("+ noop\r\n", " BAD Error in IMAP tag: Invalid tag\n");
	expect("a\r\n", "a BAD Error in IMAP command: Invalid command name\n");
	expect("a  noop\r\n",
	       "a BAD Error in IMAP command: Invalid command name\n");
	expect("a uid\r\n",
	       "a BAD Error in IMAP command: Invalid command name\n");
	expect("a list (b\r\nb noop\r\n",
	       "a BAD Error in IMAP command LIST: Missing ')'\nb noop\n");
	expect("a uid x )\r\n",
	       "a BAD Error in IMAP command UID X: Unexpected ')'\n");
	expect("a list \"b\r\n",
	       "a BAD Error in IMAP command LIST: Missing '\"'\n");
	expect("a list \"b\\\r\nb noop\r\n",
	       "a BAD Error in IMAP command LIST: Missing '\"'\nb noop\n");
	expect("a x b\"c\r\n",
	       "a BAD Error in IMAP command X: Invalid characters in atom\n");
	expect("a x \xc3\xa4\r\n",
	       "a BAD Error in IMAP command X: 8bit data in atom\n");
	expect("a x {5\r\n",
	       "a BAD Error in IMAP command X: Invalid literal size\n");
	expect("a x {-1}\r\n",
	       "a BAD Error in IMAP command X: Invalid literal size\n");
	expect("a x {}\r\n",
	       "a BAD Error in IMAP command X: Invalid literal size\n");
	expect("a x {5} b\r\n", "a BAD Error in IMAP command X: "
				"Missing LF after literal size\n");
}

static void test_nul_is_refused(void **state)
{
	(void)state;
	expect_with(&limits, STR("a x b\0c\r\nb noop\r\n"),
		    "a BAD Error in IMAP command X: Invalid characters in "
		    "atom\nb noop\n");
	expect_with(&limits, STR("a x \"b\0c\"\r\nb noop\r\n"),
		    "a BAD Error in IMAP command X: NULs not allowed in "
		    "strings\nb noop\n");
	expect_with(&limits, STR("a x {3+}\r\nb\0c d\r\nb noop\r\n"),
		    "a BAD Error in IMAP command X: NULs not allowed in "
		    "strings\nb noop\n");
	expect_with(&limits, STR("a x {2+}\r\n\0c {2+}\r\n\r\n\r\nb n\r\n"),
		    "a BAD Error in IMAP command X: NULs not allowed in "
		    "strings\nb n\n");
	expect_with(&limits, STR("a\0 noop\r\n"),
		    " BAD Error in IMAP tag: Invalid tag\n");
}

/* Else a client could be made to send "b delete x" as part of a string. */
static void test_literal_of_a_refused_line_is_no_command(void **state)
{
	(void)state;
	expect("a x b\"c {12+}\r\nb delete x\r\n {3+}\r\nc d e\r\nf noop\r\n",
	       "a BAD Error in IMAP command X: Invalid characters in atom\n"
	       "f noop\n");
	expect("a x b\"c {200+}\r\n", "a BYE Literal size too large\n");
	expect("a x b\"c {5}\r\nb noop\r\n",
	       "a BAD Error in IMAP command X: Invalid characters in atom\n"
	       "b noop\n");
}

static char *repeat(const void *ctx, const char *before, char c, size_t n,
		    const char *behind)
{
	char *text = mem_printf(ctx, "%s%*s%s", before, (int)n, "", behind);

	memset(text + strlen(before), c, n);
	return text;
}

static void test_line_length(void **state)
{
	static const char too_long[] =
		"a BAD Error in IMAP command X: Too long argument\nb noop\n";
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	char *arg = repeat(ctx, "", 'z', 194, "");

	(void)state;
	expect(repeat(ctx, "a x ", 'z', 194, "\r\n"),
	       mem_printf(ctx, "a x a:%s\n", arg));
	expect(repeat(ctx, "a x ", 'z', 195, "\r\nb noop\r\n"), too_long);
	expect(repeat(ctx, "a x ", 'z', 1940, "\r\nb noop\r\n"), too_long);
	expect(repeat(ctx, "a x ", 'z', 300, "{3+}\r\nc d\r\nb noop\r\n"),
	       too_long);
	expect(repeat(ctx, "", 'z', 300, "\r\nb noop\r\n"),
	       " BAD Error in IMAP tag: Too long argument\nb noop\n");
	/* Lines of one command count together, literals don't. */
	expect(repeat(ctx, "a x {2+}\r\nyy ", 'z', 187, "\r\n"),
	       mem_printf(ctx, "a x l:yy a:%.187s\n", arg));
	expect(repeat(ctx, "a x {2+}\r\nyy ", 'z', 188, "\r\nb noop\r\n"),
	       too_long);
}

static void test_literal_size(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	static const char bye[] = "a BYE Literal size too large\n";

	(void)state;
	expect(repeat(ctx, "a x {100+}\r\n", 'z', 100, "\r\n"),
	       repeat(ctx, "a x l:", 'z', 100, "\n"));
	expect("a x {101+}\r\n", bye);
	expect("a x {1000}\r\n", bye);
	expect("a x {18446744073709551615}\r\n", bye);
	expect("a x {18446744073709551616}\r\n", bye);
	expect("a x {99999999999999999999999999999999}\r\n", bye);
}

static void test_size_of_all_literals(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	char *two = repeat(ctx, "a x {100+}\r\n", 'z', 100, " {100+}\r\n");
	char *three = repeat(ctx, two, 'z', 100, " {71+}\r\n");

	(void)state;
	expect(repeat(ctx, three, 'z', 71, "\r\n"),
	       mem_printf(ctx, "a x l:%.100s l:%.100s l:%.71s\n",
			  repeat(ctx, "", 'z', 100, ""),
			  repeat(ctx, "", 'z', 100, ""),
			  repeat(ctx, "", 'z', 71, "")));
	expect(repeat(ctx, two, 'z', 100, " {72+}\r\n"),
	       "a BYE Literal size too large\n");
}

static void test_depth(void **state)
{
	(void)state;
	expect("a x ((((b))))\r\n", "a x ( ( ( ( a:b ) ) ) )\n");
	expect("a x (((((b)))))\r\nb y\r\n",
	       "a BAD Error in IMAP command X: Too many '('\nb y\n");
	expect("a x ((((((((((((((((((((((((((((((((((((((((\r\n",
	       "a BAD Error in IMAP command X: Too many '('\n");
	expect("a x () () () () () () () () () ()\r\n",
	       "a x ( ) ( ) ( ) ( ) ( ) ( ) ( ) ( ) ( ) ( )\n");
}

static void test_arguments(void **state)
{
	(void)state;
	expect("a x 1 2 3 4 5 6 7 8 9 (1 2 3 4 5 6 7 8 9 0)\r\n",
	       "a x a:1 a:2 a:3 a:4 a:5 a:6 a:7 a:8 a:9 "
	       "( a:1 a:2 a:3 a:4 a:5 a:6 a:7 a:8 a:9 a:0 )\n");
	expect("a x 1 2 3 4 5 6 7 8 9 (1 2 3 4 5 6 7 8 9 0) \"\"\r\nb y\r\n",
	       "a BAD Error in IMAP command X: Too many arguments\nb y\n");
	expect("a x 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 {1+}\r\nx\r\n",
	       "a BAD Error in IMAP command X: Too many arguments\n");
}

static void test_literal_minus(void **state)
{
	struct imap_limits with = limits;

	(void)state;
	with.literal_minus = true;
	with.max_literal = with.max_command = 100000;
	expect_with(&with, STR("a append {4097+}\r\n"),
		    "a BYE Literal size too large\n");
	expect_with(&with, STR("a append {4096+}\r\n"),
		    "a append stream:4096+\n");
	expect_with(&with, STR("a x {4097}\r\n"), "+\n");
}

static void test_memory_is_given_back(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct imap_parser *parser = imap_parser_new(ctx, &limits);
	size_t blocks, used;

	(void)state;
	imap_parser_feed(parser, STR("a x (b c)\r\n"), &used);
	imap_parser_reset(parser);
	blocks = talloc_total_blocks(parser);
	for (int i = 0; i < 100; i++) {
		imap_parser_feed(parser, STR("a x (b {1+}\r\nx)\r\n"), &used);
		imap_parser_reset(parser);
		imap_parser_feed(parser, STR("a x (b {1+\r\n"), &used);
		imap_parser_reset(parser);
	}
	assert_int_equal(talloc_total_blocks(parser), blocks);
}

/* 100 000 literals of one octet: twice as many take twice as long. */
static void test_many_literals(void **state)
{
	enum { MANY = 100 * 1000 };
	const struct imap_limits wide = {
		.max_line = SIZE_MAX / 4,
		.max_literal = 10,
		.max_command = SIZE_MAX / 4,
		.max_args = 2 * MANY,
		.max_depth = 4,
	};
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct imap_parser *parser = imap_parser_new(ctx, &wide);
	CLEANUP(buf_free) struct buf in = buf_init(SIZE_MAX);
	uint64_t since = clock_monotonic_ms();
	size_t used;

	(void)state;
	imap_parser_set_stream(parser, append_streams, NULL);
	buf_add(&in, "a x");
	for (int i = 0; i < MANY; i++)
		buf_add(&in, " {1+}\r\nx");
	buf_add(&in, "\r\n");
	assert_int_equal(
		imap_parser_feed(parser, str_n(in.data, in.len), &used),
		IMAP_PARSE_COMMAND);
	assert_int_equal(used, in.len);
	assert_true(clock_monotonic_ms() - since < 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands_with_arguments),
		cmocka_unit_test(test_section_with_fields_is_three_arguments),
		cmocka_unit_test(test_literals),
		cmocka_unit_test(test_streamed_literals),
		cmocka_unit_test(test_malformed_lines_are_skipped),
		cmocka_unit_test(test_nul_is_refused),
		cmocka_unit_test(test_literal_of_a_refused_line_is_no_command),
		cmocka_unit_test(test_line_length),
		cmocka_unit_test(test_literal_size),
		cmocka_unit_test(test_size_of_all_literals),
		cmocka_unit_test(test_many_literals),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_literal_minus),
		cmocka_unit_test(test_memory_is_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
