/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "anvil/sessions.h"
#include "base/cleanup.h"
#include "base/mem.h"

static const int teller_a, teller_b;

static void test_sessions_are_counted_by_ident(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct sessions *sessions = sessions_new(ctx);

	(void)state;
	assert_true(sessions_add(sessions, &teller_a, 1, STR("imap/::1/a")));
	assert_true(sessions_add(sessions, &teller_b, 2, STR("imap/::1/a")));
	assert_true(sessions_add(sessions, &teller_b, 2, STR("imap/::1/b")));
	assert_int_equal(sessions_count(sessions, STR("imap/::1/a")), 2);
	assert_int_equal(sessions_count(sessions, STR("imap/::1/b")), 1);
	assert_int_equal(sessions_count(sessions, STR("imap/::1/c")), 0);
	sessions_remove(sessions, &teller_a, 1, STR("imap/::1/a"));
	assert_int_equal(sessions_count(sessions, STR("imap/::1/a")), 1);
}

static void test_what_was_never_told_is_not_removed(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct sessions *sessions = sessions_new(ctx);

	(void)state;
	sessions_add(sessions, &teller_a, 1, STR("i"));
	sessions_remove(sessions, &teller_b, 1, STR("i"));
	sessions_remove(sessions, &teller_a, 2, STR("i"));
	sessions_remove(sessions, &teller_a, 1, STR("j"));
	assert_int_equal(sessions_count(sessions, STR("i")), 1);
}

static void test_a_teller_takes_its_sessions_with_it(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct sessions *sessions = sessions_new(ctx);

	(void)state;
	for (unsigned pid = 1; pid <= 100; pid++) {
		sessions_add(sessions, &teller_a, pid, STR("i"));
		sessions_add(sessions, &teller_a, pid, STR("i"));
	}
	sessions_add(sessions, &teller_b, 7, STR("i"));
	sessions_remove_teller(sessions, &teller_a);
	assert_int_equal(sessions_count(sessions, STR("i")), 1);
	sessions_remove_pid(sessions, 7);
	assert_int_equal(sessions_count(sessions, STR("i")), 0);
	assert_int_equal(talloc_total_blocks(sessions), 1);
}

struct seen {
	unsigned rows, sessions;
};

static void see(void *ctx, const char *ident, unsigned pid, unsigned count)
{
	struct seen *seen = ctx;

	assert_string_equal(ident, pid == 1 ? "i" : "j");
	seen->rows++;
	seen->sessions += count;
}

static void test_each_shows_all(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct sessions *sessions = sessions_new(ctx);
	struct seen seen = {0, 0};

	(void)state;
	sessions_add(sessions, &teller_a, 1, STR("i"));
	sessions_add(sessions, &teller_a, 1, STR("i"));
	sessions_add(sessions, &teller_a, 2, STR("j"));
	sessions_each(sessions, see, &seen);
	assert_int_equal(seen.rows, 2);
	assert_int_equal(seen.sessions, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sessions_are_counted_by_ident),
		cmocka_unit_test(test_what_was_never_told_is_not_removed),
		cmocka_unit_test(test_a_teller_takes_its_sessions_with_it),
		cmocka_unit_test(test_each_shows_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
