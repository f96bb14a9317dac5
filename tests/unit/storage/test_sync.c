/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "fixture.h"

/* Two sessions of one user, each with its own view of INBOX. */
struct pair {
	struct fixture *f;
	struct user *other;
	struct mailbox *a, *b;
};

static struct pair open_pair(struct fixture *f, unsigned mails)
{
	struct pair pair = {.f = f, .other = fixture_user(f)};
	struct err err;

	pair.a = open_box(f, "INBOX", 0);
	for (unsigned i = 0; i < mails; i++)
		save_mail(pair.a, "x");
	sync_box(f, pair.a, 0);
	assert_ok(mailbox_open(pair.other, "INBOX", 0, &pair.b, &err));
	return pair;
}

static void close_pair(struct pair *pair)
{
	mailbox_close(&pair->a);
	mailbox_close(&pair->b);
	mem_free(pair->other);
}

static void test_other_session_sees_new_mail(void **state)
{
	CLEANUP(close_pair) struct pair p = open_pair(*state, 2);
	struct mailbox_changes changes;

	assert_int_equal(mailbox_messages(p.b), 2);
	save_mail(p.a, "y");
	changes = sync_box(p.f, p.b, 0);
	assert_true(changes.new_mails);
	assert_int_equal(changes.messages, 3);
	assert_int_equal(mailbox_uid_of(p.b, 3), 3);
	assert_false(sync_box(p.f, p.b, 0).new_mails);
}

static void test_flags_are_told_to_others_only(void **state)
{
	CLEANUP(close_pair) struct pair p = open_pair(*state, 3);
	struct mailbox_changes changes;

	store_flags(p.a, one(p.f, 2, 2), STORE_ADD, MAIL_FLAGGED);
	changes = sync_box(p.f, p.a, 0);
	assert_int_equal(changes.changed.count, 0);
	changes = sync_box(p.f, p.b, 0);
	assert_string_equal(set_text(p.f, &changes.changed), "2");
	assert_true((flags_of(p.f, p.b, 2) & MAIL_FLAGGED) != 0);
}

static void test_own_change_after_a_foreign_one_is_not_told(void **state)
{
	CLEANUP(close_pair) struct pair p = open_pair(*state, 3);
	struct mailbox_changes changes;

	store_flags(p.b, one(p.f, 1, 1), STORE_ADD, MAIL_SEEN);
	store_flags(p.a, one(p.f, 2, 2), STORE_ADD, MAIL_SEEN);
	changes = sync_box(p.f, p.a, 0);
	assert_string_equal(set_text(p.f, &changes.changed), "1");
}

static void expect_told_after_store(struct pair *p)
{
	struct mailbox_changes changes;

	store_flags(p->a, one(p->f, 2, 2), STORE_ADD, MAIL_SEEN);
	changes = sync_box(p->f, p->a, 0);
	assert_string_equal(set_text(p->f, &changes.changed), "2");
	assert_int_equal(flags_of(p->f, p->a, 2) & ~MAIL_RECENT,
			 MAIL_SEEN | MAIL_FLAGGED);
}

/* STORE +FLAGS.SILENT would otherwise hide it. */
static void test_foreign_change_of_the_same_mail_is_told(void **state)
{
	CLEANUP(close_pair) struct pair p = open_pair(*state, 3);

	store_flags(p.b, one(p.f, 2, 2), STORE_ADD, MAIL_FLAGGED);
	expect_told_after_store(&p);
}

/* The same by another program, of which only the driver learns, in STORE. */
static void test_foreign_rename_of_the_same_mail_is_told(void **state)
{
	CLEANUP(close_pair) struct pair p = open_pair(*state, 3);
	const char *dir = mem_printf(p.f->ctx, "%s/Maildir/cur", p.f->dir);
	struct dirent **files;
	int count = scandir(dir, &files, NULL, versionsort);
	char *from, *to;

	assert_int_equal(count, 5); /* with "." and ".." */
	from = mem_printf(p.f->ctx, "%s/%s", dir, files[3]->d_name);
	to = mem_printf(p.f->ctx, "%sF", from);
	assert_int_equal(rename(from, to), 0);
	expect_told_after_store(&p);
	for (int i = 0; i < count; i++)
		free(files[i]);
	free(files);
}

