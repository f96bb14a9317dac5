/* SPDX-License-Identifier: MIT */
#include "sieve/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_asked_for_is_parsed_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
