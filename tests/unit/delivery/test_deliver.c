/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "delivery/deliver.h"
#include "delivery/settings.h"
#include "delivery/spool.h"
#include "mime/parse.h"
#include "storage/save.h"

/* what a spool gives to storage */

struct save {
	struct buf text;
};

int save_mail_write(struct save *save, const void *data, size_t len,
		    struct err *err)
{
	(void)err;
	buf_append(&save->text, data, len);
	return 0;
}

/* addresses */

static void expect_split(const char *address, const char *delimiters,
			 const char *user, const char *detail)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	char *user_found, *detail_found;

	address_split(ctx, address, delimiters, &user_found, &detail_found);
	assert_string_equal(user_found, user);
	if (detail == NULL)
		assert_null(detail_found);
	else
		assert_string_equal(detail_found, detail);
}

static void test_details_are_split_off(void **state)
{
	(void)state;
	expect_split("ann+lists@b.example", "+", "ann@b.example", "lists");
	expect_split("ann+lists", "+", "ann", "lists");
	expect_split("ann+a+b@c", "+", "ann@c", "a+b");
	expect_split("ann-lists@c", "+-", "ann@c", "lists");
	expect_split("ann+@c", "+", "ann@c", "");
	expect_split("ann@c+d", "+", "ann@c+d", NULL);
	expect_split("ann@c", "+", "ann@c", NULL);
	expect_split("+x@c", "+", "+x@c", NULL);
	expect_split("ann+x@c", "", "ann+x@c", NULL);
}

/* fields on top */

static void test_fields_have_dovecots_form(void **state)
{
	CLEANUP(buf_free) struct buf out = buf_init(1000);
	struct trace trace = {
		.from = "a@b",
		.to = "ann@c",
		.delivered_to = "ann",
		.hostname = "here",
		.helo = "there",
		.session_id = "ID",
		.with = "LMTP",
		.time = 1595498603,
	};

	(void)state;
	setenv("TZ", "UTC", 1);
	assert_true(ip_parse("192.0.2.1", &trace.remote));
	trace_write(&trace, &out);
	assert_string_equal(out.data, "Return-Path: <a@b>\n"
				      "Delivered-To: ann\n"
				      "Received: from there ([192.0.2.1])\n"
				      "\tby here with LMTP\n"
				      "\tid ID\n"
				      "\t(envelope-from <a@b>)\n"
				      "\tfor <ann@c>; "
				      "Thu, 23 Jul 2020 10:03:23 +0000\n");
	buf_reset(&out);
	trace.hostname = NULL;
	trace.delivered_to = NULL;
	trace_write(&trace, &out);
	assert_string_equal(out.data, "Return-Path: <a@b>\n");
}

/* the spool */

static void expect_spooled(size_t size, size_t piece)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	char *mail = mem_array(ctx, char, size + 1);
	struct spool *spool =
		spool_new(ctx, STR("X: y\n"), "/tmp", 0, &mime_limits_default);
	struct save save = {buf_init(size + 100)};
	struct err err;

	for (size_t i = 0; i < size; i++)
		mail[i] = i % 70 == 69 ? '\n' : (char)('a' + i % 26);
	for (size_t at = 0; at < size; at += piece)
		assert_int_equal(
			spool_write(spool, mail + at,
				    size - at < piece ? size - at : piece,
				    &err),
			0);
	assert_int_equal(spool_end(spool, &err), 0);
	for (int twice = 0; twice < 2; twice++) {
		buf_reset(&save.text);
		assert_int_equal(spool_save(spool, &save, &err), 0);
		assert_int_equal(save.text.len, size + 5);
		assert_memory_equal(save.text.data, "X: y\n", 5);
		assert_memory_equal(save.text.data + 5, mail, size);
	}
	assert_int_equal(spool_message(spool)->size.physical, size + 5);
	buf_free(&save.text);
}

static void test_small_and_large_mails_come_back(void **state)
{
	(void)state;
	expect_spooled(0, 1);
	expect_spooled(1, 1);
	expect_spooled(256 * 1024 - 5, 1000);
	expect_spooled(256 * 1024 - 4, 1000);
	expect_spooled(256 * 1024, 300 * 1024);
	expect_spooled(3000000, 77777);
}

static int write_octets(uint64_t max_size, size_t size, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct spool *spool = spool_new(ctx, STR("X: y\n"), "/tmp", max_size,
					&mime_limits_default);
	char *mail = mem_array(ctx, char, size);

	spool_write(spool, mail, size / 2, err);
	spool_write(spool, mail, size - size / 2, err);
	return spool_end(spool, err);
}

static void test_size_is_bounded(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(write_octets(1000, 1000, &err), 0);
	assert_int_equal(write_octets(1000, 1001, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	assert_int_equal(write_octets(1000, 10000, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
}

static void test_what_went_wrong_is_told_at_the_end(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct spool *spool =
		spool_new(ctx, STR(""), "/nowhere", 0, &mime_limits_default);
	char *mail = mem_array(ctx, char, 300000);
	struct err err;

	(void)state;
	assert_int_equal(spool_write(spool, mail, 300000, &err), -1);
	assert_int_equal(spool_write(spool, mail, 1, &err), -1);
	assert_int_equal(spool_end(spool, &err), -1);
	assert_non_null(strstr(err.text, "/nowhere"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_details_are_split_off),
		cmocka_unit_test(test_fields_have_dovecots_form),
		cmocka_unit_test(test_small_and_large_mails_come_back),
		cmocka_unit_test(test_size_is_bounded),
		cmocka_unit_test(test_what_went_wrong_is_told_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
