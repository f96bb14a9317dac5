/* SPDX-License-Identifier: MIT */
#include "sieve/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"

static const char mail[] = "To: \"A, B\" <a@b.example>, c@d.example\r\n"
			   "Subject: =?utf-8?q?=C3=A4?=\r\n\r\nx\r\n";

static void is_str(struct str text, const char *wanted)
{
	assert_int_equal(text.len, strlen(wanted));
	assert_memory_equal(text.data, wanted, text.len);
}

/* A script of many rules asks for the same ones again and again. */
static void test_what_was_asked_for_is_parsed_once(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct sieve_message *message =
		sieve_message_new(ctx, str_of(mail), 100);
	struct sieve_field *to = sieve_message_field(message, STR("to"));
	struct sieve_field *subject =
		sieve_message_field(message, STR("Subject"));
	const struct sieve_address *list, *again;
	unsigned count = 0;

	(void)state;
	list = sieve_field_addresses(message, to, 10, &count);
	assert_int_equal(count, 2);
	is_str(list[0].all, "a@b.example");
	is_str(list[1].domain, "d.example");
	count = 0;
	again = sieve_field_addresses(message, to, 10, &count);
	assert_ptr_equal(again, list);
	assert_int_equal(count, 2);
	/* A smaller limit counts. */
	list = sieve_field_addresses(message, to, 1, &count);
	assert_int_equal(count, 1);
	is_str(list[0].all, "a@b.example");
	is_str(sieve_field_text(message, subject), "\xc3\xa4");
	assert_ptr_equal(sieve_field_text(message, subject).data,
			 sieve_field_text(message, subject).data);
}

static void is_edited(const char *text, unsigned max, const char *wanted)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	CLEANUP(buf_free) struct buf out = buf_init(1000);
	struct sieve_message *message =
		sieve_message_new(ctx, str_of(text), max);

	sieve_message_add(message, STR("X"), STR("1"), false);
	sieve_message_add(message, STR("Y"), STR("2"), true);
	sieve_message_write(message, &out);
	assert_string_equal(out.data, wanted);
}

static void test_an_edited_mail_loses_nothing(void **state)
{
	(void)state;
	is_edited("A: b\n\nc\n", 10, "X: 1\nA: b\nY: 2\n\nc\n");
	is_edited("A: b\r\n\r\nc\r\n", 10, "X: 1\r\nA: b\r\nY: 2\r\n\r\nc\r\n");
	/* More fields than are looked at. */
	is_edited("A: b\nC: d\nE: f\n g\n\nh\n", 1,
		  "X: 1\nA: b\nY: 2\nC: d\nE: f\n g\n\nh\n");
	is_edited("A: b\nC: d\n\nh\n", 2, "X: 1\nA: b\nC: d\nY: 2\n\nh\n");
	/* Lines that are no fields. */
	is_edited(">From x\nA: b\nno field\n at all\nC: d\nnone\n\ne\n", 10,
		  ">From x\nX: 1\nA: b\nno field\n at all\nC: d\nnone\n"
		  "Y: 2\n\ne\n");
	is_edited("none\n\ne\n", 10, "none\nX: 1\nY: 2\n\ne\n");
	/* A header that does not end. */
	is_edited("A: b", 10, "X: 1\nA: b\nY: 2\n\n");
	is_edited("A: b\nC: d", 1, "X: 1\nA: b\nY: 2\nC: d\n\n");
	is_edited("none", 10, "none\nX: 1\nY: 2\n\n");
	is_edited("", 10, "X: 1\nY: 2\n\n");
}

/* A large mail is in memory once. */
static void test_what_is_not_edited_is_not_copied(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	CLEANUP(buf_free) struct buf out = buf_init(1000);
	struct sieve_message *message =
		sieve_message_new(ctx, str_of(mail), 100);

	(void)state;
	assert_ptr_equal(sieve_message_read(message, &out).data, mail);
	assert_ptr_equal(sieve_message_whole(ctx, message, NULL).data, mail);
	assert_int_equal(sieve_message_whole(ctx, message, NULL).len,
			 strlen(mail));
	sieve_message_add(message, STR("X"), STR("1"), true);
	is_str(sieve_message_read(message, &out),
	       "To: \"A, B\" <a@b.example>, c@d.example\r\n"
	       "Subject: =?utf-8?q?=C3=A4?=\r\nX: 1\r\n\r\nx\r\n");
	is_str(sieve_message_whole(ctx, message, sieve_message_now(message)),
	       out.data);
	assert_ptr_equal(sieve_message_whole(ctx, message, NULL).data, mail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_asked_for_is_parsed_once),
		cmocka_unit_test(test_an_edited_mail_loses_nothing),
		cmocka_unit_test(test_what_is_not_edited_is_not_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
