/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "index/index.h"
#include "fixture.h"

static const char boots[2][37] = {"11111111-1111-1111-1111-111111111111",
				  "22222222-2222-2222-2222-222222222222"};

static unsigned fdatasyncs;

/* Instead of libc's, also for LMDB. */
int fdatasync(int fd)
{
	(void)fd;
	fdatasyncs++;
	return 0;
}

/* The disk has room for so many octets of what one call adds to a file. */
static size_t room = SIZE_MAX;

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	if (room < len && at >= lseek(fd, 0, SEEK_END))
		len = room;
	return syscall(SYS_pwrite64, fd, data, len, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	if (room < SIZE_MAX)
		return write(fd, parts[0].iov_base, room);
	return syscall(SYS_writev, fd, parts, count);
}

int fallocate(int fd, int mode, off_t at, off_t len)
{
	(void)fd;
	(void)mode;
	(void)at;
	(void)len;
	errno = ENOSPC;
	return room < SIZE_MAX ? -1 : 0;
}

/* What is in the file now; or what the disk holds, if nothing else got there
 * since. */
static char *image_take(const void *ctx, size_t *len_out)
{
	CLEANUP(buf_free) struct buf text = buf_init(64 << 20);
	char path[256];
	struct err err;

	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	OK(file_read(path, &text, &err));
	*len_out = text.len;
	return mem_memdup(ctx, text.data, text.len);
}

static void image_put(const char *image, size_t len)
{
	char path[256];
	struct err err;

	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	OK(file_replace(path, image, len, 0600, &err));
	snprintf(path, sizeof(path), "%s/lock.mdb", dir);
	unlink(path);
}

/* After a reboot with this on disk: the mails of INBOX; -1 if the index had to
 * be made anew. */
static int mails_after_reboot(const char *image, size_t len)
{
	struct index *index;
	struct index_txn *txn;
	struct index_record record = {.uid = 0};
	struct index_box box;
	struct range_set uids;
	uint32_t id, count = 0;
	struct err err;

	image_put(image, len);
	index_boot_id_set(boots[1]);
	index = open_index();
	txn = begin(index, INDEX_READ);
	if (index_box_find(txn, "INBOX", &id, &err) < 0) {
		index_rollback(&txn);
		index_close(&index);
		return -1;
	}
	OK(index_box_get(txn, id, &box, &err));
	while (index_record_next(txn, id, record.uid + 1, &record))
		count++;
	uids = range_set_init(txn);
	index_record_uids(txn, id, &uids);
	assert_int_equal(count, box.counts.messages);
	assert_int_equal(count, range_set_size(&uids));
	OK(index_check(txn, &err));
	index_rollback(&txn);
	index_close(&index);
	return (int)count;
}

static void test_synced_index_survives_a_reboot(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct index *index;
	uint32_t id;
	size_t len;
	char *image;
	struct err err;

	(void)state;
	index_boot_id_set(boots[0]);
	index = open_index();
	id = make_box(index, "INBOX");
	append(index, id, 3);
	OK(index_sync(index, &err));
	index_close(&index);
	image = image_take(ctx, &len);
	assert_int_equal(mails_after_reboot(image, len), 3);
	/* And once more, for it was only read. */
	index_boot_id_set(boots[0]);
	image = image_take(ctx, &len);
	assert_int_equal(mails_after_reboot(image, len), 3);
}

static void test_index_is_synced_when_a_short_process_closes_it(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct index *index;
	unsigned before;
	uint32_t id;
	size_t len;
	char *image;

	(void)state;
	index_boot_id_set(boots[0]);
	index_settle_on_close();
	index = open_index();
	id = make_box(index, "INBOX");
	append(index, id, 3);
	index_close(&index);
	before = fdatasyncs;
	index = open_index();
	box_of(index, id);
	index_close(&index);
	/* It was only read. */
	assert_int_equal(fdatasyncs, before);
	image = image_take(ctx, &len);
	assert_int_equal(mails_after_reboot(image, len), 3);
}

static void test_half_a_write_means_that_the_disk_is_full(void **state)
{
	struct index *index;
	struct index_txn *txn;
	struct index_box box = {.uid_validity = 7};
	struct err err;

	(void)state;
	index = open_index();
	make_box(index, "INBOX");
	txn = begin(index, INDEX_WRITE);
	OK(index_box_create(txn, "Other", &box, &err));
	for (uint32_t uid = 1; uid <= 2000; uid++) {
		struct index_record record = record_of(uid, 0);

		OK(index_record_append(txn, &box, &record, &err));
	}
	room = 100;
	assert_int_equal(index_commit(&txn, &err), -1);
	room = SIZE_MAX;
	assert_int_equal(err.code, ERR_NO_SPACE);
	assert_non_null(strstr(err.text, "No space left on device"));
	make_box(index, "Third");
	index_close(&index);
}