static void test_expunge_waits_while_numbers_must_stay(void **state)
{
	CLEANUP(close_pair) struct pair p = open_pair(*state, 4);
	struct mailbox_changes changes;
	uint64_t before;
	struct err err;

	store_flags(p.a, one(p.f, 2, 3), STORE_ADD, MAIL_DELETED);
	assert_ok(mailbox_expunge(p.a, NULL, &err));
	before = mailbox_modseq(p.b);
	changes = sync_box(p.f, p.b, SYNC_KEEP_EXPUNGED);
	assert_int_equal(changes.expunged.count, 0);
	assert_int_equal(changes.highest_modseq, before);
	store_flags(p.a, one(p.f, 1, 1), STORE_ADD, MAIL_SEEN);
	changes = sync_box(p.f, p.b, SYNC_KEEP_EXPUNGED);
	assert_int_equal(changes.highest_modseq, before);
	assert_int_equal(mailbox_uid_of(p.b, 4), 4);
	changes = sync_box(p.f, p.b, 0);
	assert_string_equal(set_text(p.f, &changes.expunged), "2:3");
	assert_string_equal(set_text(p.f, &changes.expunged_uids), "2:3");
	assert_int_equal(changes.messages, 2);
	assert_int_equal(changes.highest_modseq, mailbox_modseq(p.b));
	assert_true(changes.highest_modseq > before);
	assert_int_equal(mailbox_uid_of(p.b, 2), 4);
	changes = sync_box(p.f, p.a, 0);
	assert_string_equal(set_text(p.f, &changes.expunged), "2:3");
}

static void test_uid_expunge_leaves_other_deleted_mails(void **state)
{
	CLEANUP(close_pair) struct pair p = open_pair(*state, 3);
	struct range_set uids = one(p.f, 2, UINT32_MAX);
	struct mailbox_changes changes;
	struct err err;

	store_flags(p.a, one(p.f, 1, 2), STORE_ADD, MAIL_DELETED);
	assert_ok(mailbox_expunge(p.a, &uids, &err));
	changes = sync_box(p.f, p.a, 0);
	assert_string_equal(set_text(p.f, &changes.expunged), "2");
	assert_int_equal(mailbox_messages(p.a), 2);
}

/* In many pieces, and again out of what is in many pieces. */
static void test_scattered_expunges(void **state)
{
	CLEANUP(close_pair) struct pair p = open_pair(*state, 60);
	struct mailbox_changes changes;
	struct err err;

	for (uint32_t seq = 2; seq <= 60; seq += 3)
		store_flags(p.a, one(p.f, seq, seq), STORE_ADD, MAIL_DELETED);
	assert_ok(mailbox_expunge(p.a, NULL, &err));
	changes = sync_box(p.f, p.a, 0);
	assert_int_equal(range_set_size(&changes.expunged), 20);
	assert_int_equal(mailbox_messages(p.a), 40);
	assert_int_equal(mailbox_uid_of(p.a, 3), 4);
	for (uint32_t seq = 1; seq <= 40; seq += 4)
		store_flags(p.a, one(p.f, seq, seq + 1), STORE_ADD,
			    MAIL_DELETED);
	assert_ok(mailbox_expunge(p.a, NULL, &err));
	changes = sync_box(p.f, p.b, 0);
	assert_int_equal(range_set_size(&changes.expunged), 40);
	for (uint32_t seq = 1; seq <= 20; seq++) {
		uint32_t uid = 4 + (seq - 1) / 2 * 6 + (seq - 1) % 2 * 2;

		assert_int_equal(mailbox_uid_of(p.b, seq), uid);
		assert_int_equal(mailbox_seq_of(p.b, uid), seq);
	}
}

