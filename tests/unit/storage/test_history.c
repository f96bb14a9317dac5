/* SPDX-License-Identifier: MIT */
/* What a client missed (RFC 7162), and that looking for it costs little. */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "fixture.h"

/* "seqs / vanished", with "all: " before it when the past was forgotten. */
static const char *history(struct fixture *f, struct mailbox *box,
			   uint64_t modseq)
{
	struct mailbox_history history;
	struct err err;

	assert_ok(mailbox_history(f->ctx, box, modseq, &history, &err));
	return mem_printf(f->ctx, "%s%s / %s", history.forgotten ? "all: " : "",
			  set_text(f, &history.seqs),
			  set_text(f, &history.vanished));
}

static void expunge(struct fixture *f, struct mailbox *box, uint32_t first,
		    uint32_t last)
{
	struct err err;

	store_flags(box, one(f, first, last), STORE_ADD, MAIL_DELETED);
	assert_ok(mailbox_expunge(box, NULL, &err));
	sync_box(f, box, 0);
}

static struct mailbox *open_with(struct fixture *f, unsigned mails)
{
	struct mailbox *box = open_box(f, "INBOX", 0);

	for (unsigned i = 0; i < mails; i++)
		save_mail(box, "x");
	sync_box(f, box, 0);
	return box;
}

static void test_what_changed_and_vanished(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_with(f, 6);
	uint64_t before = mailbox_modseq(box), then;

	assert_string_equal(history(f, box, before), " / ");
	store_flags(box, one(f, 5, 5), STORE_ADD, MAIL_SEEN);
	assert_string_equal(history(f, box, before), "5 / ");
	then = mailbox_modseq(box);
	expunge(f, box, 2, 3);
	assert_string_equal(history(f, box, before), "3 / 2:3");
	assert_string_equal(history(f, box, then), " / 2:3");
	save_mail(box, "y");
	sync_box(f, box, 0);
	assert_string_equal(history(f, box, then), "5 / 2:3");
}

/* The view is the present: more comes with the next sync. */
static void test_later_than_the_view_is_not_told(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_with(f, 4);
	struct user *user = fixture_user(f);
	struct mailbox *other;
	uint64_t before = mailbox_modseq(box);
	struct err err;

	assert_ok(mailbox_open(user, "INBOX", 0, &other, &err));
	save_mail(other, "new");
	sync_box(f, other, 0);
	expunge(f, other, 5, 5);
	expunge(f, other, 1, 1);
	assert_string_equal(history(f, box, before), " / ");
	sync_box(f, box, 0);
	assert_string_equal(history(f, box, before), " / 1,5");
	mailbox_close(&other);
	mem_free(user);
}

static void test_what_is_forgotten_is_all(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_with(f, 5);
	uint64_t before;
	struct err err;

	expunge(f, box, 2, 3);
	before = mailbox_modseq(box);
	assert_string_equal(history(f, box, 0), "all: 1:3 / 2:3");
	/* of the future */
	assert_string_equal(history(f, box, before + 1), "all: 1:3 / 2:3");
	assert_string_equal(history(f, box, INT64_MAX), "all: 1:3 / 2:3");
	assert_string_equal(history(f, box, UINT64_MAX), "all: 1:3 / 2:3");
	mailbox_close(&box);
	/* The index is lost. */
	mem_free(f->user);
	assert_ok(dir_remove(
		mem_printf(f->ctx, "%s/Maildir/dovetail.index", f->dir), &err));
	f->user = fixture_user(f);
	box = open_box(f, "INBOX", 0);
	assert_true(mailbox_modseq(box) > before);
	assert_string_equal(history(f, box, before), "all: 1:3 / 2:3");
}

static void test_empty_mailbox(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_with(f, 0);

	assert_string_equal(history(f, box, 1), "all:  / ");
	assert_string_equal(history(f, box, mailbox_modseq(box)), " / ");
}

static int setup_memory(void **state)
{
	return fixture_open(state,
			    "mail_location = maildir:~/Maildir:INDEX=MEMORY\n");
}

static void test_index_in_memory_keeps_no_modseqs(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_with(f, 1);
	struct mailbox_status status;
	struct err err;

	assert_false(mailbox_keeps_modseqs(box));
	assert_ok(mailbox_get_status(box, &status, &err));
	assert_true(status.no_modseq);
	assert_ok(mailbox_status(f->user, "INBOX", &status, &err));
	assert_true(status.no_modseq);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_changed_and_vanished),
		TEST(test_later_than_the_view_is_not_told),
		TEST(test_what_is_forgotten_is_all),
		TEST(test_empty_mailbox),
		cmocka_unit_test_setup_teardown(
			test_index_in_memory_keeps_no_modseqs, setup_memory,
			fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
