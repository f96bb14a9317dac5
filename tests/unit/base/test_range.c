/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/range.h"

enum { NUMBERS = 64 };

static void expect(const struct range_set *set, const char *expected)
{
	CLEANUP(buf_free) struct buf out = buf_init(1000);

	range_set_write(set, &out);
	assert_string_equal(out.data, expected);
}

static void test_touching_ranges_become_one(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct range_set set = range_set_init(ctx);

	(void)state;
	expect(&set, "");
	range_set_add(&set, 5, 7);
	range_set_add(&set, 1, 3);
	expect(&set, "1:3,5:7");
	range_set_add(&set, 4, 4);
	expect(&set, "1:7");
	range_set_add(&set, 9, 9);
	range_set_add(&set, 20, 30);
	range_set_add(&set, 6, 22);
	expect(&set, "1:30");
	range_set_add(&set, 9, 3);
	expect(&set, "1:30");
	range_set_clear(&set);
	expect(&set, "");
}

static void test_taking_away_another_set(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct range_set set = range_set_init(ctx), what = range_set_init(ctx);

	(void)state;
	range_set_add(&set, 1, 10);
	range_set_add(&set, 20, 30);
	range_set_subtract(&set, &what);
	expect(&set, "1:10,20:30");
	range_set_add(&what, 5, 5);
	range_set_subtract(&set, &what);
	expect(&set, "1:4,6:10,20:30");
	range_set_add(&what, 8, 22);
	range_set_add(&what, 30, 40);
	range_set_subtract(&set, &what);
	expect(&set, "1:4,6:7,23:29");
}

static void test_ends_of_the_number_range(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct range_set set = range_set_init(ctx);
	uint64_t at = 0;
	uint32_t number;

	(void)state;
	range_set_add(&set, UINT32_MAX, UINT32_MAX);
	range_set_add(&set, 0, 0);
	expect(&set, "0,4294967295");
	range_set_add(&set, 1, UINT32_MAX - 1);
	expect(&set, "0:4294967295");
	assert_int_equal(range_set_size(&set), 4294967296);
	range_set_remove(&set, 1, UINT32_MAX - 1);
	assert_true(range_set_next(&set, &at, &number));
	assert_int_equal(number, 0);
	assert_true(range_set_next(&set, &at, &number));
	assert_int_equal(number, UINT32_MAX);
	assert_false(range_set_next(&set, &at, &number));
}

/* The same set as one flag a number, which cannot go wrong. */
struct flags {
	bool has[NUMBERS];
};

static void expect_flags(const struct range_set *set, const struct flags *flags)
{
	uint64_t at = 0, n = 0;
	uint32_t number;

	for (size_t i = 0; i < set->count; i++) {
		assert_true(set->ranges[i].first <= set->ranges[i].last);
		if (i > 0)
			assert_true(set->ranges[i].first >
				    set->ranges[i - 1].last + 1);
	}
	for (uint32_t i = 0; i < NUMBERS; i++) {
		assert_int_equal(range_set_has(set, i), flags->has[i]);
		if (!flags->has[i])
			continue;
		assert_true(range_set_next(set, &at, &number));
		assert_int_equal(number, i);
		n++;
	}
	assert_false(range_set_next(set, &at, &number));
	assert_int_equal(range_set_size(set), n);
}

static void change(struct range_set *set, struct flags *flags, int what,
		   uint32_t first, uint32_t last)
{
	if (what == 0)
		range_set_remove(set, first, last);
	else
		range_set_add(set, first, last);
	for (uint32_t i = first; i <= last; i++)
		flags->has[i] = what != 0;
}

static void test_random_changes(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct range_set a = range_set_init(ctx), b = range_set_init(ctx);
	struct flags a_flags = {0}, b_flags = {0};

	(void)state;
	srandom(1);
	for (int round = 0; round < 5000; round++) {
		uint32_t first = random() % NUMBERS;
		uint32_t last = first + random() % (NUMBERS - first);

		change(&a, &a_flags, random() % 2, first, last);
		if (round % 3 == 0)
			change(&b, &b_flags, random() % 2, first, first);
		if (round % 20 == 19) {
			range_set_intersect(&a, &b);
			for (int i = 0; i < NUMBERS; i++)
				a_flags.has[i] &= b_flags.has[i];
		} else if (round % 10 == 9) {
			range_set_merge(&a, &b);
			for (int i = 0; i < NUMBERS; i++)
				a_flags.has[i] |= b_flags.has[i];
		}
		expect_flags(&a, &a_flags);
		expect_flags(&b, &b_flags);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_touching_ranges_become_one),
		cmocka_unit_test(test_taking_away_another_set),
		cmocka_unit_test(test_ends_of_the_number_range),
		cmocka_unit_test(test_random_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
