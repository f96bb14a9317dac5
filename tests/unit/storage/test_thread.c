/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "fixture.h"
#include "storage/core.h"
#include "storage/forest.h"
#include "storage/order.h"
#include "storage/save_core.h"
#include "storage/sort_value.h"

static const struct search_node all = {.kind = SEARCH_ALL};

static int setup(void **state)
{
	return fixture_open(state, "mail_fsync = never\n");
}

/* A mail of that minute of the first of January 2015. */
static void add(struct mailbox *box, int minute, const char *id,
		const char *references, const char *subject)
{
	CLEANUP(buf_free) struct buf text = buf_init(1 << 20);

	buf_printf(&text, "Date: Thu, 1 Jan 2015 %02d:%02d:00 +0000\r\n",
		   minute / 60, minute % 60);
	if (id != NULL)
		buf_printf(&text, "Message-ID: <%s@x>\r\n", id);
	if (references != NULL)
		buf_printf(&text, "References: %s\r\n", references);
	if (subject != NULL)
		buf_printf(&text, "Subject: %s\r\n", subject);
	buf_add(&text, "\r\nbody\r\n");
	save_text(box, text.data, 0, NULL);
}

static char *steps(struct fixture *f, struct thread *thread)
{
	struct buf text = buf_init(1 << 24);
	enum thread_step step;
	uint32_t seq;

	buf_add(&text, "");
	while ((step = thread_next(thread, &seq)) != THREAD_END) {
		if (step == THREAD_OPEN)
			buf_putc(&text, '(');
		else if (step == THREAD_CLOSE)
			buf_putc(&text, ')');
		else if (text.data[text.len - 1] == '(')
			buf_printf(&text, "%u", seq);
		else
			buf_printf(&text, " %u", seq);
	}
	assert_int_equal(thread_next(thread, &seq), THREAD_END);
	return buf_steal(f->ctx, &text);
}

static char *threads(struct fixture *f, struct mailbox *box,
		     enum thread_kind kind, unsigned ms)
{
	struct thread *thread = thread_begin(f->ctx, box, &all, kind);
	struct err err;
	char *text;
	int done;

	do {
		done = thread_run(thread, ms, &err);
		assert_ok(done);
	} while (done == 0);
	text = steps(f, thread);
	mem_free(thread);
	return text;
}

static void assert_threads(struct fixture *f, struct mailbox *box,
			   enum thread_kind kind, const char *wanted)
{
	sync_box(f, box, 0);
	/* No time at all: it must get there all the same. */
	assert_string_equal(threads(f, box, kind, 0), wanted);
}

/* The response of RFC 5256 section 4, made by mails that give it. */
static void test_the_example_of_the_rfc(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);

	add(box, 1, "1", NULL, "one");
	add(box, 2, "2", NULL, "two");
	add(box, 3, "3", NULL, "three");
	add(box, 4, "4", "<3@x>", "Re: three");
	add(box, 6, "6", "<3@x>", "Re: three");
	add(box, 7, "7", "<3@x> <6@x>", "Re: three");
	add(box, 8, "8", "<7@x>", "Re: three");
	add(box, 9, "9", "<6@x>", "Re: three");
	assert_threads(f, box, THREAD_REFERENCES, "(1)(2)(3(4)(5(6 7)(8)))");
	assert_threads(f, box, THREAD_REFS, "(1)(2)(3(4)(5(6 7)(8)))");
	assert_threads(f, box, THREAD_ORDEREDSUBJECT,
		       "(1)(2)(3(4)(5)(6)(7)(8))");
}

static void test_threads_of_one_date_are_in_the_order_of_numbers(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);

	add(box, 1, "1", NULL, "c");
	add(box, 1, "2", NULL, "a");
	add(box, 1, "3", NULL, "b");
	add(box, 1, "4", NULL, "a");
	assert_threads(f, box, THREAD_ORDEREDSUBJECT, "(1)(2 4)(3)");
}

