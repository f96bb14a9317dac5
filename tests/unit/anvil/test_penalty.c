/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "anvil/penalty.h"
#include "anvil/protocol.h"
#include "base/cleanup.h"
#include "base/mem.h"

enum { NOW = 1000000 };

static void test_penalties_add_up_and_can_be_reset(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct penalties *penalties = penalties_new(ctx);
	int64_t last;

	(void)state;
	assert_int_equal(penalty_get(penalties, STR("::1"), NOW, &last), 0);
	penalty_add(penalties, STR("::1"), NOW);
	penalty_add(penalties, STR("::1"), NOW + 1);
	assert_int_equal(penalty_get(penalties, STR("::1"), NOW + 2, &last), 2);
	assert_int_equal(last, NOW + 1);
	penalty_reset(penalties, STR("::1"));
	assert_int_equal(penalty_get(penalties, STR("::1"), NOW, &last), 0);
}

static void test_penalties_are_forgotten_in_time(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct penalties *penalties = penalties_new(ctx);
	int64_t last;

	(void)state;
	penalty_add(penalties, STR("::1"), NOW);
	assert_int_equal(penalty_get(penalties, STR("::1"),
				     NOW + ANVIL_PENALTY_SECS, &last),
			 1);
	assert_int_equal(penalty_get(penalties, STR("::1"),
				     NOW + ANVIL_PENALTY_SECS + 1, &last),
			 0);
	assert_int_equal(talloc_total_blocks(penalties), 1);
}

static void test_the_oldest_makes_room(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct penalties *penalties = penalties_new(ctx);
	int64_t last;

	(void)state;
	for (unsigned i = 0; i <= ANVIL_PENALTIES_MAX; i++) {
		char *ip = mem_printf(ctx, "%u", i);

		penalty_add(penalties, str_of(ip), NOW);
		mem_free(ip);
	}
	assert_int_equal(penalty_get(penalties, STR("0"), NOW, &last), 0);
	assert_int_equal(penalty_get(penalties, STR("1"), NOW, &last), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_penalties_add_up_and_can_be_reset),
		cmocka_unit_test(test_penalties_are_forgotten_in_time),
		cmocka_unit_test(test_the_oldest_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
