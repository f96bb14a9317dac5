/* SPDX-License-Identifier: MIT */
/*
 * The index is a copy: what is lost with it comes back from the disk.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "fixture.h"

static const char *const keywords[] = {"$Work", NULL};

static void fill(struct fixture *f, struct mailbox_status *status)
{
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	struct err err;

	save_mail(box, "one");
	save_text(box, "A: b\r\n\r\ntwo\r\n", MAIL_FLAGGED, keywords);
	save_mail(box, "three");
	sync_box(f, box, 0);
	store_flags(box, one(f, 1, 1), STORE_ADD, MAIL_DELETED);
	assert_ok(mailbox_expunge(box, NULL, &err));
	sync_box(f, box, 0);
	assert_ok(mailbox_get_status(box, status, &err));
}

static void check(struct fixture *f, const struct mailbox_status *before)
{
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	struct mailbox_status now;
	const char *const *names;
	unsigned count;
	struct err err;

	assert_ok(mailbox_get_status(box, &now, &err));
	assert_int_equal(now.messages, 2);
	assert_int_equal(now.uid_validity, before->uid_validity);
	assert_int_equal(now.uid_next, before->uid_next);
	assert_memory_equal(now.guid, before->guid, sizeof(now.guid));
	assert_true(now.highest_modseq >= before->highest_modseq);
	assert_int_equal(mailbox_uid_of(box, 1), 2);
	assert_int_equal(mailbox_uid_of(box, 2), 3);
	assert_int_equal(flags_of(f, box, 1) & MAIL_FLAGGED, MAIL_FLAGGED);
	names = mailbox_keywords(box, &count);
	assert_int_equal(count, 1);
	assert_string_equal(names[0], "$Work");
}

static char *index_dir(struct fixture *f)
{
	return mem_printf(f->ctx, "%s/Maildir/dovetail.index", f->dir);
}

static void test_removed_index_comes_back(void **state)
{
	struct fixture *f = *state;
	struct mailbox_status before;
	struct err err;

	fill(f, &before);
	mem_free(f->user);
	assert_ok(dir_remove(index_dir(f), &err));
	f->user = fixture_user(f);
	check(f, &before);
}

static void overwrite(const char *path, off_t from, off_t to)
{
	static const char junk[512] = "no index at all";
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	for (off_t at = from; at < to; at += (off_t)sizeof(junk))
		assert_int_equal(pwrite(fd, junk, sizeof(junk), at),
				 sizeof(junk));
	close(fd);
}

static void test_overwritten_index_comes_back(void **state)
{
	struct fixture *f = *state;
	struct mailbox_status before;
	struct stat st;
	char *path;

	fill(f, &before);
	mem_free(f->user);
	path = mem_printf(f->ctx, "%s/data.mdb", index_dir(f));
	assert_int_equal(stat(path, &st), 0);
	overwrite(path, 0, st.st_size);
	f->user = fixture_user(f);
	check(f, &before);
}

/* Page by page, with the session open: no junk may crash it, and what it says
 * afterwards is right. */
static void test_any_damaged_page_is_survived(void **state)
{
	struct fixture *f = *state;
	struct mailbox_status before;
	struct stat st;
	char *path;

	fill(f, &before);
	path = mem_printf(f->ctx, "%s/data.mdb", index_dir(f));
	assert_int_equal(stat(path, &st), 0);
	for (off_t page = 0; page < st.st_size; page += 4096) {
		struct mailbox_status status;
		struct err err;

		overwrite(path, page, page + 4096);
		if (mailbox_status(f->user, "INBOX", &status, &err) < 0)
			assert_true(err.code == ERR_CORRUPT ||
				    err.code == ERR_TEMPORARY);
		mem_free(f->user);
		f->user = fixture_user(f);
		check(f, &before);
	}
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_removed_index_comes_back),
		TEST(test_overwritten_index_comes_back),
		TEST(test_any_damaged_page_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