static void test_missing_parents(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);

	add(box, 1, "1", "<gone@x>", "a");
	add(box, 2, "2", "<gone@x>", "b");
	add(box, 3, "3", "<alone@x>", "c");
	add(box, 4, "4", "<top@x> <gone2@x>", "d");
	add(box, 5, "5", "<top@x> <gone3@x> <gone4@x>", "e");
	add(box, 6, "6", "<1@x> <gone5@x> <gone6@x>", "f");
	assert_threads(f, box, THREAD_REFERENCES, "((1 6)(2))(3)((4)(5))");
}

static void test_loops_and_doubles(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);

	add(box, 1, "1", "<3@x>", "a");
	add(box, 2, "2", "<1@x>", "b");
	add(box, 3, "3", "<2@x>", "c");
	add(box, 4, "4", "<4@x>", "d"); /* itself */
	add(box, 5, "1", NULL, "e");    /* an id that another one has */
	add(box, 6, NULL, NULL, "f");
	add(box, 7, NULL, "<1@x>", "g");
	assert_threads(f, box, THREAD_REFS, "(4)(5)(6)(3 1(2)(7))");
}

/* A truncated References field told something else before. */
static void test_own_references_win(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);

	add(box, 1, "1", NULL, "a");
	add(box, 2, "2", NULL, "b");
	add(box, 3, "4", "<1@x> <3@x>", "c");
	add(box, 4, "3", "<2@x>", "d");
	assert_threads(f, box, THREAD_REFS, "(1)(2 4 3)");
}

static void test_subjects_join_threads(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);

	add(box, 1, "1", NULL, "Re: plan");
	add(box, 2, "2", NULL, "plan");
	add(box, 3, "3", NULL, "Fwd: PLAN");
	add(box, 4, "4", NULL, "other");
	add(box, 5, "5", NULL, "[list] other");
	add(box, 6, "6", NULL, "");
	add(box, 7, "7", NULL, NULL);
	add(box, 8, "8", "<gone@x>", "third");
	add(box, 9, "9", "<gone@x>", "third");
	add(box, 10, "10", NULL, "third");
	add(box, 11, "11", "<gone2@x>", "third");
	add(box, 12, "12", "<gone2@x>", "third");
	assert_threads(f, box, THREAD_REFERENCES,
		       "(2(1)(3))((4)(5))(6)(7)((8)(9)(10)(11)(12))");
	assert_threads(f, box, THREAD_ORDEREDSUBJECT,
		       "(1(2)(3))(4 5)(6 7)(8(9)(10)(11)(12))");
}

static void test_newest_thread_last_in_refs(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);

	add(box, 10, "1", NULL, "a");
	add(box, 5, "2", NULL, "b");
	add(box, 20, "3", "<2@x>", "Re: b");
	add(box, 15, "4", NULL, "c");
	assert_threads(f, box, THREAD_REFS, "(1)(4)(2 3)");
	assert_threads(f, box, THREAD_REFERENCES, "(2 3)(1)(4)");
}

static void test_depth_is_bounded(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);

	add(box, 1, "1", NULL, "a");
	add(box, 2, "2", "<1@x>", "a");
	add(box, 3, "3", "<1@x>", "a");
	add(box, 4, "4", "<3@x>", "a");
	add(box, 5, "5", "<3@x>", "a");
	add(box, 6, "6", NULL, "b");
	f->user->settings.mail_thread_max_depth = 2;
	assert_threads(f, box, THREAD_REFS, "(1(2)(3 4 5))(6)");
	f->user->settings.mail_thread_max_depth = 1;
	assert_threads(f, box, THREAD_REFS, "(1 2 3 4 5)(6)");
}

/* hostile input */

enum { MANY = 20000 };

