/* SPDX-License-Identifier: MIT */
#include "config/vars.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"

static const char user[] = "john.doe@Sub.Example.org";

static void expands(const char *format, const char *wanted)
{
	TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct var vars[] = {
		{'u', "user", user},
		{'n', "username", "john.doe"},
		{'d', "domain", "Sub.Example.org"},
		{'i', "uid", "65534"},
		{'q', "quoted", "it's \"a\\b\"  "},
		{'r', "rip", NULL},
		{0, "passdb:", ""},
		{0, "passdb:host", "h"},
		{0, NULL, NULL},
	};
	struct err err;
	char *out;

	if (vars_expand(ctx, format, vars, &out, &err) < 0)
		out = mem_strdup(ctx, "(error)");
	if (strcmp(out, wanted) != 0)
		print_error("%s\n", format);
	assert_string_equal(out, wanted);
	mem_free(ctx);
}

/* Expected values were seen in Dovecot 2.3.19's mail_log_prefix. */

static void test_names_and_modifiers(void **state)
{
	(void)state;
	expands("<%u|%n|%d>", "<john.doe@Sub.Example.org|john.doe|"
			      "Sub.Example.org>");
	expands("%{user} %{domain} %r%{rip}.",
		"john.doe@Sub.Example.org Sub.Example.org .");
	expands("%Lu %L{user}",
		"john.doe@sub.example.org john.doe@sub.example.org");
	expands("%LUu", "JOHN.DOE@SUB.EXAMPLE.ORG");
	expands("%Ru", "gro.elpmaxE.buS@eod.nhoj");
	expands("%Eq|%Tq|", "it\\'s \\\"a\\\\b\\\"  |it's \"a\\b\"|");
	expands("%Dd", "Sub,dc=Example,dc=org");
	expands("%Xu %Xi", "0 fffe");
	expands("%Mu", "4d7a1d1fda6c19d4db3a469c28cc8868");
	expands("%MLu %LMu", "4d7a1d1fda6c19d4db3a469c28cc8868 "
			     "5cd04624d1aa8846073867512211cacb");
	expands("%%u %%%u", "%u %john.doe@Sub.Example.org");
}

static void test_substrings(void **state)
{
	(void)state;
	expands("%3u|%2.3u|%-3u|%-3.2u", "joh|hn.|joh|or");
	expands("%0.-2u|%1.-2n|%3.-2u", "john.doe@Sub.Example.o|ohn.d|"
					"n.doe@Sub.Example.o");
	expands("%20u|%020u|%025u", "john.doe@Sub.Example|"
				    "john.doe@Sub.Example.org|"
				    "0john.doe@Sub.Example.org");
	expands("%1.05n|%1.015n", "ohn.doe|00000000ohn.doe");
	expands("%2Mu/%4.2Mu/%1.1Mu", "4d/1d/d");
	expands("%-50u|%50.3u|%.3u|%-2.-1u", "john.doe@Sub.Example.org||joh|"
					     "r");
	expands("%5{user} %2.1{user}", "john. h");
	expands("%04i %1.04i %-2.2i %-3.05i %08i %08Xi",
		"65534 5534 34 00534 00065534 0000fffe");
}

static void test_hashes_of_mail_directories(void **state)
{
	(void)state;
	expands("%Hu %256Hu %2.256Hu", "e481b37 37 37");
	expands("%Nu %256Nu %2.256Nu %1.16Nu", "da6c19d4 d4 d4 4");
	expands("%8.256Nu %2Nu %0Nu %0.0Nu", "000000d4 0 da6c19d4 da6c19d4");
	expands("%RHu %3RHu %-2.5Hu", "47591da 1 3");
	expands("%{md5:user}", "4d7a1d1fda6c19d4db3a469c28cc8868");
	expands("%{sha1:user}", "44b7a57da327fa49ea9c75e3187424d7f457cca6");
	expands("%{md5;rounds=2:user}", "d0c97f4a44c56f94122e8c8f1ef8d56f");
	expands("%{md5;salt=x,truncate=16:user}",
		"1a69952861314be766a41ab93fa3cba8");
	expands("%{md5;salt=%u:user}", "4e74bbabd108a646cc6f838fcde8a4a0");
	expands("%{md5;rounds=2,salt=x:user}",
		"8577bd7e2d672a8ad5bc70072303ff68");
	expands("%{md5;truncate=32:user}", "4d7a1d1f");
	expands("%{md5;truncate=12:user}", "04d7");
	expands("%{md5;truncate=11:user}", "026b");
	expands("%{md5;format=base64:user}", "TXodH9psGdTbOkacKMyIaA==");
	expands("%{md5;truncate=16,format=base64:user}", "TXo=");
	expands("%U{md5:user}", "4D7A1D1FDA6C19D4DB3A469C28CC8868");
	expands("%2{md5:user}", "4d");
	expands("%{md4:user}", "797cfa1cd084f18089b285db00892d2d");
	expands("%{sha512;truncate=8:user}", "73");
	expands("%{sha3-512;truncate=8:user}", "98");
	expands("%16{pkcs5;rounds=10,salt=abc:user}", "b8b9c7682ceae53f");
}

