/* SPDX-License-Identifier: MIT */
/*
 * Looking at an index, walking it, and mending it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "fixture.h"
#include "index/bytes.h"
#include "index/env.h"
#include "index/index.h"
#include "index/walk.h"

static void put_cache(struct index *index, uint32_t id, uint32_t uid)
{
	struct index_txn *txn = begin(index, INDEX_WRITE);
	struct err err;

	OK(index_cache_put(txn, id, uid, INDEX_ENVELOPE, STR("(e)"), &err));
	OK(index_cache_put(txn, id, uid, INDEX_SORT, STR("sort"), &err));
	OK(index_cache_put(txn, id, uid, INDEX_BASE, STR("base"), &err));
	commit(&txn);
}

/* "1:3 5", a row after the other. */
static void walk_log(struct index_txn *txn, uint32_t id, enum index_log log,
		     struct buf *out)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "walk");
	struct range_set uids = range_set_init(ctx);
	uint64_t modseq = 0;
	uint32_t uid = 0;

	while (index_walk_log(txn, id, log, &modseq, &uid, &uids)) {
		if (out->len > 0)
			buf_putc(out, ' ');
		range_set_write(&uids, out);
	}
}

static void test_a_walk_tells_all(void **state)
{
	CLEANUP(buf_free) struct buf changes = buf_init(1000);
	CLEANUP(buf_free) struct buf expunges = buf_init(1000);
	struct index *index = open_index(), *look;
	uint32_t id = make_box(index, "INBOX"),
		 other = make_box(index, "Other");
	struct index_header header;
	struct index_history history;
	struct index_txn *txn;
	struct index_box box;
	unsigned field = 0, fields = 0;
	struct str value;
	struct err err;

	(void)state;
	append(index, id, 3);
	append(index, other, 1);
	append(index, id, 2);
	put_cache(index, id, 2);
	txn = begin(index, INDEX_WRITE);
	OK(index_box_get(txn, id, &box, &err));
	OK(index_record_expunge(txn, &box, 4, &err));
	commit(&txn);
	index_close(&index);

	OK(index_open_look(dir, &look, &err));
	txn = begin(look, INDEX_READ);
	OK(index_walk_header(txn, &header, &err));
	assert_true(header.this_boot);
	assert_true(header.last_txn > 0);
	assert_true(header.used_size > 0);
	OK(index_walk_history(txn, id, &history, &err));
	assert_int_equal(history.changes, 2);
	assert_int_equal(history.expunges, 1);
	walk_log(txn, id, INDEX_LOG_CHANGES, &changes);
	assert_string_equal(changes.data, "1:3 4:5");
	walk_log(txn, id, INDEX_LOG_EXPUNGES, &expunges);
	assert_string_equal(expunges.data, "4");
	while (index_walk_cache(txn, id, 2, &field, &value))
		fields = fields * 100 + field;
	assert_int_equal(fields, (INDEX_ENVELOPE * 100 + INDEX_SORT) * 100 +
					 INDEX_BASE);
	index_rollback(&txn);
	index_close(&look);
}