/* Each answers the one before it, in one thread. */
static void test_a_long_chain(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	struct save *save = save_begin(f->ctx, box);
	clock_t start;
	struct err err;
	char *text;

	for (int i = 0; i < 2000; i++) {
		struct save_options options = {.received = 1, .dated = true};
		char mail[200];
		int len = snprintf(mail, sizeof(mail),
				   "Message-ID: <%d@x>\r\n"
				   "References: <%d@x>\r\n\r\n",
				   i, i - 1);

		assert_ok(save_mail_begin(save, &options, &err));
		assert_ok(save_mail_write(save, mail, (size_t)len, &err));
		assert_ok(save_mail_finish(save, &err));
	}
	assert_ok(save_commit(&save, NULL, NULL, &err));
	sync_box(f, box, 0);
	start = clock();
	text = threads(f, box, THREAD_REFERENCES, 50);
	assert_int_equal(strncmp(text, "(1 2 3 4 ", 9), 0);
	assert_null(strchr(text + 1, '('));
	assert_true(clock() - start < 5 * CLOCKS_PER_SEC);
}

/* Walking up to look for loops would take n * n steps here. */
static void test_a_deep_forest_takes_no_time(void **state)
{
	enum { DEEP = 300000 };
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct forest *forest = forest_new(ctx);
	clock_t start = clock();

	(void)state;
	forest_grow(forest, DEEP);
	for (uint32_t i = 1; i < DEEP; i++)
		forest_link(forest, i, i - 1);
	assert_int_equal(forest_parent(forest, DEEP - 1), DEEP - 2);
	forest_link(forest, 0, DEEP - 1); /* a loop */
	assert_int_equal(forest_parent(forest, 0), FOREST_NONE);
	for (uint32_t i = 0; i < DEEP; i += 2)
		forest_link(forest, 0, i);
	assert_int_equal(forest_parent(forest, 0), FOREST_NONE);
	forest_cut(forest, DEEP / 2);
	forest_link(forest, 0, DEEP - 1);
	assert_int_equal(forest_parent(forest, 0), DEEP - 1);
	forest_link(forest, DEEP / 2, 1); /* a loop now */
	assert_int_equal(forest_parent(forest, DEEP / 2), FOREST_NONE);
	assert_true(clock() - start < 10 * CLOCKS_PER_SEC);
}

/* A forest of small random trees, held against walking up. */
static void test_random_links_make_no_loop(void **state)
{
	enum { NODES = 60 };
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct forest *forest = forest_new(ctx);
	uint32_t parents[NODES], seed = 1;

	(void)state;
	forest_grow(forest, NODES);
	memset(parents, 0xff, sizeof(parents));
	for (int i = 0; i < 20000; i++) {
		uint32_t node = (seed = seed * 1103515245 + 12345) >> 8;
		uint32_t above = (seed = seed * 1103515245 + 12345) >> 8;
		uint32_t at;

		node %= NODES;
		above %= NODES;
		if (i % 3 == 0) {
			forest_cut(forest, node);
			parents[node] = FOREST_NONE;
		}
		forest_link(forest, node, above);
		for (at = above; at != FOREST_NONE && at != node;
		     at = parents[at])
			;
		if (at == FOREST_NONE && parents[node] == FOREST_NONE)
			parents[node] = above;
		assert_int_equal(forest_parent(forest, node), parents[node]);
	}
}

static void test_a_million_references(void **state)
{
	CLEANUP(buf_free) struct buf header = buf_init(64 << 20);
	CLEANUP(buf_free) struct buf buf = buf_init(SORT_VALUE_MAX);
	struct sort_value sort;
	struct sort_made made;
	clock_t start;

	(void)state;
	buf_add(&header, "Subject: x\r\nReferences:");
	for (int i = 0; i < 1000000; i++)
		buf_printf(&header, " <%d@x>", i);
	buf_add(&header, "\r\n\r\n");
	start = clock();
	sort_value_make(str_n(header.data, header.len), &buf, &made);
	assert_true(clock() - start < 5 * CLOCKS_PER_SEC);
	assert_true(sort_value_read(made.part[SORT_OTHER_PART], SORT_OTHER_PART,
				    &sort));
	assert_int_equal(sort.reference_count, SORT_REFERENCES_MAX);
}

