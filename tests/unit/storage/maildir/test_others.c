/* SPDX-License-Identifier: MIT */
/*
 * What other programs do in a Maildir at the very moment when it is looked at.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "fixture.h"
#include "index/index.h"
#include "storage/dotlock.h"

/* Another program: each mail gets its flag as soon as it is there. */
static pid_t deliver_and_flag(struct fixture *f, int count)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	for (int i = 0; i < count; i++) {
		char *name = mem_printf(f->box, "cur/%d.x:2,", 1600000000 + i);

		fixture_file(f, name, "text");
		fixture_move(f, name, mem_printf(f->box, "%sR", name));
	}
	_exit(0);
}

/* A file that is renamed after its directory was read, and before it is looked
 * at, has the flags of its new name. */
static void test_flags_that_come_while_a_mail_is_adopted(void **state)
{
	enum { MAILS = 1000 };
	struct fixture *f = *state;
	struct index_record record = {.uid = 0};
	struct index_txn *txn;
	struct err err;
	pid_t pid;

	fixture_sync(f);
	pid = deliver_and_flag(f, MAILS);
	while (waitpid(pid, NULL, WNOHANG) == 0)
		fixture_sync(f);
	fixture_sync(f);
	OK(index_begin(f->index, INDEX_READ, &txn, &err));
	while (index_record_next(txn, f->box->id, record.uid + 1, &record))
		assert_int_equal(record.flags, MAIL_ANSWERED);
	index_rollback(&txn);
	assert_int_equal(fixture_row(f).counts.messages, MAILS);
}

/* As Dovecot: a file, and then its line in the uidlist. */
static pid_t deliver_with_uids(struct fixture *f, unsigned count)
{
	char *path = mem_printf(f->box, "%s/dovecot-uidlist", f->root);
	pid_t pid = fork();
	struct err err;

	if (pid != 0)
		return pid;
	for (unsigned uid = 1; uid <= count; uid++) {
		char *name = mem_printf(f->box, "%u.x", 1600000000 + uid);
		FILE *list;

		if (dotlock_get(path, 0600, &err) < 0)
			_exit(1);
		fixture_file(f, mem_printf(f->box, "new/%s", name), "text");
		list = fopen(path, "a");
		fprintf(list, "%u :%s\n", uid, name);
		fclose(list);
		dotlock_release(path);
	}
	_exit(0);
}

/* A mail that came after the directory was read has a line in the uidlist that
 * is read then; it keeps its UID. */
static void test_uids_of_mails_that_come_while_the_index_is_made(void **state)
{
	enum { MAILS = 300 };
	struct fixture *f = *state;
	struct index_record record = {.uid = 0};
	struct record_name name;
	struct index_txn *txn;
	uint32_t number;
	struct err err;
	int status = 1;
	pid_t pid;

	fixture_sync(f);
	pid = deliver_with_uids(f, MAILS);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		fixture_drop_index(f);
		fixture_sync(f);
		fixture_sync(f);
	}
	assert_int_equal(status, 0);
	fixture_sync(f);
	OK(index_begin(f->index, INDEX_READ, &txn, &err));
	while (index_record_next(txn, f->box->id, record.uid + 1, &record)) {
		assert_true(record_name_get(record.driver, &name));
		assert_true(str_to_u32(str_n(name.name.data, 10), &number));
		assert_int_equal(number - 1600000000, record.uid);
	}
	index_rollback(&txn);
	assert_int_equal(fixture_row(f).counts.messages, MAILS);
}

/* A crash between link() and unlink() leaves both; a hard link in another
 * mailbox is none of them. */
static void test_second_name_of_a_file_goes(void **state)
{
	struct fixture *f = *state;

	fixture_file(f, "cur/1600000001.a:2,S", "text");
	fixture_file(f, "cur/1600000002.b:2,", "text");
	assert_int_equal(
		link(mem_printf(f->box, "%s/cur/1600000001.a:2,S", f->root),
		     mem_printf(f->box, "%s/new/1600000001.a", f->root)),
		0);
	assert_int_equal(
		link(mem_printf(f->box, "%s/cur/1600000002.b:2,", f->root),
		     mem_printf(f->box, "%s/tmp/other", f->root)),
		0);
	fixture_sync(f);
	fixture_sync(f);
	assert_int_equal(fixture_row(f).counts.messages, 2);
	assert_int_equal(
		access(mem_printf(f->box, "%s/cur/1600000001.a:2,S", f->root),
		       F_OK) +
			access(mem_printf(f->box, "%s/new/1600000001.a",
					  f->root),
			       F_OK),
		-1);
	assert_int_equal(
		access(mem_printf(f->box, "%s/cur/1600000002.b:2,", f->root),
		       F_OK),
		0);
}

#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_flags_that_come_while_a_mail_is_adopted),
		T(test_uids_of_mails_that_come_while_the_index_is_made),
		T(test_second_name_of_a_file_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
