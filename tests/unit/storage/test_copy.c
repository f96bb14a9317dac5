/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/cleanup.h"
#include "fixture.h"

static void make(struct fixture *f, const char *name)
{
	struct err err;

	assert_ok(mailbox_create(f->user, name, NULL, &err));
}

static void test_copy_keeps_flags_keywords_and_text(void **state)
{
	static const struct section whole = {.kind = SECTION_ALL};
	static const char *const keywords[] = {"work", NULL};
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	CLEANUP(mailbox_close) struct mailbox *to = NULL;
	struct range_set all = one(f, 1, 2);
	struct copy_result result;
	const char *const *names;
	unsigned count;
	struct err err;
	size_t len;
	char *text;

	make(f, "to");
	save_mail(box, "first");
	save_text(box, "A: b\r\n\r\nsecond\r\n", MAIL_FLAGGED, keywords);
	sync_box(f, box, 0);
	assert_ok(mailbox_copy(f->ctx, box, &all, "to", false, &result, &err));
	assert_string_equal(set_text(f, &result.from_uids), "1:2");
	assert_string_equal(set_text(f, &result.to_uids), "1:2");
	to = open_box(f, "to", 0);
	assert_int_equal(mailbox_messages(to), 2);
	assert_true((flags_of(f, to, 2) & MAIL_FLAGGED) != 0);
	names = mailbox_keywords(to, &count);
	assert_int_equal(count, 1);
	assert_string_equal(names[0], "work");
	text = read_section(f, to, 2, &whole, 0, UINT64_MAX, &len);
	assert_string_equal(text, "A: b\r\n\r\nsecond\r\n");
	assert_int_equal(mailbox_messages(box), 2);
}

static void test_move_takes_the_originals_away(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	struct range_set some = one(f, 2, 3);
	struct mailbox_changes changes;
	struct mailbox_status status;
	struct copy_result result;
	struct err err;

	make(f, "to");
	for (unsigned i = 0; i < 4; i++)
		save_mail(box, "x");
	sync_box(f, box, 0);
	assert_ok(mailbox_copy(f->ctx, box, &some, "to", true, &result, &err));
	changes = sync_box(f, box, 0);
	assert_string_equal(set_text(f, &changes.expunged), "2:3");
	assert_ok(mailbox_status(f->user, "to", &status, &err));
	assert_int_equal(status.messages, 2);
	assert_ok(mailbox_status(f->user, "INBOX", &status, &err));
	assert_int_equal(status.messages, 2);
}

static void test_move_into_itself_gives_new_uids(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	struct range_set all = one(f, 1, 2);
	struct copy_result result;
	struct err err;

	save_mail(box, "x");
	save_mail(box, "y");
	sync_box(f, box, 0);
	assert_ok(
		mailbox_copy(f->ctx, box, &all, "INBOX", true, &result, &err));
	assert_string_equal(set_text(f, &result.to_uids), "3:4");
	sync_box(f, box, 0);
	assert_int_equal(mailbox_messages(box), 2);
	assert_int_equal(mailbox_uid_of(box, 1), 3);
}

static void test_copy_to_nowhere_asks_to_create(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	struct range_set all = one(f, 1, 1);
	struct copy_result result;
	struct err err;

	save_mail(box, "x");
	sync_box(f, box, 0);
	assert_int_equal(mailbox_copy(f->ctx, box, &all, "nothere", false,
				      &result, &err),
			 -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void test_copy_of_an_expunged_mail_copies_none(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	struct range_set all = one(f, 1, 3);
	struct mailbox_status status;
	struct copy_result result;
	struct err err;

	make(f, "to");
	for (unsigned i = 0; i < 3; i++)
		save_mail(box, "x");
	sync_box(f, box, 0);
	store_flags(box, one(f, 2, 2), STORE_ADD, MAIL_DELETED);
	assert_ok(mailbox_expunge(box, NULL, &err));
	assert_int_equal(
		mailbox_copy(f->ctx, box, &all, "to", false, &result, &err),
		-1);
	assert_int_equal(err.code, ERR_EXPUNGED);
	assert_ok(mailbox_status(f->user, "to", &status, &err));
	assert_int_equal(status.messages, 0);
}

static int setup_two_places(void **state)
{
	return fixture_open(state, "namespace inbox {\n"
				   "  inbox = yes\n"
				   "}\n"
				   "namespace archive {\n"
				   "  prefix = Archive.\n"
				   "  separator = .\n"
				   "  location = maildir:~/archive\n"
				   "}\n");
}

static void test_move_between_two_locations(void **state)
{
	static const struct section whole = {.kind = SECTION_ALL};
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	CLEANUP(mailbox_close) struct mailbox *to = NULL;
	struct range_set all = one(f, 1, 2);
	struct copy_result result;
	struct err err;
	size_t len;

	make(f, "Archive.old");
	save_mail(box, "x");
	save_mail(box, "y");
	sync_box(f, box, 0);
	assert_ok(mailbox_copy(f->ctx, box, &all, "Archive.old", true, &result,
			       &err));
	sync_box(f, box, 0);
	assert_int_equal(mailbox_messages(box), 0);
	to = open_box(f, "Archive.old", 0);
	assert_int_equal(mailbox_messages(to), 2);
	assert_non_null(
		strstr(read_section(f, to, 2, &whole, 0, UINT64_MAX, &len),
		       "Text of y."));
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_copy_keeps_flags_keywords_and_text),
		TEST(test_move_takes_the_originals_away),
		TEST(test_move_into_itself_gives_new_uids),
		TEST(test_copy_to_nowhere_asks_to_create),
		TEST(test_copy_of_an_expunged_mail_copies_none),
		cmocka_unit_test_setup_teardown(test_move_between_two_locations,
						setup_two_places,
						fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
