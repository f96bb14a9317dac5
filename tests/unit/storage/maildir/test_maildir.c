/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "fixture.h"

static void test_files_of_others_get_uids_in_order_of_time(void **state)
{
	struct fixture *f = *state;

	fixture_file(f, "new/1600000002.b", "b");
	fixture_file(f, "cur/1600000001.a:2,S", "a");
	fixture_file(f, "cur/1600000003.c:2,RF", "c");
	fixture_sync(f);
	assert_string_equal(fixture_mails(f), "1:S 2: 3:FR");
	assert_non_null(strstr(fixture_text(f, "dovecot-uidlist"),
			       "\n1 :1600000001.a\n2 :1600000002.b\n"
			       "3 :1600000003.c\n"));
}

static void test_uids_survive_the_loss_of_the_index(void **state)
{
	struct fixture *f = *state;
	struct index_box before, after;

	fixture_save(f, "one", MAIL_SEEN, 0);
	fixture_save(f, "two", 0, 0);
	fixture_save(f, "three", MAIL_FLAGGED, 0);
	fixture_expunge(f, 2);
	before = fixture_row(f);
	fixture_drop_index(f);
	fixture_sync(f);
	after = fixture_row(f);
	assert_string_equal(fixture_mails(f), "1:S 3:F");
	assert_int_equal(before.uid_validity, after.uid_validity);
	assert_int_equal(before.uid_next, after.uid_next);
	assert_memory_equal(before.guid, after.guid, 16);
	assert_true(after.highest_modseq > before.highest_modseq);
	assert_int_equal(after.counts.size, before.counts.size);
}

static void test_uids_survive_the_loss_of_the_uidlist(void **state)
{
	struct fixture *f = *state;
	struct index_box before, after;

	fixture_sync(f);
	fixture_save(f, "one", 0, 0);
	fixture_save(f, "two", 0, 0);
	fixture_expunge(f, 1);
	before = fixture_row(f);
	unlink(mem_printf(f->box, "%s/dovecot-uidlist", f->root));
	fixture_save(f, "three", 0, 0);
	after = fixture_row(f);
	assert_string_equal(fixture_mails(f), "2: 3:");
	assert_int_equal(before.uid_validity, after.uid_validity);
	fixture_drop_index(f);
	fixture_sync(f);
	assert_string_equal(fixture_mails(f), "2: 3:");
}

static void test_new_uidvalidity_makes_all_new(void **state)
{
	struct fixture *f = *state;
	uint32_t id;

	fixture_sync(f);
	fixture_save(f, "one", 0, 0);
	id = f->box->id;
	fixture_file(f, "dovecot-uidlist",
		     "3 V77 N9 G0123456789abcdef"
		     "0123456789abcdef\n");
	fixture_file(f, "new/1600000009.x", "x");
	fixture_sync(f);
	assert_int_not_equal(f->box->id, id);
	assert_int_equal(fixture_row(f).uid_validity, 77);
	assert_string_equal(fixture_mails(f), "9: 10:");
}

static void test_version_1_uidlist_is_read(void **state)
{
	struct fixture *f = *state;

	fixture_file(f, "dovecot-uidlist",
		     "1 1234 8\n3 1600000001.a:2,\n7 1600000002.b:2,S\n");
	fixture_file(f, "cur/1600000001.a:2,", "a");
	fixture_file(f, "cur/1600000002.b:2,S", "b");
	fixture_sync(f);
	assert_string_equal(fixture_mails(f), "3: 7:S");
	assert_int_equal(fixture_row(f).uid_validity, 1234);
	assert_int_equal(fixture_row(f).uid_next, 8);
}

static void test_a_uidlist_with_crlf_is_read(void **state)
{
	struct fixture *f = *state;

	fixture_file(f, "dovecot-uidlist",
		     "3 V1234 N8\r\n3 :1600000001.a\r\n7 S1 :1600000002.b\r\n");
	fixture_file(f, "cur/1600000001.a:2,", "a");
	fixture_file(f, "cur/1600000002.b:2,S", "b");
	fixture_file(f, "cur/1600000003.c\r:2,S", "c");
	fixture_sync(f);
	assert_string_equal(fixture_mails(f), "3: 7:S");
	assert_int_equal(fixture_row(f).uid_validity, 1234);
}

