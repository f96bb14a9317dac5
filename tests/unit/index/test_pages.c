/* SPDX-License-Identifier: MIT */
/*
 * What LMDB wrote is sound, whatever happened; what somebody changed is not.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "fixture.h"
#include "index/env.h"

enum { PAGE = 4096, MAILS = 600 };

static int open_data(int flags)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	fd = open(path, flags | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void assert_sound(struct index *index)
{
	CLEANUP(fd_close) int fd = open_data(O_RDONLY);
	const char *wrong = pages_wrong(fd, index_generation(index));

	if (wrong != NULL)
		fail_msg("%s", wrong);
}

/* Small ones, and some that have pages of their own. */
static void put_texts(struct index *index, uint32_t id, uint32_t from,
		      size_t len)
{
	struct index_txn *txn = begin(index, INDEX_WRITE);
	char *text = mem_array(NULL, char, len);
	struct err err;

	for (uint32_t uid = from; uid < from + 40; uid++)
		OK(index_cache_put(txn, id, uid, INDEX_HEADERS,
				   str_n(text, len - uid % 7), &err));
	mem_free(text);
	commit(&txn);
}

static void expunge(struct index *index, uint32_t id, uint32_t from,
		    uint32_t to)
{
	struct index_txn *txn = begin(index, INDEX_WRITE);
	struct index_box box;
	struct err err;

	OK(index_box_get(txn, id, &box, &err));
	for (uint32_t uid = from; uid <= to; uid += 2)
		OK(index_record_expunge(txn, &box, uid, &err));
	commit(&txn);
}

static struct index *make_worn(void)
{
	struct index *index = open_index();
	uint32_t id = make_box(index, "INBOX");

	append(index, id, MAILS);
	put_texts(index, id, 1, 300);
	put_texts(index, id, 200, 3 * PAGE);
	put_texts(index, id, 300, 60000);
	expunge(index, id, 190, 330);
	for (uint32_t uid = 1; uid < 60; uid += 3)
		set_flags(index, id, uid, MAIL_SEEN);
	return index;
}

static void test_what_lmdb_writes_is_sound(void **state)
{
	struct index *index = open_index();
	struct index_txn *txn;
	struct err err;
	uint32_t id = make_box(index, "INBOX"), other;

	(void)state;
	assert_sound(index);
	for (uint32_t round = 0; round < 12; round++) {
		append(index, id, MAILS / 4);
		assert_sound(index);
		put_texts(index, id, 1 + 100 * round, 200 + 1500 * round);
		assert_sound(index);
		expunge(index, id, 1 + 100 * round, 90 + 100 * round);
		assert_sound(index);
		other = make_box(index, "Other");
		append(index, other, MAILS);
		assert_sound(index);
		txn = begin(index, INDEX_WRITE);
		OK(index_box_delete(txn, other, &err));
		commit(&txn);
		assert_sound(index);
	}
	index_close(&index);
}

/* Where the pages are that the last transaction reaches: their heads say so. */
static void test_a_changed_head_is_found(void **state)
{
	static const unsigned fields[] = {0, 10, 12, 14};
	struct index *index = make_worn();
	uint64_t txn = index_generation(index);
	CLEANUP(fd_close) int fd = open_data(O_RDWR);
	unsigned found = 0, tries = 0;
	unsigned char octet;
	struct stat st;

	(void)state;
	assert_sound(index);
	index_close(&index);
	assert_int_equal(fstat(fd, &st), 0);
	for (off_t page = 2; page < st.st_size / PAGE; page++) {
		for (unsigned i = 0; i < 4; i++) {
			off_t at = page * PAGE + (off_t)fields[i];

			assert_int_equal(pread(fd, &octet, 1, at), 1);
			octet ^= 4;
			assert_int_equal(pwrite(fd, &octet, 1, at), 1);
			found += pages_wrong(fd, txn) != NULL;
			tries++;
			octet ^= 4;
			assert_int_equal(pwrite(fd, &octet, 1, at), 1);
			assert_null(pages_wrong(fd, txn));
		}
	}
	/* The rest are free, or inside of large values. */
	assert_in_range(found, tries / 20, tries - 1);
}

