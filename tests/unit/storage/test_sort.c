/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "fixture.h"
#include "storage/core.h"

static const struct search_node all = {.kind = SEARCH_ALL};

static int setup(void **state)
{
	return fixture_open(state, "mail_fsync = never\n");
}

static void add(struct mailbox *box, const char *header)
{
	CLEANUP(buf_free) struct buf text = buf_init(1 << 20);

	buf_add(&text, header);
	buf_add(&text, "\r\nbody\r\n");
	save_text(box, text.data, 0, NULL);
}

static char *sorted(struct fixture *f, struct mailbox *box,
		    const struct sort_key *keys, size_t count)
{
	struct sort *sort = sort_begin(f->ctx, box, &all, keys, count);
	struct buf text = buf_init(1 << 20);
	const uint32_t *seqs;
	size_t found;
	struct err err;
	int done;

	/* No time at all: it must get there all the same. */
	do {
		done = sort_run(sort, 0, &err);
		assert_ok(done);
	} while (done == 0);
	seqs = sort_result(sort, &found);
	for (size_t i = 0; i < found; i++)
		buf_printf(&text, i == 0 ? "%u" : " %u", seqs[i]);
	mem_free(sort);
	return buf_steal(f->ctx, &text);
}

static char *by(struct fixture *f, struct mailbox *box, enum sort_kind kind,
		bool reverse)
{
	struct sort_key key = {kind, reverse};

	return sorted(f, box, &key, 1);
}

static void fill(struct mailbox *box)
{
	add(box, "From: Zed <b@x>\r\nTo: Q <y@x>\r\nSubject: Re: pears\r\n"
		 "Date: Thu, 1 Jan 2015 12:00:00 +0000\r\n");
	add(box, "From: =?utf-8?q?=C3=84a?= <c@x>\r\nTo: z@x\r\n"
		 "Subject: [list] =?utf-8?q?=C3=84pples?=\r\n"
		 "Date: Thu, 1 Jan 2015 13:30:00 +0200\r\n");
	add(box, "From: a@x\r\nCc: k@x\r\nSubject: pears\r\n"
		 "Date: Wed, 31 Dec 2014 23:00:00 -0500\r\n");
	add(box, "Subject: pears (fwd)\r\n"
		 "Date: Thu, 1 Jan 2015 12:00:00 +0000\r\n");
}

static void test_every_key(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);

	fill(box);
	sync_box(f, box, 0);
	assert_string_equal(by(f, box, SORT_DATE, false), "3 2 1 4");
	assert_string_equal(by(f, box, SORT_DATE, true), "1 4 2 3");
	assert_string_equal(by(f, box, SORT_SUBJECT, false), "2 1 3 4");
	assert_string_equal(by(f, box, SORT_FROM, false), "4 3 1 2");
	assert_string_equal(by(f, box, SORT_DISPLAY_FROM, false), "4 3 2 1");
	assert_string_equal(by(f, box, SORT_TO, false), "3 4 1 2");
	assert_string_equal(by(f, box, SORT_DISPLAY_TO, false), "3 4 1 2");
	assert_string_equal(by(f, box, SORT_CC, true), "3 1 2 4");
	assert_string_equal(by(f, box, SORT_SIZE, true), "2 1 3 4");
}

static void test_several_keys(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	static const struct sort_key keys[] = {
		{SORT_SUBJECT, true},
		{SORT_DATE, true},
		{SORT_FROM, false},
		{SORT_SUBJECT, false}, /* of no effect */
	};

	fill(box);
	sync_box(f, box, 0);
	assert_string_equal(sorted(f, box, keys, 4), "4 1 3 2");
}

/* The sort value travels with a copy; and without one in the index, the order
 * is the same. */
static void test_cached_or_not(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	CLEANUP(mailbox_close) struct mailbox *copy = NULL;
	struct copy_result result;
	struct range_set seqs = one(f, 1, 4);
	struct err err;

	fill(box);
	sync_box(f, box, 0);
	assert_ok(mailbox_create(f->user, "copy", NULL, &err));
	assert_ok(
		mailbox_copy(f->ctx, box, &seqs, "copy", false, &result, &err));
	copy = open_box(f, "copy", 0);
	f->user->settings.mail_sort_max_read_count = 1;
	assert_string_equal(by(f, copy, SORT_SUBJECT, false), "2 1 3 4");
}

static void test_memory_is_bounded(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	struct sort_key key = {SORT_DATE, false};
	struct sort *sort;
	struct thread *thread;
	struct err err;

	fill(box);
	sync_box(f, box, 0);
	f->user->settings.mail_sort_max_memory = 1000;
	sort = sort_begin(f->ctx, box, &all, &key, 1);
	assert_int_equal(sort_run(sort, 1000, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	thread = thread_begin(f->ctx, box, &all, THREAD_REFERENCES);
	assert_int_equal(thread_run(thread, 1000, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	mem_free(sort);
	mem_free(thread);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_key, setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_several_keys, setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_cached_or_not, setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_memory_is_bounded, setup,
						fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