static void test_damaged_values_are_refused(void **state)
{
	static const char header[] = "Subject: Re: x\r\nFrom: a@x\r\n"
				     "Message-ID: <1@x>\r\n"
				     "References: <2@x> <3@x>\r\n\r\n";
	CLEANUP(buf_free) struct buf buf = buf_init(SORT_VALUE_MAX);
	struct sort_value sort;
	struct sort_made made;

	(void)state;
	sort_value_make(str_of(header), &buf, &made);
	for (int i = 0; i < SORT_PARTS; i++)
		assert_true(sort_value_read(made.part[i], i, &sort));
	assert_true(sort.reply);
	assert_true(str_is(sort.base, "X"));
	assert_int_equal(sort.reference_count, 2);
	assert_int_equal(sort_subject_has(made.part[SORT_SUBJECT_PART],
					  sort.subject),
			 1);
	for (size_t len = 0; len < made.part[SORT_OTHER_PART].len; len++)
		assert_false(sort_value_read(
			str_n(made.part[SORT_OTHER_PART].data, len),
			SORT_OTHER_PART, &sort));
	for (size_t i = 0; i < buf.len * 8; i++) {
		buf.data[i / 8] ^= (char)(1 << i % 8);
		for (int part = 0; part < SORT_PARTS; part++)
			sort_value_read(made.part[part], part, &sort);
		sort_subject_has(made.part[SORT_SUBJECT_PART], STR("X"));
		buf.data[i / 8] ^= (char)(1 << i % 8);
	}
	assert_int_equal(sort_subject_has(STR(""), STR("X")), -1);
	assert_int_equal(sort_subject_has(STR("\x10"), STR("X")), 0);
	assert_int_equal(sort_subject_has(STR("\x11"), STR("X")), -1);
	assert_int_equal(sort_subject_has(STR("\x13Y"), STR("X")), 0);
	assert_int_equal(sort_subject_has(STR("\x23X"), STR("X")), -1);
}

static void test_order_of_many(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct order *order = order_new(ctx, 64 << 20);
	uint32_t keys[MANY], seed = 7;
	const uint32_t *result;
	size_t count;

	(void)state;
	for (uint32_t i = 0; i < MANY; i++) {
		CLEANUP(buf_free) struct buf key = buf_init(ORDER_KEY_MAX);
		char text[32];

		seed = seed * 1103515245 + 12345;
		keys[i] = (seed >> 8) % 5000;
		snprintf(text, sizeof(text), "the same %05u", keys[i]);
		order_key_text(&key, str_of(text), true);
		order_key_number(&key, -(int64_t)i, false);
		assert_true(order_add(order, i, str_n(key.data, key.len)));
	}
	while (!order_run(order, 0))
		;
	result = order_result(order, &count);
	assert_int_equal(count, MANY);
	for (size_t i = 1; i < count; i++) {
		uint32_t a = result[i - 1], b = result[i];

		assert_true(keys[a] > keys[b] || (keys[a] == keys[b] && a > b));
	}
}

#define WITH_USER(test)                                                        \
	cmocka_unit_test_setup_teardown(test, setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_USER(test_the_example_of_the_rfc),
		WITH_USER(test_threads_of_one_date_are_in_the_order_of_numbers),
		WITH_USER(test_missing_parents),
		WITH_USER(test_loops_and_doubles),
		WITH_USER(test_own_references_win),
		WITH_USER(test_subjects_join_threads),
		WITH_USER(test_newest_thread_last_in_refs),
		WITH_USER(test_depth_is_bounded),
		WITH_USER(test_a_long_chain),
		cmocka_unit_test(test_a_deep_forest_takes_no_time),
		cmocka_unit_test(test_random_links_make_no_loop),
		cmocka_unit_test(test_a_million_references),
		cmocka_unit_test(test_damaged_values_are_refused),
		cmocka_unit_test(test_order_of_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
