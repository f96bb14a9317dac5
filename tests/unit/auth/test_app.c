/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "auth/app/app.h"
#include "auth/app/totp.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"

/* RFC 6238 appendix B, SHA-1. */
static void test_codes_are_those_of_the_rfc(void **state)
{
	static const struct {
		uint64_t when;
		uint32_t code;
	} cases[] = {
		{59, 94287082},         {1111111109, 7081804},
		{1111111111, 14050471}, {1234567890, 89005924},
		{2000000000, 69279037}, {20000000000, 65353130},
	};
	const struct str secret = STR("12345678901234567890");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(totp_code(secret, cases[i].when, 8),
				 cases[i].code);
		assert_int_equal(totp_code(secret, cases[i].when, TOTP_DIGITS),
				 cases[i].code % 1000000);
	}
}

static void test_one_step_early_or_late_is_right(void **state)
{
	const struct str secret = STR("12345678901234567890");

	(void)state;
	for (int64_t at = 1111111000; at < 1111111300; at += 7) {
		int64_t step = at / 30 * 30;
		char code[16];

		snprintf(code, sizeof(code), "%06u",
			 totp_code(secret, (uint64_t)at, 6));
		for (int off = -90; off <= 90; off += 30) {
			int64_t found =
				totp_check(secret, str_of(code), at + off);

			assert_int_equal(found,
					 off >= -30 && off <= 30 ? step : 0);
		}
		assert_int_equal(totp_check(secret, str_of(code + 1), at), 0);
		assert_int_equal(totp_check(secret, STR(""), at), 0);
	}
	/* RFC 6238: a code begins with zeros as it comes. */
	assert_int_equal(totp_check(secret, STR("081804"), 1111111109),
			 1111111080);
}

static void test_base32(void **state)
{
	/* RFC 4648 section 10, without "=". */
	static const char *const cases[][2] = {
		{"", ""},           {"f", "MY"},           {"fo", "MZXQ"},
		{"foo", "MZXW6"},   {"foob", "MZXW6YQ"},   {"fooba", "MZXW6YTB"},
		{"foobar", "MZXW6YTBOI"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP(buf_free) struct buf text = buf_init(100);
		CLEANUP(buf_free) struct buf back = buf_init(100);

		base32_encode(str_of(cases[i][0]), &text);
		assert_string_equal(text.data, cases[i][1]);
		assert_true(base32_decode(str_of(text.data), &back));
		assert_string_equal(back.data, cases[i][0]);
		buf_reset(&back);
		buf_add(&text, " ====");
		assert_true(base32_decode(str_of(text.data), &back));
		assert_string_equal(back.data, cases[i][0]);
		assert_false(base32_decode(STR("MZ1"), &back));
		assert_false(base32_decode(str_n("M\0", 2), &back));
	}
}

static void test_passwords_are_long_and_alike(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	unsigned counts[256] = {0};
	char first[APP_LETTERS * 2];

	(void)state;
	app_make(first);
	for (int i = 0; i < 1000; i++) {
		char password[APP_LETTERS * 2], plain[APP_LETTERS + 1];
		size_t n = 0;

		app_make(password);
		assert_int_equal(strlen(password), 28 + 6);
		assert_string_not_equal(password, first);
		for (size_t at = 0; password[at] != '\0'; at++) {
			if (at % 5 == 4) {
				assert_int_equal(password[at], '-');
				continue;
			}
			plain[n++] = ascii_upper(password[at]);
			counts[(unsigned char)password[at]]++;
		}
		plain[n] = '\0';
		assert_string_equal(app_hash(ctx, password),
				    app_hash(ctx, plain));
		plain[27] = '\0';
		assert_null(app_hash(ctx, plain));
	}
	for (int c = 'a'; c <= 'z'; c++) {
		if (c == 'l')
			assert_int_equal(counts[c], 0);
		else
			assert_in_range(counts[c], 900, 1350);
	}
}

static void test_hashes(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");

	(void)state;
	assert_string_equal(
		app_hash(ctx, "aaaa-bbbb-cccc-dddd-eeee-ffff-gggg"),
		"{SHA256}CnlHCV3X3zlKkKziQV80gZdh0ByKfX0SI8TvpLLFIxo=");
	assert_null(app_hash(ctx, ""));
	assert_null(app_hash(ctx, "aaaa-bbbb-cccc-dddd-eeee-ffff-gggl"));
	assert_null(app_hash(ctx, "aaaa-bbbb-cccc-dddd-eeee-ffff-gggg1"));
	assert_null(app_hash(ctx, "aaaa-bbbb-cccc-dddd-eeee-ffff-ggggg"));
}

static void test_scopes(void **state)
{
	static const struct {
		const char *text;
		bool right;
		const char *whole;
	} cases[] = {
		{"imap", true, "imap"},
		{"smtp,imap", true, "imap,smtp"},
		{"read-only", true, "imap,pop3,read-only"},
		{"imap,read-only", true, "imap,read-only"},
		{"sieve", true, "sieve"},
		{"smtp,read-only", false, ""},
		{"sieve,read-only,imap", false, ""},
		{"readonly", false, ""},
		{"imap,", false, ""},
		{"IMAP", false, ""},
		{"", false, ""},
		{"totp", false, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP(buf_free) struct buf out = buf_init(100);
		unsigned scopes;

		assert_int_equal(
			app_scopes_parse(str_of(cases[i].text), &scopes),
			cases[i].right);
		if (cases[i].right)
			app_scopes_write(scopes, &out);
		assert_string_equal(out.data, cases[i].whole);
	}
	assert_int_equal(app_scope_of("submission"), APP_SMTP);
	assert_int_equal(app_scope_of("lmtp"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codes_are_those_of_the_rfc),
		cmocka_unit_test(test_one_step_early_or_late_is_right),
		cmocka_unit_test(test_base32),
		cmocka_unit_test(test_passwords_are_long_and_alike),
		cmocka_unit_test(test_hashes),
		cmocka_unit_test(test_scopes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
