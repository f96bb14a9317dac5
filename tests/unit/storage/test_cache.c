/* SPDX-License-Identifier: MIT */
/* What is cached of mails, and what not (mail_cache_*). */
#include "fixture.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "storage/core.h"

static bool has(struct mailbox *box, uint32_t uid, enum index_field field)
{
	struct index_txn *txn;
	struct index_box row;
	struct str value;
	struct err err;
	bool found;

	assert_ok(mailbox_begin(box, INDEX_READ, &txn, &row, &err));
	found = index_cache_get(txn, row.id, uid, field, &value);
	index_rollback(&txn);
	return found;
}

/* As FETCH ENVELOPE does; what is learnt is written. */
static void read_envelope(struct fixture *f, struct mailbox *box, uint32_t seq)
{
	struct range_set seqs = one(f, seq, seq);
	struct mail_reader *reader = mail_reader_begin(f->ctx, box, &seqs);
	const struct mail *mail;
	struct str text;
	struct err err;

	assert_int_equal(mail_reader_next(reader, &mail, &err), 1);
	assert_ok(mail_envelope(mail, &text, &err));
	assert_true(text.len > 0);
	mail_reader_end(&reader);
}

static int setup_small(void **state)
{
	return fixture_open(state, "mail_cache_max_size = 1 k\n");
}

static void test_full_cache_takes_nothing_more(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);

	save_mail(box, "one");
	sync_box(f, box, 0);
	assert_false(has(box, 1, INDEX_ENVELOPE));
	read_envelope(f, box, 1);
	assert_false(has(box, 1, INDEX_ENVELOPE));
}

static int setup_count(void **state)
{
	return fixture_open(state, "mail_cache_min_mail_count = 2\n");
}

static void test_small_mailbox_is_not_cached(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);

	save_mail(box, "one");
	sync_box(f, box, 0);
	read_envelope(f, box, 1);
	assert_false(has(box, 1, INDEX_ENVELOPE));
	save_mail(box, "two");
	sync_box(f, box, 0);
	assert_true(has(box, 2, INDEX_ENVELOPE));
	read_envelope(f, box, 1);
	assert_true(has(box, 1, INDEX_ENVELOPE));
}

static int setup_record(void **state)
{
	return fixture_open(state, "mail_cache_record_max_size = 1 k\n");
}

static void test_large_values_are_not_cached(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	char *subject = mem_array(f->ctx, char, 1001);

	memset(subject, 'x', 300);
	save_mail(box, subject);
	memset(subject, 'x', 1000);
	save_mail(box, subject);
	sync_box(f, box, 0);
	assert_true(has(box, 1, INDEX_ENVELOPE));
	assert_false(has(box, 2, INDEX_ENVELOPE));
	assert_true(has(box, 2, INDEX_BODY_STRUCTURE));
	read_envelope(f, box, 2);
	assert_false(has(box, 2, INDEX_ENVELOPE));
}

#define T(name, setup)                                                         \
	cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_full_cache_takes_nothing_more, setup_small),
		T(test_small_mailbox_is_not_cached, setup_count),
		T(test_large_values_are_not_cached, setup_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