static void test_hostile_uidlist_gives_new_uids(void **state)
{
	struct fixture *f = *state;

	fixture_file(f, "dovecot-uidlist",
		     "3 V5 N3\n9 :1600000001.a\n4 :1600000002.b\nx y\n"
		     "4294967295 :1600000003.c\n\n10\n11 :\n12 :z/../y\n");
	fixture_file(f, "cur/1600000001.a", "a");
	fixture_file(f, "cur/1600000002.b", "b");
	fixture_file(f, "cur/1600000003.c", "c");
	fixture_sync(f);
	assert_string_equal(fixture_mails(f), "9: 13: 14:");
	fixture_drop_index(f);
	fixture_file(f, "dovecot-uidlist", "nonsense");
	fixture_sync(f);
	assert_string_equal(fixture_mails(f), "1: 2: 3:");
}

static void test_endless_fields_in_the_uidlist_do_no_harm(void **state)
{
	struct fixture *f = *state;
	char *fields = mem_array(f, char, 5001);

	memset(fields, 'x', 5000);
	fixture_file(
		f, "dovecot-uidlist",
		mem_printf(f, "3 V5 N9\n7 X%s :1600000001.a\n8 :1600000002.b\n",
			   fields));
	fixture_file(f, "cur/1600000001.a", "a");
	fixture_file(f, "cur/1600000002.b", "b");
	fixture_sync(f);
	assert_string_equal(fixture_mails(f), "7: 8:");
}

static void test_flags_by_others_are_seen(void **state)
{
	struct fixture *f = *state;
	uint64_t modseq;

	fixture_file(f, "cur/1600000001.a:2,", "a");
	fixture_file(f, "cur/1600000002.b:2,", "b");
	fixture_sync(f);
	modseq = fixture_row(f).highest_modseq;
	fixture_move(f, "cur/1600000001.a:2,", "cur/1600000001.a:2,FS");
	fixture_sync(f);
	assert_string_equal(fixture_mails(f), "1:FS 2:");
	assert_int_equal(fixture_row(f).highest_modseq, modseq + 1);
}

static void test_mails_removed_by_others_are_expunged(void **state)
{
	struct fixture *f = *state;

	fixture_file(f, "cur/1600000001.a:2,", "a");
	fixture_file(f, "new/1600000002.b", "b");
	fixture_file(f, "cur/1600000003.c:2,", "c");
	fixture_sync(f);
	unlink(mem_printf(f->box, "%s/cur/1600000001.a:2,", f->root));
	unlink(mem_printf(f->box, "%s/new/1600000002.b", f->root));
	fixture_sync(f);
	assert_string_equal(fixture_mails(f), "3:");
	assert_int_equal(fixture_row(f).uid_next, 4);
}

static void test_move_to_cur_by_others_keeps_the_uid(void **state)
{
	struct fixture *f = *state;

	fixture_file(f, "new/1600000001.a", "a");
	fixture_sync(f);
	fixture_move(f, "new/1600000001.a", "cur/1600000001.a:2,S");
	fixture_sync(f);
	assert_string_equal(fixture_mails(f), "1:S");
}

static void test_new_mails_stay_in_new_until_recent_is_taken(void **state)
{
	struct fixture *f = *state;

	fixture_file(f, "new/1600000001.a", "a");
	fixture_save(f, "two", 0, 0);
	fixture_sync(f);
	assert_int_equal(fixture_count(f, "new"), 2);
	f->box->take_recent = true;
	fixture_sync(f);
	assert_int_equal(fixture_count(f, "new"), 0);
	assert_int_equal(fixture_count(f, "cur"), 2);
	assert_true(fixture_has(f, "cur/1600000001.a:2,"));
	assert_string_equal(fixture_mails(f), "1: 2:");
}

static void test_saved_mails_lie_as_dovecot_lays_them(void **state)
{
	struct fixture *f = *state;
	struct index_record record;
	struct index_txn *txn;
	struct record_name name;
	struct stat st;
	struct err err;

	fixture_sync(f);
	fixture_save(f, "hello", MAIL_SEEN | MAIL_FLAGGED, 0);
	fixture_save(f, "hello", 0, 0);
	assert_int_equal(fixture_count(f, "new"), 1);
	assert_int_equal(fixture_count(f, "cur"), 1);
	assert_int_equal(fixture_count(f, "tmp"), 0);
	OK(index_begin(f->index, INDEX_READ, &txn, &err));
	OK(index_record_get(txn, f->box->id, 1, &record, &err));
	assert_true(record_name_get(record.driver, &name));
	assert_non_null(
		memmem(name.name.data, name.name.len, ",S=5,W=5:2,FS", 13));
	assert_int_equal(stat(mem_printf(f->box, "%s/cur/%.*s", f->root,
					 STR_FMT(name.name)),
			      &st),
			 0);
	assert_int_equal(st.st_mtime, 1600000000);
	index_rollback(&txn);
}