/* Whatever is in it: the sanitizers see that nothing is believed. */
static void test_nothing_is_believed(void **state)
{
	struct index *index = make_worn();
	uint64_t txn = index_generation(index);
	CLEANUP(fd_close) int fd = open_data(O_RDWR);
	unsigned char old[PAGE], page[PAGE];
	unsigned found = 0;
	struct stat st;

	(void)state;
	index_close(&index);
	srand(1);
	assert_int_equal(fstat(fd, &st), 0);
	for (int i = 0; i < 2000; i++) {
		off_t at = rand() % (st.st_size / PAGE) * PAGE;

		assert_int_equal(pread(fd, old, PAGE, at), PAGE);
		memcpy(page, old, PAGE);
		for (int k = rand() % 4; k >= 0; k--)
			page[rand() % (rand() % 2 == 0 ? PAGE : 64)] =
				(unsigned char)rand();
		assert_int_equal(pwrite(fd, page, PAGE, at), PAGE);
		found += pages_wrong(fd, txn) != NULL;
		assert_int_equal(pwrite(fd, old, PAGE, at), PAGE);
	}
	assert_true(found > 50);
	assert_string_equal(pages_wrong(fd, txn + 1), "the file's head");
	assert_int_equal(ftruncate(fd, st.st_size - PAGE), 0);
	assert_non_null(pages_wrong(fd, txn));
}

/* after a crash */

static void path_of(char *out, size_t size, const char *name)
{
	snprintf(out, size, "%s%s", dir, name);
}

/* A process that crashes, but not inside of LMDB. */
static void crash_with_it_open(void)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		index_after_fork();
		open_index();
		abort();
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
}

static void test_after_a_crash_pages_are_looked_at(void **state)
{
	char mark[256], aside[256];
	struct index *index = make_worn();
	uint64_t txn = index_generation(index);
	unsigned char octet = 0xff;
	struct stat st;
	off_t at = 3 * PAGE;
	int fd;

	(void)state;
	path_of(mark, sizeof(mark), "/suspect");
	path_of(aside, sizeof(aside), ".damaged");
	index_close(&index);
	crash_with_it_open();
	assert_int_equal(stat(mark, &st), 0);
	index = open_index();
	assert_int_not_equal(stat(mark, &st), 0);
	assert_int_not_equal(stat(aside, &st), 0);
	assert_int_equal(index_generation(index), txn);
	index_close(&index);

	/* One whose trouble would be met much later. */
	fd = open_data(O_RDWR);
	do {
		at += PAGE;
		assert_int_equal(pwrite(fd, &octet, 1, at + 5), 1);
	} while (pages_wrong(fd, txn) == NULL);
	close(fd);
	crash_with_it_open();
	index = open_index();
	assert_int_not_equal(stat(mark, &st), 0);
	assert_int_equal(stat(aside, &st), 0);
	index_close(&index);
}

/* A writer that is stopped holds the others up, who say so. */
static void test_waiting_is_told(void **state)
{
	char text[4096] = "";
	struct index *index;
	struct index_txn *txn;
	int out[2], ready[2], saved, status;
	pid_t child;

	(void)state;
	index = open_index();
	index_close(&index);
	assert_int_equal(pipe(out), 0);
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		index_after_fork();
		index = open_index();
		txn = begin(index, INDEX_WRITE);
		(void)!write(ready[1], "x", 1);
		raise(SIGSTOP);
		commit(&txn);
		index_close(&index);
		_exit(0);
	}
	assert_int_equal(read(ready[0], text, 1), 1);
	assert_int_equal(waitpid(child, &status, WUNTRACED), child);
	if (fork() == 0) {
		sleep(3);
		kill(child, SIGCONT);
		_exit(0);
	}
	index_wait_secs = 1;
	saved = dup(STDERR_FILENO);
	dup2(out[1], STDERR_FILENO);
	index = open_index();
	txn = begin(index, INDEX_WRITE);
	dup2(saved, STDERR_FILENO);
	assert_in_range(read(out[0], text, sizeof(text) - 1), 1, sizeof(text));
	assert_non_null(strstr(text, "still waiting for another process"));
	assert_non_null(strstr(text, dir));
	commit(&txn);
	index_close(&index);
	while (wait(&status) > 0)
		assert_int_equal(status, 0);
	index_wait_secs = 30;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_lmdb_writes_is_sound,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_changed_head_is_found,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_is_believed,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_after_a_crash_pages_are_looked_at, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_waiting_is_told, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
