/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "../fixture.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "storage/mbox/mbox.h"

static struct mbox_header parse(const char *text)
{
	struct mbox_header header;

	mbox_header_parse(str_of(text), NULL, false, &header);
	return header;
}

static void test_state_is_read(void **state)
{
	struct mbox_header header =
		parse("Subject: x\nX-IMAPbase: 17 0000000042 work $Junk\n"
		      "X-UID: 7     \nStatus: RO\nX-Status: AFTD\n"
		      "X-Keywords: work\nContent-Length: 123\n\n");

	(void)state;
	assert_true(header.has_base && !header.pseudo);
	assert_int_equal(header.uid_validity, 17);
	assert_int_equal(header.last_uid, 42);
	assert_int_equal(header.last_uid_len, 10);
	assert_true(str_is(str_trim(header.base_keywords), "work $Junk"));
	assert_int_equal(header.uid, 7);
	assert_true(header.old);
	assert_int_equal(header.flags, MAIL_SEEN | MAIL_ANSWERED |
					       MAIL_FLAGGED | MAIL_DRAFT |
					       MAIL_DELETED);
	assert_true(str_is(header.keywords, "work"));
	assert_true(header.has_content_length);
	assert_int_equal(header.content_length, 123);
	/* What clients see: "Subject: x\n\n". */
	assert_int_equal(header.size, 12);
	assert_int_equal(header.virtual, 14);
}

static void test_nonsense_is_no_state(void **state)
{
	static const char *const texts[] = {
		"X-IMAPbase: 0 0000000001\nX-UID: 0\n\n",
		"X-IMAPbase: 1\nX-UID: 5 RO\n\n",
		"X-IMAPbase: -1 1\nX-UID: -1\n\n",
		"X-IMAPbase: 99999999999 1\nX-UID: 99999999999\n\n",
		"X-IMAPbase:\nX-UID:\nStatus:\nContent-Length: x\n\n",
		" X-UID: 3\n\n",
		"X-UID\n\n",
		"\nX-UID: 3\n",
	};

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(texts) / sizeof(texts[0]); i++) {
		struct mbox_header header = parse(texts[i]);

		if (header.has_base || header.uid != 0 || header.flags != 0 ||
		    header.has_content_length)
			fail_msg("%s", texts[i]);
	}
}

static const char *const names[] = {"work", NULL, "", "$Junk"};

static struct mbox_fields fields_of(const struct keywords *keywords)
{
	return (struct mbox_fields){
		.base = true,
		.uid_validity = 99,
		.last_uid = 1234,
		.names = names,
		.name_count = 4,
		.uid = 77,
		.flags = MAIL_SEEN | MAIL_FLAGGED,
		.old = true,
		.keywords = keywords,
		.content_length = UINT64_MAX,
	};
}

static const char *const blocks[] = {
	"Subject: x\nFrom: y\n\n",
	"Subject: x\r\nX-UID: 5\r\n\r\n",
	"X-UID: 1\nX-UID: 2\nStatus: O\nStatus: R\nX-Keywords: a\n b\n"
	"Content-Length: 5\nContent-Length: 6\nSubject: x\n folded\n\n",
	"no field at all\n\n",
	"cut off in a li",
	"\n",
	"",
};

static void test_what_is_composed_is_read(void **state)
{
	const struct keywords keywords = {.bits = {1 | 8}};
	struct mbox_fields fields = fields_of(&keywords);

	(void)state;
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		CLEANUP(buf_free) struct buf out = buf_init(10000);
		CLEANUP(buf_free) struct buf seen = buf_init(10000);
		CLEANUP(buf_free) struct buf same = buf_init(10000);
		struct mbox_header header;

		mbox_header_compose(str_of(blocks[i]), &fields, &out);
		mbox_header_parse(str_n(out.data, out.len), NULL, false,
				  &header);
		/* One that was cut off swallows what comes behind it. */
		if (strncmp(blocks[i], "cut", 3) != 0) {
			assert_int_equal(header.uid, 77);
			assert_int_equal(header.uid_validity, 99);
			assert_int_equal(header.last_uid, 1234);
			assert_int_equal(header.flags, fields.flags);
			assert_true(header.old);
			assert_true(str_is(header.keywords, "work $Junk"));
		}
		/* Clients see no difference. */
		mbox_header_visible(str_n(out.data, out.len), &seen);
		mbox_header_visible(str_of(blocks[i]), &same);
		if (strncmp(blocks[i], "cut", 3) != 0) {
			assert_int_equal(seen.len, same.len);
			assert_memory_equal(seen.data, same.data, seen.len);
		}
	}
}

static void test_padding_takes_changes(void **state)
{
	const struct keywords none = {.bits = {0}}, some = {.bits = {1}};
	struct mbox_fields fields = fields_of(&none);
	CLEANUP(buf_free) struct buf first = buf_init(10000);
	CLEANUP(buf_free) struct buf second = buf_init(10000);

	(void)state;
	fields.flags = 0;
	mbox_header_compose(STR("Subject: x\n\n"), &fields, &first);
	fields.flags = MAIL_SEEN | MAIL_FLAGGED | MAIL_ANSWERED;
	fields.keywords = &some;
	fields.last_uid = 4000000000;
	mbox_header_compose(str_n(first.data, first.len), &fields, &second);
	assert_int_equal(first.len, second.len);
	/* And back. */
	fields.flags = 0;
	fields.keywords = &none;
	fields.last_uid = 1234;
	buf_reset(&first);
	mbox_header_compose(str_n(second.data, second.len), &fields, &first);
	assert_int_equal(first.len, second.len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_state_is_read),
		cmocka_unit_test(test_nonsense_is_no_state),
		cmocka_unit_test(test_what_is_composed_is_read),
		cmocka_unit_test(test_padding_takes_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