static void test_looking_makes_nothing(void **state)
{
	struct index *look;
	struct stat st;
	struct err err;

	(void)state;
	assert_int_equal(index_open_look("/nonexistent/index", &look, &err),
			 -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(stat("/nonexistent", &st), -1);
}

static void test_the_cache_of_one_mail_goes(void **state)
{
	struct index *index = open_index();
	uint32_t id = make_box(index, "INBOX");
	struct index_txn *txn;
	struct str value;
	unsigned purged;
	struct err err;

	(void)state;
	append(index, id, 3);
	for (uint32_t uid = 1; uid <= 3; uid++)
		put_cache(index, id, uid);
	put_cache(index, id, 7); /* of no mail */
	txn = begin(index, INDEX_WRITE);
	OK(index_cache_remove(txn, id, 2, &err));
	OK(index_cache_put(txn, id, 9, INDEX_SORT, STR("alone"), &err));
	OK(index_cache_put(txn, id, 1000, INDEX_SUBJECT, STR("alone"), &err));
	OK(index_cache_purge(txn, id, &purged, &err));
	assert_int_equal(purged, 3);
	commit(&txn);
	txn = begin(index, INDEX_READ);
	assert_true(index_cache_get(txn, id, 1, INDEX_SORT, &value));
	assert_false(index_cache_get(txn, id, 2, INDEX_SORT, &value));
	assert_false(index_cache_get(txn, id, 2, INDEX_ENVELOPE, &value));
	assert_true(index_cache_get(txn, id, 3, INDEX_ENVELOPE, &value));
	assert_false(index_cache_get(txn, id, 7, INDEX_ENVELOPE, &value));
	assert_false(index_cache_get(txn, id, 7, INDEX_SORT, &value));
	assert_false(index_cache_get(txn, id, 9, INDEX_SORT, &value));
	assert_true(index_cache_get(txn, id, 3, INDEX_BASE, &value));
	assert_false(index_cache_get(txn, id, 2, INDEX_BASE, &value));
	assert_false(index_cache_get(txn, id, 7, INDEX_BASE, &value));
	assert_false(index_cache_get(txn, id, 1000, INDEX_SUBJECT, &value));
	index_rollback(&txn);
	index_close(&index);
}

enum { MODEL_UIDS = 400, MODEL_TURNS = 20000 };

/* Values that share rows, put, changed and removed in any order, in several
 * mailboxes, and read in the transaction and after it. */
static void test_packed_values_are_those_of_the_mail(void **state)
{
	static const enum index_field fields[] = {INDEX_SUBJECT, INDEX_BASE};
	static unsigned char lengths[2][2][MODEL_UIDS]; /* and one */
	static char text[256];
	struct index *index = open_index();
	uint32_t ids[] = {make_box(index, "INBOX"), make_box(index, "Other")};
	struct index_txn *txn = begin(index, INDEX_WRITE);
	enum index_mode mode = INDEX_WRITE;
	struct str value;
	struct err err;

	(void)state;
	srand(1);
	for (unsigned turn = 0; turn < MODEL_TURNS; turn++) {
		unsigned box = rand() % 2, field = rand() % 2;
		uint32_t uid = rand() % 4 > 0 ? turn / 3 % MODEL_UIDS
					      : (unsigned)rand() % MODEL_UIDS;
		unsigned char *len = &lengths[box][field][uid];

		memset(text, (int)uid, sizeof(text));
		assert_int_equal(index_cache_get(txn, ids[box], uid,
						 fields[field], &value),
				 *len > 0);
		assert_true(*len == 0 ||
			    str_equal(value, str_n(text, *len - 1U)));
		if (turn % 512 == 0) {
			commit(&txn);
			mode = turn % 1024 == 0 ? INDEX_READ : INDEX_WRITE;
			txn = begin(index, mode);
		} else if (mode == INDEX_READ) {
			continue;
		} else if (rand() % 3 == 0) {
			OK(index_cache_drop(txn, ids[box], uid, fields[field],
					    &err));
			*len = 0;
		} else {
			*len = (unsigned char)(1 + rand() % 100);
			OK(index_cache_put(txn, ids[box], uid, fields[field],
					   str_n(text, *len - 1U), &err));
		}
	}
	index_rollback(&txn);
	index_close(&index);
}

/* Flags apart from their records, and back in them, in any order; what is read
 * then, and what is counted. */
static void test_flags_apart_are_those_of_the_mail(void **state)
{
	enum { MAILS = 300 };
	struct index *index = open_index();
	uint32_t id = make_box(index, "INBOX");
	uint8_t flags[MAILS + 1] = {0};
	uint64_t bits[MAILS + 1] = {0};
	bool gone[MAILS + 1] = {false}, wrong;
	unsigned unseen = 0;
	struct index_txn *txn;
	struct index_box box;
	struct index_record record = {.uid = 0};
	struct err err;

	(void)state;
	srand(2);
	append(index, id, MAILS);
	txn = begin(index, INDEX_WRITE);
	OK(index_box_get(txn, id, &box, &err));
	for (unsigned turn = 0; turn < MODEL_TURNS; turn++) {
		uint32_t uid = 1 + (turn % 3 > 0 ? turn / 3 : (unsigned)rand()) %
					   MAILS;
		struct keywords keywords = {{(uint64_t)rand() % 3}};
		uint8_t new = (uint8_t)(rand() % 32);

		if (gone[uid])
			continue;
		OK(index_record_get(txn, id, uid, &record, &err));
		assert_int_equal(record.flags, flags[uid]);
		assert_int_equal(record.keywords.bits[0], bits[uid]);
		if (rand() % 200 == 0) {
			OK(index_record_expunge(txn, &box, uid, &err));
			gone[uid] = true;
			continue;
		}
		if (rand() % 2 == 0) {
			OK(index_record_flag(txn, &box, &record, new, &keywords,
					     1, &err));
		} else {
			record.flags = new;
			record.keywords = keywords;
			OK(index_record_put(txn, &box, &record, &err));
		}
		flags[uid] = new;
		bits[uid] = keywords.bits[0];
		if (turn % 500 == 0) {
			commit(&txn);
			txn = begin(index, INDEX_WRITE);
			OK(index_box_get(txn, id, &box, &err));
		}
	}
	OK(index_box_recount(txn, id, &wrong, &err));
	assert_false(wrong);
	commit(&txn);
	txn = begin(index, INDEX_READ);
	OK(index_box_get(txn, id, &box, &err));
	record.uid = 0;
	while (index_record_next(txn, id, record.uid + 1, &record)) {
		assert_int_equal(record.flags, flags[record.uid]);
		assert_int_equal(record.keywords.bits[0], bits[record.uid]);
		assert_true(record.modseq <= box.highest_modseq);
		unseen += (record.flags & MAIL_SEEN) == 0;
	}
	assert_int_equal(unseen, box.counts.unseen);
	index_rollback(&txn);
	index_close(&index);
}

/* The mark goes to the driver's data when the record is written next. */
static void test_a_mark_stays(void **state)
{
	struct index *index = open_index();
	uint32_t id = make_box(index, "INBOX");
	struct keywords none = {{0}};
	struct index_record record, apart;
	struct range_set changed = range_set_init(NULL);
	struct range_set expunged = range_set_init(NULL);
	struct index_txn *txn;
	struct index_box box;
	uint64_t before;
	struct err err;

	(void)state;
	append(index, id, 2);
	txn = begin(index, INDEX_WRITE);
	OK(index_box_get(txn, id, &box, &err));
	before = box.highest_modseq;
	OK(index_record_get(txn, id, 2, &record, &err));
	record.driver = STR("@file");
	OK(index_record_put(txn, &box, &record, &err));
	OK(index_record_get(txn, id, 2, &record, &err));
	OK(index_record_flag(txn, &box, &record, MAIL_SEEN, &none, 1, &err));
	commit(&txn);
	txn = begin(index, INDEX_WRITE);
	OK(index_record_get(txn, id, 2, &record, &err));
	assert_true(record.flags_apart);
	assert_int_equal(record.mark, 1);
	assert_true(index_record_apart(txn, id, 2, &apart));
	assert_int_equal(apart.flags, MAIL_SEEN);
	assert_int_equal(apart.modseq, record.modseq);
	assert_false(index_record_apart(txn, id, 1, &apart));
	assert_int_equal(record.modseq, before + 1);
	assert_true(str_is(record.driver, "@file"));
	assert_true(index_changes_since(txn, id, before, &changed, &expunged));
	assert_true(range_set_has(&changed, 2));
	record.saved = 5;
	OK(index_record_put(txn, &box, &record, &err));
	OK(index_record_get(txn, id, 2, &record, &err));
	assert_false(record.flags_apart);
	assert_int_equal(record.mark, 0);
	assert_int_equal(record.flags, MAIL_SEEN);
	assert_int_equal(record.modseq, before + 1);
	assert_true(str_is(record.driver, "Afile"));
	index_rollback(&txn);
	mem_free(changed.ranges);
	mem_free(expunged.ranges);
	index_close(&index);
}

static void test_packed_values_are_bounded(void **state)
{
	static char text[2049];
	struct index *index = open_index();
	uint32_t id = make_box(index, "INBOX");
	struct index_txn *txn = begin(index, INDEX_WRITE);
	struct str value;
	struct err err;

	(void)state;
	for (uint32_t uid = 0; uid < 300; uid++)
		OK(index_cache_put(txn, id, uid, INDEX_SUBJECT,
				   str_n(text, 2048), &err));
	assert_int_equal(index_cache_put(txn, id, 5, INDEX_SUBJECT,
					 str_n(text, 2049), &err),
			 -1);
	assert_int_equal(err.code, ERR_LIMIT);
	OK(index_box_delete(txn, id, &err));
	assert_false(index_cache_get(txn, id, 1, INDEX_SUBJECT, &value));
	commit(&txn);
	index_close(&index);
}

/* Sort values follow one another; some mails have none, and another mailbox
 * has those of the same UIDs. */
static void test_sort_values_are_those_of_the_mail(void **state)
{
	struct index *index = open_index();
	uint32_t id = make_box(index, "INBOX");
	uint32_t other = make_box(index, "Other");
	struct index_txn *txn;
	struct str value;
	struct err err;

	(void)state;
	txn = begin(index, INDEX_WRITE);
	for (uint32_t uid = 1; uid <= 200; uid++) {
		char text[16];

		snprintf(text, sizeof(text), "%u", uid);
		if (uid % 7 != 0)
			OK(index_cache_put(txn, id, uid, INDEX_SORT,
					   str_of(text), &err));
		OK(index_cache_put(txn, other, uid, INDEX_SORT, STR("other"),
				   &err));
	}
	commit(&txn);
	txn = begin(index, INDEX_READ);
	for (unsigned step = 1; step < 12; step++) {
		for (uint32_t uid = 1; uid <= 201; uid += step) {
			bool there = uid <= 200 && uid % 7 != 0;

			assert_int_equal(index_cache_get(txn, id, uid,
							 INDEX_SORT, &value),
					 there);
			if (there) {
				uint32_t got = 0;

				assert_true(str_to_u32(value, &got));
				assert_int_equal(got, uid);
			}
		}
	}
	index_rollback(&txn);
	index_close(&index);
}

static void test_right_counts_are_left_alone(void **state)
{
	struct index *index = open_index();
	uint32_t id = make_box(index, "INBOX");
	struct index_counts before, after;
	struct index_txn *txn;
	bool changed;
	struct err err;

	(void)state;
	append(index, id, 5);
	before = box_of(index, id).counts;
	txn = begin(index, INDEX_WRITE);
	OK(index_box_recount(txn, id, &changed, &err));
	assert_false(changed);
	commit(&txn);
	after = box_of(index, id).counts;
	assert_int_equal(before.messages, after.messages);
	assert_int_equal(before.recent, after.recent);
	assert_int_equal(before.unseen, after.unseen);
	assert_int_equal(before.deleted, after.deleted);
	assert_int_equal(before.size, after.size);
	assert_int_equal(before.size_unknown, after.size_unknown);
	index_close(&index);
}

/* UIDs of such a row would begin anew behind the highest, and a purge with
 * them. */
static void
test_a_row_of_packed_values_behind_all_uids_ends_a_purge(void **state)
{
	static const uint32_t numbers[] = {UINT32_MAX / PACK_UIDS + 1,
					   UINT32_MAX};
	struct index *index = open_index();
	uint32_t id = make_box(index, "INBOX");
	unsigned char key[13];
	struct index_txn *txn;
	unsigned purged;
	struct err err;

	(void)state;
	append(index, id, 2);
	txn = begin(index, INDEX_WRITE);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		key32_put(key, id);
		key32_put(key + 4, UINT32_MAX);
		key[8] = INDEX_SUBJECT;
		key32_put(key + 9, numbers[i]);
		assert_int_equal(lmdb_put(txn, TABLE_CACHE,
					  str_n(key, sizeof(key)),
					  str_n("\5\1\0x", 4)),
				 0);
	}
	OK(index_cache_purge(txn, id, &purged, &err));
	assert_int_equal(purged, 0);
	index_rollback(&txn);
	index_close(&index);
}