/* Own changes are remembered; a scan would bump nothing, so the proof is a file
 * made unreachable for the scan: its mtime is set back after a foreign
 * change.*/
static void test_foreign_change_beside_own_ones_is_seen(void **state)
{
	struct fixture *f = *state;

	fixture_sync(f);
	fixture_save(f, "one", 0, 0);
	fixture_file(f, "new/1600000001.a", "a");
	fixture_save(f, "two", 0, 0);
	fixture_sync(f);
	assert_string_equal(fixture_mails(f), "1: 2: 3:");
	fixture_file(f, "cur/1600000002.b:2,S", "b");
	fixture_flags(f, 1, MAIL_SEEN, 0);
	fixture_sync(f);
	assert_string_equal(fixture_mails(f), "1:S 2: 3: 4:S");
}

static void test_flags_merge_with_those_of_others(void **state)
{
	struct fixture *f = *state;

	fixture_file(f, "cur/1600000001.a:2,T", "a");
	fixture_sync(f);
	fixture_move(f, "cur/1600000001.a:2,T", "cur/1600000001.a:2,RT");
	/* Not synced: we add \Seen and take \Deleted from what we know. */
	fixture_flags(f, 1, MAIL_SEEN, 0);
	assert_true(fixture_has(f, "cur/1600000001.a:2,RS"));
	assert_string_equal(fixture_mails(f), "1:RS");
}

static void test_uids_of_another_server_are_followed(void **state)
{
	struct fixture *f = *state;
	char *list;

	fixture_sync(f);
	fixture_save(f, "one", 0, 0);
	/* Dovecot delivers, and gives out UID 2 to 4. */
	fixture_file(f, "new/1600000001.a", "a");
	fixture_file(f, "new/1600000002.b", "b");
	list = fixture_text(f, "dovecot-uidlist");
	fixture_file(f, "dovecot-uidlist",
		     mem_printf(f->box,
				"%s2 :1600000002.b\n3 :gone\n4 W7 "
				"Gabc :1600000001.a\n",
				list));
	fixture_save(f, "mine", MAIL_SEEN, 0);
	assert_string_equal(fixture_mails(f), "1: 2: 4: 5:S");
	fixture_sync(f);
	assert_string_equal(fixture_mails(f), "1: 2: 4: 5:S");
}

/* Dovecot writes the uidlist anew by a rename, and the inode of the old one is
 * the next new one's: a larger file with a known number, and not the same. */
static void test_rewritten_uidlist_with_an_old_inode_is_read(void **state)
{
	struct fixture *f = *state;
	char *list, *header;

	fixture_save(f, "one", 0, 0);
	fixture_save(f, "two", 0, 0);
	fixture_expunge(f, 1);
	list = fixture_text(f, "dovecot-uidlist");
	header = mem_strndup(f->box, list, (size_t)(strchr(list, '\n') - list));
	fixture_file(f, "new/1600000001.a", "a");
	fixture_file(f, "new/1600000002.b", "b");
	/* Written over it, so that the inode stays. */
	fixture_file(f, "dovecot-uidlist",
		     mem_printf(f->box,
				"%s\n%s3 Gabcdefghijklmnopqrstuvwxyz "
				":1600000002.b\n4 :1600000001.a\n",
				header, strstr(list, "2 :")));
	fixture_sync(f);
	assert_string_equal(fixture_mails(f), "2: 3: 4:");
	list = fixture_text(f, "dovecot-uidlist");
	assert_null(strstr(list, "\n3 :"));
}

