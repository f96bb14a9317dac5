/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "fixture.h"
#include "storage/core.h"

enum { DAY = 24 * 3600 };

static const char kept_for_a_time[] = "namespace inbox {\n"
				      "  inbox = yes\n"
				      "  mailbox Few {\n"
				      "    autoexpunge_max_mails = 2\n"
				      "  }\n"
				      "  mailbox Trash {\n"
				      "    autoexpunge = 7d\n"
				      "  }\n"
				      "  mailbox Trash.* {\n"
				      "    autoexpunge = 7d\n"
				      "  }\n"
				      "  mailbox Missing {\n"
				      "    autoexpunge = 1d\n"
				      "  }\n"
				      "}\n";

static const char lazy_mailbox[] = "mail_plugins = quota lazy_expunge\n"
				   "plugin {\n"
				   "  lazy_expunge = Expunged\n"
				   "  lazy_expunge_exclude = Spam*\n"
				   "  lazy_expunge_exclude2 = \\Drafts\n"
				   "}\n"
				   "namespace inbox {\n"
				   "  inbox = yes\n"
				   "  mailbox Entwurf {\n"
				   "    special_use = \\Drafts\n"
				   "  }\n"
				   "}\n";

static const char lazy_namespace[] = "mail_plugins = lazy_expunge\n"
				     "plugin {\n"
				     "  lazy_expunge = EXP.\n"
				     "  lazy_expunge_only_last_instance = yes\n"
				     "}\n"
				     "namespace inbox {\n"
				     "  inbox = yes\n"
				     "}\n"
				     "namespace expunged {\n"
				     "  prefix = EXP.\n"
				     "  separator = .\n"
				     "  location = maildir:~/expunged\n"
				     "  hidden = yes\n"
				     "  list = no\n"
				     "}\n";

static int setup_times(void **state)
{
	return fixture_open(state, kept_for_a_time);
}

static int setup_lazy(void **state)
{
	return fixture_open(state, lazy_mailbox);
}

static int setup_namespace(void **state)
{
	return fixture_open(state, lazy_namespace);
}

static void fill(struct fixture *f, const char *name, unsigned mails)
{
	struct mailbox *box;
	struct err err;

	if (strcmp(name, "INBOX") != 0)
		assert_ok(mailbox_create(f->user, name, NULL, &err));
	box = open_box(f, name, 0);
	for (unsigned i = 0; i < mails; i++)
		save_mail(box, mem_printf(f->ctx, "%s%u", name, i));
	mailbox_close(&box);
}

/* As if it had been saved some days ago. */
static void make_old(struct fixture *f, const char *name, uint32_t uid,
		     int days)
{
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, name, 0);
	struct index_record record;
	struct index_txn *txn;
	struct index_box row;
	struct err err;

	assert_ok(mailbox_begin(box, INDEX_WRITE, &txn, &row, &err));
	assert_ok(index_record_get(txn, row.id, uid, &record, &err));
	record.saved = time(NULL) - days * DAY;
	assert_ok(index_record_put(txn, &row, &record, &err));
	assert_ok(index_commit(&txn, &err));
}

/* The UIDs; "-" when there is no such mailbox. */
static char *uids(struct fixture *f, const char *name)
{
	CLEANUP(mailbox_close) struct mailbox *box = NULL;
	struct range_set all = range_set_init(f->ctx);
	struct range_set set = range_set_init(f->ctx);
	struct err err;

	if (mailbox_open(f->user, name, MAILBOX_KEEP_RECENT, &box, &err) < 0)
		return mem_strdup(f->ctx, "-");
	if (mailbox_messages(box) == 0)
		return mem_strdup(f->ctx, "");
	range_set_add(&all, 1, mailbox_messages(box));
	mailbox_uids_of(box, &all, &set);
	return set_text(f, &set);
}