static void test_recent_goes_to_one_session(void **state)
{
	CLEANUP(close_pair) struct pair p = open_pair(*state, 3);

	assert_int_equal(sync_box(p.f, p.a, 0).recent, 3);
	assert_int_equal(sync_box(p.f, p.b, 0).recent, 0);
	save_mail(p.a, "y");
	assert_int_equal(sync_box(p.f, p.b, 0).recent, 1);
	assert_int_equal(sync_box(p.f, p.a, 0).recent, 3);
}

static void test_examine_leaves_recent_alone(void **state)
{
	struct fixture *f = *state;
	struct mailbox *box = open_box(f, "INBOX", MAILBOX_SAVE_ONLY);

	save_mail(box, "x");
	mailbox_close(&box);
	for (unsigned i = 0; i < 2; i++) {
		box = open_box(f, "INBOX", MAILBOX_READONLY);
		assert_int_equal(sync_box(f, box, 0).recent, 1);
		mailbox_close(&box);
	}
}

static void test_unchanged_since_leaves_newer_ones(void **state)
{
	CLEANUP(close_pair) struct pair p = open_pair(*state, 2);
	struct store store = {.mode = STORE_ADD, .flags = MAIL_SEEN};
	struct range_set all = one(p.f, 1, 2);
	struct store_result result;
	struct mailbox_status status;
	struct err err;

	assert_ok(mailbox_get_status(p.a, &status, &err));
	store.unchanged_since = status.highest_modseq;
	store_flags(p.b, one(p.f, 2, 2), STORE_ADD, MAIL_FLAGGED);
	assert_ok(mailbox_store(p.f->ctx, p.a, &all, &store, &result, &err));
	assert_string_equal(set_text(p.f, &result.changed), "1");
	assert_string_equal(set_text(p.f, &result.modified), "2");
	assert_int_equal(flags_of(p.f, p.a, 2) & MAIL_SEEN, 0);
}

static void test_store_tells_what_is_gone(void **state)
{
	CLEANUP(close_pair) struct pair p = open_pair(*state, 3);
	struct store store = {
		.mode = STORE_ADD,
		.flags = MAIL_SEEN,
		.unchanged_since = UINT64_MAX,
	};
	struct range_set all = one(p.f, 1, 3);
	struct store_result result;
	struct err err;

	store_flags(p.b, one(p.f, 2, 2), STORE_ADD, MAIL_DELETED);
	assert_ok(mailbox_expunge(p.b, NULL, &err));
	assert_ok(mailbox_store(p.f->ctx, p.a, &all, &store, &result, &err));
	assert_string_equal(set_text(p.f, &result.gone), "2");
}

static void test_bad_keywords_are_refused(void **state)
{
	static const char *const bad[] = {"a b", "(x", "", "\\Seen",
					  "\303\244"};
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	struct range_set all = one(f, 1, 1);
	struct err err;

	save_mail(box, "x");
	sync_box(f, box, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *const names[] = {bad[i], NULL};
		struct store store = {
			.keywords = names,
			.unchanged_since = UINT64_MAX,
		};

		assert_int_equal(
			mailbox_store(NULL, box, &all, &store, NULL, &err), -1);
		assert_int_equal(err.code, ERR_INVALID);
	}
}

static void test_keywords_have_a_limit(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	struct range_set all = one(f, 1, 1);
	const char *names[INDEX_KEYWORDS_MAX + 2] = {NULL};
	struct store store = {
		.keywords = names,
		.unchanged_since = UINT64_MAX,
	};
	struct err err;

	save_mail(box, "x");
	sync_box(f, box, 0);
	for (unsigned i = 0; i < INDEX_KEYWORDS_MAX; i++)
		names[i] = mem_printf(f->ctx, "k%u", i);
	assert_ok(mailbox_store(NULL, box, &all, &store, NULL, &err));
	assert_false(mailbox_new_keywords_ok(box));
	names[INDEX_KEYWORDS_MAX] = "more";
	assert_int_equal(mailbox_store(NULL, box, &all, &store, NULL, &err),
			 -1);
	assert_int_equal(err.code, ERR_LIMIT);
}