static void test_extension_fields_are_kept(void **state)
{
	struct fixture *f = *state;
	struct index_record record;
	struct index_txn *txn;
	struct err err;

	fixture_file(f, "dovecot-uidlist",
		     "3 V5 N3\n1 Gdeadbeef P17 :1600000001.a\n");
	fixture_file(f, "cur/1600000001.a", "a");
	fixture_sync(f);
	OK(index_begin(f->index, INDEX_READ, &txn, &err));
	OK(index_record_get(txn, f->box->id, 1, &record, &err));
	assert_string_equal(maildir_driver.guid(f->box, &record), "deadbeef");
	index_rollback(&txn);
	fixture_flags(f, 1, MAIL_SEEN, 0);
	unlink(mem_printf(f->box, "%s/dovecot-uidlist", f->root));
	fixture_file(f, "cur/1600000002.b", "b");
	fixture_sync(f);
	assert_non_null(strstr(fixture_text(f, "dovecot-uidlist"),
			       "\n1 Gdeadbeef P17 :1600000001.a\n"));
}

static void test_keywords_go_through_their_file(void **state)
{
	struct fixture *f = *state;
	const char *names[] = {"$Forwarded", "Work"}, **got;
	struct index_txn *txn;
	unsigned count;
	struct err err;

	fixture_file(f, "dovecot-keywords",
		     "0 $Forwarded\n1 a) b\n2 Later\n99 x\nz\n");
	fixture_file(f, "cur/1600000001.a:2,ac", "a");
	fixture_sync(f);
	assert_string_equal(fixture_mails(f), "1:ac");
	OK(index_begin(f->index, INDEX_WRITE, &txn, &err));
	OK(index_keywords_get(txn, f->box, f->box->id, &got, &count, &err));
	assert_int_equal(count, 3);
	assert_string_equal(got[0], names[0]);
	assert_string_equal(got[1], "");
	assert_string_equal(got[2], "Later");
	got[1] = names[1];
	OK(index_keywords_put(txn, f->box->id, got, 3, &err));
	OK(index_commit(&txn, &err));
	fixture_flags(f, 1, 0, 2);
	assert_string_equal(fixture_text(f, "dovecot-keywords"),
			    "0 $Forwarded\n1 Work\n2 Later\n");
	assert_true(fixture_has(f, "cur/1600000001.a:2,b"));
}

static void test_stray_and_double_files_do_no_harm(void **state)
{
	struct fixture *f = *state;

	fixture_file(f, "cur/.hidden", "x");
	assert_int_equal(mkdir(mem_printf(f->box, "%s/cur/dir", f->root), 0700),
			 0);
	assert_int_equal(symlink("/etc/passwd",
				 mem_printf(f->box, "%s/cur/1.link", f->root)),
			 0);
	fixture_file(f, "cur/1600000001.a:2,", "a");
	fixture_file(f, "cur/1600000001.a:2,S", "other");
	fixture_file(f, "cur/1600000002.b:2,", "b");
	assert_int_equal(
		link(mem_printf(f->box, "%s/cur/1600000002.b:2,", f->root),
		     mem_printf(f->box, "%s/new/1600000002.b", f->root)),
		0);
	fixture_sync(f);
	fixture_sync(f);
	assert_int_equal(fixture_row(f).counts.messages, 3);
	assert_int_equal(fixture_count(f, "new") + fixture_count(f, "cur"), 5);
}

/* That of a mail that came now needs no setting, unless a second ends. */
static void test_a_file_has_the_time_of_its_mail(void **state)
{
	struct fixture *f = *state;
	const int ahead[] = {0, -1, 1, -1000000, 0};

	for (size_t i = 0; i < sizeof(ahead) / sizeof(ahead[0]); i++) {
		struct driver_save *save;
		struct stat st;
		struct err err;

		OK(maildir_driver.save_begin(f->box, f->box, &save, &err));
		save->received = time(NULL) + ahead[i];
		while (i == 4 && time(NULL) <= save->received)
			usleep(20000);
		OK(file_write_all(save->fd, "a", 1, save->temp, &err));
		OK(maildir_driver.save_complete(save, &err));
		assert_int_equal(stat(save->temp, &st), 0);
		assert_int_equal(st.st_mtim.tv_sec, save->received);
		maildir_driver.save_end(save);
	}
}