static void expunge(struct fixture *f, const char *name, uint32_t seq)
{
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, name, 0);
	struct err err;

	store_flags(box, one(f, seq, seq), STORE_ADD,
		    MAIL_DELETED | MAIL_FLAGGED);
	assert_ok(mailbox_expunge(box, NULL, &err));
}

static void test_too_many_and_too_old_mails_go(void **state)
{
	struct fixture *f = *state;

	fill(f, "Few", 5);
	fill(f, "Trash", 4);
	fill(f, "INBOX", 3);
	make_old(f, "Trash", 1, 8);
	make_old(f, "Trash", 2, 8);
	make_old(f, "Trash", 3, 6);
	make_old(f, "INBOX", 1, 100);
	assert_int_equal(user_autoexpunge(f->user), 5);
	assert_string_equal(uids(f, "Few"), "4:5");
	assert_string_equal(uids(f, "Trash"), "3:4");
	assert_string_equal(uids(f, "INBOX"), "1:3");
	/* Nothing is made for it. */
	assert_string_equal(uids(f, "Missing"), "-");
	assert_int_equal(user_autoexpunge(f->user), 0);
}

static void test_wildcards_are_for_what_there_is(void **state)
{
	struct fixture *f = *state;

	fill(f, "Trash.a", 2);
	fill(f, "Trash.a.b", 2);
	fill(f, "Trashy", 1);
	make_old(f, "Trash.a", 1, 8);
	make_old(f, "Trash.a.b", 1, 8);
	make_old(f, "Trashy", 1, 8);
	assert_int_equal(user_autoexpunge(f->user), 2);
	assert_string_equal(uids(f, "Trash.a"), "2");
	assert_string_equal(uids(f, "Trash.a.b"), "2");
	assert_string_equal(uids(f, "Trashy"), "1");
}

static void test_a_mailbox_in_the_trash_counts_from_then(void **state)
{
	struct fixture *f = *state;
	struct err err;

	fill(f, "old", 2);
	make_old(f, "old", 1, 30);
	assert_ok(mailbox_rename(f->user, "old", "Trash.old", &err));
	assert_int_equal(user_autoexpunge(f->user), 0);
	assert_string_equal(uids(f, "Trash.old"), "1:2");
}

static void test_many_go_in_pieces(void **state)
{
	struct fixture *f = *state;
	struct mailbox *box;
	struct err err;

	assert_ok(mailbox_create(f->user, "Few", NULL, &err));
	box = open_box(f, "Few", 0);
	for (unsigned n = 0; n < 21; n++) {
		struct save *save = save_begin(f->ctx, box);
		struct save_options options = {.flags = 0};
		uint32_t validity;
		struct range_set set;

		for (unsigned i = 0; i < 50; i++) {
			assert_ok(save_mail_begin(save, &options, &err));
			assert_ok(save_mail_write(save, "a: b\n\n", 6, &err));
			assert_ok(save_mail_finish(save, &err));
		}
		assert_ok(save_commit(&save, &validity, &set, &err));
	}
	mailbox_close(&box);
	assert_int_equal(user_autoexpunge(f->user), 1048);
	assert_string_equal(uids(f, "Few"), "1049:1050");
}

static void test_expunged_mails_move(void **state)
{
	struct fixture *f = *state;
	struct mailbox *box;

	fill(f, "INBOX", 3);
	fill(f, "a", 2);
	expunge(f, "INBOX", 2);
	expunge(f, "a", 1);
	assert_string_equal(uids(f, "INBOX"), "1,3");
	assert_string_equal(uids(f, "a"), "2");
	assert_string_equal(uids(f, "Expunged"), "1:2");
	box = open_box(f, "Expunged", 0);
	assert_int_equal(flags_of(f, box, 1) & (MAIL_DELETED | MAIL_FLAGGED),
			 MAIL_FLAGGED);
	mailbox_close(&box);
	/* There they go. */
	expunge(f, "Expunged", 1);
	assert_string_equal(uids(f, "Expunged"), "2");
}

