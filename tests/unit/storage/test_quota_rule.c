/* SPDX-License-Identifier: MIT */
#include "storage/quota_rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"

static int64_t limit(const char *text, int64_t unit, int64_t of)
{
	struct quota_limit out;
	struct err err;

	if (quota_limit_parse(str_of(text), unit, &out, &err) < 0)
		return -1;
	return quota_limit_value(&out, of);
}

static void test_limits_have_units(void **state)
{
	(void)state;
	assert_int_equal(limit("0", 1024, 0), 0);
	assert_int_equal(limit("10", 1024, 0), 10240);
	assert_int_equal(limit("10", 1, 0), 10);
	assert_int_equal(limit("10b", 1024, 0), 10);
	assert_int_equal(limit("10k", 1, 0), 10240);
	assert_int_equal(limit("10KB", 1, 0), 10240);
	assert_int_equal(limit("10 k", 1, 0), 10240);
	assert_int_equal(limit("1MiB", 1, 0), 1 << 20);
	assert_int_equal(limit("1G", 1024, 0), 1 << 30);
	assert_int_equal(limit("2T", 1, 0), 2LL << 40);
	assert_int_equal(limit("10%", 1024, 5000), 500);
	assert_int_equal(limit("200%", 1024, 5000), 10000);
	assert_int_equal(limit("50%", 1, INT64_MAX / 2), INT64_MAX / 200 * 50);
}

static void test_what_is_no_limit(void **state)
{
	static const char *const bad[] = {
		"",
		"x",
		"k",
		"-1",
		"+1",
		"1x",
		"1kx",
		"1.5M",
		"1%%",
		"1 % of",
		"1,5",
		"99999999999999999999",
		"9223372036854775807",
		"9999999T",
		"10001%",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (limit(bad[i], 1, 1) != -1)
			fail_msg("%s", bad[i]);
	}
}

static void test_a_default_rule(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct quota_rule rule;
	struct err err;

	(void)state;
	assert_int_equal(
		quota_rule_parse(ctx, "*:storage=1G:messages=1k", &rule, &err),
		0);
	assert_string_equal(rule.mailbox, "*");
	assert_false(rule.ignore);
	assert_int_equal(rule.bytes.value, 1 << 30);
	assert_int_equal(rule.messages.value, 1024);
	assert_int_equal(quota_rule_parse(ctx, " ?:bytes=5", &rule, &err), 0);
	assert_string_equal(rule.mailbox, "*");
	assert_int_equal(rule.bytes.value, 5);
	assert_false(rule.messages.given);
	/* The last word counts. */
	assert_int_equal(
		quota_rule_parse(ctx, "*:storage=1k:bytes=5", &rule, &err), 0);
	assert_int_equal(rule.bytes.value, 5);
}

static void test_rules_of_mailboxes(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct quota_rule rule;
	struct err err;

	(void)state;
	assert_int_equal(
		quota_rule_parse(ctx, "My Trash/a:storage=+10%", &rule, &err),
		0);
	assert_string_equal(rule.mailbox, "My Trash/a");
	assert_true(rule.bytes.percent);
	assert_int_equal(quota_limit_value(&rule.bytes, 1000), 100);
	assert_int_equal(
		quota_rule_parse(ctx, "x:bytes=-5%:messages=-3", &rule, &err),
		0);
	assert_int_equal(quota_limit_value(&rule.bytes, 1000), -50);
	assert_int_equal(rule.messages.value, -3);
	/* Without a sign, as it once was. */
	assert_int_equal(quota_rule_parse(ctx, "x:storage=1", &rule, &err), 0);
	assert_int_equal(rule.bytes.value, 1024);
	assert_int_equal(quota_rule_parse(ctx, "x:ignore", &rule, &err), 0);
	assert_true(rule.ignore);
}

static void refused(const char *text, const char *why)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct quota_rule rule;
	struct err err;

	assert_int_equal(quota_rule_parse(ctx, text, &rule, &err), -1);
	assert_string_equal(err.text, why);
}