/* Sizes in a name are taken as they are until somebody looks at the file. */
static void test_wrong_size_in_the_name_goes_at_the_first_look(void **state)
{
	struct fixture *f = *state;
	struct index_record record;
	struct index_txn *txn;
	struct err err;

	fixture_file(f, "cur/1600000001.a,S=9,W=10:2,", "four");
	fixture_sync(f);
	OK(index_begin(f->index, INDEX_READ, &txn, &err));
	OK(index_record_get(txn, f->box->id, 1, &record, &err));
	assert_int_equal(record.size_virtual, 10);
	assert_true(record.received == INDEX_TIME_UNKNOWN);
	OK(maildir_driver.look(f->box, &record, &err));
	assert_int_equal(record.size_physical, 4);
	assert_true(record.size_virtual == UINT64_MAX);
	assert_true(record.received != INDEX_TIME_UNKNOWN);
	index_rollback(&txn);
}

static void test_sizes_of_the_uidlist_are_used(void **state)
{
	struct fixture *f = *state;

	fixture_file(f, "dovecot-uidlist",
		     "3 V5 N3\n1 S2 W4 :1600000001.a\n"
		     "2 S9 :1600000002.b\n");
	fixture_file(f, "cur/1600000001.a", "\n\n");
	fixture_file(f, "cur/1600000002.b", "\n\n");
	fixture_sync(f);
	assert_int_equal(fixture_row(f).counts.size, 4);
	assert_int_equal(fixture_row(f).counts.size_unknown, 1);
}

static void test_mail_is_found_after_a_rename(void **state)
{
	struct fixture *f = *state;
	struct driver_mail_file file;
	struct index_record record;
	struct index_txn *txn;
	struct err err;

	fixture_file(f, "cur/1600000001.a:2,", "text");
	fixture_sync(f);
	fixture_move(f, "cur/1600000001.a:2,", "cur/1600000001.a:2,S");
	OK(index_begin(f->index, INDEX_READ, &txn, &err));
	OK(index_record_get(txn, f->box->id, 1, &record, &err));
	OK(maildir_driver.open_mail(f->box, &record, &file, &err));
	assert_int_equal(file.len, 4);
	fd_close(&file.fd);
	unlink(mem_printf(f->box, "%s/cur/1600000001.a:2,S", f->root));
	assert_int_equal(maildir_driver.open_mail(f->box, &record, &file, &err),
			 -1);
	assert_int_equal(err.code, ERR_EXPUNGED);
	index_rollback(&txn);
}

static void test_failed_commit_takes_the_file_back(void **state)
{
	struct fixture *f = *state;
	struct index_txn *txn = NULL;
	struct driver_save *save;
	struct index_box row;
	struct str driver;
	struct err err;

	fixture_sync(f);
	OK(maildir_driver.save_begin(f->box, f->box, &save, &err));
	fd_close(&save->fd);
	OK(index_begin(f->index, INDEX_WRITE, &txn, &err));
	OK(index_box_get(txn, f->box->id, &row, &err));
	OK(maildir_driver.save_publish(f->box, txn, &row, &save, 1, &driver,
				       &err));
	index_rollback(&txn);
	save->failed = true;
	maildir_driver.save_end(save);
	assert_int_equal(fixture_count(f, "new"), 0);
	/* Its UID is gone for good: a client may have been told. */
	fixture_save(f, "next", 0, 0);
	assert_string_equal(fixture_mails(f), "2:");
}

static void test_crash_before_the_commit_keeps_file_and_uid(void **state)
{
	struct fixture *f = *state;
	pid_t child;
	int status;

	fixture_sync(f);
	fixture_save(f, "one", 0, 0);
	fflush(NULL);
	child = fork();
	if (child == 0) {
		struct driver_save *save;
		struct index_txn *txn;
		struct index_box row;
		struct str driver;
		struct err err;

		index_after_fork();
		if (index_open(mem_printf(f, "%s/dovetail.index", f->root),
			       0600, &f->index, &err) < 0 ||
		    maildir_driver.save_begin(f->box, f->box, &save, &err) < 0)
			_exit(1);
		f->box->index = f->index;
		if (index_begin(f->index, INDEX_WRITE, &txn, &err) < 0 ||
		    index_box_get(txn, f->box->id, &row, &err) < 0 ||
		    maildir_driver.save_publish(f->box, txn, &row, &save, 1,
						&driver, &err) < 0)
			_exit(1);
		_exit(0);
	}
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	fixture_sync(f);
	assert_string_equal(fixture_mails(f), "1: 2:");
	fixture_save(f, "three", 0, 0);
	assert_string_equal(fixture_mails(f), "1: 2: 3:");
}