static void move_first(struct fixture *f, const char *from, const char *to)
{
	struct mailbox *box = open_box(f, from, 0);
	struct range_set first = one(f, 1, 1);
	struct copy_result result;
	struct err err;

	assert_ok(mailbox_copy(f->ctx, box, &first, to, true, &result, &err));
	assert_int_equal(range_set_size(&result.to_uids), 1);
	mailbox_close(&box);
}

/* Dovecot 2.3 does the same. */
static void test_moved_mails_leave_a_copy(void **state)
{
	struct fixture *f = *state;

	fill(f, "INBOX", 3);
	fill(f, "a", 0);
	move_first(f, "INBOX", "a");
	assert_string_equal(uids(f, "INBOX"), "2:3");
	assert_string_equal(uids(f, "a"), "1");
	assert_string_equal(uids(f, "Expunged"), "1");
	/* That is where it goes; and back it is just moved. */
	move_first(f, "INBOX", "Expunged");
	assert_string_equal(uids(f, "Expunged"), "1:2");
	move_first(f, "Expunged", "a");
	assert_string_equal(uids(f, "Expunged"), "2");
	assert_string_equal(uids(f, "a"), "1:2");
}

static void test_some_mailboxes_are_left_out(void **state)
{
	struct fixture *f = *state;

	fill(f, "Spam.2020", 1);
	fill(f, "Entwurf", 1);
	expunge(f, "Spam.2020", 1);
	expunge(f, "Entwurf", 1);
	assert_string_equal(uids(f, "Spam.2020"), "");
	assert_string_equal(uids(f, "Entwurf"), "");
	assert_string_equal(uids(f, "Expunged"), "-");
}

static void test_mails_of_a_deleted_mailbox_move(void **state)
{
	struct fixture *f = *state;
	struct err err;

	fill(f, "a", 3);
	assert_ok(mailbox_delete(f->user, "a", &err));
	assert_string_equal(uids(f, "a"), "-");
	assert_string_equal(uids(f, "Expunged"), "1:3");
	assert_ok(mailbox_delete(f->user, "Expunged", &err));
	assert_string_equal(uids(f, "Expunged"), "-");
}

static void test_each_has_its_own_in_a_namespace(void **state)
{
	struct fixture *f = *state;
	struct copy_result result;
	struct range_set first = one(f, 1, 1);
	struct mailbox *box;
	struct err err;

	fill(f, "INBOX", 2);
	fill(f, "a", 0);
	box = open_box(f, "INBOX", 0);
	assert_ok(mailbox_copy(f->ctx, box, &first, "a", false, &result, &err));
	mailbox_close(&box);
	/* Of a mail and its copy only the last one. */
	expunge(f, "INBOX", 1);
	assert_string_equal(uids(f, "INBOX"), "2");
	assert_string_equal(uids(f, "EXP.INBOX"), "-");
	expunge(f, "a", 1);
	assert_string_equal(uids(f, "EXP.a"), "1");
	expunge(f, "INBOX", 1);
	assert_string_equal(uids(f, "INBOX"), "");
	assert_string_equal(uids(f, "EXP.INBOX"), "1");
}

#define TEST(name, setup)                                                      \
	cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_too_many_and_too_old_mails_go, setup_times),
		TEST(test_wildcards_are_for_what_there_is, setup_times),
		TEST(test_a_mailbox_in_the_trash_counts_from_then, setup_times),
		TEST(test_many_go_in_pieces, setup_times),
		TEST(test_expunged_mails_move, setup_lazy),
		TEST(test_moved_mails_leave_a_copy, setup_lazy),
		TEST(test_some_mailboxes_are_left_out, setup_lazy),
		TEST(test_mails_of_a_deleted_mailbox_move, setup_lazy),
		TEST(test_each_has_its_own_in_a_namespace, setup_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
