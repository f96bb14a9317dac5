/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"

static void fill(struct fixture *f, const char *name, unsigned mails)
{
	struct mailbox *box;
	struct err err;

	if (strcmp(name, "INBOX") != 0)
		assert_ok(mailbox_create(f->user, name, NULL, &err));
	box = open_box(f, name, 0);
	for (unsigned i = 0; i < mails; i++)
		save_mail(box, "x");
	mailbox_close(&box);
}

static void drop(struct fixture *f, const char *dir, const char *file)
{
	char *path = mem_printf(f->ctx, "%s/%s/new/%s", f->dir, dir, file);
	FILE *out = fopen(path, "we");

	assert_non_null(out);
	fputs("Subject: dropped\n\n", out);
	fclose(out);
}

static uint32_t messages(struct mailbox_statuses *statuses, const char *name)
{
	struct mailbox_status status;
	struct err err;

	assert_ok(mailbox_statuses_get(statuses, name, &status, &err));
	return status.messages;
}

static void test_all_are_what_each_is(void **state)
{
	static const char *const names[] = {"INBOX", "a", "a.b", "empty"};
	struct fixture *f = *state;
	struct mailbox_statuses *statuses;
	struct mailbox_status all, one;
	struct err err;

	for (unsigned i = 0; i < 3; i++)
		fill(f, names[i], i + 1);
	fill(f, "empty", 0);
	/* The second time from the index. */
	for (unsigned round = 0; round < 2; round++) {
		statuses = mailbox_statuses_begin(f->ctx, f->user);
		for (unsigned i = 0; i < 4; i++) {
			assert_ok(mailbox_statuses_get(statuses, names[i], &all,
						       &err));
			assert_ok(
				mailbox_status(f->user, names[i], &one, &err));
			assert_memory_equal(&all, &one, sizeof(all));
		}
		mailbox_statuses_end(&statuses);
		assert_null(statuses);
	}
}

static void test_changes_by_others_are_seen_in_between(void **state)
{
	struct fixture *f = *state;
	struct mailbox_statuses *statuses =
		mailbox_statuses_begin(f->ctx, f->user);

	fill(f, "INBOX", 2);
	fill(f, "a", 1);
	assert_int_equal(messages(statuses, "a"), 1);
	assert_int_equal(messages(statuses, "INBOX"), 2);
	drop(f, "Maildir/.a", "1.x");
	assert_int_equal(messages(statuses, "a"), 2);
	drop(f, "Maildir", "1.y");
	assert_int_equal(messages(statuses, "INBOX"), 3);
	assert_int_equal(messages(statuses, "a"), 2);
	assert_return_code(
		unlink(mem_printf(f->ctx, "%s/Maildir/.a/new/1.x", f->dir)), 0);
	assert_int_equal(messages(statuses, "a"), 1);
	mailbox_statuses_end(&statuses);
}

static void test_what_is_gone_is_not_found(void **state)
{
	struct fixture *f = *state;
	struct mailbox_statuses *statuses =
		mailbox_statuses_begin(f->ctx, f->user);
	struct mailbox_status status;
	struct err err;

	fill(f, "a", 1);
	assert_int_equal(messages(statuses, "a"), 1);
	assert_ok(mailbox_delete(f->user, "a", &err));
	assert_int_equal(mailbox_statuses_get(statuses, "a", &status, &err),
			 -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(mailbox_statuses_get(statuses, "..", &status, &err),
			 -1);
	assert_int_equal(err.code, ERR_INVALID);
	mailbox_statuses_end(&statuses);
}

static int setup_elsewhere(void **state)
{
	return fixture_open(state, "mail_location = maildir:~/mail:INBOX=~/in:"
				   "LAYOUT=fs:CONTROL=~/control");
}

static void test_inbox_elsewhere(void **state)
{
	struct fixture *f = *state;
	struct mailbox_statuses *statuses =
		mailbox_statuses_begin(f->ctx, f->user);

	fill(f, "INBOX", 1);
	fill(f, "a", 2);
	fill(f, "a/b", 3);
	assert_int_equal(messages(statuses, "INBOX"), 1);
	assert_int_equal(messages(statuses, "a/b"), 3);
	drop(f, "in", "1.x");
	drop(f, "mail/a/b", "1.x");
	assert_int_equal(messages(statuses, "INBOX"), 2);
	assert_int_equal(messages(statuses, "a/b"), 4);
	assert_int_equal(messages(statuses, "a"), 2);
	mailbox_statuses_end(&statuses);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_are_what_each_is),
		TEST(test_changes_by_others_are_seen_in_between),
		TEST(test_what_is_gone_is_not_found),
		cmocka_unit_test_setup_teardown(test_inbox_elsewhere,
						setup_elsewhere,
						fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
