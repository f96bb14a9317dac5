/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "anvil/anvil.h"
#include "anvil/protocol.h"
#include "base/mem.h"

static const int owner_a, owner_b;

static void count_one(void *ctx, const char *ident, pid_t pid, unsigned count)
{
	(void)ident;
	(void)pid;
	*(unsigned *)ctx += count;
}

static unsigned total(const struct sessions *sessions)
{
	unsigned count = 0;

	sessions_each(sessions, count_one, &count);
	return count;
}

static void test_sessions_are_counted_per_ident(void **state)
{
	struct sessions *sessions = sessions_new(NULL);
	struct str alice = STR("imap/192.0.2.1/alice");
	struct str bob = STR("imap/192.0.2.1/bob");

	(void)state;
	assert_true(sessions_add(sessions, &owner_a, 10, alice));
	assert_true(sessions_add(sessions, &owner_a, 10, alice));
	assert_true(sessions_add(sessions, &owner_a, 11, alice));
	assert_true(sessions_add(sessions, &owner_a, 11, bob));
	assert_int_equal(sessions_count(sessions, alice), 3);
	assert_int_equal(sessions_count(sessions, bob), 1);
	sessions_remove(sessions, &owner_a, 10, alice);
	assert_int_equal(sessions_count(sessions, alice), 2);
	/* What was never there is not taken away. */
	sessions_remove(sessions, &owner_b, 11, alice);
	sessions_remove(sessions, &owner_a, 12, alice);
	sessions_remove(sessions, &owner_a, 12, STR("nobody"));
	assert_int_equal(total(sessions), 3);
	mem_free(sessions);
}

static void test_a_connection_takes_its_sessions_with_it(void **state)
{
	struct sessions *sessions = sessions_new(NULL);
	struct str alice = STR("imap/192.0.2.1/alice");
	char ident[64];

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(ident, sizeof(ident), "imap/192.0.2.1/user%d", i % 7);
		sessions_add(sessions, &owner_a, i, str_of(ident));
		sessions_add(sessions, &owner_a, i, alice);
		sessions_add(sessions, &owner_b, i, alice);
	}
	sessions_remove_owner(sessions, &owner_a);
	assert_int_equal(total(sessions), 100);
	assert_int_equal(sessions_count(sessions, alice), 100);
	sessions_remove_owner(sessions, &owner_a);
	sessions_remove_owner(sessions, &owner_b);
	assert_int_equal(total(sessions), 0);
	/* Nothing is left of them in memory either. */
	assert_int_equal(talloc_total_blocks(sessions), 1);
	mem_free(sessions);
}

static void test_a_killed_process_is_forgotten(void **state)
{
	struct sessions *sessions = sessions_new(NULL);

	(void)state;
	sessions_add(sessions, &owner_a, 1, STR("a"));
	sessions_add(sessions, &owner_b, 1, STR("b"));
	sessions_add(sessions, &owner_b, 2, STR("b"));
	sessions_remove_pid(sessions, 1);
	assert_int_equal(total(sessions), 1);
	assert_int_equal(sessions_count(sessions, STR("b")), 1);
	mem_free(sessions);
}

static void test_penalties_grow_to_a_limit_and_expire(void **state)
{
	struct penalties *penalties = penalties_new(NULL);
	struct str ip = STR("192.0.2.1");
	uint64_t last, now = 1000;

	(void)state;
	assert_int_equal(penalty_get(penalties, ip, now, &last), 0);
	for (unsigned i = 1; i <= 10; i++) {
		penalty_raise(penalties, ip, 0, -1, now + i);
		assert_int_equal(penalty_get(penalties, ip, now + i, &last),
				 i < ANVIL_PENALTY_MAX ? i : ANVIL_PENALTY_MAX);
		assert_int_equal(last, now + i);
	}
	assert_int_equal(penalty_get(penalties, ip,
				     now + 10 + ANVIL_EXPIRE_SECS - 1, &last),
			 ANVIL_PENALTY_MAX);
	assert_int_equal(
		penalty_get(penalties, ip, now + 10 + ANVIL_EXPIRE_SECS, &last),
		0);
	mem_free(penalties);
}

static void test_the_same_wrong_password_counts_once(void **state)
{
	struct penalties *penalties = penalties_new(NULL);
	struct str ip = STR("192.0.2.1");
	uint64_t last;

	(void)state;
	for (int i = 0; i < 5; i++)
		penalty_raise(penalties, ip, 77, -1, 1000);
	assert_int_equal(penalty_get(penalties, ip, 1000, &last), 1);
	penalty_raise(penalties, ip, 78, -1, 1001);
	assert_int_equal(penalty_get(penalties, ip, 1001, &last), 2);
	penalty_raise(penalties, ip, 0, 0, 1002);
	assert_int_equal(penalty_get(penalties, ip, 1002, &last), 0);
	mem_free(penalties);
}

static void count_penalty(void *ctx, const char *ident, unsigned penalty,
			  uint64_t last_penalty, uint64_t last_update)
{
	(void)ident;
	(void)penalty;
	(void)last_penalty;
	(void)last_update;
	(*(unsigned *)ctx)++;
}

static void test_too_many_addresses_push_out_the_oldest(void **state)
{
	struct penalties *penalties = penalties_new(NULL);
	unsigned count = 0;
	uint64_t last;
	char ip[32];

	(void)state;
	for (unsigned i = 0; i < ANVIL_PENALTIES_MAX + 10; i++) {
		snprintf(ip, sizeof(ip), "%u", i);
		penalty_raise(penalties, str_of(ip), 0, -1, 1000);
	}
	penalties_each(penalties, 1000, count_penalty, &count);
	assert_int_equal(count, ANVIL_PENALTIES_MAX);
	assert_int_equal(penalty_get(penalties, STR("9"), 1000, &last), 0);
	assert_int_equal(penalty_get(penalties, STR("10"), 1000, &last), 1);
	mem_free(penalties);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sessions_are_counted_per_ident),
		cmocka_unit_test(test_a_connection_takes_its_sessions_with_it),
		cmocka_unit_test(test_a_killed_process_is_forgotten),
		cmocka_unit_test(test_penalties_grow_to_a_limit_and_expire),
		cmocka_unit_test(test_the_same_wrong_password_counts_once),
		cmocka_unit_test(test_too_many_addresses_push_out_the_oldest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
