/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "fixture.h"

static unsigned links_left = UINT32_MAX; /* that succeed */

/* Instead of libc's. */
int linkat(int from_dir, const char *from, int to_dir, const char *to,
	   int flags)
{
	if (strstr(to, ".lock") == NULL && links_left-- == 0) {
		errno = EMLINK;
		return -1;
	}
	return (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
}

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

static void test_copies_text_where_a_link_is_refused(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	CLEANUP(mailbox_close) struct mailbox *to = NULL;
	struct range_set all = one(f, 1, 3);
	struct copy_result result;
	struct err err;

	make(f, "to");
	for (unsigned i = 0; i < 3; i++)
		save_mail(box, "x");
	sync_box(f, box, 0);
	links_left = 1;
	assert_ok(mailbox_copy(f->ctx, box, &all, "to", false, &result, &err));
	assert_string_equal(set_text(f, &result.to_uids), "1:3");
	links_left = UINT32_MAX;
	to = open_box(f, "to", 0);
	sync_box(f, to, SYNC_FULL);
	assert_int_equal(mailbox_messages(to), 3);
}

/* A file that nobody has looked at: its name tells the sizes. */
static char *put_file(struct fixture *f, const char *name)
{
	static const char text[] = "A: b\n\nc\n";
	char *path = mem_printf(f->ctx, "%s/Maildir/cur/%s", f->dir, name);
	FILE *fp = fopen(path, "we");

	assert_non_null(fp);
	fputs(text, fp);
	fclose(fp);
	return path;
}

static void test_copy_finds_what_others_renamed(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	CLEANUP(mailbox_close) struct mailbox *to = NULL;
	char *path = put_file(f, "1.a,S=8,W=11:2,S");
	struct range_set all = one(f, 1, 1);
	struct copy_result result;
	struct err err;

	make(f, "to");
	sync_box(f, box, 0);
	assert_return_code(rename(path, mem_printf(f->ctx, "%sT", path)),
			   errno);
	assert_ok(mailbox_copy(f->ctx, box, &all, "to", false, &result, &err));
	to = open_box(f, "to", 0);
	assert_int_equal(mailbox_messages(to), 1);
	assert_return_code(unlink(mem_printf(f->ctx, "%sT", path)), errno);
	assert_int_equal(
		mailbox_copy(f->ctx, box, &all, "to", false, &result, &err),
		-1);
	assert_int_equal(err.code, ERR_EXPUNGED);
	sync_box(f, to, 0);
	assert_int_equal(mailbox_messages(to), 1);
}

static void times_of(struct fixture *f, struct mailbox *box, int64_t *received,
		     int64_t *saved)
{
	struct range_set all = one(f, 1, 1);
	struct mail_reader *reader = mail_reader_begin(f->ctx, box, &all);
	const struct mail *mail;
	struct err err;

	assert_int_equal(mail_reader_next(reader, &mail, &err), 1);
	assert_ok(mail_times(mail, received, saved, &err));
	mail_reader_end(&reader);
}

static void test_copy_of_a_mail_known_by_name_has_its_time(void **state)
{
	const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	CLEANUP(mailbox_close) struct mailbox *to = NULL;
	char *path = put_file(f, "1.a,S=8,W=11:2,S");
	struct range_set all = one(f, 1, 1);
	int64_t received, saved, before = time(NULL);
	struct copy_result result;
	struct err err;

	make(f, "to");
	assert_return_code(utimensat(AT_FDCWD, path, times, 0), errno);
	sync_box(f, box, 0);
	assert_ok(mailbox_copy(f->ctx, box, &all, "to", false, &result, &err));
	to = open_box(f, "to", 0);
	times_of(f, to, &received, &saved);
	assert_int_equal(received, 1000);
	assert_true(saved >= before);
	times_of(f, box, &received, &saved);
	assert_int_equal(received, 1000);
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
		TEST(test_copies_text_where_a_link_is_refused),
		TEST(test_copy_finds_what_others_renamed),
		TEST(test_copy_of_a_mail_known_by_name_has_its_time),
		cmocka_unit_test_setup_teardown(test_move_between_two_locations,
						setup_two_places,
						fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
