/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
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

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "fixture.h"
#include "index/index.h"

static void test_what_was_committed_is_there_again(void **state)
{
	struct index *index = open_index();
	uint32_t id = make_box(index, "INBOX");
	struct index_record record;
	struct index_txn *txn;
	struct index_box box;
	struct err err;

	(void)state;
	append(index, id, 3);
	index_close(&index);
	index = open_index();
	txn = begin(index, INDEX_READ);
	OK(index_box_find(txn, "INBOX", &id, &err));
	OK(index_box_get(txn, id, &box, &err));
	assert_int_equal(box.counts.messages, 3);
	assert_int_equal(box.counts.recent, 3);
	assert_int_equal(box.counts.unseen, 3);
	assert_int_equal(box.counts.size, 330);
	assert_int_equal(box.uid_next, 4);
	OK(index_record_get(txn, id, 2, &record, &err));
	assert_int_equal(record.received, 1002);
	assert_true(str_is(record.driver, "n1234567.M1P2.host,S=100,W=110"));
	assert_int_equal(index_record_get(txn, id, 4, &record, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	index_rollback(&txn);
	index_close(&index);
}

static void test_rollback_leaves_nothing(void **state)
{
	struct index *index = open_index();
	uint32_t id = make_box(index, "INBOX");
	uint64_t generation = index_generation(index);
	struct index_txn *txn = begin(index, INDEX_WRITE);
	struct index_record record = record_of(1, 0);
	struct index_box box;
	struct err err;

	(void)state;
	OK(index_box_get(txn, id, &box, &err));
	OK(index_record_append(txn, &box, &record, &err));
	assert_int_equal(box.counts.messages, 1);
	index_rollback(&txn);
	assert_int_equal(box_of(index, id).counts.messages, 0);
	assert_int_equal(index_generation(index), generation);
	append(index, id, 1);
	assert_int_not_equal(index_generation(index), generation);
	index_close(&index);
}

static void test_long_names_stay_apart(void **state)
{
	struct index *index = open_index();
	char one[1001], two[1001];
	uint32_t id_one, id_two, id;
	struct index_txn *txn;
	char *at;
	struct index_box box;
	unsigned seen = 0;
	struct err err;

	(void)state;
	memset(one, 'a', 1000);
	memset(two, 'a', 1000);
	one[1000] = two[1000] = '\0';
	two[999] = 'b';
	id_one = make_box(index, one);
	id_two = make_box(index, two);
	make_box(index, "b");
	txn = begin(index, INDEX_WRITE);
	OK(index_box_find(txn, one, &id, &err));
	assert_int_equal(id, id_one);
	OK(index_box_find(txn, two, &id, &err));
	assert_int_equal(id, id_two);
	OK(index_box_rename(txn, id_two, "short", &err));
	assert_int_equal(index_box_find(txn, two, &id, &err), -1);
	commit(&txn);
	txn = begin(index, INDEX_READ);
	at = mem_strdup(txn, "");
	while (index_box_next(txn, txn, &at, &box))
		seen++;
	assert_int_equal(seen, 3);
	index_rollback(&txn);
	index_close(&index);
}

/* Octets that this process has written to files. */
static uint64_t octets_written(void)
{
	CLEANUP(file_close) FILE *fp = fopen("/proc/self/io", "re");
	unsigned long long octets;
	char line[128];

	while (fp != NULL && fgets(line, sizeof(line), fp) != NULL) {
		if (sscanf(line, "wchar: %llu", &octets) == 1)
			return octets;
	}
	return 0;
}

/* What a flag change and a new mail write, on average. */
static uint64_t cost_at(struct index *index, const char *name, uint32_t mails)
{
	enum { TIMES = 100 };
	uint32_t id = make_box(index, name);
	uint64_t before;

	for (uint32_t i = 0; i < mails; i += 500)
		append(index, id, 500);
	for (uint32_t i = 0; i < 3 * TIMES; i++)
		set_flags(index, id, 1 + i, MAIL_FLAGGED);
	before = octets_written();
	for (uint32_t i = 0; i < TIMES; i++) {
		set_flags(index, id, 1 + i * 7919U % mails, MAIL_SEEN);
		append(index, id, 1);
	}
	return (octets_written() - before) / TIMES;
}

/* Pages, that is; for time says little on a machine that does other things. A
 * level more of a B-tree is one page. */
static void test_one_mail_costs_the_same_in_a_large_mailbox(void **state)
{
	struct index *index = open_index();
	uint64_t small = cost_at(index, "small", 500);
	uint64_t large = cost_at(index, "large", 20000);

	(void)state;
	index_close(&index);
	if (small == 0)
		skip(); /* the kernel does not tell */
	if (large * 10 > small * 12)
		fail_msg("%ju octets with 500 mails, %ju with 20000",
			 (uintmax_t)small, (uintmax_t)large);
}

static void test_cache_comes_and_goes_with_the_mail(void **state)
{
	struct index *index = open_index();
	uint32_t id = make_box(index, "INBOX");
	uint32_t other = make_box(index, "Other");
	struct index_txn *txn;
	struct index_box box;
	struct str value;
	struct err err;

	(void)state;
	append(index, id, 2);
	append(index, other, 2);
	txn = begin(index, INDEX_WRITE);
	OK(index_cache_put(txn, id, 1, INDEX_ENVELOPE, STR("one"), &err));
	OK(index_cache_put(txn, id, 1, INDEX_SORT, STR("two"), &err));
	OK(index_cache_copy(txn, id, 1, other, 2, &err));
	OK(index_box_get(txn, id, &box, &err));
	OK(index_record_expunge(txn, &box, 1, &err));
	commit(&txn);
	txn = begin(index, INDEX_READ);
	assert_false(index_cache_get(txn, id, 1, INDEX_ENVELOPE, &value));
	assert_false(index_cache_get(txn, id, 1, INDEX_SORT, &value));
	assert_true(index_cache_get(txn, other, 2, INDEX_ENVELOPE, &value));
	assert_true(str_is(value, "one"));
	assert_true(index_cache_get(txn, other, 2, INDEX_SORT, &value));
	assert_true(str_is(value, "two"));
	index_rollback(&txn);
	index_close(&index);
}

static void test_deleted_mailbox_leaves_no_rows(void **state)
{
	struct index *index = open_index();
	uint32_t id = make_box(index, "Gone"), stays = make_box(index, "Stays");
	const char *names[] = {"a", "", "c"};
	struct index_record record;
	struct index_txn *txn;
	struct range_set uids;
	struct err err;

	(void)state;
	append(index, id, 100);
	append(index, stays, 1);
	txn = begin(index, INDEX_WRITE);
	OK(index_keywords_put(txn, id, names, 3, &err));
	OK(index_box_delete(txn, id, &err));
	commit(&txn);
	txn = begin(index, INDEX_READ);
	assert_int_equal(index_record_get(txn, id, 1, &record, &err), -1);
	uids = range_set_init(txn);
	index_record_uids(txn, id, &uids);
	assert_int_equal(range_set_size(&uids), 0);
	index_record_uids(txn, stays, &uids);
	assert_int_equal(range_set_size(&uids), 1);
	index_rollback(&txn);
	index_close(&index);
}

static void test_keywords_keep_their_bits(void **state)
{
	struct index *index = open_index();
	uint32_t id = make_box(index, "INBOX");
	const char *names[] = {"$Forwarded", "", "Work"}, **got;
	struct index_txn *txn = begin(index, INDEX_WRITE);
	unsigned count;
	struct err err;

	(void)state;
	OK(index_keywords_put(txn, id, names, 3, &err));
	commit(&txn);
	txn = begin(index, INDEX_READ);
	OK(index_keywords_get(txn, txn, id, &got, &count, &err));
	assert_int_equal(count, 3);
	assert_string_equal(got[0], "$Forwarded");
	assert_string_equal(got[1], "");
	assert_string_equal(got[2], "Work");
	index_rollback(&txn);
	index_close(&index);
}

/* against a model */

enum { MODEL_UIDS = 9000 };

struct model {
	bool there[MODEL_UIDS];
	uint8_t flags[MODEL_UIDS];
	uint16_t driver[MODEL_UIDS]; /* octets of it, as many 'd' */
	uint32_t next, recent_from;
};

static char driver_text[200];

/* A walk that leaves out, turns back, and looks elsewhere in between. */
static void model_jump(struct index_txn *txn, uint32_t id,
		       const struct model *model)
{
	struct index_record record;
	struct err err;

	for (uint32_t uid = 1; uid < model->next;
	     uid += 1 + (uint32_t)random() % 50) {
		uint32_t want = uid;

		while (want < model->next && !model->there[want])
			want++;
		assert_int_equal(index_record_next(txn, id, uid, &record),
				 want < model->next);
		if (want < model->next)
			assert_int_equal(record.uid, want);
		want = 1 + (uint32_t)random() % model->next;
		if (random() % 4 == 0)
			index_record_get(txn, id, want, &record, &err);
		if (random() % 16 == 0)
			uid -= (uint32_t)random() % uid;
	}
}

static void model_compare(struct index *index, uint32_t id,
			  const struct model *model)
{
	struct index_txn *txn = begin(index, INDEX_READ);
	struct range_set uids = range_set_init(txn);
	struct index_counts want = {.messages = 0};
	struct index_record record = {.uid = 0};
	struct index_box box;
	struct err err;

	OK(index_box_get(txn, id, &box, &err));
	index_record_uids(txn, id, &uids);
	for (uint32_t uid = 1; uid < model->next; uid++) {
		assert_int_equal(range_set_has(&uids, uid), model->there[uid]);
		if (!model->there[uid])
			continue;
		assert_true(
			index_record_next(txn, id, record.uid + 1, &record));
		assert_int_equal(record.uid, uid);
		assert_int_equal(record.flags, model->flags[uid]);
		if (model->driver[uid] > 0)
			assert_memory_equal(record.driver.data, driver_text,
					    model->driver[uid]);
		want.messages++;
		want.recent += uid >= model->recent_from;
		want.unseen += (record.flags & MAIL_SEEN) == 0;
		want.deleted += (record.flags & MAIL_DELETED) != 0;
		want.size += record.size_virtual;
	}
	assert_false(index_record_next(txn, id, record.uid + 1, &record));
	assert_memory_equal(&want.messages, &box.counts.messages, 16);
	assert_int_equal(want.size, box.counts.size);
	model_jump(txn, id, model);
	index_rollback(&txn);
}

/* Rows are written where the walk stands, longer ones, shorter ones, twice. */
static void model_walk(struct index_txn *txn, struct index_box *box,
		       struct model *model)
{
	struct index_record record;
	struct err err;

	for (uint32_t uid = 1; index_record_next(txn, box->id, uid, &record);
	     uid = record.uid + 1) {
		int times = (int)(random() % 8) - 5;

		assert_true(model->there[record.uid]);
		for (; times > 0; times--) {
			size_t len = (size_t)random() % sizeof(driver_text);
			struct index_record old = record;

			record.flags = (uint8_t)(random() % 32);
			record.driver = str_n(driver_text, len);
			OK(random() % 2 == 0
				   ? index_record_put(txn, box, &record, &err)
				   : index_record_change(txn, box, &old,
							 &record, &err));
			model->flags[record.uid] = record.flags;
			model->driver[record.uid] = (uint16_t)len;
		}
	}
}

static void model_step(struct index_txn *txn, struct index_box *box,
		       struct model *model)
{
	uint32_t uid = 1 + (uint32_t)random() % model->next;
	struct index_record record;
	struct err err;

	switch (random() % 8) {
	case 0:
		if (!model->there[uid])
			break;
		OK(index_record_expunge(txn, box, uid, &err));
		model->there[uid] = false;
		break;
	case 1:
	case 2:
		if (!model->there[uid])
			break;
		OK(index_record_get(txn, box->id, uid, &record, &err));
		record.flags = model->flags[uid] = (uint8_t)(random() % 32);
		OK(index_record_put(txn, box, &record, &err));
		break;
	case 3:
		box->first_recent_uid = model->recent_from = uid;
		OK(index_box_put(txn, box, &err));
		break;
	default:
		uid = model->next + (uint32_t)(random() % 3 == 0);
		record = record_of(uid, (uint8_t)(random() % 32));
		OK(index_record_append(txn, box, &record, &err));
		model->there[uid] = true;
		model->flags[uid] = record.flags;
		model->next = uid + 1;
	}
}

static void test_counts_are_those_of_a_model(void **state)
{
	struct index *index = open_index();
	uint32_t id = make_box(index, "INBOX");
	struct model *model = mem_new(NULL, struct model);

	(void)state;
	model->next = model->recent_from = 1;
	memset(driver_text, 'd', sizeof(driver_text));
	srandom(42);
	for (int round = 0; round < 60; round++) {
		struct index_txn *txn = begin(index, INDEX_WRITE);
		struct model before = *model;
		struct index_box box;
		struct err err;

		OK(index_box_get(txn, id, &box, &err));
		for (int step = 0; step < 100; step++)
			model_step(txn, &box, model);
		model_walk(txn, &box, model);
		if (random() % 4 == 0) {
			index_rollback(&txn);
			*model = before;
		}
		if (txn != NULL)
			commit(&txn);
		model_compare(index, id, model);
	}
	mem_free(model);
	index_close(&index);
}

/* processes, growth, damage */

static void test_two_processes_take_turns(void **state)
{
	struct index *index = open_index();
	uint32_t id = make_box(index, "INBOX");
	int status;
	pid_t child;

	(void)state;
	fflush(NULL);
	child = fork();
	if (child == 0) {
		index_after_fork();
		index = open_index();
		for (int i = 0; i < 200; i++)
			append(index, id, 1);
		_exit(0);
	}
	for (int i = 0; i < 200; i++)
		append(index, id, 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(box_of(index, id).counts.messages, 400);
	index_close(&index);
}

static void test_writer_that_dies_leaves_no_lock(void **state)
{
	struct index *index = open_index();
	uint32_t id = make_box(index, "INBOX");
	int status;
	pid_t child;

	(void)state;
	fflush(NULL);
	child = fork();
	if (child == 0) {
		index_after_fork();
		index = open_index();
		begin(index, INDEX_WRITE);
		_exit(0);
	}
	waitpid(child, &status, 0);
	append(index, id, 1);
	assert_int_equal(box_of(index, id).counts.messages, 1);
	index_close(&index);
}

enum { SMALL_STEP = 1 << 20 };

static int setup_small(void **state)
{
	index_map_step_set(SMALL_STEP);
	return setup(state);
}

static void grow(const char *name)
{
	struct index *index = open_index();
	uint32_t id = make_box(index, name);
	char *text = mem_array(NULL, char, 100000);
	struct str value = str_n(text, 100000);

	for (int i = 0; i < 100; i++) {
		struct index_txn *txn = begin(index, INDEX_WRITE);
		struct err err;

		for (unsigned j = 0; j < 5; j++)
			OK(index_cache_put(txn, id, (uint32_t)(i * 5) + j + 1,
					   INDEX_HEADERS, value, &err));
		commit(&txn);
	}
	mem_free(text);
	index_close(&index);
}

static void test_grows_with_its_contents(void **state)
{
	(void)state;
	grow("INBOX");
}

static void test_growth_by_another_process_is_followed(void **state)
{
	struct index *index = open_index();
	uint32_t id = make_box(index, "INBOX");
	int status;
	pid_t child;

	(void)state;
	fflush(NULL);
	child = fork();
	if (child == 0) {
		index_after_fork();
		grow("Other");
		_exit(0);
	}
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	append(index, id, 1);
	assert_int_equal(box_of(index, id).counts.messages, 1);
	index_close(&index);
}

/* 30 MB in one transaction. */
static void put_much(struct index *index, uint32_t id)
{
	enum { LEN = 1000000 };
	char *text = mem_array(NULL, char, LEN);
	struct index_txn *txn = begin(index, INDEX_WRITE);
	struct err err;

	for (uint32_t uid = 1; uid <= 30; uid++)
		OK(index_cache_put(txn, id, uid, INDEX_HEADERS,
				   str_n(text, LEN), &err));
	commit(&txn);
	mem_free(text);
}

static void test_reserve_makes_room_for_one_large_transaction(void **state)
{
	struct index *index = open_index();
	uint32_t id = make_box(index, "INBOX");
	(void)state;
	index_reserve(index, 40ULL << 20);
	put_much(index, id);
	index_close(&index);
}

/* A command that reads may have to write. */
static void test_grows_while_there_is_a_reader(void **state)
{
	struct index *index;
	struct index_txn *reader;
	struct index_box box;
	uint32_t id;
	struct err err;

	(void)state;
	index_map_step_set(0);
	index = open_index();
	id = make_box(index, "INBOX");
	append(index, id, 3);
	reader = begin(index, INDEX_READ);
	OK(index_box_get(reader, id, &box, &err));
	for (int i = 0; i < 6; i++)
		put_much(index, id);
	OK(index_box_get(reader, id, &box, &err));
	assert_int_equal(box.counts.messages, 3);
	index_rollback(&reader);
	index_close(&index);
}

static void test_removed_environment_is_made_anew(void **state)
{
	struct index *index = open_index();
	uint32_t id = make_box(index, "INBOX");
	struct index_txn *txn = NULL;
	struct index_box box;
	struct err err;

	(void)state;
	OK(dir_remove(dir, &err));
	assert_int_equal(index_begin(index, INDEX_WRITE, &txn, &err), -1);
	assert_int_equal(err.code, ERR_CORRUPT);
	txn = begin(index, INDEX_WRITE);
	assert_int_equal(index_box_get(txn, id, &box, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	index_rollback(&txn);
	index_close(&index);
}

static void change_all(struct index_txn *txn, struct index_box *box)
{
	struct index_record record;
	struct err err;

	if (index_record_get(txn, box->id, 5, &record, &err) == 0) {
		record.flags ^= MAIL_SEEN;
		index_record_put(txn, box, &record, &err);
	}
	index_record_expunge(txn, box, 7, &err);
	record = record_of(box->uid_next, 0);
	index_record_append(txn, box, &record, &err);
}

/* Use everything; whatever is in the file, reading must not end the process. */
static void use_all(struct index *index, bool write)
{
	struct range_set changed, expunged;
	struct index_txn *txn = NULL;
	struct index_record record;
	struct index_box box;
	struct str value;
	struct err err;
	uint32_t id;

	if (index_begin(index, write ? INDEX_WRITE : INDEX_READ, &txn, &err) <
	    0)
		return;
	changed = range_set_init(txn);
	expunged = range_set_init(txn);
	if (index_box_find(txn, "INBOX", &id, &err) == 0 &&
	    index_box_get(txn, id, &box, &err) == 0) {
		record.uid = 0;
		while (index_record_next(txn, id, record.uid + 1, &record))
			index_cache_get(txn, id, record.uid, INDEX_ENVELOPE,
					&value);
		index_record_uids(txn, id, &changed);
		index_changes_since(txn, id, box.highest_modseq - 1, &changed,
				    &expunged);
		if (write)
			change_all(txn, &box);
	}
	index_commit(&txn, &err);
}

static void fill_for_damage(void)
{
	struct index *index = open_index();
	uint32_t id = make_box(index, "INBOX");
	struct index_txn *txn;
	struct err err;

	append(index, id, 500);
	txn = begin(index, INDEX_WRITE);
	for (uint32_t uid = 1; uid <= 500; uid++)
		OK(index_cache_put(txn, id, uid, INDEX_ENVELOPE, STR("cached"),
				   &err));
	commit(&txn);
	index_close(&index);
}

static void damage(const char *path, long size)
{
	FILE *fp = fopen(path, "r+");

	assert_non_null(fp);
	for (int i = 0; i < 200; i++) {
		fseek(fp, random() % size, SEEK_SET);
		fputc((int)(random() % 256), fp);
	}
	fclose(fp);
}

static void make_damaged(void)
{
	char path[256];
	struct stat st;
	struct err err;

	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	dir_remove(dir, &err);
	fill_for_damage();
	assert_int_equal(stat(path, &st), 0);
	damage(path, (long)st.st_size);
}

static void test_flipped_bytes_end_no_reader(void **state)
{
	(void)state;
	srandom(7);
	for (int round = 0; round < 40; round++) {
		struct index *index = NULL;
		struct err err;

		make_damaged();
		if (index_open(dir, 0600, &index, &err) < 0)
			continue;
		for (int i = 0; i < 3; i++)
			use_all(index, false);
		index_close(&index);
	}
}

/* LMDB may ruin the heap when it changes a damaged page; but it is one process
 * that this ends, not every one that opens the index. */
static void test_flipped_bytes_end_one_writer_at_most(void **state)
{
	unsigned dead = 0, rounds = 20;

	(void)state;
	srandom(8);
	for (unsigned at = 0; at < 2 * rounds; at++) {
		int status;
		pid_t child;

		if (at % 2 == 0)
			make_damaged();
		fflush(NULL);
		child = fork();
		if (child == 0) {
			struct index *index = NULL;
			struct err err;

			index_after_fork();
			close(STDERR_FILENO); /* it may be loud */
			if (index_open(dir, 0600, &index, &err) == 0)
				use_all(index, true);
			_exit(0);
		}
		waitpid(child, &status, 0);
		if (at % 2 == 1 && status != 0)
			dead++;
	}
	assert_in_range(dead, 0, rounds / 4);
}

/* Sizes and page numbers in LMDB's own header, which it believes. */
static void test_any_header_is_survived(void **state)
{
	CLEANUP(buf_free) struct buf image = buf_init(64 << 20);
	char path[256];
	struct err err;

	(void)state;
	srandom(9);
	fill_for_damage();
	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	OK(file_read(path, &image, &err));
	for (unsigned round = 0; round < 400; round++) {
		uint64_t value = (uint64_t)random() << (random() % 34);
		size_t at = 8 * (size_t)(random() % 20);
		struct index *index = NULL;
		struct index_txn *txn = NULL;
		uint32_t id;

		dir_remove(dir, &err);
		OK(dir_create(dir, 0700, &err));
		/* Of both copies: behind magic and version of each. */
		memcpy(image.data + 24 + at, &value, 8);
		memcpy(image.data + 4096 + 24 + at, &value, 8);
		OK(file_replace(path, image.data, image.len, 0600, &err));
		OK(index_open(dir, 0600, &index, &err));
		for (unsigned i = 0; i < 3; i++) {
			if (index_begin(index, INDEX_WRITE, &txn, &err) == 0 &&
			    (index_box_find(txn, "INBOX", &id, &err) == 0 ||
			     err.code == ERR_NOT_FOUND) &&
			    index_commit(&txn, &err) == 0)
				break;
			if (err.code != ERR_CORRUPT || i == 2)
				fail_msg("round %u: %s", round, err.text);
			index_rollback(&txn);
		}
		index_close(&index);
		buf_reset(&image);
		dir_remove(dir, &err);
		fill_for_damage();
		OK(file_read(path, &image, &err));
	}
}

static void test_truncated_file_is_moved_aside(void **state)
{
	struct index *index;
	struct index_txn *txn = NULL;
	char path[256], aside[256];
	struct stat st;
	struct err err;
	uint32_t id;

	(void)state;
	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	snprintf(aside, sizeof(aside), "%s.damaged/data.mdb", dir);
	fill_for_damage();
	index = open_index();
	assert_int_equal(truncate(path, 8192), 0);
	for (int i = 0; i < 3; i++)
		use_all(index, true);
	assert_int_equal(stat(aside, &st), 0);
	txn = begin(index, INDEX_READ);
	assert_int_equal(index_box_find(txn, "INBOX", &id, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	index_rollback(&txn);
	index_close(&index);
}

static void test_value_read_from_a_truncated_file_is_harmless(void **state)
{
	struct index *index;
	struct index_txn *txn;
	struct index_record record;
	volatile unsigned sum = 0;
	char path[256];
	struct err err;
	uint32_t id;

	(void)state;
	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	fill_for_damage();
	index = open_index();
	txn = begin(index, INDEX_READ);
	OK(index_box_find(txn, "INBOX", &id, &err));
	OK(index_record_get(txn, id, 400, &record, &err));
	assert_int_equal(truncate(path, 4096), 0);
	for (size_t i = 0; i < record.driver.len; i++)
		sum += (unsigned char)record.driver.data[i];
	assert_int_equal(sum, 0);
	assert_int_equal(index_check(txn, &err), -1);
	index_rollback(&txn);
	assert_int_equal(index_begin(index, INDEX_READ, &txn, &err), -1);
	assert_int_equal(err.code, ERR_CORRUPT);
	txn = begin(index, INDEX_READ);
	index_rollback(&txn);
	index_close(&index);
}

static void test_handles_are_kept_up_to_a_number(void **state)
{
	struct index *one = open_index(), *again = open_index();

	(void)state;
	assert_ptr_equal(one, again);
	index_close(&again);
	assert_null(again);
	index_keep_open(1);
	index_close(&one);
	one = open_index();
	index_close(&one);
	index_keep_open(0);
}

static void test_memory_index_leaves_no_files(void **state)
{
	struct index *index = NULL;
	struct err err;
	uint32_t id;

	(void)state;
	OK(index_open_memory(root, &index, &err));
	id = make_box(index, "INBOX");
	append(index, id, 10);
	assert_int_equal(box_of(index, id).counts.messages, 10);
	index_close(&index);
	assert_int_equal(rmdir(root), 0);
	assert_int_equal(mkdir(root, 0700), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define SMALL(name) cmocka_unit_test_setup_teardown(name, setup_small, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_what_was_committed_is_there_again),
		T(test_rollback_leaves_nothing),
		T(test_long_names_stay_apart),
		T(test_one_mail_costs_the_same_in_a_large_mailbox),
		T(test_cache_comes_and_goes_with_the_mail),
		T(test_deleted_mailbox_leaves_no_rows),
		T(test_keywords_keep_their_bits),
		T(test_counts_are_those_of_a_model),
		T(test_two_processes_take_turns),
		T(test_writer_that_dies_leaves_no_lock),
		SMALL(test_grows_with_its_contents),
		SMALL(test_growth_by_another_process_is_followed),
		SMALL(test_reserve_makes_room_for_one_large_transaction),
		T(test_grows_while_there_is_a_reader),
		T(test_removed_environment_is_made_anew),
		T(test_flipped_bytes_end_no_reader),
		T(test_flipped_bytes_end_one_writer_at_most),
		T(test_any_header_is_survived),
		T(test_truncated_file_is_moved_aside),
		T(test_value_read_from_a_truncated_file_is_harmless),
		T(test_handles_are_kept_up_to_a_number),
		T(test_memory_index_leaves_no_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