/* A process was killed between making the lock and writing its pid. */
static void test_lock_that_was_never_written_is_broken(void **state)
{
	struct fixture *f = *state;
	uint64_t start = clock_monotonic_ms();

	fixture_sync(f);
	fixture_file(f, "dovecot-uidlist.lock", "");
	fixture_save(f, "one", 0, 0);
	assert_false(fixture_has(f, "dovecot-uidlist.lock"));
	assert_true(clock_monotonic_ms() - start < 30 * 1000);
}

static void test_lock_of_a_dead_process_is_broken(void **state)
{
	struct fixture *f = *state;
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	fixture_sync(f);
	fixture_file(f, "dovecot-uidlist.lock",
		     mem_printf(f->box, "%d:%s", (int)child, maildir_host()));
	fixture_save(f, "one", 0, 0);
	assert_false(fixture_has(f, "dovecot-uidlist.lock"));
}

static void test_fresh_files_stay_in_tmp(void **state)
{
	struct fixture *f = *state;
	struct timespec old[2] = {{.tv_sec = time(NULL) - 40 * 86400},
				  {.tv_sec = time(NULL) - 40 * 86400}};
	char *tmp = mem_printf(f->box, "%s/tmp", f->root);

	fixture_file(f, "tmp/fresh", "x");
	assert_int_equal(utimensat(AT_FDCWD, tmp, old, 0), 0);
	fixture_sync(f);
	/* Its ctime, which nobody can set, is of now. */
	assert_int_equal(fixture_count(f, "tmp"), 1);
}

static void test_uidlist_is_tidied_when_most_lines_are_dead(void **state)
{
	struct fixture *f = *state;
	char *list;
	unsigned lines = 0;

	fixture_sync(f);
	for (uint32_t uid = 1; uid <= 2100; uid++) {
		fixture_save(f, "x", 0, 0);
		fixture_expunge(f, uid);
	}
	list = fixture_text(f, "dovecot-uidlist");
	for (char *at = list; *at != '\0'; at++)
		lines += *at == '\n';
	assert_in_range(lines, 1, 1000);
	fixture_drop_index(f);
	fixture_save(f, "last", 0, 0);
	assert_string_equal(fixture_mails(f), "2101:");
}

static void test_links_copy_with_the_same_guid(void **state)
{
	struct fixture *f = *state;
	struct driver_save *save;
	struct index_record record;
	struct index_txn *txn;
	struct index_box row;
	struct str driver;
	char *guid;
	struct err err;

	fixture_sync(f);
	fixture_save(f, "one", 0, 0);
	OK(index_begin(f->index, INDEX_WRITE, &txn, &err));
	OK(index_box_get(txn, f->box->id, &row, &err));
	OK(index_record_get(txn, row.id, 1, &record, &err));
	guid = maildir_driver.guid(f, &record);
	OK(maildir_driver.save_link(f->box, f->box, f->box, &record, &save,
				    &err));
	save->flags = MAIL_SEEN;
	OK(maildir_driver.save_publish(f->box, txn, &row, &save, 1, &driver,
				       &err));
	record.driver = driver;
	record.uid = save->uid;
	OK(index_record_append(txn, &row, &record, &err));
	assert_string_equal(maildir_driver.guid(f->box, &record), guid);
	OK(maildir_driver.flush(txn, f->box, &row, false, &err));
	OK(index_commit(&txn, &err));
	maildir_driver.save_end(save);
	fixture_drop_index(f);
	fixture_sync(f);
	assert_int_equal(fixture_row(f).counts.messages, 2);
	OK(index_begin(f->index, INDEX_READ, &txn, &err));
	OK(index_record_get(txn, f->box->id, 2, &record, &err));
	assert_string_equal(maildir_driver.guid(f->box, &record), guid);
	index_rollback(&txn);
}

static void test_nobody_waits_to_read_a_new_mailbox(void **state)
{
	static const char *const subs[] = {"cur", "new"};
	struct fixture *f = *state;
	char path[128];
	struct stat st;
	struct err err;

	OK(maildir_create(&f->location, "box", &err));
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/.box/%s", f->root, subs[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_true(st.st_mtime < time(NULL));
	}
}