/* Names of files get longer and shorter under a walk, records go, and what the
 * walk took before is not what it tells. */
static void test_writer_walks_over_what_it_writes(void **state)
{
	struct index *index = open_index();
	uint32_t id = make_box(index, "INBOX");
	struct index_record record = {.uid = 0}, next;
	struct index_box box;
	struct index_txn *txn;
	struct err err;
	char name[64];

	(void)state;
	append(index, id, 300);
	txn = begin(index, INDEX_WRITE);
	OK(index_box_get(txn, id, &box, &err));
	while (index_record_next(txn, id, record.uid + 1, &record)) {
		uint32_t uid = record.uid;

		if (uid % 7 != 0) /* some rows are read on the way */
			continue;
		OK(index_record_get(txn, id, uid + 1, &next, &err));
		memset(name, 'x', sizeof(name));
		next.driver = str_n(name, uid % sizeof(name));
		next.flags = MAIL_FLAGGED;
		OK(index_record_put(txn, &box, &next, &err));
		OK(index_record_expunge(txn, &box, uid + 2, &err));
		assert_true(index_record_next(txn, id, uid + 1, &next));
		assert_int_equal(next.uid, uid + 1);
		assert_int_equal(next.flags, MAIL_FLAGGED);
		assert_int_equal(next.driver.len, uid % sizeof(name));
		assert_true(index_record_next(txn, id, uid + 2, &next));
		assert_int_equal(next.uid, uid + 3);
		record.uid = uid + 3;
	}
	assert_int_equal(box.counts.messages, 300 - 300 / 7);
	commit(&txn);
	index_close(&index);
}

