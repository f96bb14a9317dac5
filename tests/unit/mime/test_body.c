/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "mime/body.h"
#include "mime/charset.h"
#include "mime/date.h"

static void expect_decoded(enum transfer_encoding encoding, const char *in,
			   const char *expected)
{
	for (size_t cut = 0; cut <= strlen(in); cut++) {
		CLEANUP(buf_free) struct buf out = buf_init(1000);
		struct body_decoder decoder = {.encoding = encoding};

		body_decoder_feed(&decoder, str_n(in, cut), false, &out);
		body_decoder_feed(&decoder, str_of(in + cut), true, &out);
		assert_string_equal(out.data, expected);
	}
}

static void test_base64(void **state)
{
	(void)state;
	expect_decoded(ENCODING_BASE64, "aGVs\r\nbG8=\r\n", "hello");
	expect_decoded(ENCODING_BASE64, "a!G*Vs bG8", "hello");
	expect_decoded(ENCODING_BASE64, "aGk=aGk=", "hihi");
	expect_decoded(ENCODING_BASE64, "====", "");
}

static void test_quoted_printable(void **state)
{
	(void)state;
	expect_decoded(ENCODING_QUOTED_PRINTABLE, "a=3Db=\r\nc=  \r\nd=\ne",
		       "a=bcde");
	expect_decoded(ENCODING_QUOTED_PRINTABLE, "a=c3=A4", "a\xc3\xa4");
	expect_decoded(ENCODING_QUOTED_PRINTABLE, "a=xyb=4zc=", "a=xyb=4zc=");
}

static void expect_utf8(const char *charset, struct str in,
			const char *expected)
{
	CLEANUP(buf_free) struct buf out = buf_init(1000);

	charset_to_utf8(str_of(charset), in, &out);
	assert_string_equal(out.data, expected);
}

static void test_charsets(void **state)
{
	(void)state;
	expect_utf8("utf-8", STR("a\xc3\xa4\xff"), "a\xc3\xa4\xef\xbf\xbd");
	expect_utf8("US-ASCII", STR("plain"), "plain");
	expect_utf8("iso-8859-1", STR("\xe4"), "\xc3\xa4");
	expect_utf8("windows-1252", STR("\x80"), "\xe2\x82\xac");
	expect_utf8("shift_jis", STR("\x93\xfa\x96\x7b"),
		    "\xe6\x97\xa5\xe6\x9c\xac");
	expect_utf8("utf-16le", STR("a\0=\xd8\0\xde"), "a\xf0\x9f\x98\x80");
	assert_true(charset_known(STR("koi8-r")));
	assert_false(charset_known(STR("klingon")));
	assert_false(charset_known(STR("")));
}

static void test_unknown_charsets(void **state)
{
	CLEANUP(buf_free) struct buf out = buf_init(1000);

	(void)state;
	assert_false(charset_to_utf8(STR("klingon"), STR("\xc3\xa4"), &out));
	assert_string_equal(out.data, "\xc3\xa4");
	buf_reset(&out);
	assert_false(charset_to_utf8(STR("klingon"), STR("\xe4"), &out));
	assert_string_equal(out.data, "\xc3\xa4");
}

static void test_converters_are_kept_apart(void **state)
{
	(void)state;
	/* One that ends within an escape must not change the next text. */
	expect_utf8("iso-2022-jp", STR("\x1b$BF|"), "\xe6\x97\xa5");
	expect_utf8("iso-2022-jp", STR("ab"), "ab");
	for (int i = 1; i < 16; i++) {
		CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");

		if (i == 12)
			continue;
		expect_utf8(mem_printf(ctx, "iso-8859-%d", i), STR("x"), "x");
	}
	expect_utf8("windows-1252", STR("\x80"), "\xe2\x82\xac");
}

static void expect_folded(const char *a, const char *b, bool same)
{
	CLEANUP(buf_free) struct buf x = buf_init(10000);
	CLEANUP(buf_free) struct buf y = buf_init(10000);

	charset_fold(str_of(a), &x);
	charset_fold(str_of(b), &y);
	assert_int_equal(strcmp(x.data, y.data) == 0, same);
}

static void test_folding(void **state)
{
	(void)state;
	expect_folded("Hello", "hELLO", true);
	expect_folded("\xc3\x84", "a\xcc\x88", true);
	expect_folded("Stra\xc3\x9f"
		      "e",
		      "STRASSE", true);
	expect_folded("\xd0\x9f\xd1\x80\xd0\xb8", "\xd0\xbf\xd0\xa0\xd0\x98",
		      true);
	expect_folded("a", "b", false);
	expect_folded("\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd", true);
}