static void test_index_that_was_not_synced_is_made_anew(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct index *index;
	uint32_t id;
	size_t len;
	char *image;
	struct err err;

	(void)state;
	index_boot_id_set(boots[0]);
	index = open_index();
	id = make_box(index, "INBOX");
	append(index, id, 3);
	OK(index_sync(index, &err));
	append(index, id, 1);
	index_close(&index);
	image = image_take(ctx, &len);
	assert_int_equal(mails_after_reboot(image, len), -1);
}

/* A disk that wrote some pages of what was not synced, and others not. */
static int mails_after_power_cut(const char *synced, size_t synced_len,
				 const char *later, size_t later_len,
				 unsigned seed)
{
	enum { PAGE = 4096 };
	char *image = mem_memdup(NULL, later, later_len);
	int mails;

	srandom(seed);
	for (size_t at = 0; at < later_len; at += PAGE) {
		bool kept = seed % 3 == 0 ? at >= 2 * PAGE : random() % 2 == 0;

		if (!kept && at + PAGE <= synced_len)
			memcpy(image + at, synced + at, PAGE);
		else if (!kept)
			memset(image + at, 0, PAGE);
	}
	mails = mails_after_reboot(image, later_len);
	mem_free(image);
	return mails;
}

/* Whatever the disk has of the commits after a sync: the index is the one that
 * was synced, or a new one, and nothing in between. */
static void power_cuts(unsigned commits)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	size_t synced_len, later_len;
	char *synced, *later;
	struct index *index;
	uint32_t id;
	struct err err;

	index_boot_id_set(boots[0]);
	dir_remove(dir, &err);
	index = open_index();
	id = make_box(index, "INBOX");
	for (int i = 0; i < 20; i++)
		append(index, id, 10);
	OK(index_sync(index, &err));
	synced = image_take(ctx, &synced_len);
	for (unsigned i = 0; i < commits; i++) {
		unsigned before = fdatasyncs;

		append(index, id, 10);
		/* This one is on disk when it returns. */
		if (fdatasyncs != before)
			synced = image_take(ctx, &synced_len);
	}
	later = image_take(ctx, &later_len);
	index_close(&index);
	for (unsigned seed = 0; seed < 30; seed++) {
		int mails = mails_after_power_cut(synced, synced_len, later,
						  later_len, seed);

		if (mails != -1 && mails != 200)
			fail_msg("%d mails after %u commits", mails, commits);
		if (commits <= 1 && seed % 3 == 0)
			assert_int_equal(mails, 200);
	}
}

static void test_power_cut_leaves_a_good_index_or_none(void **state)
{
	(void)state;
	for (unsigned commits = 0; commits <= 12; commits++)
		power_cuts(commits);
}

static void test_settled_index_is_marked_and_left_alone(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct index *index;
	uint64_t generation;
	uint32_t id;
	size_t len;
	char *image;

	(void)state;
	index_boot_id_set(boots[0]);
	index = open_index();
	id = make_box(index, "INBOX");
	append(index, id, 3);
	/* Somebody may go on writing: not yet. */
	assert_true(index_settle(false).ms > 1000);
	generation = index_generation(index);
	assert_int_equal(index_settle(true).ms, 0);
	assert_true(index_generation(index) > generation);
	generation = index_generation(index);
	assert_int_equal(index_settle(true).ms, 0);
	assert_int_equal(index_settle(false).ms, 0);
	assert_int_equal(index_generation(index), generation);
	image = image_take(ctx, &len);
	/* The first commit after it has its successor wait; this one takes that
	 * upon itself, and the mark goes. */
	append(index, id, 1);
	assert_true(index_settle(false).ms > 1000);
	assert_int_equal(index_generation(index), generation + 2);
	index_close(&index);
	assert_int_equal(mails_after_reboot(image, len), 3);
}

static int end(void **state)
{
	index_boot_id_set(NULL);
	return teardown(state);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_synced_index_survives_a_reboot),
		T(test_index_that_was_not_synced_is_made_anew),
		T(test_power_cut_leaves_a_good_index_or_none),
		T(test_settled_index_is_marked_and_left_alone),
		T(test_half_a_write_means_that_the_disk_is_full),
		T(test_index_is_synced_when_a_short_process_closes_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
