/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "script.h"

static const char message[] =
	"From: Alice <alice@example.com>\r\n"
	"To: user+detail@example.org, \"x y\"@b.example\r\n"
	"Subject: =?utf-8?q?Caf=C3=A9?= au\r\n lait\r\n"
	"X-Score: 17\r\nX-Score: 4\r\n"
	"\r\n"
	"body\r\n";

struct example {
	const char *script, *result;
};

static void run_all(const struct example *examples, size_t count)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct sieve_engine *engine = test_engine(ctx, NULL);

	for (size_t i = 0; i < count; i++) {
		const char *got =
			test_run(ctx, engine, examples[i].script, message);

		if (strcmp(got, examples[i].result) != 0)
			fail_msg("%s\ngives: %s\nnot:   %s", examples[i].script,
				 got, examples[i].result);
	}
}

#define RUN(examples) run_all(examples, sizeof(examples) / sizeof(*examples))

static void test_implicit_keep(void **state)
{
	static const struct example examples[] = {
		{"", "implicit keep"},
		{"# nothing\n/* at\nall */", "implicit keep"},
		{"keep;", "keep"},
		{"keep; keep;", "keep"},
		{"discard;", "discard"},
		{"stop; discard;", "implicit keep"},
		{"require \"fileinto\"; fileinto \"a\";", "store a"},
		{"require \"fileinto\"; fileinto \"a\"; keep;",
		 "store a; keep"},
		{"require \"fileinto\"; fileinto \"INBOX\"; keep;",
		 "keep INBOX"},
		{"require [\"fileinto\", \"copy\"]; fileinto :copy \"a\";",
		 "store a; implicit keep"},
		{"redirect \"a@EXAMPLE.com\"; redirect \"a@example.com\";",
		 "redirect a@example.com"},
		{"require \"copy\"; redirect :copy \"a@b.example\";",
		 "redirect a@b.example; implicit keep"},
	};

	(void)state;
	RUN(examples);
}

static void test_control(void **state)
{
	static const struct example examples[] = {
		{"if true { discard; } else { keep; }", "discard"},
		{"if false { discard; } elsif true { keep; } "
		 "else { discard; }",
		 "keep"},
		{"if size :over 1K { discard; } elsif size :under 1M { keep; }",
		 "keep"},
		{"if not size :over 1K { keep; } else { discard; }", "keep"},
		{"if allof(size :over 1, size :under 1M, not size :over 1M) "
		 "{ keep; }",
		 "keep"},
		{"if anyof(size :over 1M, exists \"subject\") { keep; }",
		 "keep"},
		{"if anyof(false, size :over 1M) { keep; }", "implicit keep"},
		{"if allof(true, exists [\"subject\", \"nope\"]) { discard; }",
		 "implicit keep"},
		{"if exists \"to\" { if exists \"from\" { stop; } } keep;",
		 "implicit keep"},
		/* what can never run is not looked at */
		{"if false { frobnicate; } keep;", "keep"},
		{"if true { keep; } elsif frobnicate { frobnicate; } "
		 "else { x; }",
		 "keep"},
	};

	(void)state;
	RUN(examples);
}

static void test_tests(void **state)
{
	static const struct example examples[] = {
		{"if header \"subject\" \"Caf\xc3\xa9 au lait\" { keep; }",
		 "keep"},
		{"if header :contains \"SUBJECT\" [\"x\", \"AU L\"] { keep; }",
		 "keep"},
		{"if header :matches \"subject\" \"c*?au*\" { keep; }", "keep"},
		{"if header :comparator \"i;octet\" :contains \"subject\" "
		 "\"AU\" { keep; }",
		 "implicit keep"},
		{"if address :domain \"to\" \"B.example\" { keep; }", "keep"},
		{"if address :localpart \"to\" \"x y\" { keep; }", "keep"},
		{"require \"subaddress\"; if address :detail \"to\" "
		 "\"detail\" { keep; }",
		 "keep"},
		{"require [\"envelope\", \"subaddress\"]; if envelope :user "
		 "\"to\" \"user\" { keep; }",
		 "keep"},
		{"require \"envelope\"; if envelope \"auth\" \"alice\" "
		 "{ keep; }",
		 "keep"},
		{"require [\"relational\", \"comparator-i;ascii-numeric\"]; "
		 "if header :count \"eq\" :comparator \"i;ascii-numeric\" "
		 "\"x-score\" \"2\" { keep; }",
		 "keep"},
		{"require [\"relational\", \"comparator-i;ascii-numeric\"]; "
		 "if header :value \"lt\" :comparator \"i;ascii-numeric\" "
		 "\"x-score\" \"5\" { keep; }",
		 "keep"},
		{"require \"comparator-i;unicode-casemap\"; if header "
		 ":comparator \"i;unicode-casemap\" :matches \"subject\" "
		 "\"?AF\xc3\x89*\" { keep; }",
		 "keep"},
	};

	(void)state;
	RUN(examples);
}