static void test_large_mailbox_is_indexed_in_pieces(void **state)
{
	enum { MAILS = 10500, LISTED = 10400 };
	struct fixture *f = *state;
	CLEANUP(file_close)
	FILE *list = fopen(mem_printf(f, "%s/dovecot-uidlist", f->root), "we");
	struct index_record record = {.uid = 0};
	struct index_txn *txn;
	struct index_box row;
	uint64_t generation;
	struct err err;

	assert_non_null(list);
	fprintf(list, "3 V5 N30000\n");
	for (int i = 1; i <= MAILS; i++) {
		TALLOC_CTX *ctx = mem_ctx(f->box, "path");
		char *path =
			mem_printf(ctx, "%s/cur/16000%05d.x:2,", f->root, i);
		int fd = open(path, O_WRONLY | O_CREAT, 0600);

		assert_true(fd >= 0);
		close(fd);
		mem_free(ctx);
		if (i <= LISTED)
			fprintf(list, "%d :16000%05d.x\n", i, i);
	}
	file_close(&list);
	fixture_sync(f);
	row = fixture_row(f);
	assert_int_equal(row.counts.messages, MAILS);
	assert_int_equal(row.uid_next, 30000 + MAILS - LISTED);
	OK(index_begin(f->index, INDEX_READ, &txn, &err));
	for (uint32_t uid = 1; uid <= LISTED; uid++) {
		assert_true(index_record_next(txn, row.id, uid, &record));
		assert_int_equal(record.uid, uid);
	}
	index_rollback(&txn);
	generation = index_generation(f->index);
	fixture_sync(f);
	assert_int_equal(index_generation(f->index), generation);
}

/* Damage: whatever becomes of the uidlist, all mails are there, each once, and
 * its file is its own. */
static void expect_all(struct fixture *f, unsigned mails)
{
	struct index_record record = {.uid = 0};
	struct index_txn *txn;
	struct index_box row = fixture_row(f);
	unsigned seen = 0;
	struct err err;

	assert_int_equal(row.counts.messages, mails);
	OK(index_begin(f->index, INDEX_READ, &txn, &err));
	while (index_record_next(txn, row.id, record.uid + 1, &record)) {
		int number = record.driver.data[strlen("c160000000")] - '0';

		assert_true(number >= 1 && number <= (int)mails);
		assert_int_equal(seen & (1U << number), 0);
		seen |= 1U << number;
	}
	index_rollback(&txn);
	assert_int_equal(seen, (2U << mails) - 2);
}

static void damage(struct fixture *f, const char *text, size_t len, bool drop)
{
	char *path = mem_printf(f->box, "%s/dovecot-uidlist", f->root);
	struct err err;

	OK(file_replace(path, text, len, 0600, &err));
	if (drop)
		fixture_drop_index(f);
	else
		fixture_reopen(f);
	fixture_sync(f);
	expect_all(f, 5);
}

static void test_damaged_uidlist_loses_no_mail(void **state)
{
	struct fixture *f = *state;
	char *whole, *text;
	size_t len;

	for (int i = 1; i <= 5; i++) {
		char path[64];

		snprintf(path, sizeof(path), "cur/160000000%d.x:2,", i);
		fixture_file(f, path, "x");
	}
	fixture_sync(f);
	whole = mem_strdup(f, fixture_text(f, "dovecot-uidlist"));
	len = strlen(whole);
	for (size_t cut = 0; cut < len; cut += 11)
		damage(f, whole, cut, cut % 2 == 0);
	for (size_t bit = 0; bit < 8 * len; bit += 23) {
		text = mem_strdup(f, whole);
		text[bit / 8] ^= (char)(1 << bit % 8);
		damage(f, text, len, bit % 2 == 0);
		mem_free(text);
	}
}

