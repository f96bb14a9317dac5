/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "mime/address.h"
#include "mime/header.h"
#include "mime/imap.h"

static void expect_decoded(const char *value, const char *expected)
{
	CLEANUP(buf_free) struct buf out = buf_init(1000);

	header_decode(str_of(value), &out);
	assert_string_equal(out.data, expected);
}

static void test_fields(void **state)
{
	struct str block =
		STR("one\nA : 1\r\n  2\r\n: x\n cont\nB:3\n\nC: 4\n");
	struct header_field field;

	(void)state;
	assert_true(header_next(&block, &field));
	assert_true(str_is(field.name, "A"));
	assert_true(str_is(field.value, " 1\r\n  2"));
	assert_true(str_is(field.full, "A : 1\r\n  2\r\n"));
	assert_true(header_next(&block, &field));
	assert_true(str_is(field.name, "B"));
	assert_true(str_is(field.value, "3"));
	assert_false(header_next(&block, &field));
	assert_false(header_find(block, "C", &field));
}

static void test_folds_become_blanks(void **state)
{
	CLEANUP(buf_free) struct buf out = buf_init(1000);

	(void)state;
	header_unfold(STR("  a \r\n\t b\n c\n"), &out);
	assert_string_equal(out.data, "a b c");
}

static void test_encoded_words(void **state)
{
	(void)state;
	expect_decoded(" =?utf-8?q?=C3=84?=nn", "\xc3\x84nn");
	expect_decoded("=?UTF-8*de?B?w4Q=?= x", "\xc3\x84 x");
	expect_decoded("=?iso-8859-1?Q?a_=E4?=", "a \xc3\xa4");
	expect_decoded("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=",
		       "\xe6\x97\xa5\xe6\x9c\xac");
	expect_decoded("a =?utf-8?q?b?= c", "a b c");
}

static void test_words_that_cut_a_character(void **state)
{
	(void)state;
	expect_decoded("=?utf-8?q?=C3?=\r\n =?utf-8?q?=84?=", "\xc3\x84");
	expect_decoded("=?utf-8?q?a?= =?iso-8859-1?q?b?= c", "ab c");
}

static void test_malformed_words_stay(void **state)
{
	(void)state;
	expect_decoded("=?utf-8?x?abc?=", "=?utf-8?x?abc?=");
	expect_decoded("=?utf-8?q?abc", "=?utf-8?q?abc");
	expect_decoded("=??q?abc?=", "=??q?abc?=");
	expect_decoded("=?", "=?");
	expect_decoded("a\xff"
		       "b",
		       "a\xef\xbf\xbd"
		       "b");
	expect_decoded("=?nowhere?q?=E4?=", "\xc3\xa4");
}

static void test_addresses(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct address *list;
	size_t count;

	(void)state;
	address_parse(ctx, STR("\"Bee, Ann\" <a@b.example>, G: c@d (Cee);"), 9,
		      &list, &count);
	assert_int_equal(count, 4);
	assert_string_equal(list[0].name, "Bee, Ann");
	assert_string_equal(list[0].mailbox, "a");
	assert_string_equal(list[0].domain, "b.example");
	assert_int_equal(list[1].kind, ADDRESS_GROUP_START);
	assert_string_equal(list[1].name, "G");
	assert_string_equal(list[2].name, "Cee");
	assert_int_equal(list[3].kind, ADDRESS_GROUP_END);
}

static void test_number_of_addresses_is_bounded(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct address *list;
	size_t count;

	(void)state;
	address_parse(ctx, STR("a@b,a@b,a@b,a@b,a@b"), 3, &list, &count);
	assert_int_equal(count, 3);
}

static void test_wanted_fields(void **state)
{
	static const char *const names[] = {"to", "X-B", NULL};
	struct section section = {
		.kind = SECTION_HEADER_FIELDS,
		.fields = names,
	};
	struct str header = STR("From: a\nTo: b\n c\nx-b: 1\r\nTo: d\n\n");
	CLEANUP(buf_free) struct buf out = buf_init(1000);

	(void)state;
	section_filter(&section, header, &out);
	assert_string_equal(out.data, "To: b\r\n c\r\nx-b: 1\r\nTo: d\r\n\r\n");
	buf_reset(&out);
	section.kind = SECTION_HEADER_FIELDS_NOT;
	section_filter(&section, header, &out);
	assert_string_equal(out.data, "From: a\r\n\r\n");
}

static void test_line_ends_across_pieces(void **state)
{
	CLEANUP(buf_free) struct buf out = buf_init(1000);
	bool last_cr = false;

	(void)state;
	crlf_append(STR("a\nb\r"), &last_cr, &out);
	crlf_append(STR("\nc\r"), &last_cr, &out);
	crlf_append(STR("d\n"), &last_cr, &out);
	assert_string_equal(out.data, "a\r\nb\r\nc\rd\r\n");
	assert_int_equal(crlf_size(STR("\nc\n"), true), 4);
	assert_int_equal(crlf_size(STR("\nc\n"), false), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_folds_become_blanks),
		cmocka_unit_test(test_encoded_words),
		cmocka_unit_test(test_words_that_cut_a_character),
		cmocka_unit_test(test_malformed_words_stay),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_number_of_addresses_is_bounded),
		cmocka_unit_test(test_wanted_fields),
		cmocka_unit_test(test_line_ends_across_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