static void test_status_counts_without_opening(void **state)
{
	CLEANUP(close_pair) struct pair p = open_pair(*state, 3);
	struct mailbox_status status;
	struct err err;

	store_flags(p.a, one(p.f, 1, 1), STORE_ADD, MAIL_SEEN | MAIL_DELETED);
	assert_ok(mailbox_status(p.f->user, "INBOX", &status, &err));
	assert_int_equal(status.messages, 3);
	assert_int_equal(status.unseen, 2);
	assert_int_equal(status.deleted, 1);
	assert_int_equal(status.uid_next, 4);
	assert_ok(mailbox_get_status(p.a, &status, &err));
	assert_int_equal(status.first_unseen, 2);
	assert_int_equal(mailbox_status(p.f->user, "nothere", &status, &err),
			 -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static uint32_t first_unseen(struct mailbox *box)
{
	struct mailbox_status status;
	struct err err;

	assert_ok(mailbox_get_status(box, &status, &err));
	return status.first_unseen;
}

/* Behind so many seen ones that the place is remembered. */
static void test_first_unseen_follows_changes(void **state)
{
	CLEANUP(close_pair) struct pair p = open_pair(*state, 400);
	struct err err;

	assert_int_equal(first_unseen(p.a), 1);
	store_flags(p.a, one(p.f, 1, 390), STORE_ADD, MAIL_SEEN);
	for (unsigned round = 0; round < 3; round++)
		assert_int_equal(first_unseen(p.a), 391);
	store_flags(p.b, one(p.f, 7, 7), STORE_REMOVE, MAIL_SEEN);
	assert_int_equal(first_unseen(p.a), 7);
	store_flags(p.b, one(p.f, 7, 7), STORE_ADD, MAIL_SEEN | MAIL_DELETED);
	assert_ok(mailbox_expunge(p.b, NULL, &err));
	sync_box(p.f, p.a, 0);
	assert_int_equal(first_unseen(p.a), 390);
	store_flags(p.a, one(p.f, 390, 399), STORE_ADD, MAIL_SEEN);
	assert_int_equal(first_unseen(p.a), 0);
	save_mail(p.a, "y");
	sync_box(p.f, p.a, 0);
	assert_int_equal(first_unseen(p.a), 400);
}

static void test_deleted_mailbox_ends_its_sessions(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = NULL;
	struct mailbox_changes changes;
	struct err err;

	assert_ok(mailbox_create(f->user, "a", NULL, &err));
	box = open_box(f, "a", 0);
	assert_ok(mailbox_delete(f->user, "a", &err));
	assert_int_equal(mailbox_sync(f->ctx, box, 0, &changes, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_ok(mailbox_create(f->user, "a", NULL, &err));
	assert_int_equal(mailbox_sync(f->ctx, box, 0, &changes, &err), -1);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_other_session_sees_new_mail),
		TEST(test_flags_are_told_to_others_only),
		TEST(test_own_change_after_a_foreign_one_is_not_told),
		TEST(test_foreign_change_of_the_same_mail_is_told),
		TEST(test_foreign_rename_of_the_same_mail_is_told),
		TEST(test_expunge_waits_while_numbers_must_stay),
		TEST(test_uid_expunge_leaves_other_deleted_mails),
		TEST(test_scattered_expunges),
		TEST(test_recent_goes_to_one_session),
		TEST(test_examine_leaves_recent_alone),
		TEST(test_unchanged_since_leaves_newer_ones),
		TEST(test_store_tells_what_is_gone),
		TEST(test_bad_keywords_are_refused),
		TEST(test_keywords_have_a_limit),
		TEST(test_status_counts_without_opening),
		TEST(test_first_unseen_follows_changes),
		TEST(test_deleted_mailbox_ends_its_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