/* They get their UIDs first, and those are on disk before anybody sees them. */
static void test_large_mailbox_gets_uids_in_pieces(void **state)
{
	enum { MAILS = 5500 };
	struct fixture *f = *state;
	struct index_record record;
	struct index_txn *txn;
	struct index_box row;
	struct err err;
	unsigned lines = 0;

	for (int i = 1; i <= MAILS; i++) {
		char path[64];

		snprintf(path, sizeof(path), "cur/16000%05d.x:2,", i);
		fixture_file(f, path, "x");
	}
	for (int again = 0; again < 2; again++) {
		fixture_sync(f);
		row = fixture_row(f);
		assert_int_equal(row.counts.messages, MAILS);
		assert_int_equal(row.uid_next, MAILS + 1);
		OK(index_begin(f->index, INDEX_READ, &txn, &err));
		OK(index_record_get(txn, row.id, 5432, &record, &err));
		assert_true(str_is(record.driver, "c1600005432.x:2,"));
		index_rollback(&txn);
		fixture_drop_index(f);
	}
	for (char *at = fixture_text(f, "dovecot-uidlist"); *at != '\0'; at++)
		lines += *at == '\n';
	assert_int_equal(lines, MAILS + 1);
	assert_false(fixture_has(f, "dovecot-uidlist.lock"));
}

/* Deliveries by several processes, a foreign one among them. */
static void deliver_from_child(struct fixture *f, int number)
{
	struct err err;

	index_after_fork();
	f->index = NULL;
	OK(index_open(mem_printf(f, "%s/dovetail.index", f->root), 0600,
		      &f->index, &err));
	fixture_reopen(f);
	fixture_sync(f);
	for (int i = 0; i < 50; i++) {
		if (number == 0) {
			fixture_file(f, "tmp/foreign", "x");
			fixture_move(f, "tmp/foreign",
				     mem_printf(f->box, "new/17000%05d.x", i));
		} else {
			fixture_save(f, "x", 0, 0);
		}
		if (i % 10 == number)
			fixture_sync(f);
	}
	_exit(0);
}

static void test_processes_deliver_side_by_side(void **state)
{
	struct fixture *f = *state;
	char *before;

	fixture_sync(f);
	fflush(NULL);
	for (int i = 0; i < 4; i++) {
		if (fork() == 0)
			deliver_from_child(f, i);
	}
	for (int i = 0; i < 4; i++) {
		int status;

		wait(&status);
		assert_int_equal(status, 0);
	}
	/* Who takes \Recent sees all, however close they came. */
	f->box->take_recent = true;
	fixture_sync(f);
	assert_int_equal(fixture_row(f).counts.messages, 200);
	before = mem_strdup(f, fixture_mails(f));
	fixture_drop_index(f);
	fixture_sync(f);
	assert_string_equal(fixture_mails(f), before);
}

#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_files_of_others_get_uids_in_order_of_time),
		T(test_uids_survive_the_loss_of_the_index),
		T(test_uids_survive_the_loss_of_the_uidlist),
		T(test_new_uidvalidity_makes_all_new),
		T(test_version_1_uidlist_is_read),
		T(test_a_uidlist_with_crlf_is_read),
		T(test_hostile_uidlist_gives_new_uids),
		T(test_endless_fields_in_the_uidlist_do_no_harm),
		T(test_flags_by_others_are_seen),
		T(test_mails_removed_by_others_are_expunged),
		T(test_move_to_cur_by_others_keeps_the_uid),
		T(test_new_mails_stay_in_new_until_recent_is_taken),
		T(test_saved_mails_lie_as_dovecot_lays_them),
		T(test_foreign_change_beside_own_ones_is_seen),
		T(test_flags_merge_with_those_of_others),
		T(test_uids_of_another_server_are_followed),
		T(test_rewritten_uidlist_with_an_old_inode_is_read),
		T(test_extension_fields_are_kept),
		T(test_keywords_go_through_their_file),
		T(test_stray_and_double_files_do_no_harm),
		T(test_a_file_has_the_time_of_its_mail),
		T(test_wrong_size_in_the_name_goes_at_the_first_look),
		T(test_sizes_of_the_uidlist_are_used),
		T(test_mail_is_found_after_a_rename),
		T(test_failed_commit_takes_the_file_back),
		T(test_crash_before_the_commit_keeps_file_and_uid),
		T(test_lock_of_a_dead_process_is_broken),
		T(test_lock_that_was_never_written_is_broken),
		T(test_fresh_files_stay_in_tmp),
		T(test_uidlist_is_tidied_when_most_lines_are_dead),
		T(test_links_copy_with_the_same_guid),
		T(test_nobody_waits_to_read_a_new_mailbox),
		T(test_large_mailbox_is_indexed_in_pieces),
		T(test_large_mailbox_gets_uids_in_pieces),
		T(test_damaged_uidlist_loses_no_mail),
		T(test_processes_deliver_side_by_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