/* All that is told of a mailbox, but for its number. */
static char *everything(const void *ctx, struct index *index, uint32_t id)
{
	CLEANUP(buf_free) struct buf out = buf_init(10000);
	struct index_txn *txn = begin(index, INDEX_READ);
	struct index_history history;
	struct index_record record = {.uid = 0};
	struct range_set uids = range_set_init(ctx);
	struct index_box box;
	struct str value;
	const char **names;
	unsigned count;
	struct err err;

	OK(index_box_get(txn, id, &box, &err));
	OK(index_walk_history(txn, id, &history, &err));
	OK(index_keywords_get(txn, ctx, id, &names, &count, &err));
	buf_printf(&out, "%u %u %llu %u %u %llu %llu %u %u %u;",
		   box.uid_validity, box.uid_next,
		   (unsigned long long)box.highest_modseq, box.counts.messages,
		   box.counts.unseen, (unsigned long long)history.changes_from,
		   (unsigned long long)history.expunges_from, history.changes,
		   history.expunges, count);
	walk_log(txn, id, INDEX_LOG_CHANGES, &out);
	walk_log(txn, id, INDEX_LOG_EXPUNGES, &out);
	index_record_uids(txn, id, &uids);
	range_set_write(&uids, &out);
	while (index_record_next(txn, id, record.uid + 1, &record)) {
		unsigned field = 0;

		buf_printf(&out, ";%u %x %llu", record.uid, record.flags,
			   (unsigned long long)record.modseq);
		while (index_walk_cache(txn, id, record.uid, &field, &value))
			buf_printf(&out, " %u %.*s", field, (int)value.len,
				   value.data);
	}
	index_rollback(&txn);
	return buf_steal(ctx, &out);
}

