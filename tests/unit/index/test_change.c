/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fixture.h"

static void test_changes_since_a_modseq(void **state)
{
	struct index *index = open_index();
	uint32_t id = make_box(index, "INBOX");
	uint64_t start = box_of(index, id).highest_modseq, middle;
	struct index_record record;
	struct index_txn *txn;
	struct range_set changed, expunged;
	struct index_box box;
	struct err err;

	(void)state;
	append(index, id, 10);
	middle = box_of(index, id).highest_modseq;
	assert_int_equal(middle, start + 1);
	txn = begin(index, INDEX_WRITE);
	OK(index_box_get(txn, id, &box, &err));
	OK(index_record_get(txn, id, 9, &record, &err));
	record.flags = MAIL_SEEN;
	OK(index_record_put(txn, &box, &record, &err));
	OK(index_record_get(txn, id, 2, &record, &err));
	record.keywords.bits[1] = 4;
	OK(index_record_put(txn, &box, &record, &err));
	OK(index_record_expunge(txn, &box, 5, &err));
	commit(&txn);
	txn = begin(index, INDEX_READ);
	changed = range_set_init(txn);
	expunged = range_set_init(txn);
	assert_true(index_changes_since(txn, id, middle, &changed, &expunged));
	assert_int_equal(range_set_size(&changed), 2);
	assert_true(range_set_has(&changed, 2) && range_set_has(&changed, 9));
	assert_int_equal(range_set_size(&expunged), 1);
	assert_true(range_set_has(&expunged, 5));
	assert_true(index_changes_since(txn, id, start, &changed, &expunged));
	assert_int_equal(range_set_size(&changed), 9);
	assert_false(
		index_changes_since(txn, id, start - 1, &changed, &expunged));
	OK(index_record_get(txn, id, 2, &record, &err));
	assert_int_equal(record.modseq, middle + 1);
	assert_int_equal(record.keywords.bits[1], 4);
	index_rollback(&txn);
	index_close(&index);
}

static uint64_t changed_since(struct index *index, uint32_t id, uint64_t modseq)
{
	struct index_txn *txn = begin(index, INDEX_READ);
	struct range_set changed = range_set_init(txn);
	struct range_set expunged = range_set_init(txn);
	uint64_t count;

	assert_true(index_changes_since(txn, id, modseq, &changed, &expunged));
	assert_int_equal(range_set_size(&expunged), 0);
	count = range_set_size(&changed);
	index_rollback(&txn);
	return count;
}

static void test_changes_of_a_mailbox_made_with_its_mails(void **state)
{
	struct index *index = open_index();
	struct index_txn *txn = begin(index, INDEX_WRITE);
	struct index_box box = {.uid_validity = 7, .first_recent_uid = 1};
	struct index_record record;
	uint64_t start;
	struct err err;

	(void)state;
	OK(index_box_create(txn, "INBOX", &box, &err));
	start = box.highest_modseq;
	for (uint32_t uid = 1; uid <= 3; uid++) {
		record = record_of(uid, 0);
		OK(index_record_append(txn, &box, &record, &err));
	}
	commit(&txn);
	assert_int_equal(changed_since(index, box.id, start), 3);
	assert_int_equal(changed_since(index, box.id, start + 1), 0);
	append(index, box.id, 2);
	assert_int_equal(changed_since(index, box.id, start), 5);
	assert_int_equal(changed_since(index, box.id, start + 1), 2);
	index_close(&index);
}

/* More of them than the log of changes keeps. */
static void test_changes_are_known_however_many_came_later(void **state)
{
	enum { MANY = 16384 + 500 };
	struct index *index = open_index();
	uint32_t id = make_box(index, "INBOX");
	uint64_t start = box_of(index, id).highest_modseq, before;

	(void)state;
	append(index, id, 3);
	before = box_of(index, id).highest_modseq;
	set_flags(index, id, 1, MAIL_SEEN);
	for (unsigned i = 0; i < MANY; i++)
		set_flags(index, id, 2, i % 2 == 0 ? MAIL_SEEN : 0);
	assert_int_equal(changed_since(index, id, start), 3);
	assert_int_equal(changed_since(index, id, before), 2);
	assert_int_equal(changed_since(index, id, before + 1), 1);
	before = box_of(index, id).highest_modseq;
	assert_int_equal(changed_since(index, id, before - 10), 1);
	assert_int_equal(changed_since(index, id, before), 0);
	index_close(&index);
}

static void test_what_came_and_went_did_not_change(void **state)
{
	struct index *index = open_index();
	uint32_t id = make_box(index, "INBOX");
	uint64_t start = box_of(index, id).highest_modseq;
	struct range_set changed, expunged;
	struct index_txn *txn;
	struct index_box box;
	struct err err;

	(void)state;
	append(index, id, 2);
	txn = begin(index, INDEX_WRITE);
	changed = range_set_init(txn);
	expunged = range_set_init(txn);
	OK(index_box_get(txn, id, &box, &err));
	OK(index_record_expunge(txn, &box, 2, &err));
	/* Within the transaction, too, and what it does then is added. */
	assert_true(index_changes_since(txn, id, start, &changed, &expunged));
	assert_int_equal(range_set_size(&changed), 1);
	assert_true(range_set_has(&expunged, 2));
	OK(index_record_expunge(txn, &box, 1, &err));
	commit(&txn);
	txn = begin(index, INDEX_READ);
	changed = range_set_init(txn);
	expunged = range_set_init(txn);
	assert_true(index_changes_since(txn, id, start, &changed, &expunged));
	assert_int_equal(range_set_size(&changed), 0);
	assert_int_equal(range_set_size(&expunged), 2);
	index_rollback(&txn);
	index_close(&index);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_changes_since_a_modseq),
		T(test_changes_of_a_mailbox_made_with_its_mails),
		T(test_changes_are_known_however_many_came_later),
		T(test_what_came_and_went_did_not_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
