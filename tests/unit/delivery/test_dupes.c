/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "delivery/dupes.h"

static char *path;

static int set_up(void **state)
{
	static char dir[] = "/tmp/test_dupes.XXXXXX";
	static char name[100];

	(void)state;
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	assert_non_null(mkdtemp(dir));
	snprintf(name, sizeof(name), "%s/dupes", dir);
	path = name;
	return 0;
}

static int tear_down(void **state)
{
	struct err err;

	(void)state;
	*strrchr(path, '/') = '\0';
	return dir_remove(path, &err);
}

static bool has(enum dupe_kind kind, const char *id)
{
	struct err err;
	bool has_it;

	assert_int_equal(dupes_has(path, kind, str_of(id), &has_it, &err), 0);
	return has_it;
}

static void mark(enum dupe_kind kind, const char *id, uint64_t seconds)
{
	struct err err;

	assert_int_equal(dupes_mark(path, kind, str_of(id), seconds, &err), 0);
}

static void test_marks_are_remembered(void **state)
{
	(void)state;
	assert_false(has(DUPE_VACATION, "joe"));
	mark(DUPE_VACATION, "joe", 100);
	assert_true(has(DUPE_VACATION, "joe"));
	assert_false(has(DUPE_VACATION, "jo"));
	assert_false(has(DUPE_REDIRECT, "joe"));
	mark(DUPE_REDIRECT, "joe", 0);
	assert_false(has(DUPE_REDIRECT, "joe"));
}

static void test_what_was_not_done_is_forgotten(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(dupes_forget(path, DUPE_VACATION, STR("joe"), &err),
			 0);
	mark(DUPE_VACATION, "ann", 100);
	mark(DUPE_VACATION, "joe", 100);
	mark(DUPE_REDIRECT, "joe", 100);
	assert_int_equal(dupes_forget(path, DUPE_VACATION, STR("joe"), &err),
			 0);
	assert_false(has(DUPE_VACATION, "joe"));
	assert_true(has(DUPE_VACATION, "ann"));
	assert_true(has(DUPE_REDIRECT, "joe"));
	mark(DUPE_VACATION, "joe", 100);
	assert_true(has(DUPE_VACATION, "joe"));
}

static void test_what_has_ended_goes_away(void **state)
{
	char id[20];
	struct stat st;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		snprintf(id, sizeof(id), "%d", i);
		mark(DUPE_SCRIPT, id, 0);
	}
	mark(DUPE_SCRIPT, "last", 100);
	assert_int_equal(stat(path, &st), 0);
	assert_in_range(st.st_size, 1, 17 * 1024);
	assert_true(has(DUPE_SCRIPT, "last"));
}

static void test_any_other_file_counts_for_nothing(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(
		file_replace(path, "nonsense and more", 17, 0600, &err), 0);
	assert_false(has(DUPE_SCRIPT, "x"));
	mark(DUPE_SCRIPT, "x", 100);
	assert_true(has(DUPE_SCRIPT, "x"));
}

/* Another process holds the id for a while. */
static void test_an_id_has_one_holder(void **state)
{
	TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct dupes_hold *hold = dupes_hold_new(ctx, path);
	struct err err;
	int ready[2];
	char octet;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		hold = dupes_hold_new(ctx, path);
		if (dupes_hold(hold, DUPE_SCRIPT, STR("x"), &err) < 0 ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		usleep(100 * 1000);
		mark(DUPE_SCRIPT, "x", 100);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &octet, 1), 1);
	assert_int_equal(dupes_hold(hold, DUPE_SCRIPT, STR("y"), &err), 0);
	assert_int_equal(dupes_hold(hold, DUPE_REDIRECT, STR("x"), &err), 0);
	assert_false(has(DUPE_SCRIPT, "x"));
	assert_int_equal(dupes_hold(hold, DUPE_SCRIPT, STR("x"), &err), 0);
	assert_true(has(DUPE_SCRIPT, "x"));
	assert_int_equal(dupes_hold(hold, DUPE_SCRIPT, STR("x"), &err), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(ready[0]);
	close(ready[1]);
	mem_free(ctx);
}

static void test_who_can_not_hold_does_not_wait(void **state)
{
	TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct dupes_hold *hold = dupes_hold_new(ctx, "/nonexistent/dupes");
	struct err err;

	(void)state;
	assert_int_equal(dupes_hold(hold, DUPE_SCRIPT, STR("x"), &err), 0);
	mem_free(ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_marks_are_remembered,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_what_was_not_done_is_forgotten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_has_ended_goes_away,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_any_other_file_counts_for_nothing, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_an_id_has_one_holder,
						set_up, tear_down),
		cmocka_unit_test(test_who_can_not_hold_does_not_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