static void expect_found(const char *message, const char *needle, bool headers,
			 bool expected)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	CLEANUP(buf_free) struct buf folded = buf_init(1000);
	const char *needles[1];

	charset_fold(str_of(needle), &folded);
	needles[0] = folded.data;
	for (size_t cut = 0; cut <= strlen(message); cut++) {
		struct body_search *search =
			body_search_new(ctx, needles, 1, headers);

		body_search_feed(search, str_n(message, cut));
		body_search_feed(search, str_of(message + cut));
		assert_int_equal(body_search_end(search, NULL), expected);
		mem_free(search);
	}
}

static void test_search(void **state)
{
	static const char multi[] =
		"Subject: =?utf-8?q?=C3=84pfel?=\n"
		"Content-Type: multipart/mixed; boundary=b\n\npreamble\n"
		"--b\nContent-Type: text/plain; charset=iso-8859-1\n"
		"Content-Transfer-Encoding: quoted-printable\n\n"
		"Der gr=FC=\nne Apfel\n"
		"--b\nContent-Type: text/html\n"
		"Content-Transfer-Encoding: base64\n\nSGVsbG8gV29y\nbGQ=\n"
		"--b\nContent-Type: "
		"application/octet-stream\n\nsecret\n--b--\n";

	(void)state;
	expect_found(multi, "GR\xc3\x9cNE", false, true);
	expect_found(multi, "hello world", false, true);
	expect_found(multi, "secret", false, false);
	expect_found(multi, "preamble", false, false);
	expect_found(multi, "\xc3\xa4pfel", true, true);
	expect_found(multi, "\xc3\xa4pfel", false, false);
	expect_found("\nplain text\n", "N TEX", false, true);
	expect_found("", "x", true, false);
}

static void test_each_needle_is_told(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	const char *needles[] = {"one", "two", "three"};
	struct body_search *search = body_search_new(ctx, needles, 3, false);
	bool found[3];

	(void)state;
	body_search_feed(search, STR("\nthree one\n"));
	assert_false(body_search_end(search, found));
	assert_true(found[0]);
	assert_false(found[1]);
	assert_true(found[2]);
}

static void expect_date(const char *text, long long utc, int minutes)
{
	time_t t;
	int zone;

	assert_true(date_parse(str_of(text), &t, &zone));
	assert_int_equal(t, utc);
	assert_int_equal(zone, minutes);
}

static void test_dates(void **state)
{
	(void)state;
	expect_date(" Thu, 23 Jul 2020 19:03:23 +0900", 1595498603, 540);
	expect_date("23 Jul 2020 10:03:23 GMT", 1595498603, 0);
	expect_date("Thu, 23 Jul 20 10:03 UT (x)", 1595498580, 0);
	expect_date("Thu,\r\n 23 Jul\r\n 2020 05:03:23 -0500", 1595498603,
		    -300);
	expect_date("23 July 2020 10:03:23 EST", 1595516603, -300);
	expect_date("1 Jan 70 00:00:00 -0000", 0, 0);
	expect_date("1 Jan 1900 00:00:00 +0000", -2208988800, 0);
	expect_date("29 Feb 2020 00:00:00 -1200", 1582977600, -720);
	expect_date("31 Dec 2016 23:59:60 GMT", 1483228799, 0);
	expect_date("23 Jul 2020 10:03:23 XYZ", 1595498603, 0);
}

static void test_malformed_dates(void **state)
{
	static const char *const bad[] = {
		"",
		"yesterday",
		"23 Foo 2020 10:00:00 GMT",
		"32 Jul 2020 10:00:00 GMT",
		"23 Jul 2020 25:00:00 GMT",
		"23 Jul 2020 10:00:61 GMT",
		"23 Jul 2020",
		"23 Jul 99999 10:00:00 GMT",
		"31 Feb 2020 10:00:00 GMT",
		"29 Feb 2019 10:00:00 GMT",
		"31 Apr 2020 00:00:00 +1200",
		"1 Jan 1899 10:00:00 GMT",
		"1 Jan 0020 10:00:00 GMT",
		"(23 Jul",
		"99999999999 Jul 2020 10:00:00",
	};
	time_t t;
	int zone;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(date_parse(str_of(bad[i]), &t, &zone));
}

static void test_written_dates(void **state)
{
	CLEANUP(buf_free) struct buf out = buf_init(100);

	(void)state;
	setenv("TZ", "JST-9", 1);
	tzset();
	date_write(1595498603, &out);
	assert_string_equal(out.data, "Thu, 23 Jul 2020 19:03:23 +0900");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_quoted_printable),
		cmocka_unit_test(test_charsets),
		cmocka_unit_test(test_unknown_charsets),
		cmocka_unit_test(test_converters_are_kept_apart),
		cmocka_unit_test(test_folding),
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_each_needle_is_told),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_malformed_dates),
		cmocka_unit_test(test_written_dates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