static void test_variables(void **state)
{
	static const struct example examples[] = {
		{"require [\"variables\", \"fileinto\"]; "
		 "set \"a\" \"x\"; set \"A\" \"${a}y\"; fileinto "
		 "\"${a}.${b}\";",
		 "store xy."},
		{"require [\"variables\", \"fileinto\"]; "
		 "if header :matches \"subject\" \"* ?u *\" "
		 "{ fileinto \"${1}-${2}-${3}-${4}\"; }",
		 "store Caf\xc3\xa9-a-lait-"},
		{"require [\"variables\", \"fileinto\"]; set :upperfirst "
		 ":lower \"a\" \"JuMBled\"; fileinto \"${a}\";",
		 "store Jumbled"},
		{"require [\"variables\", \"fileinto\"]; set :length \"a\" "
		 "\"\xc3\xa9\xc3\xa9\"; fileinto \"${a}\";",
		 "store 2"},
		{"require [\"variables\", \"fileinto\"]; set "
		 ":quotewildcard \"a\" \"Rock*\"; if string :matches "
		 "\"Rock*\" \"${a}\" { fileinto \"${ a}${a.}$${a}\"; }",
		 "store ${ a}${a.}$Rock\\*"},
		{"require [\"encoded-character\", \"fileinto\"]; fileinto "
		 "\"${hex:40 41}${unicode:e9}${hex: xx}${hex:}\";",
		 "store @A\xc3\xa9${hex: xx}${hex:}"},
	};

	(void)state;
	RUN(examples);
}

static void test_flags(void **state)
{
	static const struct example examples[] = {
		{"require \"imap4flags\"; setflag \"\\\\Seen\"; addflag "
		 "[\"a b\", \"A\"]; keep;",
		 "keep [\\Seen] [a] [b]"},
		{"require \"imap4flags\"; setflag \"a b\"; removeflag \"A\";",
		 "implicit keep [b]"},
		{"require \"imap4flags\"; setflag \"a\"; keep :flags \"b\";",
		 "keep [b]"},
		{"require [\"imap4flags\", \"variables\"]; setflag \"v\" "
		 "\"a b\"; if hasflag :contains \"v\" \"B\" "
		 "{ keep :flags \"${v}\"; }",
		 "keep [a] [b]"},
		{"require [\"imap4flags\", \"relational\"]; setflag \"a b\"; "
		 "if hasflag :count \"eq\" \"2\" { discard; }",
		 "discard"},
	};

	(void)state;
	RUN(examples);
}

static void test_errors_are_reported_all_at_once(void **state)
{
	static const struct example examples[] = {
		{"keep\ndiscard;",
		 "t: line 1, column 1: missing semicolon ';' behind the keep "
		 "command\n"
		 "t: validation failed\n"},
		{"if true { keep }\n12;\nif header [\"a\" \"b\"] \"c\" {}\n"
		 "keep :@;",
		 "t: line 1, column 16: expected end of command ';' or the "
		 "beginning of a block '{', but found '}'\n"
		 "t: line 2, column 1: expected the end of the script or a "
		 "name, but found a number\n"
		 "t: line 3, column 16: expected ']' or ',', but found a "
		 "string\n"
		 "t: line 4, column 6: unexpected character ':'\n"
		 "t: parse failed\n"},
		{"keep \"a\\\nb;",
		 "t: line 1, column 6: string is not ended by '\"'\n"
		 "t: parse failed\n"},
		{"foo;\nfoo;\nkeep 1;\n"
		 "if header :is :contains \"a\" \"b\" {}\nfileinto \"x\";",
		 "t: line 1, column 1: unknown command 'foo' (only reported "
		 "once)\n"
		 "t: line 3, column 1: the keep command requires 0 positional "
		 "argument(s), but 1 is/are specified\n"
		 "t: line 4, column 15: duplicate MATCH-TYPE argument "
		 ":contains for the header test\n"
		 "t: line 5, column 1: unknown command 'fileinto': require "
		 "\"fileinto\" is missing (only reported once)\n"
		 "t: validation failed\n"},
	};

	(void)state;
	RUN(examples);
}

