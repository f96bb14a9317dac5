/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../fixture.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "storage/mbox/mbox.h"
#include "storage/user.h"

#define FROM "From a@example.com  Sat Nov 28 20:15:24 2026\n"
#define FROM_CRLF "From a@example.com  Sat Nov 28 20:15:24 2026\r\n"

enum { MAILS = 8 };

static struct mail_settings settings = {.mbox_md5 = "apop3d"};
static const struct location location = {.settings = &settings};

struct found {
	struct driver_box box;
	unsigned count;
	struct mbox_record records[MAILS];
	uint64_t virtual[MAILS];
	uint64_t end;
};

static int take(void *ctx, const struct mbox_mail *mail, struct err *err)
{
	struct found *found = ctx;

	(void)err;
	assert_true(found->count < MAILS);
	found->records[found->count] = mail->record;
	found->virtual[found->count++] = mail->virtual;
	return 0;
}

static int scan(struct found *found, const char *text, size_t len,
		struct err *err)
{
	CLEANUP(fd_close) int fd = memfd_create("mbox", 0);
	struct mbox_scan scan = {
		.box = &found->box,
		.fd = fd,
		.end = len,
		.max_header = 1000,
		.fn = take,
		.ctx = found,
	};
	int ret;

	*found = (struct found){.box = {.location = &location, .path = "m"}};
	assert_int_equal(write(fd, text, len), len);
	ret = mbox_scan(&scan, err);
	found->end = scan.at;
	return ret;
}

static void scanned(struct found *found, const char *text)
{
	struct err err;
	uint64_t at = 0;

	assert_ok(scan(found, text, strlen(text), &err));
	for (unsigned i = 0; i < found->count; i++) {
		assert_int_equal(found->records[i].offset, at);
		at = mbox_record_end(&found->records[i]);
	}
	assert_int_equal(at, strlen(text));
}

static void test_mails_end_in_front_of_a_from_line(void **state)
{
	struct found found;

	(void)state;
	scanned(&found, FROM "A: b\n\none\n\n" FROM
			     "A: b\n\nFrom here on\n>From x\n\n" FROM
			     "A: b\n\nlast without end");
	assert_int_equal(found.count, 3);
	assert_int_equal(found.records[0].header_len, 6);
	assert_int_equal(found.records[0].body_len, 4);
	assert_int_equal(found.records[0].end_len, 1);
	assert_int_equal(found.virtual[0], 6 + 2 + 5);
	assert_int_equal(found.records[2].end_len, 0);
}

static void test_content_length_hides_from_lines(void **state)
{
	struct found found;

	(void)state;
	scanned(&found, FROM "Content-Length: 62\n\n1234567890123\n" FROM
			     "xx\n\n" FROM "A: b\n\n");
	assert_int_equal(found.count, 2);
	assert_int_equal(found.records[0].body_len, 62);
	/* One that leads nowhere is not believed. */
	scanned(&found,
		FROM "Content-Length: 61\n\n1234567890123\n\n" FROM "A: b\n\n");
	assert_int_equal(found.count, 2);
	scanned(&found,
		FROM "Content-Length: 18446744073709551615\n\nx\n\n" FROM
		     "A: b\n\n");
	assert_int_equal(found.count, 2);
}

static void test_crlf_and_odd_mails(void **state)
{
	struct found found;

	(void)state;
	scanned(&found, FROM_CRLF "A: b\r\n\r\nx\r\n\r\n" FROM_CRLF
				  "A: b\r\n\r\nx\r\n");
	assert_int_equal(found.count, 2);
	assert_int_equal(found.records[0].end_len, 2);
	assert_int_equal(found.records[0].body_len, 3);
	/* No header, no body, nothing; a first header line is one. */
	scanned(&found, FROM FROM "\n" FROM "A: b\n" FROM "\n\n" FROM);
	assert_int_equal(found.count, 4);
}

static void test_what_is_no_mbox_is_refused(void **state)
{
	static const char *const texts[] = {"x", "\n" FROM, "\0\0\0\0\0",
					    "From nobody\n"};
	struct found found;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(
			scan(&found, texts[i], 1 + strlen(texts[i]), &err), -1);
		assert_int_equal(err.code, ERR_INVALID);
	}
}

/* Cut anywhere, it is read to its end, and no mail reaches beyond. */
static void test_a_file_may_end_anywhere(void **state)
{
	static const char text[] =
		FROM "Content-Length: 4\nX-UID: 1\n\none\n\n" FROM_CRLF
		     "A: b\r\n\r\ntwo\r\n\r\n" FROM "A: b\n c\n\nthree";

	(void)state;
	for (size_t len = strlen(FROM); len <= strlen(text); len++) {
		struct found found;
		struct err err;

		if (scan(&found, text, len, &err) == 0)
			assert_int_equal(found.end, len);
		for (unsigned i = 0; i < found.count; i++)
			assert_true(mbox_record_end(&found.records[i]) <= len);
		assert_true(found.count >= 1);
	}
}

static void test_headers_are_bounded(void **state)
{
	char text[4000];
	struct found found;
	struct err err;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, FROM, strlen(FROM));
	for (size_t at = strlen(FROM) + 90; at < sizeof(text); at += 90)
		text[at] = '\n';
	assert_ok(scan(&found, text, sizeof(text), &err));
	assert_int_equal(found.count, 1);
	assert_true(found.records[0].header_len <= 1000);
	assert_int_equal(mbox_record_end(&found.records[0]), sizeof(text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mails_end_in_front_of_a_from_line),
		cmocka_unit_test(test_content_length_hides_from_lines),
		cmocka_unit_test(test_crlf_and_odd_mails),
		cmocka_unit_test(test_what_is_no_mbox_is_refused),
		cmocka_unit_test(test_a_file_may_end_anywhere),
		cmocka_unit_test(test_headers_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