static void test_conditions(void **state)
{
	(void)state;
	expands("%{if;%n;eq;john.doe;b;c}", "b");
	expands("%{if;%n;eq;john.doe;b}%{if;%n;eq;john;b}.", "b.");
	expands("%{if;%{domain};ne;;%d;no}", "Sub.Example.org");
	expands("%{if;1;<;2;y;n}%{if;1;==;01;y;n}%{if;-1;<;0;y;n}", "yyy");
	expands("%{if;abc;*;a?c;y;n}%{if;%u;*;*@*;y;n}%{if;a;!*;b;y;n}", "yyy");
	expands("%{if;abc;~;^a.c$;y;n}%{if;a;!~;b;y;n}", "yy");
	expands("%{if;a;lt;b; y ;n}%{if;a;ge;b;y;n}", " y n");
	expands("%{if;10;>;9;%{if;1;==;1;in;no};n}", "in");
	expands("%{if;a\\;b;eq;a\\;b;y;n}", "y");
	expands("%{if;1;==;1;%{if\\;%n\\;*\\;j*\\;in\\;no};n}", "in");
	expands("%{if;1;==;1;\\%n;n}%{if;a;~;\\.;y;n}", "john.doey");
	expands("%L{if;1;==;1;ABC;n}%2{if;1;==;1;ABC;n}", "abcAB");
}

static void test_what_is_broken(void **state)
{
	(void)state;
	expands("%{if;a;<;2;y;n}", "(error)");
	expands("%{if;1;<;2}", "(error)");
	expands("%{if;a;foo;b;y;n}", "(error)");
	expands("%{if;a;~;(;y;n}", "(error)");
	expands("%{md5;rounds=0:user}", "(error)");
	expands("%{md5:nosuch}", "(error)");
	expands("a%", "a");
	expands("a%2L", "a");
}

static void test_what_is_unknown(void **state)
{
	static const char *const formats[] = {"%{nosuch}",
					      "%{nosuch:user}",
					      "%k",
					      "%{user",
					      "%{}",
					      "%&",
					      "%{if;1;==;1;%{nosuch};n}",
					      "%{md5}"};
	const struct var vars[] = {{'u', "user", user}, {0, NULL, NULL}};
	struct err err;
	char *out;

	(void)state;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		expands(formats[i], "(error)");
	assert_int_equal(vars_expand(NULL, "%{nosuch}", vars, &out, &err), -1);
	assert_string_equal(err.text, "Unknown variable '%nosuch'");
}

static void test_a_line_of_the_log_is_written_anyway(void **state)
{
	const struct var vars[] = {{'u', "user", user}, {0, NULL, NULL}};
	struct err err;
	char *out;

	(void)state;
	assert_int_equal(vars_expand_anyway(NULL, "%{nosuch:x} %k %d%Lu", vars,
					    &out, &err),
			 -1);
	assert_string_equal(err.text, "Unknown variable '%nosuch'");
	assert_string_equal(out, "UNSUPPORTED_VARIABLE_nosuch "
				 "UNSUPPORTED_VARIABLE_k UNSUPPORTED_VARIABLE_d"
				 "john.doe@sub.example.org");
	mem_free(out);
	assert_int_equal(vars_expand_anyway(NULL,
					    "<%{if;%u}%{md5;rounds=x:user}> "
					    "%Lu %k",
					    vars, &out, &err),
			 -1);
	assert_non_null(strstr(err.text, "Expecting %{if;"));
	assert_string_equal(out, "<> john.doe@sub.example.org "
				 "UNSUPPORTED_VARIABLE_k");
	mem_free(out);
	assert_int_equal(vars_expand_anyway(NULL, "%Lu", vars, &out, &err), 0);
	mem_free(out);
}

static void test_defaults(void **state)
{
	(void)state;
	expands("<%{passdb}%{env}>", "<>");
	expands("%{passdb:host} %{passdb:host:x} %{passdb:no} "
		"%L{passdb:no:D:%u}",
		"h h  d:%u");
}

static void test_nesting_is_bounded(void **state)
{
	CLEANUP(buf_free) struct buf format = buf_init(2000);

	(void)state;
	for (int i = 0; i < 50; i++)
		buf_add(&format, "%{if;1;==;1;");
	buf_add(&format, "x");
	for (int i = 0; i < 50; i++)
		buf_add(&format, ";n}");
	expands(format.data, "(error)");
}

static void test_which_variables_a_format_uses(void **state)
{
	(void)state;
	assert_true(vars_has("a %Lu b", 'u', "user"));
	assert_true(vars_has("%{md5:user}", 'u', "user"));
	assert_true(vars_has("%{if;%2.3u;eq;x;y;z}", 'u', "user"));
	assert_true(vars_has("%{if;1;==;2;y;%{session}}", 0, "session"));
	assert_false(vars_has("%%u %d", 'u', "user"));
}

static void test_user_variables(void **state)
{
	struct var *vars = vars_user(NULL, "a@b@c");

	(void)state;
	assert_string_equal(vars[1].value, "a");
	assert_string_equal(vars[2].value, "b@c");
	mem_free(vars);
	vars = vars_user(NULL, "plain");
	assert_string_equal(vars[1].value, "plain");
	assert_string_equal(vars[2].value, "");
	mem_free(vars);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_and_modifiers),
		cmocka_unit_test(test_substrings),
		cmocka_unit_test(test_hashes_of_mail_directories),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_what_is_broken),
		cmocka_unit_test(test_what_is_unknown),
		cmocka_unit_test(test_a_line_of_the_log_is_written_anyway),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_nesting_is_bounded),
		cmocka_unit_test(test_which_variables_a_format_uses),
		cmocka_unit_test(test_user_variables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