static void test_a_mailbox_goes_whole_into_another_index(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	static const char *const names[] = {"one", "two"};
	struct index *index = open_index(), *other;
	uint32_t id = make_box(index, "INBOX"),
		 neighbour = make_box(index, "Next"), found;
	struct index_txn *txn, *to;
	struct index_box box;
	char *before, *next;
	struct err err;

	(void)state;
	append(index, id, 5);
	append(index, neighbour, 2);
	set_flags(index, id, 3, MAIL_SEEN);
	put_cache(index, id, 2);
	put_cache(index, neighbour, 1);
	txn = begin(index, INDEX_WRITE);
	OK(index_box_get(txn, id, &box, &err));
	OK(index_record_expunge(txn, &box, 4, &err));
	OK(index_keywords_put(txn, id, names, 2, &err));
	commit(&txn);
	before = everything(ctx, index, id);
	next = everything(ctx, index, neighbour);

	OK(index_open(mem_printf(ctx, "%s/other", root), 0600, &other, &err));
	make_box(other, "another");
	txn = begin(index, INDEX_WRITE);
	to = begin(other, INDEX_WRITE);
	OK(index_box_copy(txn, id, to, "a/b", &id, &err));
	commit(&to);
	OK(index_box_find(txn, "INBOX", &found, &err));
	OK(index_box_delete(txn, found, &err));
	commit(&txn);
	assert_string_equal(everything(ctx, other, id), before);
	assert_string_equal(everything(ctx, index, neighbour), next);
	txn = begin(other, INDEX_READ);
	OK(index_box_find(txn, "a/b", &found, &err));
	assert_int_equal(found, id);
	index_rollback(&txn);
	index_close(&other);
	index_close(&index);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_walk_tells_all, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			test_a_mailbox_goes_whole_into_another_index, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_looking_makes_nothing,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_cache_of_one_mail_goes,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_sort_values_are_those_of_the_mail, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_packed_values_are_those_of_the_mail, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_flags_apart_are_those_of_the_mail, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_a_mark_stays, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			test_a_row_of_packed_values_behind_all_uids_ends_a_purge,
			setup, teardown),
		cmocka_unit_test_setup_teardown(test_packed_values_are_bounded,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_right_counts_are_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_writer_walks_over_what_it_writes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
