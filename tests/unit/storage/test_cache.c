/* SPDX-License-Identifier: MIT */
/* What is cached of mails, and what not (mail_cache_*). */
#include "fixture.h"

#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "storage/core.h"
#include "storage/reader.h"
#include "storage/save_core.h"

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

static void read_fields(struct fixture *f, struct mailbox *box, uint32_t seq,
			const char *const *fields)
{
	struct range_set seqs = one(f, seq, seq);
	struct mail_reader *reader = mail_reader_begin(f->ctx, box, &seqs);
	struct section section = {.kind = SECTION_HEADER_FIELDS,
				  .fields = fields};
	CLEANUP(buf_free) struct buf out = buf_init(65536);
	const struct mail *mail;
	struct err err;

	assert_int_equal(mail_reader_next(reader, &mail, &err), 1);
	assert_ok(mail_header_fields(mail, &section, &out, &err));
	mail_reader_end(&reader);
}

/* A fresh session's, so that nothing is remembered but what was written. */
static struct cache_use use_of(struct fixture *f, const char *field)
{
	CLEANUP(mailbox_close) struct mailbox *box = NULL;
	struct user *user = fixture_user(f);
	const struct cache_use *uses;
	size_t count;
	struct err err;

	assert_ok(mailbox_open(user, "INBOX", 0, &box, &err));
	assert_ok(mailbox_cache_uses(box, &uses, &count, &err));
	for (size_t i = 0; i < count; i++) {
		if (strcmp(uses[i].field, field) == 0)
			return uses[i];
	}
	return (struct cache_use){.decision = CACHE_YES, .last_used = -1};
}

static void decide(struct mailbox *box, const char *field,
		   enum cache_decision decision, int64_t last_used)
{
	const struct cache_use use = {field, decision, last_used};
	struct err err;

	assert_ok(mailbox_cache_decide(box, &use, &err));
}

static uint64_t generation_of(struct mailbox *box)
{
	return index_generation(box->store->index);
}

static void test_use_is_noted_once_a_day(void **state)
{
	static const char *const foo[] = {"X-Foo", NULL};
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	int64_t now = time(NULL);
	uint64_t before;

	save_mail(box, "one");
	sync_box(f, box, 0);
	read_envelope(f, box, 1);
	read_fields(f, box, 1, foo);
	assert_in_range(use_of(f, "imap.envelope").last_used, now, now + 60);
	assert_in_range(use_of(f, "hdr.x-foo").last_used, now, now + 60);
	before = generation_of(box);
	mailbox_close(&box);
	box = open_box(f, "INBOX", 0);
	read_envelope(f, box, 1);
	read_fields(f, box, 1, foo);
	assert_int_equal(generation_of(box), before);
	decide(box, "imap.envelope", CACHE_TEMP, now - 2 * 86400);
	mailbox_close(&box);
	box = open_box(f, "INBOX", 0);
	read_envelope(f, box, 1);
	assert_in_range(use_of(f, "imap.envelope").last_used, now, now + 60);
}

static void test_unused_fields_are_dropped(void **state)
{
	static const char *const both[] = {"X-Foo", "X-Bar", "Subject", NULL};
	static const char *const bar[] = {"X-Bar", "Subject", NULL};
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	int64_t old = time(NULL) - 31 * 86400;
	struct mail_reader *reader;
	struct range_set seqs = one(f, 1, 1);
	const struct mail *mail;
	struct str value, text;
	struct err err;

	save_mail(box, "one");
	sync_box(f, box, 0);
	read_fields(f, box, 1, both);
	decide(box, "imap.envelope", CACHE_TEMP, old);
	decide(box, "imap.bodystructure", CACHE_YES, old);
	decide(box, "hdr.x-foo", CACHE_TEMP, old);
	mailbox_close(&box);
	box = open_box(f, "INBOX", 0);
	assert_int_equal(use_of(f, "imap.envelope").decision, CACHE_NO);
	assert_int_equal(use_of(f, "imap.bodystructure").decision, CACHE_TEMP);
	save_mail(box, "two");
	sync_box(f, box, 0);
	assert_false(has(box, 2, INDEX_ENVELOPE));
	assert_true(has(box, 2, INDEX_BODY_STRUCTURE));
	assert_true(has(box, 1, INDEX_ENVELOPE));
	assert_ok(mailbox_cache_purge(box, &err));
	assert_false(has(box, 1, INDEX_ENVELOPE));
	reader = mail_reader_begin(f->ctx, box, &seqs);
	assert_int_equal(mail_reader_next(reader, &mail, &err), 1);
	assert_true(reader_cached(reader, INDEX_HEADERS, &value));
	assert_true(cached_headers_get(value, bar, &text));
	assert_false(cached_headers_get(value, both, &text));
	mail_reader_end(&reader);
	/* Somebody asks again. */
	read_envelope(f, box, 1);
	assert_true(has(box, 1, INDEX_ENVELOPE));
	assert_int_equal(use_of(f, "imap.envelope").decision, CACHE_TEMP);
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

/* The structure of a mail takes all of its text. */
static void test_envelope_takes_the_header_alone(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	struct range_set both = one(f, 1, 2);
	struct mail_reader *reader;
	const struct mail *mail;
	struct str text;
	struct err err;

	save_mail(box, "one");
	save_mail(box, "two");
	sync_box(f, box, 0);
	assert_ok(mailbox_cache_remove(box, &both, &err));
	read_envelope(f, box, 1);
	assert_true(has(box, 1, INDEX_ENVELOPE));
	assert_false(has(box, 1, INDEX_BODY_STRUCTURE));
	assert_ok(mailbox_cache_remove(box, &both, &err));
	/* With the structure of the first, the second is parsed once. */
	reader = mail_reader_begin(f->ctx, box, &both);
	assert_int_equal(mail_reader_next(reader, &mail, &err), 1);
	assert_ok(mail_envelope(mail, &text, &err));
	assert_ok(mail_body_structure(mail, true, &text, &err));
	assert_int_equal(mail_reader_next(reader, &mail, &err), 1);
	assert_ok(mail_envelope(mail, &text, &err));
	assert_true(reader_cached(reader, INDEX_BODY_STRUCTURE, &text));
	mail_reader_end(&reader);
	assert_true(has(box, 1, INDEX_BODY_STRUCTURE));
	assert_true(has(box, 2, INDEX_ENVELOPE));
}

#define T(name, setup)                                                         \
	cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_full_cache_takes_nothing_more, setup_small),
		T(test_small_mailbox_is_not_cached, setup_count),
		T(test_large_values_are_not_cached, setup_record),
		T(test_envelope_takes_the_header_alone, fixture_setup),
		T(test_use_is_noted_once_a_day, fixture_setup),
		T(test_unused_fields_are_dropped, fixture_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
