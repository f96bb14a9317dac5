/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "fixture.h"

static const struct section whole = {.kind = SECTION_ALL};

static unsigned count_files(struct fixture *f, const char *below)
{
	char *path = mem_printf(f->ctx, "%s/Maildir/%s", f->dir, below);
	DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.' ? 1 : 0;
	closedir(dir);
	return count;
}

static void test_saved_mail_reads_back_byte_for_byte(void **state)
{
	static const char text[] = "Subject: x\r\n\r\nline\r\n\rcr\r\n.\r\n";
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	size_t len;
	char *got;

	assert_int_equal(save_text(box, text, 0, NULL), 1);
	assert_true(sync_box(f, box, 0).new_mails);
	assert_int_equal(mailbox_messages(box), 1);
	got = read_section(f, box, 1, &whole, 0, UINT64_MAX, &len);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(got, text, len);
}

static void test_any_cut_of_the_text_saves_the_same(void **state)
{
	static const char text[] = "A: b\r\n\r\n\r\r\nx\ry\n\r\nz\r";
	/* A bare LF is a line end too, and is sent as CRLF. Files have LF, so
	 * a CR before a CRLF gets lost. */
	static const char sent[] = "A: b\r\n\r\n\r\nx\ry\r\n\r\nz\r";
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	struct save *save = save_begin(f->ctx, box);
	struct save_options options = {0};
	struct range_set uids;
	uint32_t uid_validity;
	struct err err;

	for (size_t cut = 0; cut < sizeof(text); cut++) {
		assert_ok(save_mail_begin(save, &options, &err));
		assert_ok(save_mail_write(save, text, cut, &err));
		assert_ok(save_mail_write(save, text + cut,
					  sizeof(text) - 1 - cut, &err));
		assert_ok(save_mail_finish(save, &err));
	}
	assert_ok(save_commit(&save, &uid_validity, &uids, &err));
	assert_int_equal(range_set_size(&uids), sizeof(text));
	sync_box(f, box, 0);
	for (uint32_t seq = 1; seq <= sizeof(text); seq++) {
		size_t len;
		char *got =
			read_section(f, box, seq, &whole, 0, UINT64_MAX, &len);

		assert_int_equal(len, sizeof(sent) - 1);
		assert_memory_equal(got, sent, len);
	}
}

static void test_thousand_mails_get_uids_in_order(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);

	for (unsigned i = 1; i <= 1000; i++) {
		char *subject = mem_printf(f->ctx, "mail%u", i);

		assert_int_equal(save_mail(box, subject), i);
	}
	sync_box(f, box, 0);
	assert_int_equal(mailbox_messages(box), 1000);
	assert_int_equal(mailbox_uid_of(box, 1000), 1000);
	assert_int_equal(mailbox_seq_of(box, 500), 500);
	assert_int_equal(mailbox_seq_of(box, 1001), 0);
}

static void test_rolled_back_mails_leave_nothing(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	struct save *save = save_begin(f->ctx, box);
	struct save_options options = {0};
	struct err err;

	assert_ok(save_mail_begin(save, &options, &err));
	assert_ok(save_mail_write(save, "A: b\n\nc\n", 8, &err));
	assert_ok(save_mail_finish(save, &err));
	assert_ok(save_mail_begin(save, &options, &err));
	assert_ok(save_mail_write(save, "A: b\n", 5, &err));
	save_rollback(&save);
	assert_null(save);
	assert_false(sync_box(f, box, SYNC_FULL).new_mails);
	assert_int_equal(count_files(f, "tmp"), 0);
	assert_int_equal(count_files(f, "new"), 0);
	assert_int_equal(count_files(f, "cur"), 0);
}

static void test_cancelled_mail_leaves_the_others(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	struct save *save = save_begin(f->ctx, box);
	struct save_options options = {0};
	struct range_set uids;
	struct err err;

	assert_ok(save_mail_begin(save, &options, &err));
	assert_ok(save_mail_write(save, "A: b\n\nc\n", 8, &err));
	assert_ok(save_mail_finish(save, &err));
	assert_ok(save_mail_begin(save, &options, &err));
	assert_ok(save_mail_write(save, "A: b\n", 5, &err));
	save_mail_cancel(save);
	assert_ok(save_commit(&save, NULL, &uids, &err));
	assert_string_equal(set_text(f, &uids), "1");
	assert_int_equal(count_files(f, "tmp"), 0);
}

