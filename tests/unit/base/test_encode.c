/* SPDX-License-Identifier: MIT */
#include "base/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"

static void test_base64_of_the_rfc(void **state)
{
	static const char *const pairs[][2] = {
		{"", ""},
		{"f", "Zg=="},
		{"fo", "Zm8="},
		{"foo", "Zm9v"},
		{"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		CLEANUP(buf_free) struct buf out = buf_init(100);

		base64_encode(str_of(pairs[i][0]), &out);
		assert_string_equal(out.data, pairs[i][1]);
		buf_reset(&out);
		assert_true(base64_decode(str_of(pairs[i][1]), &out));
		assert_string_equal(out.data, pairs[i][0]);
	}
}

static void test_base64_that_is_none(void **state)
{
	static const char *const wrong[] = {"Z",     "Zg",   "Zg=",     "Zg=a",
					    "Zm9v=", "Z===", "====",    "Zm9\n",
					    "Zh==",  "Zm9=", "Zg==Zg=="};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		CLEANUP(buf_free) struct buf out = buf_init(100);

		assert_false(base64_decode(str_of(wrong[i]), &out));
	}
}

static void test_hex(void **state)
{
	CLEANUP(buf_free) struct buf out = buf_init(100);

	(void)state;
	hex_encode(STR("\x00\xff\x1a"), &out);
	assert_string_equal(out.data, "00ff1a");
	buf_reset(&out);
	assert_true(hex_decode(STR("00FF1a"), &out));
	assert_memory_equal(out.data, "\x00\xff\x1a", 3);
	assert_false(hex_decode(STR("0"), &out));
	assert_false(hex_decode(STR("0g"), &out));
}

static void test_urls(void **state)
{
	CLEANUP(buf_free) struct buf out = buf_init(100);

	(void)state;
	url_encode(STR("a-Z_.~0 @/%\xc3\xa4"), "", &out);
	url_encode(STR("b@c\0"), "@", &out);
	assert_string_equal(out.data, "a-Z_.~0%20%40%2F%25%C3%A4b@c%00");
}

static void test_utf8_by_rfc3629(void **state)
{
	(void)state;
	assert_true(utf8_valid(STR("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")));
	assert_true(utf8_valid(STR("\xf4\x8f\xbf\xbf")));
	assert_false(utf8_valid(STR("\x80")));
	assert_false(utf8_valid(STR("\xc0\x80")));
	assert_false(utf8_valid(STR("\xe0\x80\x80")));
	assert_false(utf8_valid(STR("\xed\xa0\x80")));
	assert_false(utf8_valid(STR("\xf4\x90\x80\x80")));
	assert_false(utf8_valid(STR("\xf8\x88\x80\x80\x80")));
	assert_false(utf8_valid(STR("\xe2\x82")));
}

static void test_names_of_files(void **state)
{
	(void)state;
	assert_true(utf8_is_name(STR("Fr\xc3\xbchling 1.2")));
	assert_true(utf8_is_name(STR("..")));
	assert_false(utf8_is_name(STR("")));
	assert_false(utf8_is_name(STR("a/b")));
	assert_false(utf8_is_name(STR("a\x1f")));
	assert_false(utf8_is_name(STR("a\x7f")));
	assert_false(utf8_is_name(STR("a\xc2\x85")));
	assert_false(utf8_is_name(STR("a\xe2\x80\xa8")));
	assert_false(utf8_is_name(STR("a\xe2\x80\xa9")));
	assert_false(utf8_is_name(STR("a\xff")));
	assert_int_equal(utf8_count(STR("")), 0);
	assert_int_equal(utf8_count(STR("\xc3\xbc\xe2\x82\xac\xff.")), 4);
}

static void test_every_code_point_survives(void **state)
{
	(void)state;
	for (uint32_t code = 0; code <= 0x10ffff; code += 7) {
		CLEANUP(buf_free) struct buf out = buf_init(10);
		uint32_t back;

		if (code >= 0xd800 && code < 0xe000)
			continue;
		utf8_put(&out, code);
		assert_int_equal(utf8_get(str_n(out.data, out.len), &back),
				 out.len);
		assert_int_equal(back, code);
	}
}

static void test_utf7_names(void **state)
{
	static const char *const pairs[][2] = {
		{"INBOX", "INBOX"},
		{"a&b", "a&-b"},
		{"&", "&-"},
		{"\xc3\xa0", "&AOA-"},
		{"~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/"
		 "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
		 "~peter/mail/&U,BTFw-/&ZeVnLIqe-"},
		{"\xf0\x9f\x98\x80", "&2D3eAA-"},
		{"\xc3\xa4&\xc3\xb6", "&AOQ-&-&APY-"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		CLEANUP(buf_free) struct buf out = buf_init(1000);

		assert_true(utf7_encode(str_of(pairs[i][0]), &out));
		assert_string_equal(out.data, pairs[i][1]);
		buf_reset(&out);
		assert_true(utf7_decode(str_of(pairs[i][1]), &out));
		assert_string_equal(out.data, pairs[i][0]);
	}
}

static void test_utf7_has_one_spelling_per_name(void **state)
{
	static const char *const wrong[] = {
		"\xc3\xa4",    /* 8 bits */
		"a&",          /* cut off */
		"&AOQ",        /* not closed */
		"&AOQA-",      /* bits left over */
		"&AOR-",       /* padding that is not 0 */
		"&AGE-",       /* "a" needs no shift */
		"&ACY-",       /* nor does "&", which is "&-" */
		"&AOQ-&APY-",  /* two shifts in a row */
		"&2D0-",       /* half a surrogate pair */
		"&3gDYPQ-",    /* the wrong half first */
		"&A/Q-",       /* '/' is base64's, not UTF-7's */
		"tab\tinside", /* control character */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		CLEANUP(buf_free) struct buf out = buf_init(1000);

		assert_false(utf7_decode(str_of(wrong[i]), &out));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64_of_the_rfc),
		cmocka_unit_test(test_base64_that_is_none),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_utf8_by_rfc3629),
		cmocka_unit_test(test_names_of_files),
		cmocka_unit_test(test_every_code_point_survives),
		cmocka_unit_test(test_utf7_names),
		cmocka_unit_test(test_utf7_has_one_spelling_per_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