static void test_deep_nesting_is_an_error(void **state)
{
	static const char *const parts[] = {"if true {", "if not ",
					    "if anyof("};
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct sieve_engine *engine = test_engine(ctx, NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		CLEANUP(buf_free) struct buf script = buf_init(1 << 20);

		for (int n = 0; n < 20000; n++)
			buf_add(&script, parts[i] + (n > 0 && i > 0 ? 3 : 0));
		assert_non_null(
			strstr(test_run(ctx, engine, script.data, message),
			       "nested too deeply (maximum 32"));
	}
}

static void test_long_chains(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	CLEANUP(buf_free) struct buf script = buf_init(1 << 20);
	struct sieve_engine *engine = test_engine(ctx, NULL);

	(void)state;
	for (int n = 0; n < 10000; n++)
		buf_printf(&script, "%s size :over %dK { stop; }\n",
			   n == 0 ? "if" : "elsif", n + 1);
	buf_add(&script, "elsif anyof(");
	for (int n = 0; n < 1000; n++)
		buf_printf(&script, "size :over %dK, ", n + 1);
	buf_add(&script, "exists \"to\") { discard; }");
	assert_string_equal(test_run(ctx, engine, script.data, message),
			    "discard");
}

static void test_limits(void **state)
{
	static const char *const settings[] = {
		"sieve_max_actions=2",
		"sieve_max_redirects=1",
		"sieve_max_script_size=300",
		"sieve_max_list_items=3",
		"sieve_variables_max_scope_size=2",
		"sieve_variables_max_variable_size=5",
		"sieve_max_operations=1000",
		NULL};
	static const struct example examples[] = {
		{"require \"fileinto\"; fileinto \"a\"; fileinto \"b\"; "
		 "fileinto \"c\";",
		 "t: line 1: total number of actions exceeds policy limit "
		 "(> 2)\n"},
		{"redirect \"a@b.c\"; redirect \"b@b.c\";",
		 "t: line 1: number of redirect actions exceeds policy limit "
		 "(> 1)\n"},
		{"if exists [\"a\", \"b\", \"c\", \"d\"] {}",
		 "t: line 1, column 11: string list has 4 items (maximum 3)\n"
		 "t: parse failed\n"},
		{"require \"variables\"; set \"a\" \"\"; set \"b\" \"\"; "
		 "set \"c\" \"${a}${d}\";",
		 "t: line 1, column 50: declaration of new variable 'c' "
		 "exceeds the limit (maximum 2 variables)\n"
		 "t: validation failed\n"},
		{"require [\"variables\", \"fileinto\"]; set \"a\" "
		 "\"1234\xc3\xa9\"; fileinto \"${a}\";",
		 "t: line 1, column 44: the value of variable 'a' is too long "
		 "(6 octets): all behind the first 5 is cut\n"
		 "; store 1234"},
	};
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct sieve_engine *engine = test_engine(ctx, settings);

	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++)
		assert_string_equal(
			test_run(ctx, engine, examples[i].script, message),
			examples[i].result);
}