static void test_flags_keywords_and_date_are_kept(void **state)
{
	static const char *const keywords[] = {"$Forwarded", "work", NULL};
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	struct save *save = save_begin(f->ctx, box);
	struct save_options options = {
		.flags = MAIL_SEEN | MAIL_FLAGGED,
		.keywords = keywords,
		.received = 1000000000,
		.dated = true,
	};
	struct range_set all = one(f, 1, 1);
	struct mail_reader *reader;
	const struct mail *mail;
	int64_t received, saved;
	const char *const *names;
	unsigned count;
	struct err err;

	assert_ok(save_mail_begin(save, &options, &err));
	assert_ok(save_mail_write(save, "A: b\n\nc\n", 8, &err));
	assert_ok(save_mail_finish(save, &err));
	assert_ok(save_commit(&save, NULL, NULL, &err));
	assert_true(sync_box(f, box, 0).new_keywords);
	reader = mail_reader_begin(f->ctx, box, &all);
	assert_int_equal(mail_reader_next(reader, &mail, &err), 1);
	assert_int_equal(mail->flags, MAIL_SEEN | MAIL_FLAGGED | MAIL_RECENT);
	assert_ok(mail_times(mail, &received, &saved, &err));
	assert_int_equal(received, 1000000000);
	names = mailbox_keywords(box, &count);
	assert_int_equal(count, 2);
	assert_string_equal(names[0], "$Forwarded");
	assert_string_equal(names[1], "work");
	assert_int_equal(mail->keywords.bits[0], 3);
	mail_reader_end(&reader);
}

static void test_old_mail_keeps_its_time(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	struct save *save = save_begin(f->ctx, box);
	struct save_options options = {.dated = true};
	struct range_set all = one(f, 1, 2);
	struct mail_reader *reader;
	const struct mail *mail;
	int64_t received, saved;
	struct err err;

	for (; options.received > -7200; options.received -= 3600) {
		assert_ok(save_mail_begin(save, &options, &err));
		assert_ok(save_mail_write(save, "A: b\n\nc\n", 8, &err));
		assert_ok(save_mail_finish(save, &err));
	}
	assert_ok(save_commit(&save, NULL, NULL, &err));
	sync_box(f, box, 0);
	reader = mail_reader_begin(f->ctx, box, &all);
	for (int64_t time = 0; time > -7200; time -= 3600) {
		assert_int_equal(mail_reader_next(reader, &mail, &err), 1);
		assert_ok(mail_times(mail, &received, &saved, &err));
		assert_int_equal(received, time);
	}
	mail_reader_end(&reader);
}

static void test_read_only_mailbox_takes_no_mail(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close)
	struct mailbox *box = open_box(f, "INBOX", MAILBOX_READONLY);
	struct save *save = save_begin(f->ctx, box);
	struct save_options options = {0};
	struct err err;

	assert_int_equal(save_mail_begin(save, &options, &err), -1);
	assert_int_equal(err.code, ERR_DENIED);
	save_rollback(&save);
}

static int setup_crlf(void **state)
{
	return fixture_open(state, "mail_save_crlf = yes");
}

static void test_mail_save_crlf_writes_crlf(void **state)
{
	static const char text[] = "A: b\n\r\nx\r\n";
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	struct range_set all = one(f, 1, 1);
	struct mail_reader *reader;
	const struct mail *mail;
	struct str header;
	struct err err;

	save_text(box, text, 0, NULL);
	sync_box(f, box, 0);
	reader = mail_reader_begin(f->ctx, box, &all);
	assert_int_equal(mail_reader_next(reader, &mail, &err), 1);
	assert_ok(mail_header(mail, &header, &err));
	assert_int_equal(header.len, 8);
	assert_memory_equal(header.data, "A: b\r\n\r\n", 8);
	mail_reader_end(&reader);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_saved_mail_reads_back_byte_for_byte),
		TEST(test_any_cut_of_the_text_saves_the_same),
		TEST(test_thousand_mails_get_uids_in_order),
		TEST(test_rolled_back_mails_leave_nothing),
		TEST(test_cancelled_mail_leaves_the_others),
		TEST(test_flags_keywords_and_date_are_kept),
		TEST(test_old_mail_keeps_its_time),
		TEST(test_read_only_mailbox_takes_no_mail),
		cmocka_unit_test_setup_teardown(test_mail_save_crlf_writes_crlf,
						setup_crlf, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