static void test_bad_rules_are_named(void **state)
{
	(void)state;
	refused("*", "Invalid rule *: Invalid rule");
	refused("", "Invalid rule : Invalid rule");
	refused("*:storage", "Invalid rule *:storage: Invalid limit: ");
	refused("*:storage=", "Invalid rule *:storage=: Invalid limit: ");
	refused("*:foo=1",
		"Invalid rule *:foo=1: Unknown rule limit name: foo");
	refused("*:storage=1X", "Invalid rule *:storage=1X: Unknown unit: X");
	refused("*:storage=+1",
		"Invalid rule *:storage=+1: Rule limit cannot have '+'");
	refused("*:bytes=-1",
		"Invalid rule *:bytes=-1: Bytes limit can't be negative");
	refused("*:messages=-1",
		"Invalid rule *:messages=-1: Count limit can't be negative");
	refused("*:bytes=10%", "Invalid rule *:bytes=10%: Default rule can't "
			       "be a percentage");
	refused("*:backend=10S",
		"Invalid rule *:backend=10S: backend rule not supported");
	refused("x:bytes=1:ignore", "Invalid rule x:bytes=1:ignore: Unknown "
				    "rule limit name: ignore");
}

static void test_warnings(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct quota_warning warning;
	struct err err;

	(void)state;
	assert_int_equal(quota_warning_parse(ctx, "storage=95% sock 95 joe",
					     &warning, &err),
			 0);
	assert_false(warning.reverse);
	assert_false(warning.messages);
	assert_int_equal(quota_limit_value(&warning.limit, 200), 190);
	assert_string_equal(warning.socket, "sock");
	assert_string_equal(warning.args, " 95 joe");
	assert_int_equal(
		quota_warning_parse(ctx, "-messages=5 sock", &warning, &err),
		0);
	assert_true(warning.reverse);
	assert_true(warning.messages);
	assert_string_equal(warning.args, "");
	assert_int_equal(
		quota_warning_parse(ctx, "storage=95%", &warning, &err), -1);
	assert_int_equal(quota_warning_parse(ctx, "x=1 y", &warning, &err), -1);
	assert_int_equal(
		quota_warning_parse(ctx, "storage=-5 y", &warning, &err), -1);
	assert_string_equal(err.text, "Invalid warning rule: storage=-5 y");
}

static void test_roots(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct quota_backend root;
	struct err err;

	(void)state;
	assert_int_equal(quota_backend_parse(ctx, "count", &root, &err), 0);
	assert_string_equal(root.name, "");
	assert_null(root.ns);
	assert_int_equal(quota_backend_parse(ctx,
					     "count:User quota:hidden:"
					     "noenforcing:ns=Archive/",
					     &root, &err),
			 0);
	assert_string_equal(root.name, "User quota");
	assert_string_equal(root.ns, "Archive/");
	assert_true(root.hidden);
	assert_true(root.noenforcing);
	assert_int_equal(quota_backend_parse(ctx, "maildir:x:ns=", &root, &err),
			 0);
	assert_string_equal(root.ns, "");
	assert_int_equal(quota_backend_parse(
				 ctx, "dict:x:joe:noenforcing:file:/hidden:y",
				 &root, &err),
			 0);
	assert_true(root.noenforcing);
	assert_false(root.unsupported);
	assert_int_equal(quota_backend_parse(ctx, "fs:Disk:user", &root, &err),
			 0);
	assert_true(root.unsupported);
	assert_int_equal(quota_backend_parse(ctx, "x:y", &root, &err), -1);
	assert_string_equal(err.text, "Unknown quota backend: x");
	assert_int_equal(quota_backend_parse(ctx, "count:y:z", &root, &err),
			 -1);
	assert_string_equal(err.text, "Unknown parameter for backend count: z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits_have_units),
		cmocka_unit_test(test_what_is_no_limit),
		cmocka_unit_test(test_a_default_rule),
		cmocka_unit_test(test_rules_of_mailboxes),
		cmocka_unit_test(test_bad_rules_are_named),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_roots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