/* What is decoded is bounded, all of it together. */
static void test_large_bodies(void **state)
{
	static const char *const settings[] = {"sieve_max_memory=1000", NULL};
	static const struct example examples[] = {
		{"require \"body\"; if body :contains \"xx\" { discard; }",
		 "discard"},
		{"require \"body\"; if body :raw :contains \"\nx\" { discard; "
		 "}",
		 "discard"},
		{"require \"body\"; if body :contains \"no\" { stop; }\n"
		 "if body :raw :contains \"no\" { stop; }",
		 "t: line 2: the body is too large to be looked at "
		 "(sieve_max_memory)\n"},
		{"require [\"foreverypart\", \"mime\", \"extracttext\", "
		 "\"variables\"]; foreverypart { extracttext \"t\"; }",
		 "implicit keep"},
	};
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	CLEANUP(buf_free) struct buf mail = buf_init(4 << 20);
	struct sieve_engine *engine = test_engine(ctx, settings);

	(void)state;
	buf_add(&mail, "Subject: x\n\n");
	for (int i = 0; i < 60; i++)
		buf_add(&mail, "xxxxxxxxx\n");
	for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++)
		assert_string_equal(
			test_run(ctx, engine, examples[i].script, mail.data),
			examples[i].result);
	for (int i = 0; i < 60; i++)
		buf_add(&mail, "xxxxxxxxx\n");
	assert_string_equal(
		test_run(ctx, engine, examples[0].script, mail.data),
		"t: line 1: the body is too large to be looked at "
		"(sieve_max_memory)\n");
	assert_string_equal(
		test_run(ctx, engine, examples[3].script, mail.data),
		"t: line 1: the part is too large to be looked at "
		"(sieve_max_memory)\n");
	assert_string_equal(test_run(ctx, engine,
				     "require \"enclose\"; enclose \"x\";",
				     mail.data),
			    "t: line 1: the message is too large to be "
			    "enclosed (sieve_max_memory)\n");
	assert_string_equal(test_run(ctx, engine,
				     "require [\"editheader\", "
				     "\"vnd.dovecot.filter\"]; "
				     "addheader \"X\" \"y\"; filter \"cat\";",
				     mail.data),
			    "t: line 1: the edited message is too large for a "
			    "program (sieve_max_memory)\n");
}

/* What takes long is an error, in a time that is bounded. */
static void test_hostile_patterns(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	CLEANUP(buf_free) struct buf mail = buf_init(4 << 20);
	CLEANUP(buf_free) struct buf script = buf_init(4 << 20);
	static const char *const settings[] = {"sieve_max_operations=100000",
					       NULL};
	struct sieve_engine *engine = test_engine(ctx, settings);
	const char *got;

	(void)state;
	buf_add(&mail, "Subject: ");
	for (int i = 0; i < 200000; i++)
		buf_putc(&mail, 'a');
	buf_add(&mail, "\r\n\r\n");
	buf_add(&script, "if header :matches \"subject\" \"*");
	for (int i = 0; i < 20000; i++)
		buf_putc(&script, 'a');
	buf_add(&script, "b*\" { discard; }");
	got = test_run(ctx, engine, script.data, mail.data);
	assert_non_null(strstr(got, "exceeded the limit"));
	buf_reset(&script);
	buf_add(&script, "if header :contains \"subject\" \"");
	for (int i = 0; i < 20000; i++)
		buf_putc(&script, 'a');
	buf_add(&script, "b\" { discard; }");
	got = test_run(ctx, engine, script.data, mail.data);
	assert_string_equal(got, "implicit keep");
}

static void test_variables_do_not_grow_without_end(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	CLEANUP(buf_free) struct buf script = buf_init(1 << 20);
	struct sieve_engine *engine = test_engine(ctx, NULL);

	(void)state;
	buf_add(&script, "require \"variables\"; set \"a\" \"xxxxxxxx\";");
	for (int i = 0; i < 10; i++)
		buf_add(&script, "set \"a\" \"${a}${a}${a}${a}\";");
	buf_add(&script, "if string \"x\" [\"${a}\"");
	for (int i = 0; i < 9000; i++)
		buf_add(&script, ", \"${a}${a}${a}${a}\"");
	buf_add(&script, "] { discard; }");
	assert_non_null(strstr(test_run(ctx, engine, script.data, message),
			       "sieve_max_memory"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_implicit_keep),
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_tests),
		cmocka_unit_test(test_variables),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_errors_are_reported_all_at_once),
		cmocka_unit_test(test_deep_nesting_is_an_error),
		cmocka_unit_test(test_long_chains),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_large_bodies),
		cmocka_unit_test(test_hostile_patterns),
		cmocka_unit_test(test_variables_do_not_grow_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
